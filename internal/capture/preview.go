package capture

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// Preview is what a submission would bring, without keeping anything of it.
type Preview struct {
	Format   string          `json:"format"` // [PreviewFormat]
	Files    []SubmittedFile `json:"files"`
	Declared Declared        `json:"declared"`
	Fault    *FileError      `json:"fault"` // why a file cannot be read, and what to do; null if it can
	*ParseRun
}

// PreviewFormat names the shape of [WritePreview]. A later shape that outsiders could trip over has
// another number.
const PreviewFormat = "despatch capture preview 1"

// Preview runs a parser over files and stores nothing. It calls each, if it is not nil, for every
// message, also where questions remain: instants then hold every answer.
func (s *Service) Preview(ctx context.Context, files []*File, opt Options, each func(*Observation) error) (*Preview, error) {
	if opt.ReceivedAt.IsZero() {
		opt.ReceivedAt = s.Now()
	}
	if s.Detect == nil {
		return MakePreview(ctx, s.Parsers, files, opt, each)
	}
	marked := int64(0)
	p, err := MakePreview(ctx, s.Parsers, files, opt, func(o *Observation) error {
		if s.Detect(o, nil) != nil {
			marked++
		}
		if each == nil {
			return nil
		}
		return each(o)
	})
	if err == nil && marked > 0 {
		p.Warn(Warning{Code: "marked", Count: marked, Detail: "Something in it is marked as SECRET or above, or with the marking of another organisation. If it is what it says, do not hand it in: tell the security team at once. If you hand it in, it is sealed, and the security officer is told."})
	}
	return p, err
}

// MakePreview is [Service.Preview] without a service.
func MakePreview(ctx context.Context, parsers []Parser, files []*File, opt Options, each func(*Observation) error) (*Preview, error) {
	opt.Tentative = true
	if each == nil {
		each = func(*Observation) error { return nil }
	}
	p := &Preview{Format: PreviewFormat, Files: submitted(files), Declared: declared(opt)}
	src := &Source{Files: files}
	parser, run, fault, err := recognise(ctx, parsers, src)
	if err != nil {
		return nil, err
	}
	if parser != nil {
		run, err = parser.Parse(ctx, src, opt, each)
		if !errors.As(err, &fault) && err != nil {
			return nil, err
		}
	}
	p.ParseRun, p.Fault = run, fault
	if fault != nil {
		run.Status = StatusUnreadable
	}
	return p, nil
}

// previewed is a message as a preview writes it: its instants also as RFC 3339.
type previewed struct {
	*Observation
	Sent previewedInstant `json:"sent"`
}

type previewedInstant struct {
	Instant
	Earliest string `json:"earliest"`
	Latest   string `json:"latest"`
}

func rfc3339(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

// WritePreview writes a preview with all messages as one JSON object and a line feed. The messages
// are written as they are read, so that memory does not grow with the file.
func WritePreview(ctx context.Context, w io.Writer, parsers []Parser, files []*File, opt Options) (*Preview, error) {
	out := bufio.NewWriterSize(w, 64<<10)
	out.WriteString(`{"messages":[`)
	first := true
	p, err := MakePreview(ctx, parsers, files, opt, func(o *Observation) error {
		if !first {
			out.WriteByte(',')
		}
		first = false
		return json.MarshalWrite(out, previewed{o, previewedInstant{o.Sent, rfc3339(o.Sent.Min), rfc3339(o.Sent.Max)}})
	})
	if err != nil {
		return nil, err
	}
	if p.Fault != nil { // a name may be anything
		p.Fault.File = strings.ToValidUTF8(p.Fault.File, "\uFFFD")
	}
	rest, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	out.WriteString("],")
	out.Write(rest[1:])
	out.WriteByte('\n')
	return p, out.Flush()
}
