-- Rooms as projections of their events, and what clients keep beside them.

CREATE TABLE room (
	scope   ROWID,
	room_id TEXT NOT NULL UNIQUE,
	version TEXT NOT NULL,
	creator TEXT NOT NULL,
	pos     BIGINT NOT NULL
);

-- Every state event; the current one of a type and key is that of the highest position.
CREATE TABLE room_state (
	scope     BIGINT NOT NULL,
	type      TEXT NOT NULL,
	state_key TEXT NOT NULL,
	pos       BIGINT NOT NULL,
	PRIMARY KEY (scope, type, state_key, pos)
);

CREATE TABLE member (
	user_id    TEXT NOT NULL,
	scope      BIGINT NOT NULL,
	membership TEXT NOT NULL,
	pos        BIGINT NOT NULL,
	PRIMARY KEY (user_id, scope)
);

CREATE INDEX member_scope ON member (scope, membership);

-- Events of which participants are shown only what a redaction leaves.
CREATE TABLE pruned (
	pos    ROWID,
	by_pos BIGINT NOT NULL,
	reason TEXT NOT NULL
);

-- When a disappearing message disappears from the live view.
CREATE TABLE expiry (
	at  BIGINT NOT NULL,
	pos BIGINT NOT NULL,
	PRIMARY KEY (at, pos)
);

CREATE TABLE relation (
	target   BYTEA NOT NULL,
	pos      BIGINT NOT NULL,
	rel_type TEXT NOT NULL,
	PRIMARY KEY (target, pos)
);

CREATE INDEX relation_type ON relation (rel_type, pos);

CREATE TABLE room_alias (
	alias   TEXT PRIMARY KEY,
	room_id TEXT NOT NULL,
	creator TEXT NOT NULL
);

CREATE TABLE receipt (
	scope   BIGINT NOT NULL,
	user_id TEXT NOT NULL,
	type    TEXT NOT NULL,
	thread  TEXT NOT NULL,
	event   TEXT NOT NULL,
	pos     BIGINT NOT NULL,
	time    BIGINT NOT NULL,
	stream  BIGINT NOT NULL,
	PRIMARY KEY (scope, user_id, type, thread)
);

CREATE INDEX receipt_stream ON receipt (scope, stream);

-- room is the empty string for data that belongs to no room.
CREATE TABLE account_data (
	user_id TEXT NOT NULL,
	room    TEXT NOT NULL,
	type    TEXT NOT NULL,
	content BYTEA NOT NULL,
	stream  BIGINT NOT NULL,
	PRIMARY KEY (user_id, room, type)
);

CREATE INDEX account_data_stream ON account_data (user_id, stream);

-- Things that clients store here and that mean nothing to the server: filters, end-to-end keys.
CREATE TABLE client_blob (
	user_id TEXT NOT NULL,
	kind    TEXT NOT NULL,
	name    TEXT NOT NULL,
	content BYTEA NOT NULL,
	PRIMARY KEY (user_id, kind, name)
);

CREATE TABLE to_device (
	id      ROWID,
	user_id TEXT NOT NULL,
	device  TEXT NOT NULL,
	content BYTEA NOT NULL
);

CREATE INDEX to_device_user ON to_device (user_id, device, id);
