package email

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"strconv"

	"despatch/internal/capture"
)

// maxMail bounds the bytes of one mail that are kept in memory. What a larger one has beyond is hashed
// and not read. Mail servers take less than this.
const maxMail = 96 << 20

// Dialects of mbox: four ways to tell a line that begins with "From " from the beginning of a mail.
// The application/mbox of RFC 4155 has none. See https://www.loc.gov/preservation/digital/formats/fdd/fdd000383.shtml.
const (
	dialectPlain = "mbox"    // nothing in the file tells
	dialectO     = "mboxo"   // such lines get a ">", and those that had one are the same: it cannot be undone
	dialectRD    = "mboxrd"  // such lines, and those with ">" before them, get another ">": it can be undone
	dialectCL    = "mboxcl"  // as mboxo, and Content-Length says where a mail ends
	dialectCL2   = "mboxcl2" // nothing is changed, Content-Length alone says where a mail ends
)

// evidence counts in a file what tells its dialect.
type evidence struct {
	mails     int64
	lengths   int64 // a Content-Length that ends where the next mail begins
	wrong     int64 // one that does not
	bare      int64 // lines in a mail, by its Content-Length, that begin as a mail does
	quoted    int64 // ">From "
	requoted  int64 // ">>From ", and more
	lookalike int64 // "From " that does not begin a mail
	before    int64 // bytes before the first mail
}

// dialect settles the dialect, and says by which rule.
func (e *evidence) dialect() capture.Decision {
	d := capture.Decision{About: "mbox_dialect", By: "file"}
	switch {
	case e.lengths > 0 && e.lengths > 10*e.wrong && e.bare > 0 && e.quoted+e.requoted == 0:
		d.Value, d.Rule, d.Support, d.Conflicts = dialectCL2, "length_over_bare_line", e.bare, e.wrong
	case e.lengths > 0 && e.lengths > 10*e.wrong && e.bare > 0:
		d.Value, d.Rule, d.Support, d.Conflicts = dialectCL2, "length_over_bare_line", e.bare, e.quoted+e.requoted
	case e.lengths > 0 && e.lengths > 10*e.wrong && e.quoted > 0:
		d.Value, d.Rule, d.Support, d.Conflicts = dialectCL, "length_and_quoted_line", e.lengths, e.wrong
	case e.lengths > 0 && e.lengths > 10*e.wrong:
		d.Value, d.Rule, d.Support, d.Conflicts = dialectCL, "length", e.lengths, e.wrong
		d.Detail = "No line begins with “From ”, so that mboxcl and mboxcl2 are the same."
	case e.requoted > 0:
		d.Value, d.Rule, d.Support, d.Conflicts = dialectRD, "line_quoted_twice", e.requoted, e.lookalike
	case e.quoted > 0:
		d.Value, d.Rule, d.Support, d.Conflicts = dialectO, "line_quoted_once", e.quoted, e.lookalike
		d.Detail = "A line with one “>” may have been written so. It is left as it stands."
	default:
		d.Value, d.Rule, d.Support = dialectPlain, "no_quoted_line", e.mails
		d.Detail = "No line begins with “From ”, so that all dialects are the same."
	}
	return d
}

// piece is one mail as it stands in an mbox.
type piece struct {
	raw        []byte // the line that begins it, and the mail; at most maxMail
	start, end int64
	line       int64 // its first, from 1
	lines      int64
	sum        [32]byte // of all of it
	cut        bool     // it is longer than raw
}

// splitter cuts an mbox into mails.
type splitter struct {
	r    *bufio.Reader
	keep bool // whether mails are wanted, or only the evidence
	off  int64
	line int64
	evidence

	// Of the mail that is being read.
	buf    []byte
	sum    hash.Hash
	start  int64
	first  int64 // line
	lines  int64
	size   int64
	body   int64 // where in the mail its body begins; -1 while in the header
	length int64 // what Content-Length says; -1 if nothing
	looked bool  // whether a mail begins there has been looked at
	ends   bool  // and one does, or the file ends
}

// lookAhead is how far ahead a Content-Length can be checked before it is believed.
const lookAhead = 1 << 20

func newSplitter(r io.Reader, keep bool) *splitter {
	return &splitter{r: bufio.NewReaderSize(r, lookAhead), keep: keep, sum: sha256.New()}
}

// mails calls fn for every mail of the file.
func (s *splitter) mails(ctx context.Context, fn func(*piece) error) error {
	blank, begins, open := true, true, false // after an empty line; at the beginning of a line; in a mail
	for n := 0; ; n++ {
		if n&0xFFF == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, err := s.r.ReadSlice('\n')
		if len(line) == 0 {
			if err == io.EOF && open {
				return s.finish(fn)
			}
			if err == io.EOF {
				err = nil
			}
			return err
		}
		if begins {
			s.line++
		}
		if begins && bytes.HasPrefix(line, []byte("From ")) {
			line = bytes.Clone(line) // looking ahead moves what was read
			switch {
			case !separator(line) || !s.headerFollows(blank):
				s.lookalike++
			case open && s.inside(len(line)):
				s.bare++
			default:
				if open {
					if err := s.finish(fn); err != nil {
						return err
					}
				}
				open, s.start, s.first = true, s.off, s.line
				s.buf, s.size, s.lines, s.body, s.length, s.looked = nil, 0, 0, -1, -1, false
				s.sum.Reset()
			}
		}
		if open {
			s.add(line, begins)
		} else {
			s.before += int64(len(line))
		}
		s.off += int64(len(line))
		if begins {
			blank = len(bytes.TrimRight(line, "\r\n")) == 0
		}
		begins = err != bufio.ErrBufferFull
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return err
		}
	}
}

// finish hands out the mail that has been read.
func (s *splitter) finish(fn func(*piece) error) error {
	s.evidence.mails++
	if s.length >= 0 && s.body >= 0 {
		// An empty line, or two, may stand between mails.
		if over := s.size - s.body - s.length; over >= 0 && over <= 4 {
			s.lengths++
		} else {
			s.wrong++
		}
	}
	p := &piece{raw: s.buf, start: s.start, end: s.start + s.size, line: s.first, lines: s.lines, cut: s.size > int64(len(s.buf))}
	s.sum.Sum(p.sum[:0])
	return fn(p)
}

// add adds a line, or a piece of a very long one, to the mail.
func (s *splitter) add(line []byte, begins bool) {
	if s.keep {
		s.sum.Write(line)
		if room := maxMail - len(s.buf); room > 0 {
			s.buf = append(s.buf, line[:min(len(line), room)]...)
		}
	}
	s.size += int64(len(line))
	if begins {
		s.lines++
		s.look(line)
	}
}

// look notes what a line tells of the dialect.
func (s *splitter) look(line []byte) {
	if s.body < 0 {
		switch {
		case len(bytes.TrimRight(line, "\r\n")) == 0:
			s.body = s.size
		case len(line) > 15 && bytes.EqualFold(line[:15], []byte("content-length:")):
			if n, err := strconv.ParseInt(string(bytes.TrimSpace(line[15:])), 10, 64); err == nil && n >= 0 {
				s.length = n
			}
		}
		return
	}
	if line[0] != '>' {
		return
	}
	if rest := bytes.TrimLeft(line, ">"); bytes.HasPrefix(rest, []byte("From ")) {
		if len(line)-len(rest) > 1 {
			s.requoted++
		} else {
			s.quoted++
		}
	}
}

// inside reports whether the mail, by its own Content-Length, goes on behind a line of n bytes that looks
// like the beginning of another. The length is believed if a mail begins, or the file ends, where it says;
// where that is too far away to be looked at, if it was right for other mails.
func (s *splitter) inside(n int) bool {
	if s.length < 0 || s.body < 0 || s.wrong > s.lengths {
		return false
	}
	left := s.body + s.length - s.size - int64(n)
	if left < 0 {
		return false
	}
	if s.looked {
		return s.ends
	}
	if left+64 > lookAhead {
		return s.lengths > 0
	}
	s.looked, s.ends = true, false
	ahead, _ := s.r.Peek(int(left) + 64)
	if int64(len(ahead)) >= left { // else the file ends before
		rest := bytes.TrimLeft(ahead[left:], "\r\n")
		s.ends = len(rest) == 0 || bytes.HasPrefix(rest, []byte("From "))
	}
	return s.ends
}

// separator reports whether a line that begins with "From " has a time and a year, as one that begins a
// mail does.
func separator(line []byte) bool {
	clock, year := false, false
	for _, w := range bytes.Fields(line[5:min(len(line), 512)]) {
		switch {
		case len(w) >= 4 && len(w) <= 8 && bytes.IndexByte(w, ':') > 0 && len(bytes.Trim(w, "0123456789:")) == 0:
			clock = true
		case len(w) == 4 && (w[0] == '1' && w[1] == '9' || w[0] == '2' && w[1] == '0') && len(bytes.Trim(w, "0123456789")) == 0:
			year = true
		}
	}
	return clock && year
}

// headerFollows reports whether the next line is a field of a header. If no empty line stands before, it
// must be a field that mails have.
func (s *splitter) headerFollows(blank bool) bool {
	ahead, _ := s.r.Peek(1024)
	line, _ := cutLine(ahead)
	if bytes.HasPrefix(line, []byte(">From ")) || len(ahead) == 0 {
		return blank
	}
	name, _, ok := fieldOf(line)
	return ok && (blank || mailFields[name])
}

// mailFields are the names by which a mail's header is known.
var mailFields = map[string]bool{"from": true, "to": true, "cc": true, "subject": true, "date": true, "message-id": true, "received": true, "return-path": true,
	"mime-version": true, "delivered-to": true, "reply-to": true, "sender": true, "in-reply-to": true, "references": true, "content-type": true, "content-transfer-encoding": true, "content-disposition": true,
	"dkim-signature": true, "arc-seal": true, "authentication-results": true, "received-spf": true, "x-mailer": true, "user-agent": true, "x-received": true,
	"x-gm-thrid": true, "x-mozilla-status": true, "x-mozilla-status2": true, "x-mozilla-keys": true, "x-original-to": true, "x-account-key": true,
	"x-unsent": true, "bcc": true, "x-sender": true, "status": true, "x-status": true, "x-uid": true, "envelope-to": true, "resent-from": true, "thread-topic": true}

// mailOf returns the mail in a piece of an mbox: without the line that begins it, without the empty line
// that ends it, and of a file in the dialect mboxrd with lines as they were before they were quoted.
func (p *piece) mailOf(dialect string) []byte {
	_, mail := cutLine(p.raw)
	if !p.cut {
		if bytes.HasSuffix(mail, []byte("\r\n\r\n")) {
			mail = mail[:len(mail)-2]
		} else if bytes.HasSuffix(mail, []byte("\n\n")) {
			mail = mail[:len(mail)-1]
		}
	}
	if dialect != dialectRD || !bytes.Contains(mail, []byte("\n>")) {
		return mail
	}
	out := make([]byte, 0, len(mail))
	for len(mail) > 0 {
		line := mail
		if i := bytes.IndexByte(mail, '\n'); i >= 0 {
			line = mail[:i+1]
		}
		mail = mail[len(line):]
		if line[0] == '>' && bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")) {
			line = line[1:]
		}
		out = append(out, line...)
	}
	return out
}

// quotedLine reports whether a line of the mail has a ">" that may have been put there by the file.
func quotedLine(mail []byte) bool { return bytes.Contains(mail, []byte("\n>From ")) }
