package mailin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"despatch/internal/capture"
	"despatch/internal/capture/email"
	"despatch/internal/store"
)

// take puts a mail on the record for whose it is.
func (s *Service) take(ctx context.Context, f *os.File, size int64, envelope string) error {
	head, err := email.ReadHead(io.NewSectionReader(f, 0, size))
	if err != nil {
		return err
	}
	person, address, err := s.whose(ctx, head, envelope)
	if err != nil {
		return err
	}
	if head.Automatic == "auto-replied" {
		return refuse(550, smtp.EnhancedCode{5, 7, 0}, "Automatic replies are not taken.")
	}
	mail, err := capture.NewFile(ctx, fileName(head.Subject)+".eml", f, size, time.Time{})
	if err != nil {
		return err
	}
	exports, err := s.exports(ctx, mail)
	if err != nil {
		return err
	}
	var done []handed
	for _, files := range append([][]*capture.File{{mail}}, exports...) {
		r, err := s.Capture.Submit(ctx, capture.Upload{Person: person, Files: files, Options: capture.Options{ReceivedAt: s.Now()}})
		if err != nil {
			return err
		}
		done = append(done, handed{files[0].Name, r})
	}
	s.Log.InfoContext(ctx, "mail taken", "submission", done[0].receipt.Submission, "exports", len(exports))
	if head.Automatic == "" || head.Automatic == "no" {
		s.send(receipt(address, head, done, s.Site))
	}
	return nil
}

// whose returns the person whose mail it is, and the address to answer to, or why it is not taken.
func (s *Service) whose(ctx context.Context, head *email.Head, envelope string) (person, address string, err error) {
	if head.FromFields != 1 || len(head.From) != 1 {
		return "", "", refuse(550, smtp.EnhancedCode{5, 7, 1}, "The mail must have exactly one sender in its From line.")
	}
	address = Fold(head.From[0])
	if address == "" {
		return "", "", refuse(550, smtp.EnhancedCode{5, 7, 1}, "The mail's From line holds no address.")
	}
	// Whether the address is known is told only to who can show that it is theirs.
	if !authentic(head.Results, s.Settings.AuthServer, address, envelope) {
		return "", "", refuse(550, smtp.EnhancedCode{5, 7, 1}, "It is not certain that this mail comes from the address in its From line: neither DMARC, nor DKIM, nor SPF of that domain was passed. Send it from the mail program that you always use, or hand it in on your page in Despatch.")
	}
	known, err := store.MailAddressOf(ctx, s.DB.Reader(), address)
	if errors.Is(err, store.ErrNotFound) {
		return "", "", refuse(550, smtp.EnhancedCode{5, 7, 1}, "This address is not known here. Ask the IT desk to add it, or send the mail from an address that is known.")
	}
	if err != nil {
		return "", "", err
	}
	p, err := store.PersonByID(ctx, s.DB.Reader(), known.Person)
	if err != nil {
		return "", "", err
	}
	if p.DisabledAt != 0 {
		return "", "", refuse(550, smtp.EnhancedCode{5, 7, 1}, "The account that this address belongs to is closed. Ask the records office.")
	}
	return p.ID, address, nil
}

// fileName makes a file's name of a subject.
func fileName(subject string) string {
	name := strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`\/:*?"<>|`, r) {
			return '_'
		}
		return r
	}, subject))
	if len(name) > 100 {
		name = strings.ToValidUTF8(name[:100], "")
	}
	if name == "" {
		name = "mail"
	}
	return name
}

// exports returns the attachments that are exports or mails, each to be handed in by itself. A chat that
// is a text, with its pictures beside it, is handed in with them.
func (s *Service) exports(ctx context.Context, mail *capture.File) ([][]*capture.File, error) {
	var list []*capture.File
	_, err := email.Parser{}.Parse(ctx, &capture.Source{Files: []*capture.File{mail}}, capture.Options{}, func(o *capture.Observation) error {
		for i := range o.Attachments {
			a := &o.Attachments[i]
			if a.Presence != capture.Present || a.Open == nil || email.Inside(a.Detail) || len(list) >= capture.MaxFiles {
				continue
			}
			f, err := attached(ctx, a, len(list))
			if err != nil {
				return err
			}
			list = append(list, f)
		}
		return nil
	})
	if fault := (*capture.FileError)(nil); errors.As(err, &fault) {
		return nil, nil // what is wrong with the mail its own receipt says
	}
	if err != nil {
		return nil, err
	}
	var out [][]*capture.File
	var others []*capture.File
	for _, f := range list {
		is, err := s.isExport(ctx, f)
		if err != nil {
			return nil, err
		}
		if is {
			out = append(out, []*capture.File{f})
		} else {
			others = append(others, f)
		}
	}
	if len(out) == 1 && len(others) > 0 && !capture.IsZip(out[0][0]) && strings.HasSuffix(strings.ToLower(out[0][0].Name), ".txt") {
		out[0] = append(out[0], others...)
	}
	return out, nil
}

// attached returns an attachment as a file.
func attached(ctx context.Context, a *capture.Attachment, n int) (*capture.File, error) {
	r, err := a.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	name := a.Name
	if name == "" {
		name = fmt.Sprintf("attachment-%d", n+1)
	}
	return capture.NewFile(ctx, name, bytes.NewReader(b), int64(len(b)), time.Time{})
}

// isExport reports whether a parser of some system knows a file, also if it is damaged or locked: its
// owner must be told.
func (s *Service) isExport(ctx context.Context, f *capture.File) (bool, error) {
	for _, p := range s.Capture.Parsers {
		if p.Name() == "unstructured" {
			continue
		}
		is, err := p.Recognise(ctx, &capture.Source{Files: []*capture.File{f}})
		if fault := (*capture.FileError)(nil); is || errors.As(err, &fault) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}
