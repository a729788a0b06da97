-- Programs that sign people in by OAuth 2.0, what they were granted and have not fetched yet, and who people are at
-- the organisation's own identity provider. Codes stand here only as hashes.

CREATE TABLE oauth_client (
	id         TEXT PRIMARY KEY,
	metadata   BYTEA NOT NULL,
	created_at BIGINT NOT NULL
);

-- A sign-in under way: what the program asked for, and for whom it was allowed. kind is code, device or flow.
CREATE TABLE oauth_grant (
	token      BYTEA PRIMARY KEY,
	kind       TEXT NOT NULL,
	user_code  TEXT NOT NULL,
	user_id    TEXT NOT NULL,
	denied     BIGINT NOT NULL,
	content    BYTEA NOT NULL,
	polled_at  BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);

CREATE INDEX oauth_grant_user_code ON oauth_grant (user_code);

CREATE INDEX oauth_grant_expires ON oauth_grant (expires_at);

CREATE TABLE upstream_person (
	issuer  TEXT NOT NULL,
	subject TEXT NOT NULL,
	user_id TEXT NOT NULL REFERENCES person (user_id),
	PRIMARY KEY (issuer, subject)
);
