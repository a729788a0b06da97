-- Files. content has one row for each different content, whose bytes lie encrypted in a file of the media folder;
-- deleting the row destroys the only copy of the key, and with it the content wherever the file was copied to.

CREATE TABLE content (
	sha256     BYTEA PRIMARY KEY,
	size       BIGINT NOT NULL,
	type       TEXT NOT NULL,
	file       TEXT NOT NULL,
	enc_key    BYTEA NOT NULL,
	created_at BIGINT NOT NULL
);

-- One row for each upload. pos is its entry on the record; gone_at is when the last message that showed it
-- was deleted or disappeared, 0 before.
CREATE TABLE media (
	id         TEXT PRIMARY KEY,
	sha256     BYTEA NOT NULL,
	name       TEXT NOT NULL,
	type       TEXT NOT NULL,
	uploader   TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	pos        BIGINT NOT NULL,
	gone_at    BIGINT NOT NULL
);

CREATE INDEX media_content ON media (sha256);

-- Which entries show an upload to participants.
CREATE TABLE media_use (
	media TEXT NOT NULL,
	pos   BIGINT NOT NULL,
	PRIMARY KEY (media, pos)
);

CREATE INDEX media_use_pos ON media_use (pos);
