-- Application services: bridges to other systems, and what they bring in.

-- How far each has been sent the record: everything below pos has arrived there. A transaction under way ends
-- before upto and is numbered txn, so that it is sent again just as it was.
CREATE TABLE appservice (
	id   TEXT PRIMARY KEY,
	pos  BIGINT NOT NULL,
	upto BIGINT NOT NULL,
	txn  BIGINT NOT NULL
);

-- Events that a bridge brought in after those before which they were said. In the live view they stand before the
-- event at place, in the order of ord; on the record they stand where they arrived.
CREATE TABLE history (
	pos   ROWID,
	scope BIGINT NOT NULL,
	place BIGINT NOT NULL,
	ord   BIGINT NOT NULL
);

CREATE INDEX history_place ON history (scope, place, ord);

-- The names that bridges gave to events before those had their ids.
CREATE TABLE event_alias (
	service TEXT NOT NULL,
	alias   TEXT NOT NULL,
	ref     BYTEA NOT NULL,
	PRIMARY KEY (service, alias)
);

CREATE INDEX event_alias_ref ON event_alias (service, ref);
