-- What clients keep here beside conversations: keys, key backups, pushers, further fields of profiles; and which
-- rooms are in the directory.

-- Rooms that somebody has left and does not want to be shown any more. pos is that of the membership: another one
-- makes this void.
CREATE TABLE forgotten (
	user_id TEXT NOT NULL,
	scope   BIGINT NOT NULL,
	pos     BIGINT NOT NULL,
	PRIMARY KEY (user_id, scope)
);

-- When the keys of somebody's devices last changed.
CREATE TABLE device_change (
	user_id TEXT PRIMARY KEY,
	stream  BIGINT NOT NULL
);

CREATE TABLE one_time_key (
	id        ROWID,
	user_id   TEXT NOT NULL,
	device    TEXT NOT NULL,
	algorithm TEXT NOT NULL,
	key_id    TEXT NOT NULL,
	content   BYTEA NOT NULL
);

CREATE UNIQUE INDEX one_time_key_name ON one_time_key (user_id, device, algorithm, key_id);

CREATE TABLE fallback_key (
	user_id   TEXT NOT NULL,
	device    TEXT NOT NULL,
	algorithm TEXT NOT NULL,
	key_id    TEXT NOT NULL,
	content   BYTEA NOT NULL,
	used      BIGINT NOT NULL,
	PRIMARY KEY (user_id, device, algorithm)
);

CREATE TABLE key_backup (
	user_id   TEXT NOT NULL,
	version   BIGINT NOT NULL,
	algorithm TEXT NOT NULL,
	auth_data BYTEA NOT NULL,
	etag      BIGINT NOT NULL,
	deleted   BIGINT NOT NULL,
	PRIMARY KEY (user_id, version)
);

CREATE TABLE key_backup_session (
	user_id  TEXT NOT NULL,
	version  BIGINT NOT NULL,
	room     TEXT NOT NULL,
	session  TEXT NOT NULL,
	verified BIGINT NOT NULL,
	first    BIGINT NOT NULL,
	forwards BIGINT NOT NULL,
	content  BYTEA NOT NULL,
	PRIMARY KEY (user_id, version, room, session)
);

CREATE TABLE room_directory (
	room_id TEXT PRIMARY KEY
);

CREATE INDEX room_alias_room ON room_alias (room_id);

CREATE TABLE profile_field (
	user_id TEXT NOT NULL,
	name    TEXT NOT NULL,
	value   BYTEA NOT NULL,
	PRIMARY KEY (user_id, name)
);

-- device is that which set the pusher; it goes with it.
CREATE TABLE pusher (
	user_id TEXT NOT NULL,
	app_id  TEXT NOT NULL,
	pushkey TEXT NOT NULL,
	device  TEXT NOT NULL,
	content BYTEA NOT NULL,
	PRIMARY KEY (user_id, app_id, pushkey)
);

-- Uploads of which only the address has been given out.
CREATE TABLE media_promise (
	id         TEXT PRIMARY KEY,
	uploader   TEXT NOT NULL,
	expires_at BIGINT NOT NULL
);

-- Tokens with which a device gets its next access token. Hashes, as in session.
CREATE TABLE refresh_token (
	token      BYTEA PRIMARY KEY,
	user_id    TEXT NOT NULL,
	device_id  TEXT NOT NULL,
	expires_at BIGINT NOT NULL,
	used       BIGINT NOT NULL
);

CREATE INDEX refresh_token_device ON refresh_token (user_id, device_id);

-- Sessions whose access token is short-lived.
CREATE TABLE session_life (
	token    BYTEA PRIMARY KEY,
	ends_at  BIGINT NOT NULL
);

-- Accounts that are suspended (they read and do not write) or locked (they do neither); since when, or 0.
CREATE TABLE person_restriction (
	user_id      TEXT PRIMARY KEY,
	suspended_at BIGINT NOT NULL,
	locked_at    BIGINT NOT NULL
);
