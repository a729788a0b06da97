-- E-mail addresses that are known to be somebody's: a mail from there is taken onto the record for them. Who added
-- and removed which is on the record in the scope "org".
CREATE TABLE mail_address (
	address  TEXT PRIMARY KEY,
	user_id  TEXT NOT NULL REFERENCES person (user_id),
	added_at BIGINT NOT NULL,
	added_by TEXT NOT NULL
);

CREATE INDEX mail_address_person ON mail_address (user_id);

-- Addresses that somebody says are theirs. code is the SHA-256 of what was sent there and comes back.
CREATE TABLE mail_claim (
	user_id    TEXT NOT NULL REFERENCES person (user_id),
	address    TEXT NOT NULL,
	code       BYTEA NOT NULL,
	tries      BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (user_id, address)
);
