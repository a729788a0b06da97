// Package whatsapp reads the chats that WhatsApp exports: a text file, or a zip of it with media,
// from iPhones and from Android phones, in any language and clock.
//
// The form of such a file is not written down anywhere and differs from phone to phone, so the
// package learns it from each file: which lines begin a message, which of a date's numbers is the
// day, where a sender's name ends. It goes over the text three times and keeps none of it: to vote on
// the form of the headers, to learn and to prove, and to read. What it cannot prove it asks.
//
// What WhatsApp leaves out of an export is lost before we see it: who replied to what, reactions,
// when and from what a message was edited, receipts, and everything that disappeared.
package whatsapp

import (
	"context"
	"fmt"
	"io"

	"despatch/internal/capture"
)

// Parser reads exported chats. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "whatsapp-export" }
func (Parser) Version() string { return "1" }

// Recognise says whether the source holds a chat.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	x, err := openExport(ctx, src)
	if err != nil {
		return false, err
	}
	return len(x.chats) > 0, nil
}

// filtered is what no export of WhatsApp holds.
var filtered = []string{"replies", "reactions", "earlier_versions", "receipts", "disappeared"}

// Parse reads the chats of a source, one after the other.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	run := &capture.ParseRun{
		Parser: p.Name(), Version: p.Version(), System: "whatsapp", Status: capture.StatusUnreadable,
		Conversations: []capture.Conversation{}, Decisions: []capture.Decision{}, Warnings: []capture.Warning{}, Questions: []capture.Question{},
		Coverage: capture.Coverage{FilteredKinds: filtered}, Reconciliation: capture.Reconciliation{Unit: "lines", Skipped: []capture.Skip{}},
	}
	x, err := openExport(ctx, src)
	if err != nil {
		return run, err
	}
	if len(x.chats) == 0 {
		return run, &capture.FileError{File: src.Files[0].Name, Reason: "holds no WhatsApp chat",
			Remedy: "In WhatsApp open the chat, choose Export chat, and hand in the file as it comes."}
	}
	chats := make([]*chat, len(x.chats))
	for i, m := range x.chats {
		c := &chat{member: m, export: x, limits: src.Bounds(), opt: opt, run: run, index: i}
		if err := c.learn(ctx); err != nil {
			return run, err
		}
		chats[i] = c
	}
	run.Status = capture.StatusRead
	if len(run.Questions) > 0 {
		run.Status = capture.StatusNeedsAnswer
		if !opt.Tentative {
			emit = func(*capture.Observation) error { return nil }
		}
	}
	for _, c := range chats {
		if err := c.read(ctx, emit); err != nil {
			run.Status = capture.StatusUnreadable
			return run, err
		}
	}
	run.Coverage.Members = x.members()
	run.Reconciliation.Balance()
	return run, nil
}

// lines calls fn for every line of the chat.
func (c *chat) lines(ctx context.Context, fn func(*line) error) error {
	r, err := c.member.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	lines, err := newLineReader(r, c.limits, c.member.Label())
	if err != nil {
		return err
	}
	c.bom = lines.bom
	for {
		l, err := lines.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if l.number&0xFFF == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := fn(&l); err != nil {
			return err
		}
	}
}

// variant names the sort of phone that the shape tells of.
func (s shape) variant() string {
	switch s.style {
	case '[':
		return "ios"
	case ':':
		return "old"
	}
	return "android"
}

// String describes the shape by an example.
func (s shape) String() string {
	date := [3]string{"1", "2", "03"}
	if s.yearAt >= 0 {
		date = [3]string{"1", "2", "3"}
		date[s.yearAt] = "2003"
	}
	sep := string(s.dateSep)
	d := date[0] + sep + date[1] + sep + date[2]
	t := "4" + string(s.timeSep) + "05"
	if s.seconds {
		t += string(s.timeSep) + "06"
	}
	if s.halves {
		t += " PM"
	}
	glue := " "
	if s.comma {
		glue = ", "
	}
	if s.word != "" {
		glue += s.word + " "
	}
	both := d + glue + t
	if s.timeFirst {
		both = t + glue + d
	}
	switch s.style {
	case '[':
		return "[" + both + "]"
	case ':':
		return both + ":"
	}
	return fmt.Sprintf("%s %c", both, s.style)
}
