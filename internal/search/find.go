package search

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"despatch/internal/matrix"
	"despatch/internal/store"
	"despatch/internal/stream"
)

// How a search is bounded.
const (
	manyScopes = 64      // more than these are not asked for but sorted out afterwards
	maxNamed   = 500     // conversations that one in: may mean
	maxScanned = 200_000 // entries that match the words and are sorted out afterwards, for one page
	chunk      = 2000    // of them at a time
)

// Search returns what a query finds within bounds, deleted or not. Who may ask is the caller's business.
func (x *Index) Search(ctx context.Context, q *Query, b Bounds, p Page) (*Results, error) {
	return x.search(ctx, q, b, p, nil)
}

// search is Search with a last word on each chunk of what was found.
func (x *Index) search(ctx context.Context, q *Query, b Bounds, p Page, keep func([]store.SearchRow) ([]store.SearchRow, error)) (*Results, error) {
	res := &Results{UpTo: x.UpTo()}
	if p.Limit <= 0 {
		p.Limit = 20
	}
	p.Limit = min(p.Limit, MaxPage)
	if b.Scopes != nil && len(b.Scopes) == 0 {
		return res, nil
	}
	expr, possible, err := x.resolve(ctx, q)
	if err != nil || !possible {
		return res, err
	}
	w := walk{x: x, expr: expr, keep: keep, size: b.Size}
	w.from, w.to = x.keys(q, b)
	if b.Scopes != nil {
		if len(b.Scopes) <= manyScopes {
			group := make([]store.SearchTerm, len(b.Scopes))
			for i, s := range b.Scopes {
				group[i] = about(scopeMark(s))
			}
			expr.All = append(expr.All, group)
		} else {
			w.scopes = make(map[int64]bool, len(b.Scopes))
			for _, s := range b.Scopes {
				w.scopes[s] = true
			}
		}
	}
	if p.Count {
		if res.Total, err = w.count(ctx); err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
		if res.More = res.Total > MaxCount; res.More {
			res.Total = MaxCount
		}
	}
	if p.After != "" {
		after, err := strconv.ParseInt(p.After, 36, 64)
		if err != nil || after < 0 {
			return nil, &SyntaxError{Message: "That page of results is not known. Search again."}
		}
		w.to = min(w.to, after)
	}
	found, next, err := w.page(ctx, p.Limit)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	for _, r := range found {
		res.Hits = append(res.Hits, hit(r))
	}
	if next > 0 {
		res.Next = strconv.FormatInt(next, 36)
	}
	return res, nil
}

func hit(r store.SearchRow) Hit {
	return Hit{Pos: r.Pos, Item: r.Item, Scope: r.Scope, Said: r.Key >> keyBits * 1000, Captured: r.Captured}
}

// Of returns what is indexed of the entries at some positions, in no order: they themselves and the edits of them.
func (x *Index) Of(ctx context.Context, positions []int64) ([]Hit, error) {
	rows, err := store.SearchRowsOf(ctx, x.db.Reader(), positions)
	if err != nil {
		return nil, fmt.Errorf("look up entries in the index: %w", err)
	}
	out := make([]Hit, len(rows))
	for i, r := range rows {
		out[i] = hit(r)
	}
	return out, nil
}

// walk goes through what matches, newest first.
type walk struct {
	x        *Index
	expr     *store.SearchExpr
	from, to int64 // keys
	size     int64
	scopes   map[int64]bool // nil for all
	keep     func([]store.SearchRow) ([]store.SearchRow, error)
}

// sorts reports whether entries must be sorted out after they were found.
func (w *walk) sorts() bool { return w.scopes != nil || w.keep != nil || w.size > 0 }

func (w *walk) sort(ctx context.Context, rows []store.SearchRow) ([]store.SearchRow, error) {
	rows = slices.DeleteFunc(rows, func(r store.SearchRow) bool {
		return w.scopes != nil && !w.scopes[r.Scope] || w.size > 0 && r.Pos >= w.size
	})
	var captured []int64
	for _, r := range rows {
		if r.Captured {
			captured = append(captured, r.Pos)
		}
	}
	// The index leaves out what was sealed when it came. What was sealed since is sorted out here.
	sealed, err := store.SealedAmong(ctx, w.x.opt.Record.Reader(), captured)
	if err != nil {
		return nil, fmt.Errorf("ask what is sealed: %w", err)
	}
	if len(sealed) > 0 {
		rows = slices.DeleteFunc(rows, func(r store.SearchRow) bool { return sealed[r.Pos] })
	}
	if w.keep == nil {
		return rows, nil
	}
	return w.keep(rows)
}

// page returns the next entries, and the key before which the page after it begins: 0 at the end.
func (w *walk) page(ctx context.Context, limit int) (found []store.SearchRow, next int64, err error) {
	to, ask := w.to, limit+1
	if w.scopes != nil || w.keep != nil {
		ask = chunk
	}
	for scanned := 0; len(found) <= limit; {
		rows, err := store.FindWords(ctx, w.x.db.Reader(), w.expr, w.from, to, ask)
		if err != nil {
			return nil, 0, err
		}
		n := len(rows)
		if n > 0 {
			to = rows[n-1].Key
		}
		if rows, err = w.sort(ctx, rows); err != nil {
			return nil, 0, err
		}
		found = append(found, rows...)
		if n < ask {
			break
		}
		if scanned += n; scanned >= maxScanned && len(found) <= limit {
			return found, to, nil // goes on in the next page
		}
	}
	if len(found) > limit {
		found = found[:limit]
		next = found[limit-1].Key
	}
	return found, next, nil
}

// count counts what matches, up to one more than MaxCount.
func (w *walk) count(ctx context.Context) (int, error) {
	if !w.sorts() {
		return store.CountWords(ctx, w.x.db.Reader(), w.expr, w.from, w.to, MaxCount+1)
	}
	n, to := 0, w.to
	for scanned := 0; n <= MaxCount && scanned < maxScanned; {
		rows, err := store.FindWords(ctx, w.x.db.Reader(), w.expr, w.from, to, chunk)
		if err != nil {
			return 0, err
		}
		all := len(rows)
		if all > 0 {
			to = rows[all-1].Key
		}
		if rows, err = w.sort(ctx, rows); err != nil {
			return 0, err
		}
		if n += len(rows); all < chunk {
			break
		}
		scanned += all
	}
	return min(n, MaxCount+1), nil
}

// keys is the range of keys in which a query and bounds can have something.
func (x *Index) keys(q *Query, b Bounds) (from, to int64) {
	from, to = 0, math.MaxInt64
	if b.From > 0 {
		from = keyOf(b.From+999, 0)
	}
	if b.To > 0 {
		to = keyOf(b.To+999, 0)
	}
	if !q.after.IsZero() {
		from = max(from, keyOf(x.midnight(q.after), 0))
	}
	if !q.before.IsZero() {
		to = min(to, keyOf(x.midnight(q.before), 0))
	}
	return from, to
}

// midnight is when a day begins where the index's days begin.
func (x *Index) midnight(day time.Time) int64 {
	return time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, x.opt.Zone).UnixMilli()
}

func about(mark string) store.SearchTerm {
	return store.SearchTerm{In: store.InAbout, Words: []string{mark}}
}

// resolve turns a query into an expression of words and marks. Possible is false if nothing can match, because a
// filter names nobody or nothing.
func (x *Index) resolve(ctx context.Context, q *Query) (e *store.SearchExpr, possible bool, err error) {
	e = &store.SearchExpr{None: slices.Clone(q.none)}
	for _, t := range q.all {
		e.All = append(e.All, []store.SearchTerm{t})
	}
	for _, name := range []string{"has", "type"} {
		var group []store.SearchTerm
		for _, m := range q.about[name] {
			group = append(group, about(m))
		}
		if group != nil {
			e.All = append(e.All, group)
		}
	}
	for _, m := range q.notAbout {
		e.None = append(e.None, about(m))
	}
	for _, f := range []struct {
		yes, no []filter
		find    func(context.Context, filter) ([]store.SearchTerm, error)
	}{{q.from, q.notFrom, x.senders}, {q.in, q.notIn, x.named}} {
		var group []store.SearchTerm
		for _, v := range f.yes {
			terms, err := f.find(ctx, v)
			if err != nil {
				return nil, false, err
			}
			group = append(group, terms...)
		}
		if f.yes != nil {
			if group == nil {
				return nil, false, nil
			}
			e.All = append(e.All, group)
		}
		for _, v := range f.no {
			terms, err := f.find(ctx, v)
			if err != nil {
				return nil, false, err
			}
			e.None = append(e.None, terms...)
		}
	}
	if len(e.All) == 0 {
		e.All = [][]store.SearchTerm{{about(markAll)}}
	}
	return e, true, nil
}

// senders are the terms for whoever a from: means: by the name they had when they said it, or have now.
func (x *Index) senders(ctx context.Context, f filter) ([]store.SearchTerm, error) {
	if id, err := matrix.ParseUserID(f.raw); err == nil {
		return []store.SearchTerm{about(senderMark(stream.SenderHash(id)))}, nil
	}
	terms := []store.SearchTerm{{In: store.InWho, Words: f.words}}
	people, err := store.FindPeople(ctx, x.opt.Record.Reader(), f.words[0], 200)
	if err != nil {
		return nil, fmt.Errorf("search: from:%s: %w", f.raw, err)
	}
	for _, p := range people {
		have := padded(words(words(nil, p.Name), matrix.UserID(p.ID).Localpart()))
		if strings.Contains(have, padded(f.words)) {
			terms = append(terms, about(senderMark(stream.SenderHash(matrix.UserID(p.ID)))))
		}
	}
	return terms, nil
}

// named are the terms for the conversations that an in: means: by ID, or by the title they have now.
func (x *Index) named(ctx context.Context, f filter) ([]store.SearchTerm, error) {
	sc, err := store.ScopeByName(ctx, x.opt.Record.Reader(), f.raw)
	if err == nil {
		return []store.SearchTerm{about(scopeMark(sc.ID))}, nil
	} else if err != store.ErrNotFound {
		return nil, fmt.Errorf("search: in:%s: %w", f.raw, err)
	}
	scopes, err := store.ScopesTitled(ctx, x.db.Reader(), strings.Join(f.words, " "), maxNamed+1)
	if err != nil {
		return nil, fmt.Errorf("search: in:%s: %w", f.raw, err)
	}
	if len(scopes) > maxNamed {
		return nil, &SyntaxError{Message: fmt.Sprintf("More than %d conversations are called “%s”. Give more of the name.", maxNamed, f.raw)}
	}
	var terms []store.SearchTerm
	for _, s := range scopes {
		terms = append(terms, about(scopeMark(s)))
	}
	return terms, nil
}

// visible is the part of a room that somebody can read.
type visible struct{ from, to int64 }

// SearchVisible returns what a query finds of what a person can see now: in conversations of which they can read the
// history, and only the part of it that they can read; nothing that was deleted or has disappeared, nothing captured.
// If room is not empty, only there.
func (x *Index) SearchVisible(ctx context.Context, h *stream.Hub, who matrix.UserID, room matrix.RoomID, q *Query, p Page) (*Results, error) {
	parts, scopes := make(map[int64]visible), []int64{}
	for _, id := range h.Rooms(who, "join") {
		if room != "" && id != room {
			continue
		}
		info, ok := h.Room(id)
		if !ok {
			continue
		}
		from, to, err := h.Visible(ctx, x.opt.Record.Reader(), id, who)
		if err != nil {
			return nil, fmt.Errorf("search as %s: %w", who, err)
		}
		if from < to {
			parts[info.Scope] = visible{from, to}
			scopes = append(scopes, info.Scope)
		}
	}
	keep := func(rows []store.SearchRow) ([]store.SearchRow, error) {
		var ask []int64
		rows = slices.DeleteFunc(rows, func(r store.SearchRow) bool {
			v, ok := parts[r.Scope]
			hide := !ok || r.Captured || r.Pos < v.from || r.Pos >= v.to || r.Item < v.from
			if !hide {
				ask = append(ask, r.Pos, r.Item)
			}
			return hide
		})
		pruned, err := store.PrunedAmong(ctx, x.opt.Record.Reader(), ask)
		if err != nil {
			return nil, err
		}
		return slices.DeleteFunc(rows, func(r store.SearchRow) bool { return pruned[r.Pos] || pruned[r.Item] }), nil
	}
	return x.search(ctx, q, Bounds{Scopes: scopes}, p, keep)
}

// Conversations returns conversations whose title or people have all the words of find, or words that begin so; those
// with the newest message first. It tells nothing of what was said in them. Next is for the page after it, "" at the
// end.
func (x *Index) Conversations(ctx context.Context, find, after string, limit int) (found []Conversation, next string, err error) {
	if limit <= 0 || limit > MaxPage {
		limit = 50
	}
	last, scope := int64(math.MaxInt64), int64(0)
	if after != "" {
		if _, err := fmt.Sscanf(after, "%d.%d", &last, &scope); err != nil {
			return nil, "", &SyntaxError{Message: "That page of conversations is not known. Look again."}
		}
	}
	looked := words(nil, find)
	slices.SortFunc(looked, func(a, b string) int { return len(b) - len(a) })
	first := ""
	if len(looked) > 0 {
		first = looked[0]
	}
	for len(found) <= limit {
		rows, err := store.SearchConversations(ctx, x.db.Reader(), first, last, scope, limit+1)
		if err != nil {
			return nil, "", fmt.Errorf("list conversations: %w", err)
		}
		for _, c := range rows {
			last, scope = c.Last, c.Scope
			if len(looked) > 1 {
				if ok, err := x.called(ctx, &c, looked); err != nil {
					return nil, "", err
				} else if !ok {
					continue
				}
			}
			shown, err := x.shown(ctx, c)
			if err != nil {
				return nil, "", err
			}
			found = append(found, shown)
		}
		if len(rows) <= limit {
			break
		}
	}
	if len(found) > limit {
		found = found[:limit]
		c := found[limit-1]
		next = fmt.Sprintf("%d.%d", c.Last, c.Scope)
	}
	return found, next, nil
}

// called reports whether the title and the people of a conversation have all the words.
func (x *Index) called(ctx context.Context, c *store.SearchConversation, looked []string) (bool, error) {
	all := c.Words
	parties, _, err := store.SearchParties(ctx, x.db.Reader(), c.Scope, 1000)
	if err != nil {
		return false, err
	}
	for _, p := range parties {
		all += p.Words
	}
	return !slices.ContainsFunc(looked, func(w string) bool { return !strings.Contains(all, " "+w) }), nil
}

// shownParties is how many people are named of a conversation.
const shownParties = 12

func (x *Index) shown(ctx context.Context, c store.SearchConversation) (Conversation, error) {
	out := Conversation{Scope: c.Scope, Name: c.Name, Title: c.Title, System: c.System, Messages: c.Messages, First: c.First, Last: c.Last}
	parties, total, err := store.SearchParties(ctx, x.db.Reader(), c.Scope, shownParties)
	if err != nil {
		return out, fmt.Errorf("people of %s: %w", c.Name, err)
	}
	for _, p := range parties {
		out.People = append(out.People, Party{ID: p.ID, Name: p.Name, Messages: p.Messages})
	}
	out.Parties = total
	return out, nil
}

// Conversation returns what the index knows of a scope, or [store.ErrNotFound].
func (x *Index) Conversation(ctx context.Context, scope int64) (Conversation, error) {
	c, err := store.SearchConversationOf(ctx, x.db.Reader(), scope)
	if err != nil {
		return Conversation{}, err
	}
	return x.shown(ctx, c)
}

// ScopesOf returns the scopes in which somebody of a user ID, or of exactly the name that another system uses, has
// said something.
func (x *Index) ScopesOf(ctx context.Context, id string) ([]int64, error) {
	return store.ScopesOfParty(ctx, x.db.Reader(), id)
}
