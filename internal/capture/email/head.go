package email

import (
	"bufio"
	"bytes"
	"io"
	"strings"
)

// Head is what a mail's header says of where it comes from, for those who must decide whether to take it.
type Head struct {
	From       []string // addresses of all From fields
	FromFields int      // how many such fields there are; a mail has one
	Subject    string
	MessageID  string
	Automatic  string   // Auto-Submitted, in small letters: no, auto-replied, …; empty if it does not say
	Results    []string // Authentication-Results, the topmost first
}

// ReadHead reads the header that a mail begins with.
func ReadHead(r io.Reader) (*Head, error) {
	var raw bytes.Buffer
	in := bufio.NewReader(io.LimitReader(r, maxHeader))
	for {
		line, err := in.ReadBytes('\n')
		raw.Write(line)
		if len(bytes.TrimRight(line, "\r\n")) == 0 || err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	h, _, _ := parseHeader(raw.Bytes())
	from := h.all("from")
	d := &Head{FromFields: len(from), Subject: text(h.value("subject"))}
	for _, a := range addresses(from) {
		d.From = append(d.From, a.email)
	}
	if ids := messageIDs(h.value("message-id")); len(ids) > 0 {
		d.MessageID = ids[0]
	}
	automatic, _, _ := strings.Cut(strings.ToLower(visible(raw8(h.value("auto-submitted")))), ";")
	d.Automatic = strings.TrimSpace(automatic)
	for _, v := range h.all("authentication-results") {
		d.Results = append(d.Results, visible(raw8(v)))
	}
	return d, nil
}

// Inside reports whether an attachment belongs to a mail in the mail, which is an attachment itself.
func Inside(detail string) bool { return strings.HasPrefix(detail, insideMail) }

const insideMail = "in the mail “"
