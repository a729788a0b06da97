package disclosure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/record/bundle"
	"despatch/internal/recorder"
	"despatch/internal/search"
	"despatch/internal/sqldb"
	"despatch/internal/store"
	"despatch/internal/stream"
)

// Item is one message of any origin with its edits, reactions, deletion and attachments, as the record has it.
type Item struct {
	Position     int64
	Scope        string // the conversation's id on the record
	Conversation string // its title
	System       string // despatch, whatsapp, …
	Recorded     int64  // milliseconds
	Said         int64  // milliseconds; of a captured message as exactly as it is known

	bundle.Content        // ID, Type, Sent, Sender, SenderName, ReplyTo, Text, Edits, Deleted, Reactions, Attachments
	Expired        bool   // it disappeared by its timer; Deleted then says when
	Destroyed      bool   // its body was lawfully destroyed: only the entry is left
	Sealed         bool   // its body is there, but sealed because of a marking; Destroyed is set too
	Problem        string // why it cannot be read, if it cannot

	Collected bool      // it is an item of the case
	Decision  *Decision // nil if undecided

	parts []bundle.Part // its entries, its own first
	scope *scopeInfo
}

// Readable reports whether the item can be disclosed: it was neither destroyed nor cannot it be read.
func (it *Item) Readable() bool { return !it.Destroyed && it.Problem == "" }

// Results is a page of what a search found.
type Results struct {
	Items []*Item // newest first
	Next  string  // for the page after this; "" if this is the last
	Total int     // of messages and edits found
	More  bool    // there are more than Total
	UpTo  int64   // the size of the record that was searched
	Entry int64   // the position of the search's own entry on the record
}

// PageSize is how many items a page of results or of a case has.
const PageSize = 50

// reach turns a case's bounds into those of a search. The index is waited for a little, so that what was said just now
// is found.
func (s *Service) reach(ctx context.Context, c *store.Case) (search.Bounds, error) {
	var b Bounds
	if err := json.Unmarshal(c.Bounds, &b); err != nil {
		return search.Bounds{}, fmt.Errorf("bounds of case %s: %w", c.ID, err)
	}
	if b.Empty() {
		return search.Bounds{}, httpd.Forbidden("Say first what this case reaches to: people, conversations or a period.")
	}
	soon, cancel := context.WithTimeout(ctx, indexWait)
	defer cancel()
	if err := s.opt.Index.Wait(soon, s.opt.Record.Head().Edge.Size); err != nil && ctx.Err() != nil {
		return search.Bounds{}, ctx.Err()
	}
	var out search.Bounds
	if !b.From.IsZero() {
		out.From = b.From.In(s.opt.Zone).UnixMilli()
	}
	if !b.To.IsZero() {
		out.To = b.To.Add(1).In(s.opt.Zone).UnixMilli()
	}
	q := s.opt.DB.Reader()
	if len(b.Conversations) > 0 {
		out.Scopes = []int64{}
		for _, name := range b.Conversations {
			sc, err := store.ScopeByName(ctx, q, name)
			if errors.Is(err, store.ErrNotFound) {
				continue
			} else if err != nil {
				return out, fmt.Errorf("scope %s: %w", name, err)
			}
			out.Scopes = append(out.Scopes, sc.ID)
		}
	}
	if len(b.People) > 0 {
		theirs := make(map[int64]bool)
		for _, who := range b.People {
			if err := s.scopesOf(ctx, q, who, theirs); err != nil {
				return out, fmt.Errorf("conversations of %s: %w", who, err)
			}
		}
		if out.Scopes == nil {
			out.Scopes = []int64{}
			for scope := range theirs {
				out.Scopes = append(out.Scopes, scope)
			}
		} else {
			out.Scopes = slices.DeleteFunc(out.Scopes, func(scope int64) bool { return !theirs[scope] })
		}
	}
	slices.Sort(out.Scopes)
	return out, nil
}

// indexWait is how long a search waits for the index to have come to the end of the record.
const indexWait = 3 * time.Second

// scopesOf adds the conversations in which somebody has taken part.
func (s *Service) scopesOf(ctx context.Context, q sqldb.Queryer, who string, out map[int64]bool) error {
	lists := []func() ([]int64, error){
		func() ([]int64, error) { return store.MemberScopes(ctx, q, who) },
		func() ([]int64, error) { return store.SubmittedScopes(ctx, q, who) },
		func() ([]int64, error) { return s.opt.Index.ScopesOf(ctx, who) },
	}
	for _, list := range lists {
		scopes, err := list()
		if err != nil {
			return err
		}
		for _, scope := range scopes {
			out[scope] = true
		}
	}
	return nil
}

// Search searches the record within the case's bounds. An empty query finds everything within them. The search is on
// the record before anything is returned: who, what, how many hits, and which messages were shown. A bad query fails
// with a [*search.SyntaxError].
func (s *Service) Search(ctx context.Context, who matrix.UserID, id, query, after string) (*Results, error) {
	a, err := enter(ctx, s.opt.DB.Reader(), who, id)
	if err != nil {
		return nil, err
	}
	if err := a.work(); err != nil {
		return nil, err
	}
	parsed, err := search.Parse(query)
	if err != nil {
		return nil, err
	}
	bounds, err := s.reach(ctx, &a.c)
	if err != nil {
		return nil, err
	}
	found, err := s.opt.Index.Search(ctx, parsed, bounds, search.Page{After: after, Limit: PageSize, Count: true})
	if err != nil {
		return nil, err
	}
	positions := messagesOf(found.Hits)
	res := &Results{Next: found.Next, Total: found.Total, More: found.More, UpTo: found.UpTo}
	res.Entry, err = s.note(ctx, who, id, record.KindSearch, &entry{Type: "search", Query: parsed.String(), Hits: &found.Total, More: found.More,
		After: after, Size: found.UpTo, Items: positions}, (*access).work)
	if err != nil {
		return nil, err
	}
	l := s.loader(s.opt.DB.Reader())
	if res.Items, err = l.items(ctx, now(positions)); err != nil {
		return nil, err
	}
	return res, l.decided(ctx, id, res.Items)
}

// messagesOf returns the positions of the messages that hits belong to, each once.
func messagesOf(hits []search.Hit) []int64 {
	var out []int64
	seen := make(map[int64]bool, len(hits))
	for _, h := range hits {
		if !seen[h.Item] {
			seen[h.Item] = true
			out = append(out, h.Item)
		}
	}
	return out
}

// now takes messages as they are now.
func now(positions []int64) []frozen {
	out := make([]frozen, len(positions))
	for i, p := range positions {
		out[i] = frozen{p, math.MaxInt64}
	}
	return out
}

// collectChunk is how many items go into a case in one transaction, so that nobody's message waits for long.
const collectChunk = 500

// Collect takes messages, by their positions, into the case and returns how many were not in it yet. Each must lie
// within the case's bounds. An item is the message as it is now: what is edited or deleted later does not change it.
func (s *Service) Collect(ctx context.Context, who matrix.UserID, id string, positions []int64) (added int, err error) {
	a, err := enter(ctx, s.opt.DB.Reader(), who, id)
	if err != nil {
		return 0, err
	}
	if err := a.work(); err != nil {
		return 0, err
	}
	bounds, err := s.reach(ctx, &a.c)
	if err != nil {
		return 0, err
	}
	for chunk := range slices.Chunk(positions, collectChunk) {
		items, err := s.within(ctx, chunk, bounds)
		if err != nil {
			return added, err
		}
		n, err := s.collect(ctx, who, id, items)
		if added += n; err != nil {
			return added, err
		}
	}
	return added, nil
}

// within returns the messages at some positions as items, if all lie within bounds.
func (s *Service) within(ctx context.Context, positions []int64, b search.Bounds) ([]store.CaseItem, error) {
	hits, err := s.opt.Index.Of(ctx, positions)
	if err != nil {
		return nil, err
	}
	scope := make(map[int64]int64, len(hits)) // by the position of the message
	for _, h := range hits {
		inside := (b.Scopes == nil || slices.Contains(b.Scopes, h.Scope)) && h.Said+999 >= b.From && (b.To == 0 || h.Said < b.To)
		if inside {
			scope[h.Item] = h.Scope
		}
	}
	out := make([]store.CaseItem, len(positions))
	for i, pos := range positions {
		sc, ok := scope[pos]
		if !ok {
			return nil, httpd.Forbidden("The message at position %d is not within what this case reaches to.", pos)
		}
		out[i] = store.CaseItem{Pos: pos, Scope: sc}
	}
	return out, nil
}

// collect puts items into the case in one transaction.
func (s *Service) collect(ctx context.Context, who matrix.UserID, id string, items []store.CaseItem) (added int, err error) {
	err = s.change(ctx, who, id, (*access).work, func(b *recorder.Batch, a *access) (record.Kind, *entry, error) {
		ctx, tx := b.Context(), b.Tx()
		head, err := store.ReadHead(ctx, tx)
		if err != nil {
			return 0, nil, err
		}
		for i := range items {
			items[i].Size = head.Size
		}
		fresh, err := store.InsertCaseItems(ctx, tx, id, items)
		if added = len(fresh); err != nil || added == 0 {
			return 0, nil, err
		}
		voids, err := reopen(b, a)
		return record.KindCollection, &entry{Type: "collection", Items: fresh, Size: head.Size, Voids: voids}, err
	})
	return added, err
}

// CollectAll takes everything that a query finds into the case. It is recorded as a search and as a collection.
func (s *Service) CollectAll(ctx context.Context, who matrix.UserID, id, query string) (found, added int, err error) {
	a, err := enter(ctx, s.opt.DB.Reader(), who, id)
	if err != nil {
		return 0, 0, err
	}
	if err := a.work(); err != nil {
		return 0, 0, err
	}
	parsed, err := search.Parse(query)
	if err != nil {
		return 0, 0, err
	}
	bounds, err := s.reach(ctx, &a.c)
	if err != nil {
		return 0, 0, err
	}
	var items []store.CaseItem
	seen := make(map[int64]bool)
	upTo := s.opt.Index.UpTo()
	bounds.Size = upTo
	for page := (search.Page{Limit: search.MaxPage}); ; {
		r, err := s.opt.Index.Search(ctx, parsed, bounds, page)
		if err != nil {
			return 0, 0, err
		}
		for _, h := range r.Hits {
			if !seen[h.Item] {
				seen[h.Item] = true
				items = append(items, store.CaseItem{Pos: h.Item, Scope: h.Scope})
			}
		}
		if page.After = r.Next; r.Next == "" {
			break
		}
	}
	found = len(items)
	if _, err := s.note(ctx, who, id, record.KindSearch, &entry{Type: "search", Query: parsed.String(), Hits: &found, Size: upTo}, (*access).work); err != nil {
		return 0, 0, err
	}
	for chunk := range slices.Chunk(items, collectChunk) {
		n, err := s.collect(ctx, who, id, chunk)
		if added += n; err != nil {
			return found, added, err
		}
	}
	return found, added, nil
}

// ItemFilter chooses items of a case.
type ItemFilter struct {
	Outcome   Outcome // "" for all
	Undecided bool    // only those
	Scope     string  // only of this conversation; "" for all
}

// rows reads a page of the items that a filter chooses.
func (f ItemFilter) rows(ctx context.Context, q sqldb.Queryer, id string, after int64, limit int) ([]store.CaseItem, error) {
	outcome, scope := string(f.Outcome), int64(0)
	if f.Undecided {
		outcome = "none"
	}
	if f.Scope != "" {
		sc, err := store.ScopeByName(ctx, q, f.Scope)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		scope = sc.ID
	}
	return store.CaseItems(ctx, q, id, outcome, scope, after, limit)
}

// Items is a page of the items of a case, in order of position. Next is the after of the page after it, 0 at the end;
// 0 begins. For the officers of the case, and for approvers while it waits for them. Which items were opened is
// recorded before they are returned.
func (s *Service) Items(ctx context.Context, who matrix.UserID, id string, f ItemFilter, after int64) (items []*Item, next int64, err error) {
	q := s.opt.DB.Reader()
	a, err := enter(ctx, q, who, id)
	if err != nil {
		return nil, 0, err
	}
	if err := a.read(); err != nil {
		return nil, 0, err
	}
	if after == 0 {
		after = -1
	}
	rows, err := f.rows(ctx, q, id, after, PageSize+1)
	if err != nil {
		return nil, 0, fmt.Errorf("items of case %s: %w", id, err)
	}
	if len(rows) > PageSize {
		rows = rows[:PageSize]
		next = rows[PageSize-1].Pos
	}
	if len(rows) == 0 {
		return nil, 0, nil
	}
	items, err = s.view(ctx, who, id, "items", rows)
	return items, next, err
}

// view records that items are opened and reads them.
func (s *Service) view(ctx context.Context, who matrix.UserID, id, typ string, rows []store.CaseItem) ([]*Item, error) {
	positions, at := make([]int64, len(rows)), make([]frozen, len(rows))
	for i, r := range rows {
		positions[i], at[i] = r.Pos, frozen{r.Pos, r.Size}
	}
	if _, err := s.note(ctx, who, id, record.KindView, &entry{Type: "view." + typ, Items: positions}, (*access).read); err != nil {
		return nil, err
	}
	l := s.loader(s.opt.DB.Reader())
	items, err := l.items(ctx, at)
	if err != nil {
		return nil, err
	}
	return items, l.decided(ctx, id, items)
}

// Item returns one item of a case and what was decided about it before, newest first. It is recorded like [Service.Items].
func (s *Service) Item(ctx context.Context, who matrix.UserID, id string, position int64) (*Item, []Decision, error) {
	q := s.opt.DB.Reader()
	a, err := enter(ctx, q, who, id)
	if err != nil {
		return nil, nil, err
	}
	if err := a.read(); err != nil {
		return nil, nil, err
	}
	rows, err := store.CaseItemsAt(ctx, q, id, []int64{position})
	if err != nil {
		return nil, nil, fmt.Errorf("item %d of case %s: %w", position, id, err)
	}
	if len(rows) == 0 {
		return nil, nil, httpd.NotFound("There is no such item in this case.")
	}
	items, err := s.view(ctx, who, id, "item", rows)
	if err != nil || len(items) == 0 {
		return nil, nil, errors.Join(err, store.ErrNotFound)
	}
	stored, err := store.DecisionsOf(ctx, q, id, position)
	if err != nil {
		return nil, nil, fmt.Errorf("decisions about item %d of case %s: %w", position, id, err)
	}
	history := make([]Decision, len(stored))
	for i := range stored {
		d, err := decisionOf(stored[i])
		if err != nil {
			return nil, nil, err
		}
		history[i] = *d
	}
	return items[0], history, nil
}

// contextSize is how many messages are shown before and after one.
const contextSize = 10

// Around returns the messages of a conversation before and after one, for its context: those within the case's
// bounds, collected or not. It is recorded.
func (s *Service) Around(ctx context.Context, who matrix.UserID, id string, position int64) ([]*Item, error) {
	q := s.opt.DB.Reader()
	a, err := enter(ctx, q, who, id)
	if err != nil {
		return nil, err
	}
	if err := a.work(); err != nil {
		return nil, err
	}
	bounds, err := s.reach(ctx, &a.c)
	if err != nil {
		return nil, err
	}
	mine, err := s.within(ctx, []int64{position}, bounds)
	if err != nil {
		return nil, err
	}
	near, err := store.MessagesAround(ctx, q, mine[0].Scope, position, contextSize)
	if err != nil {
		return nil, fmt.Errorf("messages around %d: %w", position, err)
	}
	return s.look(ctx, who, id, near, bounds)
}

// MostRead is how many messages [Service.Read] reads at once.
const MostRead = 500

// Read returns those of some messages that are within the case's bounds, collected or not, in the order of
// the positions. It is recorded.
func (s *Service) Read(ctx context.Context, who matrix.UserID, id string, positions []int64) ([]*Item, error) {
	if len(positions) > MostRead {
		return nil, httpd.InvalidParam("Read at most %d messages at once.", MostRead)
	}
	a, err := enter(ctx, s.opt.DB.Reader(), who, id)
	if err != nil {
		return nil, err
	}
	if err := a.work(); err != nil {
		return nil, err
	}
	bounds, err := s.reach(ctx, &a.c)
	if err != nil {
		return nil, err
	}
	return s.look(ctx, who, id, positions, bounds)
}

// look records that messages are read, those of them that are within bounds, and reads them.
func (s *Service) look(ctx context.Context, who matrix.UserID, id string, near []int64, bounds search.Bounds) ([]*Item, error) {
	near = slices.DeleteFunc(slices.Clone(near), func(p int64) bool {
		_, err := s.within(ctx, []int64{p}, bounds)
		return err != nil
	})
	if len(near) == 0 {
		return nil, nil
	}
	if _, err := s.note(ctx, who, id, record.KindView, &entry{Type: "view.context", Items: near}, (*access).work); err != nil {
		return nil, err
	}
	l := s.loader(s.opt.DB.Reader())
	items, err := l.items(ctx, now(near))
	if err != nil {
		return nil, err
	}
	return items, l.decided(ctx, id, items)
}

// senderOf is the short hash of who sent a message of Despatch's own.
func senderOf(it *Item) int64 {
	sender, _ := matrix.LookupString(it.parts[0].Body, "sender")
	return stream.SenderHash(matrix.UserID(sender))
}
