-- The record: entries with their bodies, the tiles of the log over them, and its signed checkpoints.
-- Everything else in the database can be made again from these tables.

-- The one row that every batch moves on. A writer whose epoch is not the row's has been replaced and must stop.
CREATE TABLE head (
	id         BIGINT PRIMARY KEY CHECK (id = 1),
	epoch      BIGINT NOT NULL,
	size       BIGINT NOT NULL,
	time       BIGINT NOT NULL,
	checkpoint BYTEA NOT NULL
);

CREATE TABLE scope (
	id   ROWID,
	name TEXT NOT NULL UNIQUE,
	salt BYTEA NOT NULL
);

-- salt and body are NULL together once the body has been destroyed; commitment is NULL until then.
-- class and sender are hints for counting, txn is a hash of the device's transaction id, 0 if there is
-- none; they are not part of what is committed to.
CREATE TABLE entry (
	pos        ROWID,
	scope      BIGINT NOT NULL,
	seq        BIGINT NOT NULL,
	time       BIGINT NOT NULL,
	kind       BIGINT NOT NULL,
	class      BIGINT NOT NULL,
	sender     BIGINT NOT NULL,
	txn        BIGINT NOT NULL,
	ref        BYTEA,
	salt       BYTEA,
	commitment BYTEA,
	body       BYTEA
);

CREATE INDEX entry_scope ON entry (scope, pos);

CREATE UNIQUE INDEX entry_ref ON entry (ref);

CREATE TABLE tile (
	level BIGINT NOT NULL,
	n     BIGINT NOT NULL,
	data  BYTEA NOT NULL,
	PRIMARY KEY (level, n)
);

-- Checkpoints that were published, one a minute at most.
CREATE TABLE checkpoint (
	size ROWID,
	time BIGINT NOT NULL,
	note BYTEA NOT NULL
);

CREATE TABLE setting (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
);

-- How far each follower of the record has come.
CREATE TABLE follower (
	name TEXT PRIMARY KEY,
	pos  BIGINT NOT NULL
);
