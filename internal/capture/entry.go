package capture

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// What goes on the record: a submission, what a parser's run over it found, and every message. The
// first two belong to the submission's scope, messages to that of their conversation.

// Scope is the scope of a submission or of a captured conversation.
func Scope(id string) string { return "capture:" + id }

// SubmittedFile is a file as it was handed in.
type SubmittedFile struct {
	Name     string `json:"name"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256"`
	Modified string `json:"modified,omitempty"` // RFC 3339, as its owner's computer says
}

func submitted(files []*File) []SubmittedFile {
	list := make([]SubmittedFile, len(files))
	for i, f := range files {
		list[i] = SubmittedFile{Name: strings.ToValidUTF8(f.Name, "\uFFFD"), Size: f.Size, SHA256: hex.EncodeToString(f.SHA256[:])}
		if !f.ModTime.IsZero() {
			list[i].Modified = f.ModTime.UTC().Format("2006-01-02T15:04:05Z")
		}
	}
	return list
}

// Declared is what a person says about an export: see [Options].
type Declared struct {
	Zone      string `json:"zone,omitempty"` // IANA name
	DateOrder string `json:"date_order,omitempty"`
	Calendar  string `json:"calendar,omitempty"`

	System       string `json:"system,omitempty"`
	Conversation string `json:"conversation,omitempty"`
	HappenedFrom string `json:"happened_from,omitempty"` // RFC 3339, with the offset of the zone it was declared in
	HappenedTo   string `json:"happened_to,omitempty"`
}

func declared(o Options) Declared {
	d := Declared{DateOrder: o.DateOrder, Calendar: o.Calendar, System: o.System, Conversation: o.Conversation}
	if o.Zone != nil {
		d.Zone = o.Zone.String()
	}
	if !o.Happened.From.IsZero() {
		d.HappenedFrom = o.Happened.From.Format(time.RFC3339)
	}
	if !o.Happened.To.IsZero() {
		d.HappenedTo = o.Happened.To.Format(time.RFC3339)
	}
	return d
}

// options returns what was declared as options, for a run that is made again.
func (d Declared) options() (Options, error) {
	o := Options{DateOrder: d.DateOrder, Calendar: d.Calendar, System: d.System, Conversation: d.Conversation}
	var err error
	if d.Zone != "" {
		if o.Zone, err = time.LoadLocation(d.Zone); err != nil {
			return o, err
		}
	}
	if d.HappenedFrom != "" {
		if o.Happened.From, err = time.Parse(time.RFC3339, d.HappenedFrom); err != nil {
			return o, err
		}
	}
	if d.HappenedTo != "" {
		o.Happened.To, err = time.Parse(time.RFC3339, d.HappenedTo)
	}
	return o, err
}

// submissionEntry is the body of an entry of the kind submission.
type submissionEntry struct {
	Type     string          `json:"type"` // submission
	ID       string          `json:"id"`
	Person   string          `json:"person"` // who handed it in
	Method   string          `json:"method"` // how it came: [MethodExport], [MethodNote]
	Files    []SubmittedFile `json:"files"`
	Declared Declared        `json:"declared"`
}

// runEntry is the body of an entry of the kind parse run.
type runEntry struct {
	Type          string              `json:"type"` // parse_run
	Submission    string              `json:"submission"`
	Declared      Declared            `json:"declared"`
	Run           *ParseRun           `json:"run"`
	Fault         string              `json:"fault,omitempty"` // why the file could not be read, and what to do
	Conversations []FiledConversation `json:"conversations"`
}

// FiledConversation is a conversation of a submission as it stands on the record.
type FiledConversation struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Kind    string `json:"kind"`
	Items   int64  `json:"items"` // entries of it on the record, system lines included
	New     int64  `json:"new"`   // of them, those that this submission brought
	First   int64  `json:"first"` // positions on the record
	Last    int64  `json:"last"`
	Earlier bool   `json:"earlier,omitzero"` // somebody handed the same file in before
}

// recordedObservation is how an [Observation] stands on the record: what is empty is left out, and
// the text where it is the body.
type recordedObservation struct {
	ID           string `json:"id"`
	Conversation int    `json:"-"`
	Ordinal      int64  `json:"ordinal"`
	Origin       Origin `json:"origin"`
	NativeID     string `json:"native_id,omitempty"`
	Chat         string `json:"chat,omitempty"`

	Kind     Kind        `json:"kind"`
	Sender   string      `json:"sender,omitempty"`
	Sent     Instant     `json:"sent"`
	To       []Recipient `json:"to,omitempty"`
	Received *Instant    `json:"received,omitempty"`
	Subject  string      `json:"subject,omitempty"`
	Body     string      `json:"body"`
	Text     string      `json:"text,omitempty"`
	Derived  *Derived    `json:"derived,omitempty"`

	Attachments []Attachment `json:"attachments,omitempty"`
	ReplyTo     *Ref         `json:"reply_to,omitempty"`
	Thread      *Ref         `json:"thread,omitempty"`
	Forward     *Ref         `json:"forward,omitempty"`
	Reactions   []Reaction   `json:"reactions,omitempty"`
	Edits       []Edit       `json:"edits,omitempty"`
	State       State        `json:"state,omitzero"`

	Poll     *Poll        `json:"poll,omitempty"`
	Location *Location    `json:"location,omitempty"`
	Call     *Call        `json:"call,omitempty"`
	System   *SystemEvent `json:"system,omitempty"`

	Route []Hop `json:"route,omitempty"`

	Quality []Warning `json:"quality,omitempty"`
}

// encode returns a value as canonical JSON.
func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return matrix.Canonical(make([]byte, 0, len(b)), b)
}

// DecodeObservation reads an observation from the body of its entry.
func DecodeObservation(body []byte) (*Observation, error) {
	var r recordedObservation
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("read a captured message: %w", err)
	}
	o := Observation(r)
	if o.Text == "" && (o.Kind == KindText || o.Kind == KindNote) {
		o.Text = o.Body
	}
	return &o, nil
}

// refOf is the reference of an entry that there is to be one of.
func refOf(what string, parts ...string) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "despatch/%s/1", what)
	for _, p := range parts {
		fmt.Fprintf(h, "\x00%d\x00%s", len(p), p)
	}
	return h.Sum(nil)
}

func newID(prefix string, ref []byte) string { return prefix + idEncoding.EncodeToString(ref) }

// submissionID is the same for the same files of the same person.
func submissionID(person string, files []*File) string {
	parts := make([]string, 0, len(files))
	for _, f := range files {
		parts = append(parts, string(f.SHA256[:]))
	}
	slices.Sort(parts)
	return newID("sub_", refOf("sub", append([]string{person}, slices.Compact(parts)...)...))
}

// conversationID is the same for the same chat of the same file, whoever hands it in. A chat that the
// system gives an id to is known by that, wherever in the file it stands.
func conversationID(o *Observation) string {
	if o.Chat != "" {
		return newID("conv_", refOf("conv", o.Origin.FileSHA256, "", o.Chat))
	}
	return newID("conv_", refOf("conv", o.Origin.FileSHA256, o.Origin.Path))
}

// filed is what the tables need of a message; it is the Live value of its entry.
type filed struct {
	item  store.CapturedItem
	files []store.CapturedFile
	of    *Observation
	seal  *sealEntry // of a message that bears a marking; nil for all others
}

// Observation is the message, for those who project something of it too.
func (f *filed) Observation() *Observation { return f.of }

func filedOf(o *Observation) (*filed, error) {
	f := &filed{of: o, item: store.CapturedItem{Ordinal: o.Ordinal, SentMin: o.Sent.Min, SentMax: o.Sent.Max, Sender: o.Sender, Kind: string(o.Kind)}}
	for _, a := range o.Attachments {
		if a.Presence != Present {
			continue
		}
		x := store.CapturedFile{Path: a.Path, Size: a.Size}
		within := a.Within
		if a.Open != nil {
			within, x.Path = a.SHA256, ""
		}
		if err := errors.Join(unhex(&x.SHA256, a.SHA256), unhex(&x.Within, within)); err != nil {
			return nil, fmt.Errorf("attachment of %s: %w", o.ID, err)
		}
		f.files = append(f.files, x)
	}
	return f, nil
}

func unhex(dst *[32]byte, s string) error {
	b, err := hex.DecodeString(s)
	if err == nil && len(b) != 32 {
		err = fmt.Errorf("a hash of %d bytes", len(b))
	}
	copy(dst[:], b)
	return err
}

// Project brings the tables of captured conversations up to new entries, of which it passes over those
// that are not its own. It is part of what the recorder projects. It depends on nothing but the
// entries, so that the tables can be made again.
func Project(ctx context.Context, tx *sqldb.Tx, entries []recorder.Committed) error {
	var items []store.CapturedItem
	var files []store.CapturedFile
	known := map[int64]bool{}
	for i := range entries {
		e := &entries[i]
		switch e.Kind {
		case record.KindObservation:
			f, ok := e.Live.(*filed)
			if !ok {
				o, err := DecodeObservation(e.Body)
				if err != nil {
					return fmt.Errorf("entry %d: %w", e.Pos, err)
				}
				if f, err = filedOf(o); err != nil {
					return fmt.Errorf("entry %d: %w", e.Pos, err)
				}
			}
			if !known[e.ScopeID] {
				c := store.CapturedConversation{Scope: e.ScopeID, ID: strings.TrimPrefix(e.Scope, Scope("")), Kind: "unknown"}
				if err := store.InsertCapturedConversation(ctx, tx, c); err != nil {
					return err
				}
				known[e.ScopeID] = true
			}
			item := f.item
			item.Pos, item.Scope = e.Pos, e.ScopeID
			items = append(items, item)
			for _, x := range f.files {
				x.Pos = e.Pos
				files = append(files, x)
			}
		case record.KindReport:
			if err := projectSeal(ctx, tx, e); err != nil {
				return fmt.Errorf("entry %d: %w", e.Pos, err)
			}
		case record.KindSubmission:
			if err := projectSubmission(ctx, tx, e); err != nil {
				return fmt.Errorf("entry %d: %w", e.Pos, err)
			}
		}
	}
	if err := store.InsertCapturedItems(ctx, tx, items); err != nil {
		return err
	}
	if err := store.InsertCapturedFiles(ctx, tx, files); err != nil {
		return err
	}
	for i := range entries {
		if entries[i].Kind == record.KindParse {
			if err := projectRun(ctx, tx, &entries[i]); err != nil {
				return fmt.Errorf("entry %d: %w", entries[i].Pos, err)
			}
		}
	}
	return nil
}

func projectSubmission(ctx context.Context, tx *sqldb.Tx, e *recorder.Committed) error {
	var s submissionEntry
	if err := json.Unmarshal(e.Body, &s); err != nil || s.Type != "submission" {
		return err
	}
	name := ""
	if len(s.Files) > 0 {
		name = s.Files[0].Name
	}
	return store.InsertSubmission(ctx, tx, store.Submission{ID: s.ID, Pos: e.Pos, Person: s.Person, Time: e.Time, Name: name, RunPos: -1})
}

func projectRun(ctx context.Context, tx *sqldb.Tx, e *recorder.Committed) error {
	var r runEntry
	if err := json.Unmarshal(e.Body, &r); err != nil || r.Type != "parse_run" {
		return err
	}
	for _, c := range r.Conversations {
		row, err := store.CapturedConversationByID(ctx, tx, c.ID)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		row.Submission = r.Submission
		if err := store.BroughtBy(ctx, tx, row); err != nil {
			return err
		}
		row.System, row.Kind, row.Title = r.Run.System, c.Kind, c.Title
		if err := store.DescribeCapturedConversation(ctx, tx, row); err != nil {
			return err
		}
	}
	return store.FinishSubmission(ctx, tx, r.Submission, string(r.Run.Status), e.Pos, r.Run.Coverage.Messages)
}
