-- What the records office asks people for, what they declare lost, and why things were said elsewhere. All of it is
-- a projection of entries of the kinds request, report and attestation.

-- state is asked, handed_in, nothing, lost or withdrawn. reminders counts the occasions for a reminder that have
-- passed, not the reminders sent: somebody who was away gets one for several.
CREATE TABLE capture_request (
	id          TEXT PRIMARY KEY,
	number      BIGINT NOT NULL,
	pos         BIGINT NOT NULL,
	person      TEXT NOT NULL,
	asked_by    TEXT NOT NULL,
	asked_at    BIGINT NOT NULL,
	why         TEXT NOT NULL,
	what        TEXT NOT NULL,
	reference   TEXT NOT NULL,
	due         BIGINT NOT NULL,
	state       TEXT NOT NULL,
	state_at    BIGINT NOT NULL,
	words       TEXT NOT NULL,
	answer      TEXT NOT NULL,
	reminders   BIGINT NOT NULL,
	reminded_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX capture_request_number ON capture_request (number);

CREATE INDEX capture_request_person ON capture_request (person, state);

CREATE INDEX capture_request_state ON capture_request (state, due);

-- What was handed in because of a request.
CREATE TABLE capture_request_submission (
	request    TEXT NOT NULL,
	submission TEXT NOT NULL,
	PRIMARY KEY (request, submission)
);

CREATE TABLE declared_loss (
	id      TEXT PRIMARY KEY,
	number  BIGINT NOT NULL,
	pos     BIGINT NOT NULL,
	person  TEXT NOT NULL,
	time    BIGINT NOT NULL,
	device  TEXT NOT NULL,
	held    TEXT NOT NULL,
	lost_on TEXT NOT NULL,
	reason  TEXT NOT NULL,
	note    TEXT NOT NULL,
	request TEXT NOT NULL
);

CREATE UNIQUE INDEX declared_loss_number ON declared_loss (number);

-- What a submission is about and why it was not said here, by its owner's latest statement. month is 2006-01.
CREATE TABLE off_channel (
	submission TEXT PRIMARY KEY,
	pos        BIGINT NOT NULL,
	person     TEXT NOT NULL,
	time       BIGINT NOT NULL,
	month      TEXT NOT NULL,
	channel    TEXT NOT NULL,
	subject    TEXT NOT NULL,
	weight     TEXT NOT NULL,
	reason     TEXT NOT NULL,
	note       TEXT NOT NULL
);

CREATE INDEX off_channel_month ON off_channel (month, channel);

CREATE INDEX submission_time ON submission (time, id);
