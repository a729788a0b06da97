package capture

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// Note is the substance of a call or a conversation, written down by somebody who took part: where
// nothing can be exported, forwarded or photographed, the rules ask for this.
type Note struct {
	With     []string  `json:"with"`    // who else took part, by any name a reader will understand; 1 to [MaxNoteNames]
	Channel  string    `json:"channel"` // how it was said: "telephone", "WhatsApp call", "in person"
	From     time.Time `json:"from"`    // when it began, in the zone that the writer means
	To       time.Time `json:"to"`      // when it ended; zero if it is From
	Text     string    `json:"text"`    // what was said and decided
	Dictated bool      `json:"dictated"`
}

// Bounds of a note.
const (
	MaxNoteNames = 200
	maxNoteName  = 200      // bytes of a name or of the channel
	MaxNoteText  = 64 << 10 // bytes
)

// A NoteError says what is wrong with a note, in words for the person who writes it. Field is the
// field of [Note] that it is about, in small letters.
type NoteError struct{ Field, Text string }

func (e *NoteError) Error() string { return e.Text }

// check says what is wrong with a note, as of a time.
func (n *Note) check(now time.Time) error {
	wrong := func(field, format string, args ...any) error {
		return &NoteError{Field: field, Text: fmt.Sprintf(format, args...)}
	}
	if len(n.With) == 0 || len(n.With) > MaxNoteNames {
		return wrong("with", "Say with whom you spoke: 1 to %d people.", MaxNoteNames)
	}
	for _, name := range n.With {
		if strings.TrimSpace(name) == "" || len(name) > maxNoteName || !utf8.ValidString(name) {
			return wrong("with", "Write each name in 1 to %d letters.", maxNoteName)
		}
	}
	switch {
	case strings.TrimSpace(n.Channel) == "", len(n.Channel) > maxNoteName, !utf8.ValidString(n.Channel):
		return wrong("channel", "Say how you spoke, for instance “telephone” or “in person”.")
	case strings.TrimSpace(n.Text) == "":
		return wrong("text", "Write what was said.")
	case len(n.Text) > MaxNoteText, !utf8.ValidString(n.Text):
		return wrong("text", "The note is longer than %d characters. Hand it in as a file instead.", MaxNoteText)
	case n.From.IsZero():
		return wrong("from", "Say when it was.")
	case n.From.Year() < 1970, n.From.After(now.Add(time.Minute)), n.To.After(now.Add(time.Minute)):
		return wrong("from", "A note is of what has been said already: the time lies in the future, or before 1970.")
	case n.To.Before(n.From):
		return wrong("to", "The end is before the beginning.")
	}
	return nil
}

// Note puts a note on the record as a submission with one message of [KindNote], and returns its
// receipt. The note is kept as a file too, so that it is treated like all that is captured; the same
// note by the same person again changes nothing. A note that is wrong comes back as a [*NoteError].
//
// A page calls it so:
//
//	rc, err := captures.Note(ctx, string(session.User), capture.Note{
//		With: []string{"Dr Ash"}, Channel: "telephone", From: from, To: to, Text: text})
//	if bad, ok := errors.AsType[*capture.NoteError](err); ok {
//		// show bad.Text at the field bad.Field
//	}
func (s *Service) Note(ctx context.Context, person string, n Note) (*Receipt, error) {
	if n.To.IsZero() {
		n.To = n.From
	}
	now := s.Now()
	if err := n.check(now); err != nil {
		return nil, err
	}
	data, err := encode(noteFile{Format: noteFormat, Note: n})
	if err != nil {
		return nil, fmt.Errorf("encode a note: %w", err)
	}
	f, err := NewFile(ctx, "note.json", bytes.NewReader(data), int64(len(data)), time.Time{})
	if err != nil {
		return nil, err
	}
	return s.Submit(ctx, Upload{Person: person, Method: MethodNote, Files: []*File{f}, Options: Options{ReceivedAt: now}})
}

const noteFormat = "despatch note 1"

// noteFile is how a note is kept.
type noteFile struct {
	Format string `json:"format"`
	Note
}

// noteParser reads the file that [Service.Note] makes. It is asked about nothing else: who wrote a note
// is who handed it in, which a file cannot claim.
type noteParser struct{ author string }

func (noteParser) Name() string    { return "note" }
func (noteParser) Version() string { return "1" }

func (noteParser) Recognise(context.Context, *Source) (bool, error) { return true, nil }

func (p noteParser) Parse(ctx context.Context, src *Source, _ Options, emit func(*Observation) error) (*ParseRun, error) {
	run := NewRun(StatusUnreadable)
	run.Parser, run.Version, run.System, run.Variant = p.Name(), p.Version(), "note", "typed"
	f := src.Files[0]
	var n noteFile
	data := make([]byte, min(f.Size, 8*(MaxNoteText+MaxNoteNames*maxNoteName)))
	if _, err := f.At.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
		return run, err
	}
	if err := json.Unmarshal(data, &n); err != nil || n.Format != noteFormat {
		return run, &FileError{File: f.Name, Reason: "is not the note that was written", Remedy: "Write the note again."}
	}
	if n.Dictated {
		run.Variant = "dictated"
	}
	at := AtOffset(n.From.Format(time.RFC3339)+"/"+n.To.Format(time.RFC3339), n.From, "min", "human")
	at.Max = max(at.Max, n.To.UnixMilli())
	o := &Observation{
		Origin: Origin{FileSHA256: hex.EncodeToString(f.SHA256[:]), ByteEnd: f.Size, Line: 1, Lines: 1, RawSHA256: hex.EncodeToString(f.SHA256[:])},
		Kind:   KindNote, Sender: p.author, Sent: at, Body: n.Text, Text: n.Text,
		Attachments: []Attachment{}, Reactions: []Reaction{}, Edits: []Edit{}, Quality: []Warning{},
	}
	o.ID = ObservationID(f.SHA256, "", 0, f.Size, 0)
	o.Doubt("written_afterwards", "It is what somebody wrote down of a talk, not the words themselves.")
	if n.Dictated {
		o.Doubt("dictated", "It was dictated: a machine wrote down what was spoken, and may have misheard.")
	}
	c := Conversation{Title: "Note of a talk by " + n.Channel + " with " + strings.Join(n.With, ", "), Kind: "dm", Viewpoint: p.author,
		Participants: []Participant{{Name: p.author, IsSelf: Yes, Messages: 1}}}
	if len(n.With) > 1 {
		c.Kind = "group"
	}
	for _, name := range n.With {
		o.To = append(o.To, Recipient{Name: name})
		c.Participants = append(c.Participants, Participant{Name: name, IsSelf: No})
	}
	run.Conversations = append(run.Conversations, c)
	run.Status = StatusRead
	run.Coverage.Bytes, run.Coverage.BytesCovered, run.Coverage.Messages = f.Size, f.Size, 1
	run.Coverage.First, run.Coverage.Last = &at, &at
	run.Reconciliation = Reconciliation{Unit: "notes", InFile: 1, Items: 1, Skipped: []Skip{}, Balanced: true}
	return run, emit(o)
}
