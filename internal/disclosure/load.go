package disclosure

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/record/bundle"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// notKept is the state of an attachment of which there is no file.
const notKept = "not kept"

// loadChunk is how many items are read at once.
const loadChunk = 500

// loader reads items and remembers what they have in common.
type loader struct {
	s      *Service
	q      sqldb.Queryer
	scopes map[int64]*scopeInfo
	names  map[string]string
}

// scopeInfo is what is needed of a conversation.
type scopeInfo struct {
	store.Scope
	tag     [32]byte
	title   string
	system  string
	version matrix.RoomVersion // "" for captured ones
}

func (s *Service) loader(q sqldb.Queryer) *loader {
	return &loader{s: s, q: q, scopes: make(map[int64]*scopeInfo), names: make(map[string]string)}
}

func (l *loader) scope(ctx context.Context, id int64) (*scopeInfo, error) {
	if x := l.scopes[id]; x != nil {
		return x, nil
	}
	sc, err := store.ScopeByID(ctx, l.q, id)
	if err != nil {
		return nil, fmt.Errorf("scope %d: %w", id, err)
	}
	x := &scopeInfo{Scope: sc, tag: record.ScopeTag(sc.Salt, sc.Name)}
	room, err := store.RoomByID(ctx, l.q, matrix.RoomID(sc.Name))
	switch {
	case err == nil:
		x.version, x.system = room.Version, "despatch"
	case !errors.Is(err, store.ErrNotFound):
		return nil, fmt.Errorf("room %s: %w", sc.Name, err)
	}
	c, err := l.s.opt.Index.Conversation(ctx, id)
	switch {
	case err == nil:
		x.title = c.Title
		if x.system == "" {
			x.system = c.System
		}
		if x.title == "" {
			x.title = namesOf(c)
		}
	case !errors.Is(err, store.ErrNotFound):
		return nil, fmt.Errorf("conversation %s: %w", sc.Name, err)
	}
	if x.title == "" {
		x.title = sc.Name
	}
	l.scopes[id] = x
	return x, nil
}

// namesOf is what a conversation without a name is called: after those who speak in it.
func namesOf(c Conversation) string {
	var names []string
	for _, p := range c.People[:min(3, len(c.People))] {
		names = append(names, p.Name)
	}
	switch {
	case c.Parties > 3:
		return fmt.Sprintf("%s and %d others", strings.Join(names, ", "), c.Parties-3)
	case len(names) > 1:
		return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
	}
	return strings.Join(names, "")
}

// name is how somebody with an account is called now; "" for others.
func (l *loader) name(ctx context.Context, id string) (string, error) {
	if n, ok := l.names[id]; ok {
		return n, nil
	}
	p, err := store.PersonByID(ctx, l.q, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	l.names[id] = p.Name
	return p.Name, nil
}

// frozen is a position and the size of the record that counts for it.
type frozen struct {
	pos, size int64
}

// items reads the messages at some positions with all that belongs to them, in the order of the positions. What is
// nowhere is left out.
func (l *loader) items(ctx context.Context, at []frozen) ([]*Item, error) {
	var out []*Item
	for chunk := range slices.Chunk(at, loadChunk) {
		items, err := l.chunk(ctx, chunk)
		if err != nil {
			return nil, fmt.Errorf("read messages: %w", err)
		}
		out = append(out, items...)
	}
	return out, nil
}

func (l *loader) chunk(ctx context.Context, at []frozen) ([]*Item, error) {
	size := make(map[int64]int64, len(at))
	positions := make([]int64, len(at))
	for i, f := range at {
		positions[i], size[f.pos] = f.pos, f.size
	}
	entries, err := store.EntriesAt(ctx, l.q, positions)
	if err != nil {
		return nil, err
	}
	sealed, err := store.SealedAmong(ctx, l.q, positions)
	if err != nil {
		return nil, err
	}
	byPos := make(map[int64]*Item, len(entries))
	for i := range entries {
		if sealed[entries[i].Pos] {
			closed(&entries[i])
		}
		if byPos[entries[i].Pos], err = l.begin(ctx, &entries[i]); err != nil {
			return nil, err
		}
		byPos[entries[i].Pos].Sealed = sealed[entries[i].Pos]
	}
	if err := l.addRelated(ctx, byPos, positions, size); err != nil {
		return nil, err
	}
	var out []*Item
	for _, f := range at {
		it := byPos[f.pos]
		if it == nil {
			continue
		}
		if err := l.finish(ctx, it); err != nil {
			return nil, fmt.Errorf("position %d: %w", f.pos, err)
		}
		out = append(out, it)
	}
	return out, nil
}

// closed takes out of an entry what it says. What is left is what is left of one that was destroyed.
func closed(e *store.Entry) {
	if e.Commitment == nil && len(e.Salt) == 32 {
		c := record.Commit((*[32]byte)(e.Salt), e.Body)
		e.Commitment = c[:]
	}
	e.Body, e.Salt = nil, nil
}

// begin makes the item of a message's own entry.
func (l *loader) begin(ctx context.Context, e *store.Entry) (*Item, error) {
	sc, err := l.scope(ctx, e.Scope)
	if err != nil {
		return nil, err
	}
	it := &Item{Position: e.Pos, Scope: sc.Name, Conversation: sc.title, System: sc.system, Recorded: e.Time, Said: e.Time, scope: sc}
	it.parts = append(it.parts, sc.part(bundle.RoleMessage, e))
	it.Destroyed = e.Body == nil
	return it, nil
}

// part is an entry as bundles have it.
func (sc *scopeInfo) part(role bundle.Role, e *store.Entry) bundle.Part {
	p := bundle.Part{Position: e.Pos, Role: role, Body: e.Body, Entry: record.Entry{Time: e.Time, ScopeTag: sc.tag, Seq: uint64(e.Seq), Kind: e.Kind}}
	if len(e.Salt) == 32 {
		p.Salt = (*[32]byte)(e.Salt)
	}
	switch {
	case e.Commitment != nil:
		copy(p.Entry.Commitment[:], e.Commitment)
	case p.Salt != nil:
		p.Entry.Commitment = record.Commit(p.Salt, e.Body)
	}
	return p
}

// addRelated adds edits, reactions and redactions that were on the record in time.
func (l *loader) addRelated(ctx context.Context, items map[int64]*Item, positions []int64, size map[int64]int64) error {
	related, err := store.RelatedTo(ctx, l.q, positions)
	if err != nil {
		return err
	}
	of := make(map[int64]*Item, len(items)+len(related)) // by the position of any of their entries
	for pos, it := range items {
		of[pos] = it
	}
	all := slices.Clone(positions)
	for i := range related {
		r := &related[i]
		it := items[r.Target]
		if it == nil || r.Pos >= size[r.Target] || r.Body == nil || it.Destroyed {
			continue
		}
		role := bundle.RoleReaction
		switch typ, _ := matrix.LookupString(r.Body, "type"); {
		case r.Class == store.ClassEdit && r.Sender == senderOf(it):
			role = bundle.RoleEdit
		case typ != "m.reaction":
			continue // says something of the message and is one itself
		}
		it.parts = append(it.parts, it.scope.part(role, &r.Entry))
		of[r.Pos] = it
		all = append(all, r.Pos)
	}
	redactions, err := store.RedactionsOf(ctx, l.q, all)
	if err != nil {
		return err
	}
	for i := range redactions {
		r := &redactions[i]
		it := of[r.Target]
		if it == nil || r.Pos >= size[it.Position] && r.Pos != r.Target {
			continue
		}
		if r.Target == it.Position && r.Reason == "expired" {
			it.Expired = true
		}
		if r.Pos != r.Target && r.Body != nil && !it.Destroyed {
			it.parts = append(it.parts, it.scope.part(bundle.RoleRedaction, &r.Entry))
		}
	}
	return nil
}

// finish reads what the item says from its entries.
func (l *loader) finish(ctx context.Context, it *Item) error {
	slices.SortStableFunc(it.parts[1:], func(a, b bundle.Part) int { return int(a.Position - b.Position) })
	if it.Destroyed {
		return nil
	}
	if err := l.attach(ctx, it); err != nil {
		return err
	}
	var err error
	it.Content, err = bundle.Derive(it.parts, string(it.scope.version))
	if err != nil {
		it.Problem = err.Error()
		it.Content = bundle.Content{Type: "unreadable"}
		return nil
	}
	for i := range it.Attachments {
		a := &it.Attachments[i]
		switch {
		case a.State != "not disclosed":
		case a.SHA256 == "" || l.s.opt.Files == nil:
			a.State = notKept
		default:
			a.State = "" // disclosed with the item
		}
	}
	it.SenderName, err = l.name(ctx, it.Sender)
	return err
}

// attach adds the entry that names the hash of an attached file of Despatch's own.
func (l *loader) attach(ctx context.Context, it *Item) error {
	body := it.parts[0].Body
	if l.s.opt.Files == nil || it.parts[0].Entry.Kind != record.KindEvent {
		return nil
	}
	uri, ok := matrix.LookupString(body, "content", "url")
	if !ok {
		if uri, ok = matrix.LookupString(body, "content", "file", "url"); !ok {
			return nil
		}
	}
	if typ, _ := matrix.LookupString(body, "type"); typ != "m.room.message" && typ != "m.sticker" {
		return nil
	}
	pos, ok, err := l.s.opt.Files.Attached(ctx, uri)
	if err != nil || !ok {
		return err
	}
	e, err := store.EntryAt(ctx, l.q, pos)
	if err != nil || e.Body == nil {
		return err
	}
	sum, _ := matrix.LookupString(e.Body, "sha256")
	if b, err := hex.DecodeString(sum); err != nil || len(b) != 32 {
		return nil
	}
	sc, err := l.scope(ctx, e.Scope)
	if err != nil {
		return err
	}
	it.parts = append(it.parts, sc.part(bundle.RoleMedia, &e))
	return nil
}

// decided adds the decisions about items of a case.
func (l *loader) decided(ctx context.Context, id string, items []*Item) error {
	positions := make([]int64, len(items))
	for i, it := range items {
		positions[i] = it.Position
	}
	rows, err := store.CaseItemsAt(ctx, l.q, id, positions)
	if err != nil {
		return fmt.Errorf("decisions of case %s: %w", id, err)
	}
	found := make(map[int64]*Decision)
	var ask []int64
	for _, r := range rows {
		if r.Decision != 0 {
			ask = append(ask, r.Decision)
		}
	}
	if ask != nil {
		ds, err := store.DecisionsAt(ctx, l.q, slices.Compact(slices.Sorted(slices.Values(ask))))
		if err != nil {
			return fmt.Errorf("decisions of case %s: %w", id, err)
		}
		for _, d := range ds {
			if found[d.Entry], err = decisionOf(d); err != nil {
				return err
			}
		}
	}
	in := make(map[int64]store.CaseItem, len(rows))
	for _, r := range rows {
		in[r.Pos] = r
	}
	for _, it := range items {
		if r, ok := in[it.Position]; ok {
			it.Collected, it.Decision = true, found[r.Decision]
		}
	}
	return nil
}
