-- What was said elsewhere: files handed in, the conversations in them, and a row for each message. All of it is a
-- projection of entries of the kinds submission, parse run and observation.

-- status is empty until a parser's run over the files has ended, and is then that of the latest run.
CREATE TABLE submission (
	id       TEXT PRIMARY KEY,
	pos      BIGINT NOT NULL,
	person   TEXT NOT NULL,
	time     BIGINT NOT NULL,
	name     TEXT NOT NULL,
	status   TEXT NOT NULL,
	run_pos  BIGINT NOT NULL,
	messages BIGINT NOT NULL
);

CREATE INDEX submission_person ON submission (person, time);

CREATE INDEX submission_status ON submission (status);

-- submission is the first that brought the conversation.
CREATE TABLE captured_conversation (
	scope      ROWID,
	id         TEXT NOT NULL UNIQUE,
	submission TEXT NOT NULL,
	system     TEXT NOT NULL,
	kind       TEXT NOT NULL,
	title      TEXT NOT NULL
);

-- Who handed in which conversation.
CREATE TABLE captured_by (
	scope      BIGINT NOT NULL,
	submission TEXT NOT NULL,
	PRIMARY KEY (scope, submission)
);

CREATE INDEX captured_by_submission ON captured_by (submission);

-- sent_min and sent_max enclose the time at which the message was sent. ordinal is its place in the file.
CREATE TABLE captured_item (
	pos      ROWID,
	scope    BIGINT NOT NULL,
	ordinal  BIGINT NOT NULL,
	sent_min BIGINT NOT NULL,
	sent_max BIGINT NOT NULL,
	sender   TEXT NOT NULL,
	kind     TEXT NOT NULL
);

CREATE INDEX captured_item_sent ON captured_item (scope, sent_min, ordinal);

-- Where the bytes of an attachment are: under a path in a file that was handed in.
CREATE TABLE captured_file (
	pos    BIGINT NOT NULL,
	sha256 BYTEA NOT NULL,
	within BYTEA NOT NULL,
	path   TEXT NOT NULL,
	size   BIGINT NOT NULL,
	PRIMARY KEY (pos, sha256)
);

CREATE INDEX captured_file_sha256 ON captured_file (sha256);
