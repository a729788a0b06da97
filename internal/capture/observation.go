package capture

import "io"

// Observation is one sighting of one message in one file. It is never changed and never deleted; a
// better parser makes another.
type Observation struct {
	ID           string `json:"id"`           // see [ObservationID]
	Conversation int    `json:"conversation"` // its place in [ParseRun.Conversations]
	Ordinal      int64  `json:"ordinal"`      // order in the file, from 0
	Origin       Origin `json:"origin"`
	NativeID     string `json:"native_id,omitempty"` // the system's own id of the message
	Chat         string `json:"chat,omitempty"`      // the system's own id of the conversation, where one path holds several

	Kind     Kind        `json:"kind"`
	Sender   string      `json:"sender"` // the participant's name; empty for a system line
	Sent     Instant     `json:"sent"`
	To       []Recipient `json:"to,omitempty"`       // who it went to, where the source says
	Received *Instant    `json:"received,omitempty"` // by the one whose copy this is
	Subject  string      `json:"subject,omitempty"`
	Body     string      `json:"body"`              // verbatim: every character as it stands in the file
	Text     string      `json:"text"`              // what a person said, without the system's own marks; for reading
	Derived  *Derived    `json:"derived,omitempty"` // Text was made from an attachment; nil if it was written as it is

	Attachments []Attachment `json:"attachments"`
	ReplyTo     *Ref         `json:"reply_to"`
	Thread      *Ref         `json:"thread,omitempty"`  // the first message of its thread
	Forward     *Ref         `json:"forward,omitempty"` // what it was forwarded from
	Reactions   []Reaction   `json:"reactions"`
	Edits       []Edit       `json:"edits"` // earlier bodies, where the source has them
	State       State        `json:"state"`

	Poll     *Poll        `json:"poll,omitempty"`
	Location *Location    `json:"location,omitempty"`
	Call     *Call        `json:"call,omitempty"`
	System   *SystemEvent `json:"system,omitempty"`

	Route []Hop `json:"route,omitempty"` // of a mail: the servers it passed through, the last first

	Quality []Warning `json:"quality"` // doubts about this message
}

// Derived says by what a text was made from a file. It is for searching: what counts is the file.
type Derived struct {
	Engine     string `json:"engine"`              // program and version: "tesseract 5.3.0"
	Confidence int    `json:"confidence,omitzero"` // in per cent, as the engine itself says; 0 if it does not
}

// WordsNotRead is the code of the doubt that a picture's words are not known. A [PictureReader] takes
// it away.
const WordsNotRead = "picture_words_not_read"

// Hop is a server that a mail passed through, as the server itself wrote it down.
type Hop struct {
	From string   `json:"from,omitempty"` // who handed the mail over
	By   string   `json:"by,omitempty"`   // the server
	At   *Instant `json:"at,omitempty"`
	Raw  string   `json:"raw"` // as written
}

// Doubt adds a doubt about the message.
func (o *Observation) Doubt(code, detail string) {
	o.Quality = append(o.Quality, Warning{Code: code, Detail: detail})
}

// Origin says from which bytes an observation was read.
type Origin struct {
	FileSHA256 string `json:"file_sha256"`  // of the file handed in
	Path       string `json:"path"`         // inside it, if it is a container; of a database also the table: "msgstore.db#message"
	Row        int64  `json:"row,omitzero"` // of that table, by its primary key; such an observation has no bytes
	ByteStart  int64  `json:"byte_start"`   // of the whole record, its line ends included
	ByteEnd    int64  `json:"byte_end"`     // one past its last byte
	Line       int64  `json:"line"`         // its first line, from 1
	Lines      int64  `json:"lines"`        // how many lines it has
	RawSHA256  string `json:"raw_sha256"`   // of those bytes
}

// Kind is what sort of thing was said.
type Kind string

const (
	KindText     Kind = "text"
	KindMedia    Kind = "media"
	KindPoll     Kind = "poll"
	KindLocation Kind = "location"
	KindContact  Kind = "contact"
	KindCall     Kind = "call"
	KindDeleted  Kind = "deleted"
	KindViewOnce Kind = "view_once"
	KindSticker  Kind = "sticker"
	KindPayment  Kind = "payment"
	KindNote     Kind = "note" // the substance of a talk, written down by a person
	KindSystem   Kind = "system"
	KindUnknown  Kind = "unknown"
)

// State is what became of a message, as far as the source tells.
type State struct {
	Edited    bool     `json:"edited"`
	Deleted   bool     `json:"deleted"`
	DeletedBy string   `json:"deleted_by,omitempty"` // sender, admin, exporter
	ViewOnce  bool     `json:"view_once"`
	EditedAt  *Instant `json:"edited_at,omitempty"` // when it was last edited
	DeletedAt *Instant `json:"deleted_at,omitempty"`
	Expires   int64    `json:"expires_seconds,omitzero"` // of a disappearing timer
	Status    string   `json:"status,omitempty"`         // draft, failed, scheduled; empty if it was sent
}

// Attachment is a file that belongs to a message.
type Attachment struct {
	Name     string   `json:"name"`           // as the message names it; empty if it does not
	Class    string   `json:"class"`          // image, video, audio, sticker, gif, document, contact, or media
	Presence Presence `json:"presence"`       //
	Path     string   `json:"path,omitempty"` // inside the source, when present
	Size     int64    `json:"size"`
	SHA256   string   `json:"sha256"`
	Within   string   `json:"within,omitempty"` // SHA-256 of the file handed in that holds it, when present
	Detail   string   `json:"detail,omitempty"` // what else the message says of it: "3 pages"

	// Open returns the bytes of an attachment that is present but stands nowhere as a file of its own:
	// it was encrypted or encoded. They are then kept by themselves, and Within and Path are empty.
	Open func() (io.ReadCloser, error) `json:"-"`
}

// Presence says whether an attachment came with the file.
type Presence string

const (
	Present     Presence = "present"
	NamedAbsent Presence = "named_absent" // the message names a file that is not there
	Omitted     Presence = "omitted"      // the system left it out and says so
	Corrupt     Presence = "corrupt"      // it is there and cannot be read
)

// Ref points to another message.
type Ref struct {
	NativeID   string   `json:"native_id,omitempty"`
	QuotedText string   `json:"quoted_text,omitempty"`
	Author     string   `json:"author,omitempty"` // the participant's name
	Sent       *Instant `json:"sent,omitempty"`
}

// Recipient is somebody a message went to.
type Recipient struct {
	Name      string   `json:"name"`
	Role      string   `json:"role,omitempty"` // to, cc, bcc; empty where the system has no such roles
	Delivered *Instant `json:"delivered,omitempty"`
	Read      *Instant `json:"read,omitempty"`
	Status    string   `json:"status,omitempty"` // as the source has it: sent, failed, …
}

// Reaction is somebody's reaction to a message.
type Reaction struct {
	Value   string   `json:"value"`
	Actor   string   `json:"actor"`
	At      *Instant `json:"at,omitempty"`
	Removed bool     `json:"removed,omitzero"` // it was taken back
}

// Edit is an earlier body of a message.
type Edit struct {
	Body string  `json:"body"`
	At   Instant `json:"at"`
}

// Poll is a question with its options and the votes at the time of the export.
type Poll struct {
	Question string       `json:"question"`
	Options  []PollOption `json:"options"`
}

// PollOption is one option of a poll.
type PollOption struct {
	Text  string `json:"text"`
	Votes int64  `json:"votes"`
}

// Location is a place that was shared. Live places carry no coordinates in an export.
type Location struct {
	Latitude  string `json:"latitude,omitempty"` // as written: the digits matter
	Longitude string `json:"longitude,omitempty"`
	URL       string `json:"url,omitempty"`
	Name      string `json:"name,omitempty"`
	Live      bool   `json:"live"`
}

// Call is a call that left a line in the conversation. What was said in it is not recorded anywhere.
type Call struct {
	Medium   string `json:"medium"`             // voice or video
	Outcome  string `json:"outcome"`            // missed, no_answer, or answered
	Duration string `json:"duration,omitempty"` // as written
}

// SystemEvent is something the system itself says in a conversation.
type SystemEvent struct {
	Code  string `json:"code"`                 // ours: member_added, disappearing_on, …; other when not known
	Actor string `json:"actor,omitempty"`      // who did it, as written
	Value string `json:"value,omitempty"`      // to whom, or to what: a name, a subject, a time
	TTL   int64  `json:"ttl_seconds,omitzero"` // of a disappearing timer
}
