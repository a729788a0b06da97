package disclosure

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/record/bundle"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// Outcome is what is decided about an item.
type Outcome string

const (
	Release  Outcome = "release"
	Redact   Outcome = "redact"
	Withhold Outcome = "withhold"
)

// Span is a passage of an item's text that is taken out.
type Span struct {
	Edit  int      `json:"edit,omitzero"`   // 0 for the text itself, n for its nth edit
	Start int      `json:"start"`           // in runes
	End   int      `json:"end"`             // one past the last
	Codes []string `json:"codes,omitempty"` // why; the decision's codes if empty
}

// Decision is what somebody decided about an item.
type Decision struct {
	Outcome Outcome  `json:"outcome"`
	Codes   []string `json:"codes,omitempty"` // of exemptions, see [Exemptions]; needed unless released
	Spans   []Span   `json:"spans,omitempty"` // if redacted

	// What else is taken out of a redacted item. Attached files are, unless KeepFiles.
	HideSender bool `json:"hide_sender,omitzero"`
	KeepFiles  bool `json:"keep_files,omitzero"`

	Note   string `json:"note,omitempty"`   // for the case; never disclosed
	Public string `json:"public,omitempty"` // to the reader of the bundle

	By    matrix.UserID `json:"-"`
	At    int64         `json:"-"`
	Entry int64         `json:"-"` // its position on the record
}

// decisionOf reads a stored decision.
func decisionOf(d store.CaseDecision) (*Decision, error) {
	out := &Decision{By: matrix.UserID(d.By), At: d.At, Entry: d.Entry}
	if err := json.Unmarshal(d.Body, out); err != nil {
		return nil, fmt.Errorf("read decision %d: %w", d.Entry, err)
	}
	return out, nil
}

// check refuses a decision that makes no sense for a kind of case.
func (d *Decision) check(k Kind) error {
	if err := checkText("The note", d.Note, maxText, false); err != nil {
		return err
	}
	if err := checkText("The note to the reader", d.Public, maxText, false); err != nil {
		return err
	}
	switch d.Outcome {
	case Release:
		if len(d.Codes) > 0 || len(d.Spans) > 0 || d.HideSender || d.KeepFiles {
			return httpd.InvalidParam("What is released is released whole and needs no reason.")
		}
		return nil
	case Redact:
		if len(d.Spans) == 0 && !d.HideSender {
			return httpd.InvalidParam("Mark what is to be redacted.")
		}
	case Withhold:
		if len(d.Spans) > 0 || d.HideSender || d.KeepFiles {
			return httpd.InvalidParam("What is withheld is withheld whole.")
		}
	default:
		return httpd.InvalidParam("Decide to release, to redact or to withhold.")
	}
	if len(d.Codes) == 0 {
		return httpd.InvalidParam("Say by which exemption.")
	}
	codes := d.Codes
	for _, sp := range d.Spans {
		codes = append(slices.Clip(codes), sp.Codes...)
	}
	for _, c := range codes {
		if _, err := exemption(k, c); err != nil {
			return err
		}
	}
	return nil
}

// maxSpans bounds the passages of one item.
const maxSpans = 1000

// fits refuses spans that do not lie in the item's texts, and puts them in order.
func (d *Decision) fits(it *Item) error {
	if len(d.Spans) > maxSpans {
		return httpd.InvalidParam("Mark at most %d passages, or withhold the message.", maxSpans)
	}
	slices.SortFunc(d.Spans, func(a, b Span) int {
		if a.Edit != b.Edit {
			return a.Edit - b.Edit
		}
		return a.Start - b.Start
	})
	for i, sp := range d.Spans {
		if sp.Edit < 0 || sp.Edit > len(it.Edits) {
			return httpd.InvalidParam("The message has no edit number %d.", sp.Edit)
		}
		text := it.Text
		if sp.Edit > 0 {
			text = it.Edits[sp.Edit-1].Text
		}
		if n := utf8.RuneCountInString(text); sp.Start < 0 || sp.End <= sp.Start || sp.End > n {
			return httpd.InvalidParam("A marked passage goes from character %d to %d of a text of %d.", sp.Start, sp.End, n)
		}
		if i > 0 && d.Spans[i-1].Edit == sp.Edit && d.Spans[i-1].End > sp.Start {
			return httpd.InvalidParam("Two marked passages overlap at character %d.", sp.Start)
		}
	}
	return nil
}

// Decide decides about items of the case, by their positions: all in the same way. Spans are only for one at a time.
// An earlier decision is replaced and stays in the history. If the case was submitted or approved, it is open again.
// Only an officer of the case may.
func (s *Service) Decide(ctx context.Context, by matrix.UserID, id string, positions []int64, d Decision) error {
	q := s.opt.DB.Reader()
	a, err := enter(ctx, q, by, id)
	if err != nil {
		return err
	}
	if err := a.work(); err != nil {
		return err
	}
	if err := d.check(Kind(a.c.Kind)); err != nil {
		return err
	}
	if len(d.Spans) > 0 && len(positions) != 1 {
		return httpd.InvalidParam("Passages can be marked in one message at a time.")
	}
	positions = slices.Compact(slices.Sorted(slices.Values(positions)))
	for chunk := range slices.Chunk(positions, collectChunk) {
		rows, err := store.CaseItemsAt(ctx, q, id, chunk)
		if err != nil {
			return fmt.Errorf("items of case %s: %w", id, err)
		}
		if err := s.decide(ctx, by, id, rows, len(chunk), d); err != nil {
			return err
		}
	}
	return nil
}

// decide decides about a chunk of items, of which there must be want.
func (s *Service) decide(ctx context.Context, by matrix.UserID, id string, rows []store.CaseItem, want int, d Decision) error {
	if len(rows) != want {
		return httpd.NotFound("Of %d messages only %d are items of this case. Collect them first.", want, len(rows))
	}
	at, positions := make([]frozen, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		at[i], positions[i] = frozen{r.Pos, r.Size}, r.Pos
	}
	if d.Outcome != Withhold {
		items, err := s.loader(s.opt.DB.Reader()).items(ctx, at)
		if err != nil {
			return err
		}
		for _, it := range items {
			if !it.Readable() {
				return httpd.Forbidden("The message at position %d was destroyed or cannot be read, and can only be withheld.", it.Position)
			}
			if err := d.fits(it); err != nil {
				return err
			}
		}
	}
	body, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode a decision: %w", err)
	}
	if body, err = matrix.Canonical(nil, body); err != nil {
		return fmt.Errorf("encode a decision: %w", err)
	}
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		a, err := enter(b.Context(), b.Tx(), by, id)
		if err != nil {
			return err
		}
		if err := a.work(); err != nil {
			return err
		}
		voids, err := reopen(b, a)
		if err != nil {
			return err
		}
		pos, err := put(b, a, record.KindDecision, &entry{Type: "decision", Items: positions, Decision: &d, Voids: voids})
		if err != nil {
			return err
		}
		n, err := store.InsertDecision(b.Context(), b.Tx(), id, string(d.Outcome), store.CaseDecision{Entry: pos, At: b.Now(), By: string(by), Body: body}, positions)
		if err == nil && n != len(positions) {
			err = fmt.Errorf("decided about %d of %d items of case %s", n, len(positions), id)
		}
		return err
	})
}

// DecideAll decides about all items of a case that a filter chooses, and returns how many that were.
func (s *Service) DecideAll(ctx context.Context, by matrix.UserID, id string, f ItemFilter, d Decision) (int, error) {
	q := s.opt.DB.Reader()
	a, err := enter(ctx, q, by, id)
	if err != nil {
		return 0, err
	}
	if err := a.work(); err != nil {
		return 0, err
	}
	if err := d.check(Kind(a.c.Kind)); err != nil {
		return 0, err
	}
	if len(d.Spans) > 0 {
		return 0, httpd.InvalidParam("Passages can be marked in one message at a time.")
	}
	n := 0
	for after := int64(-1); ; {
		rows, err := f.rows(ctx, q, id, after, collectChunk)
		if err != nil {
			return n, fmt.Errorf("items of case %s: %w", id, err)
		}
		if len(rows) == 0 {
			return n, nil
		}
		if err := s.decide(ctx, by, id, rows, len(rows), d); err != nil {
			return n, err
		}
		n += len(rows)
		after = rows[len(rows)-1].Pos
	}
}

// redacted returns what of an item's content is left after a decision, and how many passages were taken out.
func (d *Decision) redacted(it *Item) (bundle.Content, int) {
	c := it.Content
	c.Text = d.cut(c.Text, 0)
	c.Edits = slices.Clone(c.Edits)
	for i := range c.Edits {
		c.Edits[i].Text = d.cut(c.Edits[i].Text, i+1)
	}
	n := len(d.Spans)
	// A quotation or a reason may say what was taken out.
	if it.parts[0].Entry.Kind != record.KindEvent {
		c.ReplyTo = ""
	}
	if c.Deleted != nil {
		del := *c.Deleted
		del.Reason = ""
		c.Deleted = &del
	}
	c.Reactions = slices.Clone(c.Reactions)
	if d.HideSender {
		n++
		for i := range c.Reactions {
			if c.Reactions[i].By == c.Sender {
				c.Reactions[i].By = ""
			}
		}
		if c.Deleted != nil && c.Deleted.By == c.Sender {
			c.Deleted.By = ""
		}
		c.Sender, c.SenderName = "", bundle.Mark(d.Codes...)
	}
	c.Attachments = slices.Clone(c.Attachments)
	for i := range c.Attachments {
		if a := &c.Attachments[i]; !d.KeepFiles {
			*a = bundle.Attachment{Name: fmt.Sprintf("attachment %d", i+1), State: "withheld"}
		}
	}
	return c, n
}

// cut puts marks in place of the passages of a text, which are in order.
func (d *Decision) cut(text string, edit int) string {
	var out []rune
	rs, at := []rune(text), 0
	for _, sp := range d.Spans {
		if sp.Edit != edit {
			continue
		}
		codes := sp.Codes
		if len(codes) == 0 {
			codes = d.Codes
		}
		out = append(append(out, rs[at:sp.Start]...), []rune(bundle.Mark(codes...))...)
		at = sp.End
	}
	return string(append(out, rs[at:]...))
}
