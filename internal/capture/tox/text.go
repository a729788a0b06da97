package tox

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"despatch/internal/capture"
	"despatch/internal/capture/tally"
)

// The texts that qTox and uTox export do not mark a line that goes on with a message: every line that
// is no beginning belongs to the message before it.

var (
	// qtoxLine is a date, a time, who, and what, with tabs between them.
	qtoxLine = regexp.MustCompile(`^(\d{4})-(\d{2})-(\d{2})\t(\d{2}):(\d{2}):(\d{2})\t([^\t]*)\t(.*)$`)
	// utoxLine is a time, who, and what.
	utoxLine = regexp.MustCompile(`^\[(\d{2}:\d{2})\] <([^>]{0,128})> (.*)$`)
	utoxDay  = regexp.MustCompile(`^Day has changed to (.{6,60})$`)
)

// maxMessage bounds a message with all its lines.
const maxMessage = 1 << 20

// textForm says by its first lines whether a text is an export of qTox or of uTox.
func textForm(head []byte) form {
	first := true
	utox := 0
	for l := range bytes.Lines(head) {
		l = bytes.TrimRight(bytes.TrimPrefix(l, []byte("\xef\xbb\xbf")), "\r\n")
		if len(l) == 0 {
			continue
		}
		if first && qtoxLine.Match(l) {
			return formText
		}
		first = false
		if utoxLine.Match(l) {
			utox++
		}
		if utox > 0 && (utoxDay.Match(l) || utox > 1) {
			return formExport
		}
		if utox == 0 && !utoxDay.Match(l) {
			return formNone // something else comes first
		}
	}
	return formNone
}

// textReader reads an export.
type textReader struct {
	*reader
	member *capture.Member
	form   form
	chat   *tally.Chat

	day     string // that has changed last
	start   int64
	at      int64
	line    int64
	first   int64 // line of the message under way
	raw     []byte
	pending *capture.Observation
}

func (r *reader) text(m *capture.Member, f form) error {
	c, err := r.Chat(capture.Conversation{Kind: "unknown", Path: m.Path})
	if err != nil {
		return err
	}
	if k := keyName.FindStringSubmatch(m.Name); k != nil {
		c.Conversation().ID = strings.ToUpper(k[1])
	}
	t := &textReader{reader: r, member: m, form: f, chat: c}
	err = r.Read(m, func(in *tally.Input) (int64, error) { return t.lines(bufio.NewReaderSize(in, 64<<10)) })
	if r.opt.Zone == nil && c.Size() > 0 {
		r.Run.Warn(capture.Warning{Code: "zone_unknown", Detail: "The file does not say in which time zone the computer was. Without it, times may be off by up to 14 hours."})
	}
	return err
}

func (t *textReader) lines(in *bufio.Reader) (int64, error) {
	for {
		l, err := readLine(in)
		if err == io.EOF {
			return t.at, t.flush()
		}
		if err != nil {
			return t.at, err
		}
		if len(l) > maxMessage {
			return t.at, t.tooLong()
		}
		t.line++
		if err := t.take(l); err != nil {
			return t.at, err
		}
		t.at += int64(len(l))
	}
}

func (t *textReader) tooLong() error {
	return &capture.FileError{File: t.member.Label(), Reason: fmt.Sprintf("has a message of more than %d MB at line %d", maxMessage>>20, t.line), Remedy: "Hand in the file as it was exported."}
}

// readLine returns a line with its end, or a piece longer than [maxMessage] of one.
func readLine(in *bufio.Reader) ([]byte, error) {
	var out []byte
	for {
		part, err := in.ReadSlice('\n')
		out = append(out, part...)
		if err == io.EOF && len(out) > 0 {
			return out, nil
		}
		if err != bufio.ErrBufferFull || len(out) > maxMessage {
			if err == bufio.ErrBufferFull {
				err = nil
			}
			return out, err
		}
	}
}

// take takes a line: the beginning of a message, or more of the one before.
func (t *textReader) take(l []byte) error {
	text := bytes.TrimRight(l, "\r\n")
	if t.line == 1 {
		text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	}
	o := t.begin(string(text))
	if o == nil {
		if t.pending == nil {
			if len(bytes.TrimSpace(text)) > 0 {
				t.Skip("before_first_message", string(text))
			}
			return nil
		}
		if len(t.raw)+len(l) > maxMessage {
			return t.tooLong()
		}
		t.raw = append(t.raw, l...)
		return nil
	}
	if err := t.flush(); err != nil {
		return err
	}
	t.pending, t.start, t.first = o, t.at, t.line
	t.raw = append(t.raw[:0], l...)
	return nil
}

// begin returns the message that a line begins, or nil.
func (t *textReader) begin(l string) *capture.Observation {
	o := &capture.Observation{Kind: capture.KindText}
	if t.form == formText {
		m := qtoxLine.FindStringSubmatch(l)
		if m == nil {
			return nil
		}
		at, err := time.Parse("2006-01-02 15:04:05", fmt.Sprintf("%s-%s-%s %s:%s:%s", m[1], m[2], m[3], m[4], m[5], m[6]))
		if err != nil {
			return nil
		}
		c := capture.Civil{Year: at.Year(), Month: int(at.Month()), Day: at.Day(), Hour: at.Hour(), Minute: at.Minute(), Second: at.Second()}
		o.Sent = capture.Local(l[:19], c, true, t.opt.Zone)
		o.Sender, o.Body = m[7], m[8]
		return o
	}
	if m := utoxDay.FindStringSubmatch(l); m != nil {
		t.day = m[1]
		o.Kind, o.Body, o.System = capture.KindSystem, l, &capture.SystemEvent{Code: "day", Value: m[1]}
		o.Sent, _ = tally.When(t.day, t.opt.Zone, t.opt.DateOrder)
		return o
	}
	m := utoxLine.FindStringSubmatch(l)
	if m == nil {
		return nil
	}
	o.Sent = capture.Undated(m[1])
	if t.day != "" {
		o.Sent, _ = tally.When(t.day+" "+m[1], t.opt.Zone, t.opt.DateOrder)
	}
	o.Sender, o.Body = m[2], m[3]
	return o
}

// flush hands out the message under way.
func (t *textReader) flush() error {
	o := t.pending
	if o == nil {
		return nil
	}
	t.pending = nil
	lines := max(1, int64(bytes.Count(bytes.TrimSuffix(t.raw, []byte("\n")), []byte("\n")))+1)
	full := tally.Observation(t.member, t.raw, t.start, t.start+int64(len(t.raw)), t.first, lines, 0)
	full.Kind, full.Sent, full.System = o.Kind, o.Sent, o.System
	_, more, _ := strings.Cut(string(t.raw), "\n")
	full.Body = o.Body
	if more = strings.TrimRight(more, "\r\n"); more != "" {
		full.Body += "\n" + strings.ReplaceAll(more, "\r\n", "\n")
	}
	if !utf8.ValidString(full.Body) {
		full.Body = strings.ToValidUTF8(full.Body, "\uFFFD")
		full.Doubt("not_text", "Some bytes are no text. They are shown as \uFFFD; the file itself is kept.")
	}
	full.Text = full.Body
	if full.Kind != capture.KindSystem {
		full.Sender = t.chat.Person(o.Sender, "", "")
	}
	if full.Sent.Precision == "none" {
		full.Doubt("day_unknown", "The export shows the time of day but not the day.")
	}
	return t.chat.Item(full)
}
