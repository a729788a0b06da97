package capture

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// A captured message that bears a marking of SECRET or above is sealed: it stays on the record, as all
// does, but is taken off ordinary view in the same commit that puts it there. Search does not find it,
// no case shows it, its attachments cannot be opened. The security officer looks at it, and releases it
// if it was a false alarm, or keeps it sealed. Sealing, looking and deciding are entries of a scope of
// their own.

// Finding is a marking in a captured message that should not be on this system.
type Finding struct {
	Marking string `json:"marking"` // as it stands there
	Reason  string `json:"reason"`  // above_ceiling, caveat or foreign
	Place   string `json:"place"`   // where: text, picture, subject, file name, e-mail header
	Line    int    `json:"line,omitzero"`
}

// SealScope is the scope of what is done with sealed messages.
const SealScope = "spillage"

// sealEntry is the body of an entry of that scope.
type sealEntry struct {
	Type        string   `json:"type"` // spillage.sealed, .viewed, .released, .kept
	Item        int64    `json:"item"` // position of the message
	Observation string   `json:"observation,omitempty"`
	Person      string   `json:"person,omitempty"` // who handed it in
	Finding     *Finding `json:"finding,omitempty"`
	By          string   `json:"by,omitempty"` // the security officer
	Reason      string   `json:"reason,omitempty"`
}

// seal puts the seal of a message on the record, whose position it is.
func seal(b *recorder.Batch, e sealEntry, pos int64) error {
	e.Type, e.Item = "spillage.sealed", pos
	body, err := encode(e)
	if err != nil {
		return fmt.Errorf("encode the seal of message %d: %w", pos, err)
	}
	b.Append(recorder.Entry{Scope: SealScope, Kind: record.KindReport, Body: body, Ref: refOf("seal", e.Observation)})
	return nil
}

// projectSeal brings the table of sealed messages up to one entry.
func projectSeal(ctx context.Context, tx *sqldb.Tx, c *recorder.Committed) error {
	if c.Scope != SealScope {
		return nil
	}
	var e sealEntry
	if err := json.Unmarshal(c.Body, &e); err != nil {
		return err
	}
	switch e.Type {
	case "spillage.sealed":
		if e.Finding == nil {
			return nil
		}
		return store.InsertSealed(ctx, tx, store.SealedItem{Pos: e.Item, Entry: c.Pos, Time: c.Time, Person: e.Person,
			Marking: e.Finding.Marking, Reason: e.Finding.Reason, Place: e.Finding.Place, Line: int64(e.Finding.Line)})
	case "spillage.released":
		return store.DecideSealed(ctx, tx, e.Item, store.Released, e.By, e.Reason, c.Time)
	case "spillage.kept":
		return store.DecideSealed(ctx, tx, e.Item, store.Kept, e.By, e.Reason, c.Time)
	}
	return nil
}

// ReleasedItem returns the position of the message that an entry of [SealScope] releases, if it does.
func ReleasedItem(body []byte) (pos int64, ok bool) {
	var e sealEntry
	err := json.Unmarshal(body, &e)
	return e.Item, err == nil && e.Type == "spillage.released"
}

// maxWhy bounds the reason of a decision, in bytes.
const maxWhy = 2000

// ErrReason means that a decision lacks its reason, or has one that is too long.
var ErrReason = errors.New("give a reason, of at most 2000 characters")

// ErrDecided means that somebody has released the message already.
var ErrDecided = errors.New("the message has been released already")

// LookAtSealed returns a sealed message for the security officer by, whose look is put on the record
// first. It returns [store.ErrNotFound] if the message was never sealed. That by is a security officer,
// the caller makes sure.
func (s *Service) LookAtSealed(ctx context.Context, by string, pos int64) (*Observation, store.SealedItem, error) {
	item, err := store.SealedAt(ctx, s.DB.Reader(), pos)
	if err != nil {
		return nil, item, err
	}
	if err := s.recordSeal(ctx, sealEntry{Type: "spillage.viewed", Item: pos, By: by}, nil); err != nil {
		return nil, item, fmt.Errorf("put on the record that message %d was looked at: %w", pos, err)
	}
	e, err := store.EntryAt(ctx, s.DB.Reader(), pos)
	if err != nil {
		return nil, item, err
	}
	if e.Body == nil {
		return nil, item, store.ErrNotFound // it was lawfully destroyed
	}
	o, err := DecodeObservation(e.Body)
	return o, item, err
}

// DecideSealed records what the security officer by decides about a sealed message: to release it as a
// false alarm, or to keep it sealed. A reason must be given. A message that was released stays so.
func (s *Service) DecideSealed(ctx context.Context, by string, pos int64, release bool, reason string) error {
	reason = strings.TrimSpace(reason)
	if reason == "" || len(reason) > maxWhy || !utf8.ValidString(reason) {
		return ErrReason
	}
	e := sealEntry{Type: "spillage.kept", Item: pos, By: by, Reason: reason}
	if release {
		e.Type = "spillage.released"
	}
	return s.recordSeal(ctx, e, func(b *recorder.Batch) error {
		item, err := store.SealedAt(b.Context(), b.Tx(), pos)
		if err == nil && item.State == store.Released {
			err = ErrDecided
		}
		return err
	})
}

func (s *Service) recordSeal(ctx context.Context, e sealEntry, check func(*recorder.Batch) error) error {
	body, err := encode(e)
	if err != nil {
		return err
	}
	return s.Record.Do(ctx, func(b *recorder.Batch) error {
		if check != nil {
			if err := check(b); err != nil {
				return err
			}
		}
		b.Append(recorder.Entry{Scope: SealScope, Kind: record.KindReport, Body: body})
		return nil
	})
}

// maxHeader bounds the header of a mail that is looked through for markings.
const maxHeader = 64 << 10

// headers returns the header of the mail that a message was read from, a line for each field; none if
// it cannot be had.
func (p *pictures) headers(o *Observation) []string {
	r, err := p.open(&Attachment{Within: o.Origin.FileSHA256, Path: o.Origin.Path})
	if err != nil || r == nil {
		return nil
	}
	defer r.Close()
	if s, ok := r.(io.Seeker); ok && o.Origin.ByteStart > 0 {
		if _, err := s.Seek(o.Origin.ByteStart, io.SeekStart); err != nil {
			return nil
		}
	} else if o.Origin.ByteStart > 0 {
		return nil // in a packed mailbox: to read it again for each mail would take for ever
	}
	var out []string
	in := bufio.NewReaderSize(io.LimitReader(r, maxHeader), 4<<10)
	for {
		l, err := in.ReadBytes('\n')
		text := strings.ToValidUTF8(string(bytes.TrimRight(l, "\r\n")), "\uFFFD")
		switch {
		case text == "" && len(out) > 0 || text == "" && err != nil:
			return out
		case strings.HasPrefix(text, " "), strings.HasPrefix(text, "\t"):
			if len(out) > 0 {
				out[len(out)-1] += " " + strings.TrimSpace(text)
			}
		case text != "":
			out = append(out, text)
		}
		if err != nil {
			return out
		}
	}
}
