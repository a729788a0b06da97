// Package unstructured takes every file that no other parser knows: pictures, PDF, documents, sound,
// plain text, anything. It is the parser of last resort, and the one for systems that let out nothing
// but pictures, such as Siilo.
//
// The file is kept whole and becomes one message without a sender: what is in it, only a person can
// say. Of a zip, each file does. Where there is text in a file it is read for searching; it is never
// taken for what somebody said. The dates that cameras and programs write into files are doubtful and
// are told as such: they never become the time of the message.
package unstructured

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gabriel-vasile/mimetype"

	"despatch/internal/capture"
)

// Parser takes every file. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "unstructured" }
func (Parser) Version() string { return "1" }

// LastResort marks the parser as one that is asked only if none before it knows what is wrong with a
// file.
func (Parser) LastResort() {}

// Bounds of what is read for searching. A file beyond them is kept all the same.
const (
	maxRead = 32 << 20  // bytes of a file that is looked into
	maxText = 256 << 10 // bytes of text that are taken from one file
	maxName = 200       // bytes of what a person declares
)

// Recognise says yes, unless the source is a zip that cannot be opened.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	for _, f := range src.Files {
		if capture.IsZip(f) {
			if _, err := capture.OpenZip(f, src.Bounds()); err != nil {
				return false, err
			}
		}
	}
	return len(src.Files) > 0, ctx.Err()
}

// run is one pass over a source.
type run struct {
	*capture.ParseRun
	src     *capture.Source
	opt     capture.Options
	emit    func(*capture.Observation) error
	sent    capture.Instant
	ordinal int64
	silent  int64 // pictures and recordings whose words are not known
	closed  int64 // documents whose words could not be read
}

// Parse makes one message of each file.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	r := &run{ParseRun: capture.NewRun(capture.StatusUnreadable), src: src, opt: opt, emit: emit, sent: sent(opt)}
	r.Parser, r.Version, r.System = p.Name(), p.Version(), "unstructured"
	r.Reconciliation.Unit = "files"
	r.declared()
	for _, f := range src.Files {
		if err := r.file(ctx, f); err != nil {
			return r.ParseRun, err
		}
	}
	r.conclude()
	r.Status = capture.StatusRead
	return r.ParseRun, nil
}

// declared takes over what a person said of the files.
func (r *run) declared() {
	decide := func(about, value string) {
		if value != "" {
			r.Decide(capture.Decision{About: about, Value: value, Rule: "declared", By: "person"})
		}
	}
	if s := strings.ToLower(clean(r.opt.System)); s != "" {
		r.System = s
		decide("system", s)
	}
	decide("conversation", clean(r.opt.Conversation))
	decide("happened", r.sent.Raw)
}

// clean is a name as somebody typed it, on one line and not too long.
func clean(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	if len(s) > maxName {
		s = strings.ToValidUTF8(s[:maxName], "")
	}
	return s
}

// sent is when what is in the files was said: what a person declares, or else no later than it came.
func sent(opt capture.Options) capture.Instant {
	at := capture.Instant{Precision: "none", Zone: capture.ZoneUnknown, Clock: "receiver", Max: time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli()}
	if !opt.ReceivedAt.IsZero() {
		at.Max = opt.ReceivedAt.UnixMilli()
	}
	from, to := opt.Happened.From, opt.Happened.To
	if from.IsZero() && to.IsZero() {
		return at
	}
	at.Clock, at.Precision, at.Zone = "human", "min", capture.ZoneDeclared
	if !to.IsZero() {
		at.Max = min(at.Max, to.UnixMilli())
		at.Raw = "until " + to.Format(time.RFC3339)
	}
	if !from.IsZero() {
		at.Min = min(from.UnixMilli(), at.Max)
		at.Local, at.ZoneName = from.Format("2006-01-02T15:04"), from.Format("-07:00")
		at.Raw = strings.TrimSpace("from " + from.Format(time.RFC3339) + " " + at.Raw)
	}
	return at
}

// file makes a conversation of one file that was handed in.
func (r *run) file(ctx context.Context, f *capture.File) error {
	r.Conversations = append(r.Conversations, capture.Conversation{Title: clean(r.opt.Conversation), Kind: "unknown", Participants: []capture.Participant{}})
	whole := f.Member()
	if !capture.IsZip(f) {
		return r.item(ctx, whole)
	}
	a, err := capture.OpenZip(f, r.src.Bounds())
	if err != nil {
		return err
	}
	if len(a.Members) == 0 || office(a) != "" {
		return r.item(ctx, whole)
	}
	m := &capture.Members{Total: a.Total, Unnamed: int64(len(a.Members)), Skipped: append([]capture.Skip{}, a.Skipped...)}
	m.Balance()
	if r.Coverage.Members == nil { // of the first zip; the sum below is of all
		r.Coverage.Members = m
	}
	for _, s := range a.Skipped {
		r.Reconciliation.InFile += s.Count
		r.Reconciliation.Skipped = capture.AddSkip(r.Reconciliation.Skipped, s.Reason, s.Count, s.Detail)
	}
	seen := map[string]bool{}
	for _, x := range a.Members {
		if seen[x.Path] {
			return &capture.FileError{File: f.Name, Reason: "holds two files called “" + x.Path + "”", Remedy: "Unpack it, and hand in the files by themselves."}
		}
		seen[x.Path] = true
		if err := r.item(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

// item makes one message of one file.
func (r *run) item(ctx context.Context, m *capture.Member) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sum, err := m.Hash(ctx)
	if err != nil {
		return err
	}
	hash := hex.EncodeToString(sum[:])
	o := &capture.Observation{
		Conversation: len(r.Conversations) - 1, Ordinal: r.ordinal, Kind: capture.KindMedia, Sent: r.sent,
		Origin:    capture.Origin{FileSHA256: hex.EncodeToString(m.File.SHA256[:]), Path: m.Path, ByteEnd: m.Size, RawSHA256: hash},
		Reactions: []capture.Reaction{}, Edits: []capture.Edit{}, Quality: []capture.Warning{},
	}
	o.ID = capture.ObservationID(m.File.SHA256, m.Path, 0, m.Size, 0)
	c, err := look(m)
	if err != nil {
		return err
	}
	o.Attachments = []capture.Attachment{{Name: strings.ToValidUTF8(m.Name, "\uFFFD"), Class: c.class, Presence: capture.Present, Path: m.Path,
		Size: m.Size, SHA256: hash, Within: o.Origin.FileSHA256, Detail: c.mediaType}}
	r.fill(o, c)
	r.ordinal++
	r.Reconciliation.InFile++
	r.Reconciliation.Items++
	r.Coverage.Messages++
	r.Coverage.Bytes += m.Size
	r.Coverage.BytesCovered += m.Size
	if r.Coverage.First == nil {
		r.Coverage.First = &o.Sent
	}
	r.Coverage.Last = &o.Sent
	if r.Variant = c.variant(); r.ordinal > 1 {
		r.Variant = "several"
	}
	return r.emit(o)
}

// fill takes over what was found in a file.
func (r *run) fill(o *capture.Observation, c *contents) {
	if n := &r.Conversations[o.Conversation]; n.Title == "" {
		n.Title = clean(o.Attachments[0].Name)
	}
	if o.Text = c.text; c.plain && !c.cut {
		o.Kind, o.Body = capture.KindNote, c.text
	} else if c.text != "" {
		o.Derived = &capture.Derived{Engine: "despatch-" + c.variant() + "-text 1"}
	}
	for _, w := range c.doubts {
		o.Doubt(w.Code, w.Detail)
	}
	if c.cut {
		o.Doubt("text_cut", fmt.Sprintf("Only the first %d KB of its text can be searched.", maxText>>10))
	}
	switch {
	case c.text != "" || c.class == "image" && c.mediaType == "":
	case c.class == "image":
		o.Doubt(capture.WordsNotRead, "The words in this picture cannot be searched.")
		r.silent++
	case c.class == "audio" || c.class == "video":
		o.Doubt("words_not_read", "What is said in this recording cannot be searched.")
		r.silent++
	default:
		r.closed++
	}
}

func (r *run) conclude() {
	if r.silent > 0 {
		r.Warn(capture.Warning{Code: "words_not_read", Count: r.silent, Detail: "Words in pictures and recordings are not text. Where the server can read pictures by machine they can be searched, as such; else a person must write down what they say."})
	}
	if r.closed > 0 {
		r.Warn(capture.Warning{Code: "no_text", Count: r.closed, Detail: "No text was found inside a file. It is kept whole, but only its name can be searched."})
	}
	if r.opt.Happened == (capture.Period{}) {
		r.Warn(capture.Warning{Code: "time_unknown", Detail: "The file does not say when this was said. Only that it was not later than it was handed in is certain."})
	}
	if r.opt.System == "" {
		r.Warn(capture.Warning{Code: "system_unknown", Detail: "The file does not say on which system this was said, nor by whom."})
	}
	r.Coverage.FilteredKinds = []string{"senders", "times", "reactions", "receipts"}
	r.Reconciliation.Balance()
}

// contents is what can be told of a file without a person.
type contents struct {
	class     string // image, video, audio, document
	mediaType string // as its first bytes tell
	text      string
	plain     bool // it is a plain text and nothing else
	cut       bool // there was more text
	doubts    []capture.Warning
}

func (c *contents) doubt(code, format string, args ...any) {
	c.doubts = append(c.doubts, capture.Warning{Code: code, Detail: fmt.Sprintf(format, args...)})
}

// variant names the sort of file.
func (c *contents) variant() string {
	switch {
	case c.plain:
		return "text"
	case c.mediaType == "application/pdf":
		return "pdf"
	}
	return c.class
}

// look looks into a file.
func look(m *capture.Member) (*contents, error) {
	data, err := load(m)
	if err != nil {
		return nil, err
	}
	c := &contents{class: "document"}
	kind := mimetype.Detect(data[:min(len(data), 64<<10)])
	c.mediaType, _, _ = strings.Cut(kind.String(), ";")
	if family, _, _ := strings.Cut(c.mediaType, "/"); family == "image" || family == "audio" || family == "video" {
		c.class = family
	} else if c.mediaType == "application/ogg" {
		c.class = "audio"
	}
	switch {
	case m.Size == 0:
		c.doubt("empty", "The file is empty.")
		return c, nil
	case m.Size > maxRead && !isText(kind):
		if c.class == "document" {
			c.doubt("not_read", "The file is larger than %d MB. It is kept whole, but its text cannot be searched.", maxRead>>20)
		}
		return c, nil
	}
	switch {
	case c.mediaType == "application/pdf":
		readPDF(c, data)
	case c.class == "image":
		readExif(c, data)
	case strings.HasPrefix(string(data), "PK\x03\x04"):
		readOffice(c, m.Label(), data)
	case isText(kind):
		readText(c, data)
		c.cut = c.cut || m.Size > maxRead
	}
	if len(c.text) > maxText {
		c.text, c.cut = strings.ToValidUTF8(c.text[:maxText], ""), true
	}
	c.text = strings.ReplaceAll(c.text, "\x00", "")
	return c, nil
}

// isText reports whether a kind of file is text of some sort.
func isText(kind *mimetype.MIME) bool {
	for k := kind; k != nil; k = k.Parent() {
		if k.Is("text/plain") {
			return true
		}
	}
	return false
}

// load reads a file, or its beginning if it is large.
func load(m *capture.Member) ([]byte, error) {
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, min(m.Size, maxRead))
	if n, err := io.ReadFull(r, data); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %q after %d bytes: %w", m.Label(), n, err)
	}
	return data, nil
}

// tidy is text as a reader wants it: no characters that nobody sees, no runs of empty lines.
func tidy(s string) string {
	var b strings.Builder
	empty := 0
	for l := range strings.Lines(s) {
		l = strings.TrimRightFunc(strings.Map(func(r rune) rune {
			if r == '\t' {
				return r
			}
			if unicode.IsControl(r) || r == utf8.RuneError {
				return -1
			}
			return r
		}, l), unicode.IsSpace)
		if strings.TrimSpace(l) == "" {
			empty++
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\n")
			if empty > 0 {
				b.WriteString("\n")
			}
		}
		empty = 0
		b.WriteString(l)
	}
	return b.String()
}
