package tox

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"despatch/internal/capture"
	"despatch/internal/capture/tally"
)

// uTox writes a record as the C compiler lays it out in memory: a header, the sender's name, the
// words, and a line feed. The header differs between computers.

// layout is how a computer lays out the header.
type layout struct {
	name   string
	size   int
	time   int // offset of the time
	wide   bool
	author int // offsets of the lengths
	body   int
	long   bool // lengths have eight bytes, not four
	bits   int
	kind   int
}

var layouts = []layout{
	{name: "64", size: 40, time: 8, wide: true, author: 16, body: 24, long: true, bits: 32, kind: 33},
	{name: "32", size: 20, time: 4, author: 8, body: 12, bits: 16, kind: 17},
	{name: "32, wide time", size: 32, time: 8, wide: true, author: 16, body: 20, bits: 24, kind: 25},
	{name: "32, wide time, packed", size: 28, time: 4, wide: true, author: 12, body: 16, bits: 20, kind: 21},
}

// Bounds of a record. uTox itself reads no longer ones.
const (
	maxLogName = 4 << 10
	maxLogText = 1 << 20
)

// record is one header.
type record struct {
	version      byte
	time         int64 // seconds since 1970
	author, body int
	own          bool // written by the one whose log it is
	receipt      bool
	deleted      bool
	kind         byte
}

// Kinds of a record in uTox.
const (
	logText   = 1
	logAction = 2
	logNotice = 3
	logDay    = 4
	logImage  = 5
	logFile   = 6
)

func (l *layout) header(b []byte) (r record, ok bool) {
	length := func(at int) int {
		if l.long {
			return int(min(binary.LittleEndian.Uint64(b[at:]), 1<<40))
		}
		return int(binary.LittleEndian.Uint32(b[at:]))
	}
	r = record{version: b[0], author: length(l.author), body: length(l.body), kind: b[l.kind]}
	r.own, r.receipt, r.deleted = b[l.bits]&1 != 0, b[l.bits]&2 != 0, b[l.bits]&0x80 != 0
	if l.wide {
		r.time = int64(binary.LittleEndian.Uint64(b[l.time:]))
	} else {
		r.time = int64(int32(binary.LittleEndian.Uint32(b[l.time:])))
	}
	ok = r.version <= 3 && r.kind <= logFile && r.author <= maxLogName && r.body <= maxLogText &&
		r.time > 1_300_000_000 && r.time < 1<<34
	return r, ok
}

// logLayout returns the layout in which a file's beginning is a chain of records, or nil. A whole first
// record must be there, and what follows must be another or the end of the file.
func logLayout(head []byte, size int64) *layout {
	for i := range layouts {
		l := &layouts[i]
		at, n := 0, 0
		for at+l.size <= len(head) {
			r, ok := l.header(head[at:])
			if !ok {
				n = -1
				break
			}
			end := at + l.size + r.author + r.body
			if end >= len(head) {
				break
			}
			if head[end] != '\n' {
				n = -1
				break
			}
			at, n = end+1, n+1
		}
		if n > 0 && (int64(at) == size || n > 1 || size > int64(len(head))) {
			return l
		}
	}
	return nil
}

// log reads one log of uTox, which is one conversation.
func (r *reader) log(m *capture.Member) error {
	head, err := beginning(m, 8<<10)
	if err != nil {
		return err
	}
	l := logLayout(head, m.Size)
	if l == nil {
		return &capture.FileError{File: m.Label(), Reason: "is no log of uTox any more", Remedy: "Copy it again when uTox is closed."}
	}
	r.Decide("layout", l.name, "records_chain", 1, 0)
	id := ""
	if k := keyName.FindStringSubmatch(m.Name); k != nil {
		id = strings.ToUpper(k[1])
	}
	c, err := r.Chat(capture.Conversation{Kind: "dm", ID: id, Path: m.Path})
	if err != nil {
		return err
	}
	return r.Read(m, func(in *tally.Input) (int64, error) {
		f := &logFileReader{reader: r, member: m, layout: l, chat: c, id: id, in: bufio.NewReaderSize(in, 64<<10), line: 1}
		err := f.records()
		return f.at, err
	})
}

type logFileReader struct {
	*reader
	member *capture.Member
	layout *layout
	chat   *tally.Chat
	id     string
	in     *bufio.Reader
	at     int64
	line   int64
}

func (f *logFileReader) records() error {
	for {
		raw := make([]byte, f.layout.size, f.layout.size+256)
		n, err := io.ReadFull(f.in, raw)
		if err == io.EOF {
			return nil
		}
		whole := err == nil
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		var h record
		if whole {
			if h, whole = f.layout.header(raw); whole {
				raw = append(raw, make([]byte, h.author+h.body+1)...)
				k, err := io.ReadFull(f.in, raw[f.layout.size:])
				if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					return err
				}
				n += k
				whole = err == nil && raw[len(raw)-1] == '\n'
			}
		}
		if !whole {
			return f.rest(raw[:n])
		}
		if err := f.item(h, raw); err != nil {
			return err
		}
		f.at += int64(len(raw))
		f.line += int64(bytes.Count(raw, []byte("\n")))
	}
}

// rest gives up on a log at a record that is none: where the next begins nobody can tell.
func (f *logFileReader) rest(begun []byte) error {
	n, err := io.Copy(io.Discard, f.in)
	if err != nil {
		return err
	}
	n += int64(len(begun))
	f.Skip("broken_record", fmt.Sprintf("%d bytes from byte %d", n, f.at))
	f.Run.Warn(capture.Warning{Code: "log_broken", Offset: f.at, Line: f.line,
		Detail: fmt.Sprintf("The log is broken from byte %d on: the last %d bytes could not be read as messages. uTox itself shows none of them either. They are kept with the file.", f.at, n)})
	f.at += n
	return nil
}

func (f *logFileReader) item(h record, raw []byte) error {
	lines := max(1, int64(bytes.Count(raw, []byte("\n"))))
	o := tally.Observation(f.member, raw, f.at, f.at+int64(len(raw)), f.line, lines, 0)
	o.Chat = f.id
	words := raw[f.layout.size:]
	name, body := string(words[:h.author]), string(words[h.author:h.author+h.body])
	if !utf8.ValidString(name) || !utf8.ValidString(body) {
		o.Doubt("not_text", "Some bytes are no text. They are shown as \uFFFD; the file itself is kept.")
		body = strings.ToValidUTF8(body, "\uFFFD")
	}
	o.Body, o.Text = body, body
	clock := "receiver"
	if h.own {
		clock = "sender"
	}
	o.Sent, _ = tally.Epoch(fmt.Sprint(h.time), h.time*1000, "s", clock)
	if h.kind == logNotice || h.kind == logDay {
		o.Kind = capture.KindSystem
		o.System = &capture.SystemEvent{Code: "other"}
		if h.kind == logDay {
			o.System.Code = "day"
		}
		return f.chat.Item(o)
	}
	switch {
	case h.own:
		if name = f.chat.Person(name, "", ""); name == "" {
			name = "self"
		}
		o.Sender = name
		if f.chat.Conversation().Viewpoint == "" {
			f.chat.Self(name)
		}
	default:
		o.Sender = f.chat.Person(name, "tox", f.id)
		if t := f.chat.Conversation(); t.Title == "" {
			t.Title = o.Sender
		}
	}
	if h.kind == logImage || h.kind == logFile {
		o.Kind = capture.KindMedia
		a := capture.Attachment{Class: "document", Presence: capture.Omitted}
		if h.kind == logImage {
			a.Class = "image"
		}
		o.Attachments = append(o.Attachments, a)
	}
	if h.own && !h.receipt && h.version > 0 {
		o.State.Status = "pending" // the other side has not confirmed it
	}
	if h.deleted {
		o.State.Deleted, o.State.DeletedBy = true, "exporter"
	}
	return f.chat.Item(o)
}
