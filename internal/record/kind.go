package record

import "strconv"

// Kind says what sort of thing an entry is about. The numbers are part of the log for ever: one is never reused or
// renumbered. New kinds may be added; a verifier that does not know a kind still checks its entry.
//
// Where PREMIS 3 has an event type for the act, its name is given in brackets.
type Kind uint8

const (
	// Conversations.

	KindEvent Kind = 1 // a Matrix event: message, edit, redaction, membership, state [creation]

	KindDevice Kind = 2 // a message from one person's device to another's, beside the conversations [creation]

	// Bringing in what was said elsewhere.

	KindSubmission  Kind = 16 // a file or note handed in, kept whole [capture, ingestion]
	KindParse       Kind = 17 // one run of a parser over a submission [format identification, validation]
	KindObservation Kind = 18 // one message as seen in one submission: a captured item
	KindLink        Kind = 19 // a statement that observations, conversations or people are the same
	KindGap         Kind = 20 // something known to be missing, and how it is known
	KindMedia       Kind = 21 // a file's hash, size and origin [message digest calculation]
	KindRequest     Kind = 22 // the records office asked somebody for what they hold, and what came of it

	// Who may do what.

	KindPerson  Kind = 32 // a person joined, changed or left
	KindRole    Kind = 33 // a role was given or taken away
	KindSession Kind = 34 // a device signed in, was signed out or revoked
	KindSetting Kind = 35 // a setting or policy of the organisation changed

	// Disclosure.

	KindCase       Kind = 48 // a case was opened, changed or closed
	KindSearch     Kind = 49 // an officer searched within a case
	KindView       Kind = 50 // an officer read other people's messages within a case
	KindCollection Kind = 51 // items were taken into a case and frozen there
	KindDecision   Kind = 52 // a reviewer decided: release, withhold or redact [redaction]
	KindApproval   Kind = 53 // a second person approved or sent back
	KindBundle     Kind = 54 // a bundle was made [export, dissemination]

	// Retention.

	KindSchedule Kind = 64 // a retention schedule was made or changed [appraisal]
	KindHold     Kind = 65 // a hold was placed or lifted
	KindDisposal Kind = 66 // bodies were lawfully destroyed: the certificate [deletion]
	KindTransfer Kind = 67 // records were handed to an archive [transfer, deaccession]

	// Assurance.

	KindAudit       Kind = 80 // a random audit was drawn, answered or closed
	KindAttestation Kind = 81 // a person stated something about their own channels
	KindChannel     Kind = 82 // a channel was registered, approved or withdrawn
	KindReport      Kind = 83 // a spillage, loss or concern was reported
	KindCheck       Kind = 84 // the record was verified, and with what result [fixity check]

	// The log about itself.

	KindMap     Kind = 96 // root of the map of scopes, covering the log up to a size
	KindWitness Kind = 97 // a witness was added or removed, or answered
	KindKey     Kind = 98 // a signing key began or ended [digital signature generation]
)

var kindNames = [256]string{
	KindEvent:       "event",
	KindDevice:      "message between devices",
	KindSubmission:  "submission",
	KindParse:       "parse run",
	KindObservation: "observation",
	KindLink:        "link",
	KindGap:         "gap",
	KindMedia:       "media",
	KindRequest:     "request",
	KindPerson:      "person",
	KindRole:        "role",
	KindSession:     "session",
	KindSetting:     "setting",
	KindCase:        "case",
	KindSearch:      "search",
	KindView:        "view",
	KindCollection:  "collection",
	KindDecision:    "decision",
	KindApproval:    "approval",
	KindBundle:      "bundle",
	KindSchedule:    "schedule",
	KindHold:        "hold",
	KindDisposal:    "disposal",
	KindTransfer:    "transfer",
	KindAudit:       "audit",
	KindAttestation: "attestation",
	KindChannel:     "channel",
	KindReport:      "report",
	KindCheck:       "check",
	KindMap:         "map",
	KindWitness:     "witness",
	KindKey:         "key",
}

// String returns the kind's name in words, or "kind 99" for one this program does not know.
func (k Kind) String() string {
	if s := kindNames[k]; s != "" {
		return s
	}
	return "kind " + strconv.Itoa(int(k))
}

// Known reports whether this program knows the kind.
func (k Kind) Known() bool { return kindNames[k] != "" }
