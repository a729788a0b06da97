package link

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-json-experiment/json"

	"despatch/internal/capture"
	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// Service compares each captured conversation with all that it might be a copy of, and puts what it finds
// on the record. It is safe for concurrent use. [Project] must be part of what the recorder projects.
type Service struct {
	DB     *sqldb.DB
	Record *recorder.Recorder
	Log    *slog.Logger

	once    sync.Once
	wake    chan struct{}
	work    sync.Mutex   // held by whoever compares
	changed atomic.Int64 // counts what was put on the record
	threads threads
}

// What a comparison may cost.
const (
	maxKeys       = 20_000    // of a conversation that are looked up
	maxScopes     = 64        // that a key may stand in and still tell anything
	maxCandidates = 16        // conversations that one is compared with
	maxSightings  = 1_000_000 // of all conversations that are compared at once
	leastKeys     = 2         // that two conversations must share to be compared
	eachStatement = 500       // pairs
)

func (s *Service) bell() chan struct{} {
	s.once.Do(func() { s.wake = make(chan struct{}, 1) })
	return s.wake
}

// Wake says that there may be something to compare. It does not block.
func (s *Service) Wake() {
	select {
	case s.bell() <- struct{}{}:
	default:
	}
}

// Run compares what is due, at first what a crash has left, until the context ends.
func (s *Service) Run(ctx context.Context) {
	for {
		if err := s.CompareDue(ctx); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "captured conversations could not be compared", "err", err)
		}
		select {
		case <-s.bell():
		case <-ctx.Done():
			return
		}
	}
}

// CompareDue compares all conversations that are due. What fails is tried again the next time; it does
// not keep others from being compared.
func (s *Service) CompareDue(ctx context.Context) error {
	s.work.Lock()
	defer s.work.Unlock()
	var errs []error
	tried := map[store.LinkDue]bool{}
	for {
		due, err := store.LinksDue(ctx, s.DB.Reader(), 100+len(tried))
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("look for conversations to compare: %w", err))...)
		}
		due = slices.DeleteFunc(due, func(d store.LinkDue) bool { return tried[d] })
		if len(due) == 0 {
			return errors.Join(errs...)
		}
		for _, d := range due {
			tried[d] = true
			if err := s.compare(ctx, d); err != nil {
				if ctx.Err() != nil {
					return err
				}
				errs = append(errs, fmt.Errorf("compare conversation %d: %w", d.Scope, err))
			}
		}
	}
}

// compare compares one conversation with its candidates and records what it finds.
func (s *Service) compare(ctx context.Context, due store.LinkDue) error {
	q := s.DB.Reader()
	row, err := store.CapturedConversationByScope(ctx, q, due.Scope)
	if err != nil {
		return err
	}
	checked := &statement{Type: typeChecked, Conversation: row.ID, Run: due.Run}
	candidates, err := s.candidates(ctx, due.Scope)
	if err != nil {
		return err
	}
	var mine *Copy
	var copies []*Copy
	scopes := map[string]int64{row.ID: due.Scope}
	var found []*finding
	total := 0
	for _, c := range candidates {
		if mine == nil {
			if mine, err = s.Load(ctx, due.Scope); err != nil {
				return err
			}
			copies, total = append(copies, mine), len(mine.Sightings)
		}
		theirs, err := s.Load(ctx, c.scope)
		if err != nil {
			return err
		}
		if total += len(theirs.Sightings); total > maxSightings {
			s.Log.WarnContext(ctx, "too many messages to compare a conversation with all that it may be a copy of", "conversation", row.ID, "messages", total)
			break
		}
		r := Compare(theirs, mine)
		if c.forced && (r.Relation == Different || r.Relation == PerhapsSame) {
			r = insist(theirs, mine, r)
		}
		checked.Looked = append(checked.Looked, lookedInto{theirs.ID, c.keys, r.Relation})
		if r.Relation == Different {
			continue
		}
		scopes[theirs.ID] = c.scope
		copies = append(copies, theirs)
		found = append(found, &finding{theirs, mine, r, c.forced})
	}
	if err := s.consistent(ctx, copies, scopes, found); err != nil {
		return err
	}
	for _, f := range found {
		if err := s.state(ctx, f); err != nil {
			return err
		}
	}
	if err := s.put(ctx, row.ID, checked); err != nil {
		return err
	}
	if len(found) > 0 {
		s.Log.InfoContext(ctx, "captured conversation compared", "conversation", row.ID, "with", len(checked.Looked), "related", len(found))
	}
	return nil
}

// finding is what a comparison found.
type finding struct {
	a, b   *Copy
	r      *Comparison
	forced bool // a person says that they are copies of one chat
}

// insist compares two conversations of which a person says that they are copies of one chat: what is
// linked is then linked, however little it is.
func insist(a, b *Copy, r *Comparison) *Comparison {
	if r.Relation == PerhapsSame {
		return r
	}
	list := anchors(a, b)
	m := newMatcher(a, b, r.Clock, r.Names)
	m.run()
	r.Links, r.Doubts, r.Alike = m.links, m.doubts, m.alike
	r.Anchors, r.Relation = len(list), PerhapsSame
	return r
}

// candidate is a conversation that another may be a copy of.
type candidate struct {
	scope  int64
	keys   int
	forced bool
}

// candidates finds conversations that share keys with one, those that share most first, and all copies of
// the same chats.
func (s *Service) candidates(ctx context.Context, scope int64) ([]candidate, error) {
	q := s.DB.Reader()
	keys, err := store.ScopeKeys(ctx, q, scope, maxKeys)
	if err != nil {
		return nil, err
	}
	shared := map[int64]int{}
	err = store.SharedKeys(ctx, q, keys, maxScopes, func(_, other int64) {
		if other != scope {
			shared[other]++
		}
	})
	if err != nil {
		return nil, err
	}
	var list []candidate
	for other, n := range shared {
		if n >= leastKeys {
			list = append(list, candidate{scope: other, keys: n})
		}
	}
	most := func(x, y candidate) int { return cmp.Or(cmp.Compare(y.keys, x.keys), cmp.Compare(x.scope, y.scope)) }
	slices.SortFunc(list, most)
	list = list[:min(len(list), maxCandidates)]
	add := func(other int64) *candidate {
		for i := range list {
			if list[i].scope == other {
				return &list[i]
			}
		}
		list = append(list, candidate{scope: other, keys: shared[other]})
		return &list[len(list)-1]
	}
	for _, c := range slices.Clone(list) {
		_, group, err := store.GroupOf(ctx, q, c.scope)
		if err != nil {
			return nil, err
		}
		for _, other := range group {
			if other != scope && len(list) < maxCandidates {
				add(other)
			}
		}
	}
	pairs, err := store.LinkedPairsOf(ctx, q, scope)
	if err != nil {
		return nil, err
	}
	for _, p := range pairs {
		other := p.A + p.B - scope
		switch p.Said {
		case saidSame:
			add(other).forced = true
		case stateApart:
			list = slices.DeleteFunc(list, func(c candidate) bool { return c.scope == other })
		}
	}
	return list, nil
}

// consistent takes out of what was found all that would make two observations of one file, or two that a
// person keeps apart, one message. It is left for a person.
func (s *Service) consistent(ctx context.Context, copies []*Copy, scopes map[string]int64, found []*finding) error {
	if len(found) == 0 {
		return nil
	}
	q := s.DB.Reader()
	var same []Same
	last := map[int64]int64{} // an observation of each message
	for _, c := range copies {
		err := store.MessagesIn(ctx, q, scopes[c.ID], func(pos, root int64) {
			if other, ok := last[root]; ok {
				same = append(same, Same{other, pos, "", 2}) // what is on the record comes first
			}
			last[root] = pos
		})
		if err != nil {
			return err
		}
	}
	said := map[[2]int64]bool{}
	err := store.KeptApart(ctx, q, func(about string, a, b int64) error {
		if about == aboutMessages {
			said[[2]int64{a, b}] = true
			return nil
		}
		pairs, err := store.ObservationPairsBetween(ctx, q, a, b)
		for _, p := range pairs {
			said[[2]int64{p.A, p.B}] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range found {
		for _, l := range f.r.Links {
			same = append(same, Same{f.a.Sightings[l.A].Pos, f.b.Sightings[l.B].Pos, l.Rule, l.Score})
		}
	}
	roots := Merge(copies, same, func(a, b int64) bool { return said[[2]int64{min(a, b), max(a, b)}] })
	for _, f := range found {
		f.r.Links = slices.DeleteFunc(f.r.Links, func(l Link) bool {
			a, b := f.a.Sightings[l.A].Pos, f.b.Sightings[l.B].Pos
			ra, oka := roots[a]
			rb, okb := roots[b]
			if oka && okb && ra == rb {
				return false
			}
			if !said[[2]int64{min(a, b), max(a, b)}] {
				l.Score = min(l.Score, 0.97)
				f.r.Doubts = append(f.r.Doubts, l)
			}
			return true
		})
	}
	return nil
}

// state puts what was found about two conversations on the record. Where a person must say first whether
// they are copies of one chat, their messages are not linked.
func (s *Service) state(ctx context.Context, f *finding) error {
	r := f.r
	x := &statement{Type: typeCompared, A: f.a.ID, B: f.b.ID, Relation: r.Relation, Reasons: r.Reasons, Clock: r.Clock, Names: r.Names[:min(len(r.Names), 1000)],
		Anchors: r.Anchors, Shared: r.Shared, Overlap: r.Overlap, Linked: len(r.Links), Doubts: len(r.Doubts), Alike: r.Alike}
	if err := s.put(ctx, f.b.ID, x); err != nil {
		return err
	}
	if r.Relation == PerhapsSame && !f.forced {
		return nil
	}
	table := func(found string, links []Link) error {
		for part := range slices.Chunk(links, eachStatement) {
			x := &statement{Type: typeMessages, A: f.a.ID, B: f.b.ID, Found: found}
			for _, l := range part {
				x.OfA, x.OfB = append(x.OfA, f.a.Sightings[l.A].Pos), append(x.OfB, f.b.Sightings[l.B].Pos)
				x.Scores, x.Rules = append(x.Scores, int64(math.Floor(l.Score*10_000))), append(x.Rules, l.Rule)
			}
			if err := s.put(ctx, f.b.ID, x); err != nil {
				return err
			}
		}
		return nil
	}
	if err := table(stateLinked, r.Links); err != nil {
		return err
	}
	return table(stateDoubt, r.Doubts)
}

// put puts a statement of the program's own on the record, unless it is there.
func (s *Service) put(ctx context.Context, scope string, x *statement) error {
	e, err := x.entry(scope, true)
	if err != nil {
		return err
	}
	err = s.Record.Do(ctx, func(b *recorder.Batch) error {
		if _, err := store.EntryByRef(b.Context(), b.Tx(), e.Ref); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		b.Append(e)
		return nil
	})
	if err != nil {
		return fmt.Errorf("record %s: %w", x.Type, err)
	}
	s.changed.Add(1)
	return nil
}

// Load reads one captured conversation for comparison.
func (s *Service) Load(ctx context.Context, scope int64) (*Copy, error) {
	q := s.DB.Reader()
	row, err := store.CapturedConversationByScope(ctx, q, scope)
	if err != nil {
		return nil, fmt.Errorf("conversation %d: %w", scope, err)
	}
	c := &Copy{ID: row.ID, System: row.System, Kind: row.Kind, Title: row.Title}
	names, err := s.describe(ctx, c, row)
	if err != nil {
		return nil, err
	}
	from := int64(0)
	for {
		n := 0
		err := store.ScopeEntries(ctx, q, scope, from, math.MaxInt64, 2000, func(e *store.Entry) error {
			n++
			from = e.Pos + 1
			if e.Kind != kindObservation || e.Body == nil { // destroyed, or of another kind
				return nil
			}
			o, err := capture.DecodeObservation(e.Body)
			if err != nil {
				return fmt.Errorf("entry %d: %w", e.Pos, err)
			}
			if c.File == "" {
				c.File = o.Origin.FileSHA256
			}
			c.Sightings = append(c.Sightings, See(e.Pos, c.System, o, names))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read conversation %s: %w", row.ID, err)
		}
		if n == 0 || len(c.Sightings) > maxSightings {
			return c, nil
		}
	}
}

// describe fills in what the submission that brought a conversation says of it.
func (s *Service) describe(ctx context.Context, c *Copy, row store.CapturedConversation) (*Names, error) {
	q := s.DB.Reader()
	sub, err := store.SubmissionByID(ctx, q, row.Submission)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c.Person, c.Taken = sub.Person, sub.Time
	if sub.RunPos < 0 {
		return nil, nil
	}
	e, err := store.EntryAt(ctx, q, sub.RunPos)
	if err != nil || e.Body == nil {
		return nil, err
	}
	var run struct {
		Run           *capture.ParseRun           `json:"run"`
		Conversations []capture.FiledConversation `json:"conversations"`
	}
	if err := json.Unmarshal(e.Body, &run); err != nil {
		return nil, fmt.Errorf("read the run over submission %s: %w", row.Submission, err)
	}
	n := slices.IndexFunc(run.Conversations, func(f capture.FiledConversation) bool { return f.ID == row.ID })
	if run.Run == nil || n < 0 || len(run.Run.Conversations) == 0 {
		return nil, nil
	}
	if len(run.Run.Conversations) != len(run.Conversations) {
		if n = slices.IndexFunc(run.Run.Conversations, func(x capture.Conversation) bool { return x.Title == row.Title && x.Kind == row.Kind }); n < 0 {
			return nil, nil
		}
	}
	about := run.Run.Conversations[n]
	c.Viewpoint, c.Truncated = about.Viewpoint, run.Run.Coverage.LikelyTruncated && len(run.Run.Conversations) == 1
	var names []string
	for _, p := range about.Participants {
		names = append(names, p.Name)
	}
	return NamesOf(names), nil
}

// Say puts on the record that a person says two observations are, or are not, one message. a and b are
// their positions.
func (s *Service) Say(ctx context.Context, by matrix.UserID, a, b int64, same bool) error {
	if a == b {
		return httpd.InvalidParam("Name two different messages.")
	}
	return s.do(ctx, func(batch *recorder.Batch) (*statement, string, error) {
		one, err := store.CapturedItemAt(batch.Context(), batch.Tx(), min(a, b))
		if err != nil {
			return nil, "", missing(err)
		}
		other, err := store.CapturedItemAt(batch.Context(), batch.Tx(), max(a, b))
		if err != nil {
			return nil, "", missing(err)
		}
		if same {
			if err := mayBeOne(batch, one.Pos, other.Pos); err != nil {
				return nil, "", err
			}
		}
		row, err := store.CapturedConversationByScope(batch.Context(), batch.Tx(), other.Scope)
		return &statement{Type: typeSaid, By: by, About: aboutMessages, One: one.Pos, Other: other.Pos, Same: &same}, row.ID, err
	})
}

func missing(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return httpd.NotFound("There is no such captured message.")
	}
	return err
}

// mayBeOne refuses to make two observations of one copy one message: the system that wrote the copy has
// them apart.
func mayBeOne(batch *recorder.Batch, a, b int64) error {
	ctx, tx := batch.Context(), batch.Tx()
	seen := map[int64]bool{}
	for _, pos := range []int64{a, b} {
		root, err := store.MessageOf(ctx, tx, pos)
		if err != nil {
			return err
		}
		list, err := store.ObservationsOf(ctx, tx, root)
		if err != nil {
			return err
		}
		if slices.Contains(list, a) && slices.Contains(list, b) {
			return nil
		}
		for _, p := range list {
			item, err := store.CapturedItemAt(ctx, tx, p)
			if err != nil {
				return err
			}
			if seen[item.Scope] {
				return httpd.Forbidden("These cannot be one message: one person’s copy has both of them, as two. Part them first from what they are linked to.")
			}
			seen[item.Scope] = true
		}
	}
	return nil
}

// SayChats puts on the record that a person says two captured conversations are, or are not, copies of
// one chat. If they are, their messages are linked soon after.
func (s *Service) SayChats(ctx context.Context, by matrix.UserID, a, b string, same bool) error {
	err := s.do(ctx, func(batch *recorder.Batch) (*statement, string, error) {
		for _, id := range []string{a, b} {
			if _, err := store.CapturedConversationByID(batch.Context(), batch.Tx(), id); errors.Is(err, store.ErrNotFound) || a == b {
				return nil, "", httpd.NotFound("There is no such captured conversation.")
			} else if err != nil {
				return nil, "", err
			}
		}
		return &statement{Type: typeSaid, By: by, About: aboutConversations, A: a, B: b, Same: &same}, b, nil
	})
	if err == nil && same {
		s.Wake()
	}
	return err
}

// Undo puts on the record that a person takes back what was said in an entry, which stays.
func (s *Service) Undo(ctx context.Context, by matrix.UserID, entry int64) error {
	return s.do(ctx, func(batch *recorder.Batch) (*statement, string, error) {
		said, err := store.LinkSaidAt(batch.Context(), batch.Tx(), entry)
		if errors.Is(err, store.ErrNotFound) {
			return nil, "", httpd.NotFound("Nobody has said anything in that entry.")
		}
		if err != nil {
			return nil, "", err
		}
		if said.Undone >= 0 {
			return nil, "", httpd.Forbidden("That has been taken back already.")
		}
		scope := said.B
		if said.About == aboutMessages {
			item, err := store.CapturedItemAt(batch.Context(), batch.Tx(), said.B)
			if err != nil {
				return nil, "", err
			}
			scope = item.Scope
			if !said.Same {
				// What this person kept apart comes together again, if nothing else forbids it.
				if pair, err := store.ObservationPairOf(batch.Context(), batch.Tx(), said.A, said.B); err == nil && pair.Found == stateLinked && !pair.Cut {
					if err := mayBeOne(batch, said.A, said.B); err != nil {
						return nil, "", err
					}
				}
			}
		}
		row, err := store.CapturedConversationByScope(batch.Context(), batch.Tx(), scope)
		return &statement{Type: typeUndone, By: by, About: said.About, Of: &entry}, row.ID, err
	})
}

// do puts a person's statement on the record.
func (s *Service) do(ctx context.Context, make func(*recorder.Batch) (*statement, string, error)) error {
	err := s.Record.Do(ctx, func(b *recorder.Batch) error {
		x, scope, err := make(b)
		if err != nil {
			return err
		}
		e, err := x.entry(scope, false)
		if err != nil {
			return err
		}
		b.Append(e)
		return nil
	})
	if err == nil {
		s.changed.Add(1)
	}
	return err
}
