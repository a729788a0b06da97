-- People, their roles, devices and sessions. Who is who and who may do what is a projection of the record's scope
-- "org"; passwords, sessions and one-time links are secrets, stand only here, and only as hashes.

CREATE TABLE person (
	user_id       TEXT PRIMARY KEY,
	name          TEXT NOT NULL,
	avatar        TEXT NOT NULL,
	created_at    BIGINT NOT NULL,
	disabled_at   BIGINT NOT NULL,
	password      TEXT NOT NULL,
	password_at   BIGINT NOT NULL,
	password_by   TEXT NOT NULL
);

CREATE TABLE person_role (
	user_id    TEXT NOT NULL REFERENCES person (user_id),
	role       TEXT NOT NULL,
	granted_at BIGINT NOT NULL,
	granted_by TEXT NOT NULL,
	PRIMARY KEY (user_id, role)
);

CREATE INDEX person_role_role ON person_role (role);

-- The words by which a person is found, folded. Bytes, so that every database orders them the same.
CREATE TABLE person_word (
	word    BYTEA NOT NULL,
	user_id TEXT NOT NULL REFERENCES person (user_id),
	PRIMARY KEY (word, user_id)
);

CREATE INDEX person_word_person ON person_word (user_id);

CREATE TABLE device (
	user_id    TEXT NOT NULL REFERENCES person (user_id),
	device_id  TEXT NOT NULL,
	name       TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL,
	seen_from  TEXT NOT NULL,
	PRIMARY KEY (user_id, device_id)
);

-- token is the SHA-256 of the access token or cookie. device_id is empty for a sign-in to the console.
CREATE TABLE session (
	token      BYTEA PRIMARY KEY,
	user_id    TEXT NOT NULL REFERENCES person (user_id),
	device_id  TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);

CREATE INDEX session_person ON session (user_id, device_id);

-- Links that work once: first set-up, and choosing a new password.
CREATE TABLE one_time (
	token      BYTEA PRIMARY KEY,
	purpose    TEXT NOT NULL,
	user_id    TEXT NOT NULL,
	expires_at BIGINT NOT NULL
);
