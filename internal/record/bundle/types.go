package bundle

import (
	"fmt"
	"strings"
	"time"

	"despatch/internal/record"
)

// Format is the first thing in items.json and manifest.json.
const Format = "despatch bundle 1"

// Status is what was decided about an item.
type Status string

const (
	Released Status = "released"
	Redacted Status = "redacted"
	Withheld Status = "withheld"
)

// Header is what a bundle says about itself. It stands in front of the items.
type Header struct {
	Bundle     string `json:"bundle"`     // random, 32 hex digits
	Reference  string `json:"reference"`  // of the case
	Title      string `json:"title"`      // what was asked for, in a line
	Regime     string `json:"regime"`     // "Freedom of Information Act 2000"
	Department string `json:"department"` // who discloses
	Made       string `json:"made"`       // RFC 3339
	Origin     string `json:"origin"`     // of the log
	Size       int64  `json:"size"`       // of the log, at the checkpoint in the bundle
	Totals     Totals `json:"totals"`
	Seal       string `json:"seal"`
}

// Totals are how many items there are.
type Totals struct {
	Items    int `json:"items"`
	Released int `json:"released"`
	Redacted int `json:"redacted"`
	Withheld int `json:"withheld"`
}

func (t *Totals) add(s Status) {
	t.Items++
	switch s {
	case Released:
		t.Released++
	case Redacted:
		t.Redacted++
	case Withheld:
		t.Withheld++
	}
}

// Conversation is a scope of the record from which items come.
type Conversation struct {
	Number      int    `json:"number"` // in the bundle, from 1
	Scope       string `json:"scope"`  // its id on the record
	Salt        string `json:"salt"`   // of the scope, in base64: with it anyone can tell which entries belong to it
	Title       string `json:"title"`
	System      string `json:"system"`                 // despatch, whatsapp, …
	RoomVersion string `json:"room_version,omitempty"` // of a Despatch conversation

	// Complete says that every entry of the conversation from one sequence number to another is in the bundle, with
	// the entries just before and after where there are any. The verifier checks it.
	Complete bool   `json:"complete"`
	From     uint64 `json:"from"`             // first sequence number of the disclosed range
	To       uint64 `json:"to"`               // last one
	Period   string `json:"period,omitempty"` // what the range stands for, in words
	Seal     string `json:"seal"`
}

// Item is one message of any origin, with its edits, reactions, deletion and attachments, as it is disclosed.
type Item struct {
	Number   int     `json:"number"` // in the bundle, from 1
	Status   Status  `json:"status"`
	Position int64   `json:"position"` // on the record
	Sequence uint64  `json:"sequence"` // in its conversation
	Recorded string  `json:"recorded"` // RFC 3339, when it went on the record
	Entries  []int64 `json:"entries"`  // positions of all its entries, its own first

	Content

	Redactions int      `json:"redactions,omitempty"` // how many passages were taken out of the text
	Reasons    []Reason `json:"reasons,omitempty"`
	Note       string   `json:"note,omitempty"` // to the reader, by the department
	Seal       string   `json:"seal"`
}

// Content is what an item says. Of a released item all but SenderName and Attachment.File follows from its recorded
// bodies, see [Derive].
type Content struct {
	ID          string       `json:"id,omitempty"` // event or observation
	Type        string       `json:"type,omitempty"`
	Sent        string       `json:"sent,omitempty"` // when its sender says it was sent
	Sender      string       `json:"sender,omitempty"`
	SenderName  string       `json:"sender_name,omitempty"`
	ReplyTo     string       `json:"reply_to,omitempty"`
	Text        string       `json:"text,omitempty"`
	Edits       []Edit       `json:"edits,omitempty"`
	Deleted     *Deletion    `json:"deleted,omitempty"`
	Reactions   []Reaction   `json:"reactions,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`
}

// Edit is a later version of the text.
type Edit struct {
	Position int64  `json:"position"`
	Recorded string `json:"recorded"`
	Text     string `json:"text"`
}

// Deletion says that the message was deleted for readers. The record kept it.
type Deletion struct {
	Position int64  `json:"position"`
	Recorded string `json:"recorded"`
	By       string `json:"by"`
	Reason   string `json:"reason,omitempty"`
}

// Reaction is somebody's reaction to a message.
type Reaction struct {
	Position int64  `json:"position"`
	By       string `json:"by"`
	Value    string `json:"value"`
	Removed  bool   `json:"removed,omitempty"` // it was taken back later
}

// Attachment is a file that belongs to a message.
type Attachment struct {
	Name   string `json:"name"`
	Type   string `json:"type,omitempty"` // media type
	Size   int64  `json:"size,omitempty"`
	SHA256 string `json:"sha256,omitempty"` // hex; empty if the file is not disclosed
	File   string `json:"file,omitempty"`   // in the bundle; empty if the file is not disclosed
	State  string `json:"state,omitempty"`  // why there is no file: "withheld", "not in the export"
}

// Reason is why something was withheld or redacted.
type Reason struct {
	Code string `json:"code"`           // "40(2)"
	Name string `json:"name"`           // "Personal information"
	Test string `json:"test,omitempty"` // "absolute" or "qualified"
}

// Role says what an entry is to its item.
type Role string

const (
	RoleMessage   Role = "message"
	RoleEdit      Role = "edit"
	RoleReaction  Role = "reaction"
	RoleRedaction Role = "redaction" // of the message, an edit or a reaction
	RoleMedia     Role = "media"     // the upload of an attached file, which has its hash
	RoleContext   Role = "context"   // belongs to no item; is there to show that nothing is left out
)

// Part is one entry of an item, with its body if that is disclosed.
type Part struct {
	Position int64
	Role     Role
	Entry    record.Entry
	Salt     *[32]byte // nil unless the item is released
	Body     []byte    // nil unless the item is released
}

// FormatTime is how times of the record are written: RFC 3339 in UTC with milliseconds.
func FormatTime(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

// Mark is what stands in a redacted text for a passage that was taken out for some reasons.
func Mark(codes ...string) string {
	return "[REDACTED: " + strings.Join(codes, ", ") + "]"
}

// File is a file of the bundle in its manifest.
type File struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Manifest lists the files of a bundle. The signed note covers its bytes.
type Manifest struct {
	Format string `json:"format"`
	Bundle string `json:"bundle"`
	Files  []File `json:"files"` // all but manifest.json and manifest.note, sorted by path
}

// The fixed names in a bundle.
const (
	readmeFile     = "README.txt"
	indexFile      = "index.html"
	itemsFile      = "items.json"
	csvFile        = "messages.csv"
	entriesFile    = "proof/entries.jsonl"
	inclusionFile  = "proof/inclusion"
	checkpointFile = "proof/checkpoint"
	keyFile        = "proof/log.vkey"
	manifestFile   = "manifest.json"
	noteFile       = "manifest.note"
)

func pageFile(n int) string { return fmt.Sprintf("pages/%04d.html", n) }
func rsmfFile(n int) string { return fmt.Sprintf("rsmf/%04d.rsmf", n) }

// noteText is what is signed about a manifest. It cannot be mistaken for a checkpoint, whose second line is a number.
func noteText(bundle, origin string, manifestSum [32]byte) string {
	return fmt.Sprintf("despatch bundle v1\n%s\n%s\nmanifest.json sha256 %x\n", bundle, origin, manifestSum)
}
