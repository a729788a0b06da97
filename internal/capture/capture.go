// Package capture brings what was said on other systems onto the record.
//
// A file that somebody hands in is a [Submission] and is kept whole. A parser of the system it came
// from makes a [ParseRun] over it, which yields an [Observation] for every message it sees: what was
// written, by whom, between which two instants, and from which bytes. Observations are never changed
// and never merged; that two of them are the same message is a later statement beside them.
//
// Parsers are pure: bytes and options in, observations out. They guess nothing. What a file does not
// say, such as whether 03/04 is in March or in April, becomes a [Question], and what cannot be read
// is counted with its reason, so that every line or record of a file is accounted for.
//
// The package promises that a submission is on the record before anybody is told so, and that the
// same file handed in twice changes nothing. It leaves access, retention and disclosure to others.
package capture

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
)

// A Parser reads one kind of export. Recognise and Parse look only at the source and the options: the
// same input yields the same observations, wherever and whenever they run.
type Parser interface {
	// Name and Version say which parser made a run: "whatsapp-export", "1".
	Name() string
	Version() string

	// Recognise says by its content whether the parser can read the source.
	Recognise(ctx context.Context, src *Source) (bool, error)

	// Parse calls emit for every message in the order of the file. An observation and all it points
	// to is emit's to keep. If the run ends with questions, nothing has been emitted, unless
	// [Options.Tentative] asked for it.
	//
	// The run is returned with an error too, as far as it came. An error that emit returned ends the
	// run and comes back as it is; a fault of the file comes back as a [*FileError].
	Parse(ctx context.Context, src *Source, opt Options, emit func(*Observation) error) (*ParseRun, error)
}

// A FileError says what is wrong with a file that was handed in, and what its owner can do, in words
// that may be shown to them.
type FileError struct {
	File   string `json:"file"`   // its name, or its path inside the file handed in
	Reason string `json:"reason"` // what is wrong: "is protected by a password"
	Remedy string `json:"remedy"` // what to do: "Export the chat again without a password."
}

func (e *FileError) Error() string {
	s := e.Reason
	if e.File != "" {
		s = "“" + e.File + "” " + s
	}
	if e.Remedy != "" {
		s += ". " + e.Remedy
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// ParseRun is the account a parser gives of one pass over a source. It is complete even where
// messages are not: what was understood, on what grounds, and what is in doubt.
type ParseRun struct {
	Parser  string `json:"parser"`
	Version string `json:"parser_version"`

	System  string `json:"system"`  // whatsapp, …
	Variant string `json:"variant"` // which of the system's export forms: ios, android, …

	Status        Status         `json:"status"`
	Conversations []Conversation `json:"conversations"`
	Decisions     []Decision     `json:"decisions"`
	Warnings      []Warning      `json:"warnings"`
	Questions     []Question     `json:"questions"`
	Coverage      Coverage       `json:"coverage"`

	Reconciliation Reconciliation `json:"reconciliation"`
}

// Warn adds a warning to the run.
func (r *ParseRun) Warn(w Warning) { r.Warnings = append(r.Warnings, w) }

// Decide adds a decision to the run.
func (r *ParseRun) Decide(d Decision) { r.Decisions = append(r.Decisions, d) }

// Status is the outcome of a run.
type Status string

const (
	StatusRead        Status = "read"         // every message was read; warnings may tell of doubts
	StatusNeedsAnswer Status = "needs_answer" // a person must answer a question before it can be filed
	StatusUnreadable  Status = "unreadable"   // the file is faulty; it is kept whole and says why
	StatusUnknown     Status = "unknown"      // no parser knows this kind of file; it is kept whole
)

// Conversation is a chat as the source sees it.
type Conversation struct {
	Title        string        `json:"title"`            // as the source names it; may be empty
	Kind         string        `json:"kind"`             // dm, group, channel, meeting, mailbox, or unknown
	ID           string        `json:"id,omitempty"`     // the system's own
	Tenant       string        `json:"tenant,omitempty"` // the server or organisation that ids are unique in
	Path         string        `json:"path"`             // where its messages stand inside the source; empty if the file is the chat
	Viewpoint    string        `json:"viewpoint"`        // whose copy it is, as named in it; empty if not known
	Participants []Participant `json:"participants"`
}

// Participant is somebody who wrote in a conversation, by the name the source uses.
type Participant struct {
	Name        string       `json:"name"`
	Phone       string       `json:"phone,omitempty"` // the name as digits, when it is a telephone number
	Identifiers []Identifier `json:"identifiers,omitempty"`
	IsSelf      Tri          `json:"is_exporter"` // whether it is the one whose copy this is
	Messages    int64        `json:"messages"`
}

// Identifier is what a system knows somebody by, besides the name.
type Identifier struct {
	Type  string `json:"type"` // phone, email, aci, pni, aad, tox, facebook, telegram, nextcloud, slack, mattermost, google, username
	Value string `json:"value"`
}

// Tri is a yes, a no, or not known.
type Tri string

const (
	Yes     Tri = "yes"
	No      Tri = "no"
	Unknown Tri = "unknown"
)

// Decision is something a parser had to settle about a file as a whole, and on what grounds.
type Decision struct {
	About     string `json:"about"`            // date_order, header_shape, zone, …
	Value     string `json:"value"`            //
	Rule      string `json:"rule"`             // the rule that settled it
	Support   int64  `json:"support"`          // how many lines or records speak for it
	Conflicts int64  `json:"conflicts"`        // how many speak against it
	By        string `json:"decided_by"`       // file, or person when it was declared
	Detail    string `json:"detail,omitempty"` //
}

// Warning is a doubt about a file or about one message in it.
type Warning struct {
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
	Line   int64  `json:"line,omitzero"`   // of the first place, from 1
	Offset int64  `json:"offset,omitzero"` // in bytes, of the first place
	Count  int64  `json:"count,omitzero"`  // how many places, when more than one
}

// Question is what only a person can answer.
type Question struct {
	About   string   `json:"about"`   // the option that answers it: date_order, calendar, secret, self, …
	Text    string   `json:"text"`    // in plain words
	Example string   `json:"example"` // as it stands in the file
	Answers []Answer `json:"answers"` // empty if any text is an answer
}

// Answer is one possible answer to a question and what it would mean for the example.
type Answer struct {
	Value   string `json:"value"`
	Meaning string `json:"meaning"`
}

// Coverage says how much of the source a run accounts for.
type Coverage struct {
	Bytes           int64    `json:"bytes"`         // of the text the messages stand in
	BytesCovered    int64    `json:"bytes_covered"` // by observations and by what was skipped with a reason
	Messages        int64    `json:"messages"`      // observations that are not system lines
	First           *Instant `json:"first"`         // of the first message in the file
	Last            *Instant `json:"last"`          // of the last
	LikelyTruncated bool     `json:"likely_truncated"`
	FilteredKinds   []string `json:"filtered_kinds"` // what the system itself leaves out of such an export
	Members         *Members `json:"members"`        // of a container; nil if the file is none
}

// Members says what became of the files in a container.
type Members struct {
	Total    int64  `json:"total"`
	Chats    int64  `json:"chats"`
	Named    int64  `json:"named"`   // attached to at least one message
	Unnamed  int64  `json:"unnamed"` // no message names them
	Skipped  []Skip `json:"skipped"`
	Balanced bool   `json:"balanced"`
}

// Reconciliation proves that nothing was silently lost: the units in the file are the items, the
// system lines, the lines that continue one of these, and what was skipped with a reason.
type Reconciliation struct {
	Unit         string `json:"unit"` // lines or records
	InFile       int64  `json:"in_file"`
	Items        int64  `json:"items"`
	System       int64  `json:"system_lines"`
	Continuation int64  `json:"continuation_lines"`
	Skipped      []Skip `json:"skipped"`
	Balanced     bool   `json:"balanced"`
}

// Skip counts what was left aside for one reason.
type Skip struct {
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
	Detail string `json:"detail,omitempty"` // the first one
}

// AddSkip counts n more for a reason.
func AddSkip(list []Skip, reason string, n int64, detail string) []Skip {
	for i := range list {
		if list[i].Reason == reason {
			list[i].Count += n
			return list
		}
	}
	return append(list, Skip{Reason: reason, Count: n, Detail: detail})
}

// Balance sets Balanced to whether the parts add up to the whole.
func (r *Reconciliation) Balance() {
	sum := r.Items + r.System + r.Continuation
	for _, s := range r.Skipped {
		sum += s.Count
	}
	r.Balanced = sum == r.InFile
}

// Balance sets Balanced to whether every member is accounted for.
func (m *Members) Balance() {
	sum := m.Chats + m.Named + m.Unnamed
	for _, s := range m.Skipped {
		sum += s.Count
	}
	m.Balanced = sum == m.Total
}

// ObservationID names one sighting of one message: the same bytes of the same file have the same id,
// whoever reads them and however often. Sub tells apart several observations cut from the same bytes.
func ObservationID(fileSHA256 [32]byte, path string, start, end int64, sub int) string {
	sum := ObservationHash(fileSHA256, path, start, end, sub)
	return "obs_" + idEncoding.EncodeToString(sum[:])
}

// ObservationHash is the hash that [ObservationID] writes out.
func ObservationHash(fileSHA256 [32]byte, path string, start, end int64, sub int) [32]byte {
	buf := make([]byte, 0, 128)
	buf = append(buf, "despatch/obs/1"...)
	buf = append(buf, fileSHA256[:]...)
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(path)))
	buf = append(buf, path...)
	buf = binary.BigEndian.AppendUint64(buf, uint64(start))
	buf = binary.BigEndian.AppendUint64(buf, uint64(end))
	buf = binary.BigEndian.AppendUint32(buf, uint32(sub))
	return sha256.Sum256(buf)
}

// idEncoding is lower-case base32 without padding: ids are read aloud and typed.
var idEncoding = base32.NewEncoding(strings.ToLower("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")).WithPadding(base32.NoPadding)
