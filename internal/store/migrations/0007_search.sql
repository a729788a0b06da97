-- postgres: the index of what people said. On SQLite it lies in a file of its own, see search.go. All of it can be made again.
CREATE TABLE search_doc (
	key      BIGINT PRIMARY KEY,
	pos      BIGINT NOT NULL UNIQUE,
	item     BIGINT NOT NULL,
	scope    BIGINT NOT NULL,
	captured BIGINT NOT NULL,
	message  BIGINT NOT NULL,
	words    TSVECTOR NOT NULL
);

-- postgres: nobody waits for the indexer, so that it may gather entries in a list before it sorts them in; a search reads that list, so it is short.
CREATE INDEX search_doc_words ON search_doc USING gin (words) WITH (fastupdate = on, gin_pending_list_limit = 1024);

-- postgres: for the bounds of a case
CREATE INDEX search_doc_scope ON search_doc (scope, key);

-- postgres: the edits of a message
CREATE INDEX search_doc_edit ON search_doc (item) WHERE item <> pos;

-- postgres: conversations
CREATE TABLE search_conversation (
	scope     BIGINT PRIMARY KEY,
	name      TEXT NOT NULL,
	system    TEXT NOT NULL,
	title     TEXT NOT NULL,
	title_pos BIGINT NOT NULL,
	words     TEXT NOT NULL,
	messages  BIGINT NOT NULL,
	first     BIGINT NOT NULL,
	last      BIGINT NOT NULL
);

-- postgres: who said something in them
CREATE TABLE search_party (
	scope    BIGINT NOT NULL,
	id       TEXT NOT NULL,
	name     TEXT NOT NULL,
	words    TEXT NOT NULL,
	messages BIGINT NOT NULL,
	PRIMARY KEY (scope, id)
);

-- postgres: by whom one finds the conversations they were in
CREATE INDEX search_party_id ON search_party (id);

-- postgres: the commitment of the last entry that was indexed: it tells whether this is the index of this record
CREATE TABLE search_mark (
	id   BIGINT PRIMARY KEY CHECK (id = 1),
	mark BYTEA NOT NULL
);
