-- Several people's copies of one chat: which observations are one message. All of it is a projection of entries of
-- the kinds observation, parse run and link.

-- Keys by which another copy of a message is found in the whole record. pos is the first message of the conversation
-- that has the key.
CREATE TABLE match_key (
	key   BIGINT NOT NULL,
	scope BIGINT NOT NULL,
	pos   BIGINT NOT NULL,
	PRIMARY KEY (key, scope)
);

CREATE INDEX match_key_scope ON match_key (scope, key);

-- Conversations that a parser's run has brought and that are still to be compared with others. run is the position
-- of that run's entry.
CREATE TABLE link_due (
	scope ROWID,
	run   BIGINT NOT NULL
);

-- Two conversations that were compared; a < b are their scopes. found is how they stand to one another by what they
-- hold: same, reexport, messages, possible or nothing. said is what a person says: same, apart or nothing. state is
-- what counts. entry is the position of the comparison's entry.
CREATE TABLE link_conversation (
	a     BIGINT NOT NULL,
	b     BIGINT NOT NULL,
	found TEXT NOT NULL,
	said  TEXT NOT NULL,
	state TEXT NOT NULL,
	entry BIGINT NOT NULL,
	PRIMARY KEY (a, b)
);

CREATE INDEX link_conversation_b ON link_conversation (b);

CREATE INDEX link_conversation_state ON link_conversation (state, a, b);

-- Conversations that are copies of one chat; root is one of them.
CREATE TABLE link_group (
	scope ROWID,
	root  BIGINT NOT NULL
);

CREATE INDEX link_group_root ON link_group (root);

-- Two observations; a < b are their positions. found is linked, doubt or nothing, said is what a person says: same,
-- apart or nothing; cut is 1 if their conversations are said not to be the same. state is what counts: linked, doubt
-- or apart. score is the probability in ten-thousandths. entry is the position of the first statement about them.
CREATE TABLE link_pair (
	a     BIGINT NOT NULL,
	b     BIGINT NOT NULL,
	rule  TEXT NOT NULL,
	score BIGINT NOT NULL,
	found TEXT NOT NULL,
	said  TEXT NOT NULL,
	cut   BIGINT NOT NULL,
	state TEXT NOT NULL,
	entry BIGINT NOT NULL,
	PRIMARY KEY (a, b)
);

CREATE INDEX link_pair_b ON link_pair (b);

CREATE INDEX link_pair_doubt ON link_pair (a, b) WHERE state = 'doubt';

-- Observations that are not the only one of their message; root is the position that the message is named after.
CREATE TABLE link_message (
	pos  ROWID,
	root BIGINT NOT NULL
);

CREATE INDEX link_message_root ON link_message (root);

-- Messages that turned out to be one with another, and are called as that is.
CREATE TABLE link_alias (
	old   ROWID,
	new   BIGINT NOT NULL,
	entry BIGINT NOT NULL
);

-- What people have said about pairs. about is messages or conversations, and a and b are positions or scopes.
-- undone is the position of the entry that took it back, or -1.
CREATE TABLE link_said (
	entry  ROWID,
	person TEXT NOT NULL,
	time   BIGINT NOT NULL,
	about  TEXT NOT NULL,
	a      BIGINT NOT NULL,
	b      BIGINT NOT NULL,
	same   BIGINT NOT NULL,
	undone BIGINT NOT NULL
);

CREATE INDEX link_said_about ON link_said (about, a, b);
