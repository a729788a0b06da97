-- Captured messages that bear a marking which should not be here. All of it is a projection of entries of the kind
-- report.

-- state is sealed, kept (the security officer has looked and keeps it sealed) or released (it was a false alarm).
-- pos is the message's position, entry that of its seal.
CREATE TABLE sealed_item (
	pos        ROWID,
	entry      BIGINT NOT NULL,
	time       BIGINT NOT NULL,
	person     TEXT NOT NULL,
	marking    TEXT NOT NULL,
	reason     TEXT NOT NULL,
	place      TEXT NOT NULL,
	line       BIGINT NOT NULL,
	state      TEXT NOT NULL,
	decided_by TEXT NOT NULL,
	decided_at BIGINT NOT NULL,
	why        TEXT NOT NULL
);

CREATE INDEX sealed_item_state ON sealed_item (state, pos);
