-- Cases and what was decided in them: a projection of the entries in the scopes "case:ID".

-- Days are written as 2026-01-31, and are empty where there is none. revision counts what changed the items or the
-- decisions; digest is that of the decisions that were approved.
CREATE TABLE disclosure_case (
	id            TEXT PRIMARY KEY,
	kind          TEXT NOT NULL,
	reference     TEXT NOT NULL UNIQUE,
	title         TEXT NOT NULL,
	request       TEXT NOT NULL,
	received      TEXT NOT NULL,
	due           TEXT NOT NULL,
	due_basis     TEXT NOT NULL,
	status        TEXT NOT NULL,
	bounds        BYTEA NOT NULL,
	opened_at     BIGINT NOT NULL,
	opened_by     TEXT NOT NULL,
	closed_at     BIGINT NOT NULL,
	outcome       TEXT NOT NULL,
	revision      BIGINT NOT NULL,
	submitted_at  BIGINT NOT NULL,
	submitted_by  TEXT NOT NULL,
	approved_at   BIGINT NOT NULL,
	approved_by   TEXT NOT NULL,
	digest        TEXT NOT NULL,
	approval_note TEXT NOT NULL,
	returned_at   BIGINT NOT NULL,
	returned_by   TEXT NOT NULL,
	returned_note TEXT NOT NULL
);

CREATE TABLE disclosure_officer (
	case_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	PRIMARY KEY (case_id, user_id)
);

CREATE INDEX disclosure_officer_person ON disclosure_officer (user_id);

-- size is that of the record when the item was collected: what came later is not part of it. outcome and decision
-- are those of the last decision: empty and 0 before there is one.
CREATE TABLE disclosure_item (
	case_id  TEXT NOT NULL,
	pos      BIGINT NOT NULL,
	scope    BIGINT NOT NULL,
	size     BIGINT NOT NULL,
	outcome  TEXT NOT NULL,
	decision BIGINT NOT NULL,
	PRIMARY KEY (case_id, pos)
);

CREATE INDEX disclosure_item_scope ON disclosure_item (case_id, scope, pos);

-- A decision, which may be about many items.
CREATE TABLE disclosure_decision (
	entry   ROWID,
	case_id TEXT NOT NULL,
	at      BIGINT NOT NULL,
	by_user TEXT NOT NULL,
	body    BYTEA NOT NULL
);

CREATE INDEX disclosure_decision_by ON disclosure_decision (case_id, by_user);

CREATE TABLE disclosure_decided (
	case_id TEXT NOT NULL,
	pos     BIGINT NOT NULL,
	entry   BIGINT NOT NULL,
	PRIMARY KEY (case_id, pos, entry)
);

CREATE TABLE disclosure_bundle (
	id       TEXT PRIMARY KEY,
	case_id  TEXT NOT NULL,
	file     TEXT NOT NULL,
	size     BIGINT NOT NULL,
	sha256   TEXT NOT NULL,
	released BIGINT NOT NULL,
	redacted BIGINT NOT NULL,
	withheld BIGINT NOT NULL,
	digest   TEXT NOT NULL,
	made_at  BIGINT NOT NULL,
	made_by  TEXT NOT NULL,
	entry    BIGINT NOT NULL
);

CREATE INDEX disclosure_bundle_case ON disclosure_bundle (case_id, entry);
