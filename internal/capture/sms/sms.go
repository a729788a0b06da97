// Package sms reads the texts, picture messages and call lists of Android telephones, as the app
// SMS Backup & Restore by SyncTech writes them: one XML file of messages (smses), one of calls (calls),
// plain, packed with gzip, or in a zip.
//
// The format is described by its maker at https://www.synctech.com.au/sms-backup-restore/fields-in-xml-backup-files/.
// Its files are not always XML: emoji are written as references to two halves of a character, and messages
// may hold references to characters that XML forbids. The package reads them with a scanner of its own.
//
// A file is gone over twice: to learn whose telephone it was and who the numbers are, and to read. Only one
// record is kept in memory. What the app leaves out is lost before we see it: messages deleted from the
// telephone, those of other apps, reactions, and whose telephone it was.
package sms

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"hash"
	"io"
	"path"
	"strconv"
	"strings"

	"despatch/internal/capture"
)

// Parser reads backups of SMS Backup & Restore. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "sms-backup-restore" }
func (Parser) Version() string { return "1" }

const (
	maxTag    = 96 << 20 // bytes of one tag: a picture as text
	maxRecord = 96 << 20 // bytes of a message's attachments, decoded
	maxParts  = 1000     // parts, and recipients, of one message
)

const reexport = "Make a new backup in SMS Backup & Restore, with media, and hand in the file as it comes."

// backup is one XML file of the source.
type backup struct {
	member *capture.Member
	packed bool   // with gzip
	path   string // inside the file that was handed in
	root   string // smses or calls
}

// find sorts the members of a source into backups and others.
func find(src *capture.Source) (list []*backup, others int64, skipped []capture.Skip, err error) {
	members, skipped, err := src.Members()
	if err != nil {
		return nil, 0, nil, err
	}
	for _, m := range members {
		b, err := open(m, src.Bounds())
		if err != nil {
			return nil, 0, nil, err
		}
		if b == nil {
			others++
			continue
		}
		list = append(list, b)
	}
	return list, others, skipped, nil
}

// open returns a member as a backup, or nil if it is none.
func open(m *capture.Member, limits capture.Limits) (*backup, error) {
	b := &backup{member: m, path: m.Path}
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	head := make([]byte, 3)
	n, _ := io.ReadFull(r, head)
	if bytes.Equal(head[:n], []byte{0x1F, 0x8B, 0x08}) {
		b.packed = true
		b.path = path.Join(m.Path, strings.TrimSuffix(path.Base(m.Name), ".gz"))
		if b.path == path.Base(m.Name) {
			b.path += ".xml"
		}
	} else if n > 0 && head[0] != '<' && head[0] != 0xEF && head[0] > ' ' {
		return nil, nil
	}
	text, err := b.text(limits)
	if err != nil {
		return nil, nil // not packed with gzip after all
	}
	defer text.Close()
	s := newScanner(io.LimitReader(text, 64<<10), 64<<10)
	for {
		t, err := s.next()
		switch {
		case err != nil:
			return nil, nil
		case t.kind == textToken && len(bytes.TrimSpace(bytes.TrimPrefix(t.raw, []byte("\xEF\xBB\xBF")))) > 0:
			return nil, nil
		case t.kind == startToken:
			if t.name != "smses" && t.name != "calls" {
				return nil, nil
			}
			b.root = t.name
			return b, nil
		case t.kind == endToken, t.kind == cutToken:
			return nil, nil
		}
	}
}

// text opens the XML. Reading fails if it would unfold to far more than it is.
func (b *backup) text(limits capture.Limits) (io.ReadCloser, error) {
	r, err := b.member.Open()
	if err != nil || !b.packed {
		return r, err
	}
	z, err := gzip.NewReader(bufio.NewReaderSize(r, 64<<10))
	if err != nil {
		r.Close()
		return nil, fault(b.member, "is packed with gzip and damaged", reexport)
	}
	return &unpacked{z: z, outer: r, m: b.member, left: min(limits.Total, max(16<<20, b.member.Size*limits.Ratio))}, nil
}

func fault(m *capture.Member, reason, remedy string) error {
	return &capture.FileError{File: m.Label(), Reason: reason, Remedy: remedy}
}

// unpacked reads from a gzip file as much as it may unfold to.
type unpacked struct {
	z     *gzip.Reader
	outer io.Closer
	m     *capture.Member
	left  int64
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.z.Read(p)
	if u.left -= int64(n); u.left < 0 {
		return 0, fault(u.m, "would unfold to far more than a backup is", "Such a file can be made to fill a computer's memory. If it is a real backup, unpack it and hand in the XML file.")
	}
	if err == io.ErrUnexpectedEOF {
		return n, io.EOF // what there is is read, and the record that is cut is said to be
	}
	if err != nil && err != io.EOF {
		return n, fault(u.m, "is packed with gzip and damaged", reexport)
	}
	return n, err
}

func (u *unpacked) Close() error { return u.outer.Close() }

// Recognise says whether the source holds a backup.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	list, _, _, err := find(src)
	if err != nil {
		return false, err
	}
	return len(list) > 0, ctx.Err()
}

// filtered is what no such backup holds.
var filtered = []string{"reactions", "read_by_others", "deleted", "owner"}

// Parse reads the backups of a source, one after the other.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	run := capture.NewRun(capture.StatusUnreadable)
	run.Parser, run.Version, run.System, run.Variant = p.Name(), p.Version(), "sms", "sms_backup_restore"
	run.Coverage.FilteredKinds, run.Reconciliation.Unit = filtered, "records"
	list, others, skipped, err := find(src)
	if err != nil {
		return run, err
	}
	if len(list) == 0 {
		return run, &capture.FileError{File: src.Files[0].Name, Reason: "holds no backup of SMS Backup & Restore", Remedy: reexport}
	}
	r := &reading{ctx: ctx, run: run, opt: opt, emit: emit, limits: src.Bounds(), chats: map[string]int{}}
	for _, b := range list {
		if err := r.file(b); err != nil {
			run.Reconciliation.Balance()
			return run, err
		}
	}
	run.Status = capture.StatusRead
	run.Reconciliation.Balance()
	if len(src.Files) > 1 || list[0].member.Path != "" {
		run.Coverage.Members = &capture.Members{Total: int64(len(list)) + others, Chats: int64(len(list)), Unnamed: others, Skipped: append([]capture.Skip{}, skipped...)}
		for _, s := range skipped {
			run.Coverage.Members.Total += s.Count
		}
		run.Coverage.Members.Balance()
	}
	return run, nil
}

// records are the elements of the format that are messages or calls.
var records = map[string]bool{"sms": true, "mms": true, "call": true}

// visitor is told what a pass over a backup meets.
type visitor struct {
	root   func(*token)       // the element around all; may be nil
	begin  func(*token) error // the tag that a record begins with
	inside func(*token) error // what stands inside a record: tags and text
	end    func(at int64, whole bool) error
	sum    hash.Hash // is given the bytes of the record; may be nil
}

// each goes over a backup. A record whose end is missing ends where the next begins, and is not whole.
func (b *backup) each(ctx context.Context, s *scanner, v visitor) error {
	if v.sum != nil {
		s.record = v.sum
	}
	open, inRoot := "", false
	for n := 0; ; n++ {
		if n&0x3FF == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if open == "" && v.sum != nil {
			v.sum.Reset()
		}
		t, err := s.next()
		if err != nil && err != io.EOF {
			return err
		}
		ends := err == io.EOF || t.kind == cutToken || t.name == b.root && t.kind == endToken
		if open != "" && (ends || t.kind == startToken && records[t.name]) {
			if err := v.end(t.start, false); err != nil {
				return err
			}
			if open = ""; v.sum != nil {
				v.sum.Reset()
				v.sum.Write(t.raw)
			}
			if t.kind == cutToken {
				return nil
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case t.kind == startToken && t.name == b.root:
			if inRoot = !t.alone; v.root != nil {
				v.root(&t)
			}
		case t.kind == endToken && t.name == b.root:
			inRoot = false
		case t.kind == cutToken && open == "" && t.name != "" && !strings.ContainsAny(t.name[:1], "!?") && !bytes.HasPrefix(t.raw, []byte("</")):
			t.raw = nil
			if err := v.begin(&t); err != nil {
				return err
			}
			return v.end(t.end, false)
		case open == "" && t.kind == startToken && (inRoot || records[t.name]):
			if err := v.begin(&t); err != nil {
				return err
			}
			if t.alone {
				err = v.end(t.end, true)
			} else {
				open = t.name
			}
		case open != "" && t.kind == endToken && t.name == open:
			open = ""
			err = v.end(t.end, true)
		case open != "" && t.kind != otherToken:
			err = v.inside(&t)
		}
		if err != nil {
			return err
		}
	}
}

// learn makes the first pass: it counts the records and learns who is who.
func (r *reading) learn(b *backup) (*people, error) {
	p := newPeople()
	text, err := b.text(r.limits)
	if err != nil {
		return nil, err
	}
	defer text.Close()
	var a attributes
	sent := false
	err = b.each(r.ctx, newScanner(text, maxTag), visitor{
		begin: func(t *token) error {
			a.parse(t.raw)
			sent = t.name == "mms" && a.text("msg_box") == "2"
			list := split(a.text("address") + "~" + a.text("number"))
			for _, n := range list {
				name := ""
				if len(list) == 1 {
					name = contact(a.text("contact_name"))
				}
				p.saw(n, name)
			}
			return nil
		},
		inside: func(t *token) error {
			if t.kind == startToken && t.name == "addr" && a.parse(t.raw) {
				p.sawAddress(bare(a.text("address")), sent && a.text("type") == fromType)
			}
			return nil
		},
		end: func(int64, bool) error { return nil },
	})
	if err != nil {
		return nil, err
	}
	if p.full {
		return nil, fault(b.member, fmt.Sprintf("has messages from more than %d numbers, which no telephone has", maxNumbers), reexport)
	}
	if joined := p.learn(); joined > 0 {
		r.run.Decide(capture.Decision{About: "number_forms", Value: strconv.FormatInt(joined, 10), Rule: "same_name_and_digits", Support: joined, By: "file",
			Detail: "A number with and without its country code is one number where the telephone gives both the same name."})
	}
	return p, nil
}
