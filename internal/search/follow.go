package search

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// Marks by which entries are found besides their words. They are of one word each.
const (
	markAll      = "all"
	markNative   = "native"
	markCaptured = "captured"
	markFile     = "file"
)

func scopeMark(scope int64) string   { return fmt.Sprintf("s%d", scope) }
func senderMark(sender int64) string { return fmt.Sprintf("u%016x", uint64(sender)) }

// keyOf orders entries by when they were said: the second, and in it the position. Entries of the same second and of
// positions a million apart get neighbouring keys.
func keyOf(said, pos int64) int64 { return max(0, said/1000)<<keyBits | pos&(1<<keyBits-1) }

const keyBits = 20

// person is what is remembered of somebody with an account.
type person struct {
	name  string
	words []string
}

// maxRemembered bounds what is remembered of people and scopes.
const maxRemembered = 100_000

// batch is what one transaction adds to the index.
type batch struct {
	docs          []store.SearchDoc
	conversations map[int64]*store.SearchConversation
	parties       map[int64]map[string]*store.SearchParty
	order         []int64 // of conversations
	mark          []byte
	to            int64
	sealed        map[int64]bool // positions of captured messages that nobody is to find
}

// step indexes the next entries and reports whether there are more.
func (x *Index) step(ctx context.Context) (more bool, err error) {
	x.work.Lock()
	defer x.work.Unlock()
	from := x.upTo.Load()
	head, err := store.ReadHead(ctx, x.opt.Record.Reader())
	if errors.Is(err, store.ErrNotFound) || err == nil && head.Size <= from {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("read the end of the record: %w", err)
	}
	size := int64(batchSize)
	if head.Size-from > catchUp {
		size = catchUp
	}
	b := &batch{to: min(from+size, head.Size), conversations: make(map[int64]*store.SearchConversation), parties: make(map[int64]map[string]*store.SearchParty)}
	var entries []store.Entry
	err = store.Entries(ctx, x.opt.Record.Reader(), from, b.to, func(e *store.Entry) error {
		entries = append(entries, *e)
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("read entries from %d: %w", from, err)
	}
	if int64(len(entries)) != b.to-from {
		return false, fmt.Errorf("read entries from %d: %d of %d are there", from, len(entries), b.to-from)
	}
	if b.sealed, err = store.SealedBetween(ctx, x.opt.Record.Reader(), from, b.to); err != nil {
		return false, fmt.Errorf("ask what is sealed from %d: %w", from, err)
	}
	for i := range entries {
		if err := x.take(ctx, b, &entries[i]); err != nil {
			return false, fmt.Errorf("index entry %d: %w", entries[i].Pos, err)
		}
	}
	b.mark = commitment(&entries[len(entries)-1])
	if err := x.db.Write(ctx, func(tx *sqldb.Tx) error { return b.write(ctx, tx) }); err != nil {
		return false, err
	}
	x.db.Committed(ctx, len(entries))
	x.reached(b.to)
	return b.to < head.Size, nil
}

func (b *batch) write(ctx context.Context, tx *sqldb.Tx) error {
	if err := store.HurrySearch(ctx, tx); err != nil {
		return err
	}
	if len(b.docs) > 0 {
		if err := store.InsertSearchDocs(ctx, tx, b.docs); err != nil {
			return err
		}
	}
	var parties []store.SearchParty
	for _, scope := range b.order {
		if err := store.AddSearchConversation(ctx, tx, *b.conversations[scope]); err != nil {
			return err
		}
		for _, p := range b.parties[scope] {
			parties = append(parties, *p)
		}
	}
	if len(parties) > 0 {
		if err := store.AddSearchParties(ctx, tx, parties); err != nil {
			return err
		}
	}
	if err := store.SetSearchMark(ctx, tx, b.mark); err != nil {
		return err
	}
	return store.SetFollowed(ctx, tx, follower, b.to)
}

// take adds to the batch what an entry says. Entries without anything said in them add nothing, and so do those whose
// body was destroyed or cannot be read: an index is no place to stop at.
func (x *Index) take(ctx context.Context, b *batch, e *store.Entry) error {
	if e.Body == nil {
		return nil
	}
	switch e.Kind {
	case record.KindEvent:
		return x.event(ctx, b, e)
	case record.KindObservation:
		if b.sealed[e.Pos] {
			return nil
		}
		return x.observation(ctx, b, e)
	case record.KindReport:
		return x.released(ctx, b, e)
	case record.KindParse:
		return x.parse(ctx, b, e)
	case record.KindPerson:
		if id, ok := matrix.LookupString(e.Body, "person"); ok {
			delete(x.names, id)
		}
	}
	return nil
}

func (x *Index) event(ctx context.Context, b *batch, e *store.Entry) error {
	content := matrix.Lookup(e.Body, "content")
	doc := store.SearchDoc{Key: keyOf(e.Time, e.Pos), Pos: e.Pos, Item: e.Pos, Scope: e.Scope}
	text, title, isTitle := "", "", false
	switch e.Class {
	case store.ClassMessage:
		text, doc.Message = messageText(e.Body, content), true
	case store.ClassEdit:
		text, _ = matrix.LookupString(content, "m.new_content", "body")
		if err := x.edited(ctx, &doc, content, e.Sender); err != nil {
			return err
		}
	case store.ClassState:
		switch typ, _ := matrix.LookupString(e.Body, "type"); typ {
		case "m.room.name":
			title, _ = matrix.LookupString(content, "name")
			text, isTitle = title, true
		case "m.room.topic":
			text, _ = matrix.LookupString(content, "topic")
		default:
			return nil
		}
	default:
		return nil
	}
	sender, _ := matrix.LookupString(e.Body, "sender")
	who, err := x.person(ctx, sender)
	if err != nil {
		return err
	}
	doc.Said = words(nil, text)
	doc.Who = who.words
	doc.About = []string{markAll, markNative, scopeMark(e.Scope), senderMark(e.Sender)}
	if matrix.Lookup(content, "url") != nil || matrix.Lookup(content, "file", "url") != nil {
		doc.About = append(doc.About, markFile)
	}
	b.docs = append(b.docs, doc)
	c, err := x.conversation(ctx, b, e.Scope, "despatch")
	if err != nil {
		return err
	}
	if isTitle {
		c.Title, c.TitlePos, c.Words = title, e.Pos, padded(words(nil, title))
	}
	if doc.Message {
		b.said(c, e.Time, sender, who)
	}
	return nil
}

// edited finds the message that an edit belongs to. What somebody else says of a message edits nothing.
func (x *Index) edited(ctx context.Context, doc *store.SearchDoc, content []byte, sender int64) error {
	target, _ := matrix.LookupString(content, "m.relates_to", "event_id")
	ref, ok := store.EventRef(matrix.EventID(target))
	if !ok {
		return nil
	}
	e, err := store.EntryByRef(ctx, x.opt.Record.Reader(), ref)
	if errors.Is(err, store.ErrNotFound) || err == nil && (e.Scope != doc.Scope || e.Sender != sender) {
		return nil // an edit of nothing stands for itself
	}
	doc.Item = e.Pos
	return err
}

// messageText is all that a message says in words: its text, the name of its file, the question and answers of a poll.
func messageText(body, content []byte) string {
	text, _ := matrix.LookupString(content, "body")
	if matrix.Lookup(content, "m.relates_to", "m.in_reply_to") != nil {
		text = withoutFallback(text)
	}
	if name, ok := matrix.LookupString(content, "filename"); ok && name != text {
		text += "\n" + name
	}
	if typ, _ := matrix.LookupString(body, "type"); strings.HasSuffix(typ, "poll.start") {
		text = pollText(text, content, 0)
	}
	return text
}

// withoutFallback takes the quotation out that old clients put in front of a reply.
func withoutFallback(text string) string {
	if !strings.HasPrefix(text, "> <") && !strings.HasPrefix(text, "> * <") {
		return text
	}
	rest := text
	for strings.HasPrefix(rest, ">") {
		_, after, ok := strings.Cut(rest, "\n")
		if !ok {
			return text
		}
		rest = after
	}
	return strings.TrimPrefix(rest, "\n")
}

// pollText gathers the texts in a poll, whichever of its two forms it has.
func pollText(text string, obj []byte, depth int) string {
	if depth > 6 {
		return text
	}
	matrix.Members(obj, func(name string, value []byte) bool {
		switch {
		case len(value) == 0:
		case value[0] == '{':
			text = pollText(text, value, depth+1)
		case value[0] == '[':
			matrix.Elements(value, func(v []byte) bool {
				if len(v) > 0 && v[0] == '{' {
					text = pollText(text, v, depth+1)
				}
				return true
			})
		case name == "body" || name == "m.text" || name == "org.matrix.msc1767.text":
			if s, ok := matrix.String(value); ok && !strings.Contains(text, s) {
				text += "\n" + s
			}
		}
		return true
	})
	return text
}

// observation is what is read of a captured message; package capture has the whole.
type observation struct {
	Kind   string `json:"kind"`
	Sender string `json:"sender"`
	Sent   struct {
		Local    string `json:"local"`
		Earliest string `json:"earliest"`
		Zone     string `json:"zone_basis"`
	} `json:"sent"`
	Body        string `json:"body"`
	Text        string `json:"text"`
	Attachments []struct {
		Name string `json:"name"`
	} `json:"attachments"`
	Edits []struct {
		Body string `json:"body"`
	} `json:"edits"`
	Poll *struct {
		Question string `json:"question"`
		Options  []struct {
			Text string `json:"text"`
		} `json:"options"`
	} `json:"poll"`
}

// released indexes a captured message when its seal is broken, unless it is in the index already.
func (x *Index) released(ctx context.Context, b *batch, e *store.Entry) error {
	if typ, _ := matrix.LookupString(e.Body, "type"); typ != "spillage.released" {
		return nil
	}
	var about struct {
		Item int64 `json:"item"`
	}
	if err := json.Unmarshal(e.Body, &about); err != nil {
		return nil
	}
	for i := range b.docs {
		if b.docs[i].Pos == about.Item {
			return nil
		}
	}
	if known, err := store.SearchRowsOf(ctx, x.db.Reader(), []int64{about.Item}); err != nil || len(known) > 0 {
		return err
	}
	sealed, err := store.IsSealed(ctx, x.opt.Record.Reader(), about.Item)
	if err != nil || sealed || about.Item >= e.Pos {
		return err
	}
	m, err := store.EntryAt(ctx, x.opt.Record.Reader(), about.Item)
	if err != nil || m.Body == nil || m.Kind != record.KindObservation {
		return err
	}
	return x.observation(ctx, b, &m)
}

func (x *Index) observation(ctx context.Context, b *batch, e *store.Entry) error {
	var o observation
	if err := json.Unmarshal(e.Body, &o); err != nil {
		x.opt.Log.WarnContext(ctx, "a captured message cannot be read and is not indexed", "position", e.Pos, "err", err)
		return nil
	}
	said := x.saidAt(&o, e.Time)
	doc := store.SearchDoc{Key: keyOf(said, e.Pos), Pos: e.Pos, Item: e.Pos, Scope: e.Scope, Captured: true, Message: o.Kind != "system"}
	doc.Said = words(doc.Said, o.Body)
	if o.Body == "" {
		doc.Said = words(doc.Said, o.Text)
	}
	for _, ed := range o.Edits {
		doc.Said = words(doc.Said, ed.Body)
	}
	if o.Poll != nil {
		doc.Said = words(doc.Said, o.Poll.Question)
		for _, opt := range o.Poll.Options {
			doc.Said = words(doc.Said, opt.Text)
		}
	}
	doc.About = []string{markAll, markCaptured, scopeMark(e.Scope)}
	for _, a := range o.Attachments {
		if !strings.Contains(o.Body, a.Name) {
			doc.Said = words(doc.Said, a.Name)
		}
	}
	if len(o.Attachments) > 0 {
		doc.About = append(doc.About, markFile)
	}
	doc.Who = words(nil, o.Sender)
	b.docs = append(b.docs, doc)
	c, err := x.conversation(ctx, b, e.Scope, "")
	if err != nil {
		return err
	}
	if doc.Message {
		b.said(c, said, o.Sender, person{o.Sender, doc.Who})
	}
	return nil
}

// saidAt is when a captured message was said: the earliest it can have been or, if nobody knows whose time its source
// shows, that time on our clocks. Nothing is said later than it is recorded.
func (x *Index) saidAt(o *observation, recorded int64) int64 {
	said := recorded
	if t, err := time.Parse(time.RFC3339Nano, o.Sent.Earliest); err == nil {
		said = t.UnixMilli()
	}
	if o.Sent.Zone == "unknown" && o.Sent.Local != "" {
		for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} {
			if t, err := time.ParseInLocation(layout, o.Sent.Local, x.opt.Zone); err == nil {
				said = t.UnixMilli()
				break
			}
		}
	}
	return min(said, recorded)
}

// parse takes the titles of captured conversations from the parser's run.
func (x *Index) parse(ctx context.Context, b *batch, e *store.Entry) error {
	var run struct {
		Run struct {
			System string `json:"system"`
		} `json:"run"`
		Conversations []struct {
			ID    string `json:"id"`
			Title string `json:"title"`
		} `json:"conversations"`
	}
	if err := json.Unmarshal(e.Body, &run); err != nil {
		return nil // not one of ours
	}
	for _, rc := range run.Conversations {
		sc, err := store.ScopeByName(ctx, x.opt.Record.Reader(), "capture:"+rc.ID)
		if errors.Is(err, store.ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		c, err := x.conversation(ctx, b, sc.ID, run.Run.System)
		if err != nil {
			return err
		}
		c.Title, c.TitlePos, c.Words, c.System = rc.Title, e.Pos, padded(words(nil, rc.Title)), run.Run.System
	}
	return nil
}

// conversation returns what the batch adds to a scope.
func (x *Index) conversation(ctx context.Context, b *batch, scope int64, system string) (*store.SearchConversation, error) {
	if c := b.conversations[scope]; c != nil {
		return c, nil
	}
	name, ok := x.scope[scope]
	if !ok {
		sc, err := store.ScopeByID(ctx, x.opt.Record.Reader(), scope)
		if err != nil {
			return nil, fmt.Errorf("scope %d: %w", scope, err)
		}
		if len(x.scope) > maxRemembered {
			clear(x.scope)
		}
		name = sc.Name
		x.scope[scope] = name
	}
	c := &store.SearchConversation{Scope: scope, Name: name, System: system, TitlePos: -1}
	b.conversations[scope] = c
	b.order = append(b.order, scope)
	return c, nil
}

// said counts a message.
func (b *batch) said(c *store.SearchConversation, at int64, id string, who person) {
	if c.Messages == 0 || at < c.First {
		c.First = at
	}
	if c.Messages == 0 || at > c.Last {
		c.Last = at
	}
	c.Messages++
	if id == "" {
		return
	}
	of := b.parties[c.Scope]
	if of == nil {
		of = make(map[string]*store.SearchParty)
		b.parties[c.Scope] = of
	}
	p := of[id]
	if p == nil {
		p = &store.SearchParty{Scope: c.Scope, ID: id, Name: who.name, Words: padded(who.words)}
		of[id] = p
	}
	p.Messages++
}

// person returns how somebody is called.
func (x *Index) person(ctx context.Context, id string) (person, error) {
	if p, ok := x.names[id]; ok {
		return p, nil
	}
	p := person{name: matrix.UserID(id).Localpart()}
	row, err := store.PersonByID(ctx, x.opt.Record.Reader(), id)
	switch {
	case err == nil:
		p.name = row.Name
	case !errors.Is(err, store.ErrNotFound):
		return p, err
	}
	p.words = words(words(nil, p.name), matrix.UserID(id).Localpart())
	if len(x.names) > maxRemembered {
		clear(x.names)
	}
	x.names[id] = p
	return p, nil
}
