package search_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"despatch/despatchtest"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/search"
	"despatch/internal/sqldb"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// start starts a server on a database: its index lies in a file beside it, or in the same PostgreSQL database.
func start(t testing.TB, target string) *despatchtest.Server {
	t.Helper()
	if strings.HasPrefix(target, "postgres:") {
		return despatchtest.Start(t, despatchtest.Database(target))
	}
	return despatchtest.Start(t)
}

func wait(t testing.TB, d *despatchtest.Server, x *search.Index) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := x.Wait(ctx, d.Rec.Head().Edge.Size); err != nil {
		t.Fatalf("the index has come to %d of %d: %v", x.UpTo(), d.Rec.Head().Edge.Size, err)
	}
}

func find(t testing.TB, x *search.Index, query string, b search.Bounds) *search.Results {
	t.Helper()
	q, err := search.Parse(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	r, err := x.Search(context.Background(), q, b, search.Page{Limit: 100, Count: true})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return r
}

// observe puts a captured message on the record.
func observe(t testing.TB, d *despatchtest.Server, scope, body string) int64 {
	t.Helper()
	var pos int64
	err := d.Rec.Do(context.Background(), func(b *recorder.Batch) error {
		pos = b.Append(recorder.Entry{Scope: scope, Kind: record.KindObservation, Body: []byte(body), Class: store.ClassMessage})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pos
}

func TestSearch(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		d := start(t, target)
		asha, ben := d.User(t, "asha"), d.User(t, "ben")
		room := asha.CreateRoomWith(t, map[string]any{"name": "Fisheries policy"}, ben)
		other := asha.CreateRoomWith(t, map[string]any{"name": "Harbour Board"})
		x := d.Index

		ids := map[string]matrix.EventID{}
		say := func(key string, id matrix.EventID) { ids[key] = id }
		say("quota", asha.Send(t, room, "The quota for Café Über is agreed: £5m."))
		say("contract", ben.Send(t, room, "I have the harbour contract here"))
		say("draft", ben.Send(t, room, "A draft of the contract, harbour side"))
		say("deleted", ben.Send(t, room, "Do not tell anybody about the schooner"))
		say("board", asha.Send(t, other, "Contractor says the harbour is shut 🚢"))
		say("file", ben.SendContent(t, room, "m.room.message", map[string]any{"msgtype": "m.file", "body": "see this", "filename": "minutes-2026.pdf", "url": "mxc://example.org/a"}))
		say("edit", ben.SendContent(t, room, "m.room.message", map[string]any{"msgtype": "m.text", "body": "* x",
			"m.new_content": map[string]any{"msgtype": "m.text", "body": "I have the pontoon contract here"}, "m.relates_to": map[string]any{"rel_type": "m.replace", "event_id": ids["contract"]}}))
		say("reply", asha.SendContent(t, room, "m.room.message", map[string]any{"msgtype": "m.text", "body": "> <@ben:example.org> schooner\n\nUnderstood",
			"m.relates_to": map[string]any{"m.in_reply_to": map[string]any{"event_id": ids["deleted"]}}}))
		say("chinese", asha.Send(t, room, "港口合同已经签了"))
		ben.Redact(t, room, ids["deleted"])
		pos := map[int64]string{}
		for k, id := range ids {
			pos[d.Entry(t, id).Pos] = k
		}
		pos[observe(t, d, "capture:conv_x", `{"attachments":[{"name":"IMG-1.jpg"}],"body":"Meet me at the harbour","id":"obs_a","kind":"media","sender":"Dee Smith","sent":{"earliest":"2020-03-05T09:00:00.000Z","latest":"2020-03-05T09:00:59.999Z","local":"2020-03-05T09:00","zone_basis":"utc"}}`)] = "dee"
		pos[observe(t, d, "capture:conv_x", `{"body":"schooner again","id":"obs_b","kind":"text","sender":"Asha","sent":{"earliest":"2020-03-06T09:00:00.000Z","local":"2020-03-06T09:00","zone_basis":"unknown"}}`)] = "oldasha"
		wait(t, d, x)
		scope := func(name string) int64 {
			s, err := store.ScopeByName(context.Background(), d.DB.Reader(), name)
			if err != nil {
				t.Fatal(err)
			}
			return s.ID
		}
		today, tomorrow := time.Now().UTC().Format(time.DateOnly), time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
		for _, c := range []struct {
			query string
			b     search.Bounds
			want  string // newest said first
		}{
			{"harbour", search.Bounds{}, "board draft contract dee"},
			{"HÁRBOUR contract", search.Bounds{}, "draft contract"},
			{`"harbour contract"`, search.Bounds{}, "contract"},
			{"“contract, harbour”", search.Bounds{}, "draft"},
			{"harbour -draft", search.Bounds{}, "board contract dee"},
			{`harbour -"harbour contract" type:native`, search.Bounds{}, "board draft"},
			{"contract*", search.Bounds{}, "edit board draft contract"},
			{`"harbour cont"*`, search.Bounds{}, "contract"},
			{"cafe uber", search.Bounds{}, "quota"},
			{"£5m", search.Bounds{}, "quota"},
			{"£6m", search.Bounds{}, ""},
			{"🚢", search.Bounds{}, "board"},
			{"合同", search.Bounds{}, "chinese"},
			{"同合", search.Bounds{}, ""},
			{"schooner", search.Bounds{}, "deleted oldasha"},
			{"pontoon", search.Bounds{}, "edit"},
			{"minutes", search.Bounds{}, "file"},
			{"has:file", search.Bounds{}, "file dee"},
			{"has:file -type:captured", search.Bounds{}, "file"},
			{"from:ben contract", search.Bounds{}, "edit draft contract"},
			{"from:@ben:example.org has:file", search.Bounds{}, "file"},
			{`from:"dee smith"`, search.Bounds{}, "dee"},
			{"from:asha schooner", search.Bounds{}, "oldasha"},
			{"from:dee from:ben harbour", search.Bounds{}, "draft contract dee"},
			{"-from:ben harbour", search.Bounds{}, "board dee"},
			{"from:nobody", search.Bounds{}, ""},
			{"in:fisheries harbour", search.Bounds{}, "draft contract"},
			{`in:"harbour board" harbour -in:fisheries type:native contractor`, search.Bounds{}, "board"},
			{"in:" + string(other) + " harbour", search.Bounds{}, "board"},
			{"in:nowhere harbour", search.Bounds{}, ""},
			{"on:2020-03-05", search.Bounds{}, "dee"},
			{"before:2020-03-06", search.Bounds{}, "dee"},
			{"after:2020-03-06 before:2020-03-07", search.Bounds{}, "oldasha"},
			{"schooner on:" + today, search.Bounds{}, "deleted"},
			{"schooner after:" + tomorrow, search.Bounds{}, ""},
			{"harbour", search.Bounds{Scopes: []int64{scope(string(other)), scope("capture:conv_x")}}, "board dee"},
			{"harbour", search.Bounds{Scopes: []int64{}}, ""},
			{"harbour", search.Bounds{To: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()}, "dee"},
			{"", search.Bounds{Scopes: []int64{scope("capture:conv_x")}}, "oldasha dee"},
			{"see > <", search.Bounds{}, "file"},
		} {
			r := find(t, x, c.query, c.b)
			var got []string
			for _, h := range r.Hits {
				if k := pos[h.Pos]; k != "" {
					got = append(got, k)
				}
			}
			// What was said in the same second comes in any order.
			want := strings.Fields(c.want)
			if a, b := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want)); !slices.Equal(a, b) {
				t.Errorf("%s: found %q, want %q", c.query, got, want)
			}
			if len(got) > 1 && slices.Contains(want, "dee") && got[len(got)-1] != "dee" {
				t.Errorf("%s: found %q, which is not newest first", c.query, got)
			}
			if r.Total != len(r.Hits) {
				t.Errorf("%s: counts %d of %d", c.query, r.Total, len(r.Hits))
			}
		}
		for _, h := range find(t, x, "pontoon", search.Bounds{}).Hits {
			if pos[h.Item] != "contract" {
				t.Errorf("an edit belongs to position %d, want that of the message", h.Item)
			}
		}
		many := make([]int64, 200)
		for i := range many {
			many[i] = scope(string(other)) + int64(i)*1000
		}
		if r := find(t, x, "harbour", search.Bounds{Scopes: many}); len(r.Hits) != 2 || r.Total != 2 {
			t.Errorf("within many scopes: %+v", r)
		}

		found, _, err := x.Conversations(context.Background(), "fish ben", "", 10)
		if err != nil || len(found) != 1 || found[0].Name != string(room) || found[0].Messages != 7 || found[0].Parties != 2 || found[0].Title != "Fisheries policy" {
			t.Errorf("conversations: %+v, %v", found, err)
		}
		var seen []string
		for after := ""; ; {
			page, next, err := x.Conversations(context.Background(), "", after, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page {
				seen = append(seen, c.Name)
			}
			if after = next; next == "" {
				break
			}
		}
		if len(seen) != 3 || seen[2] != "capture:conv_x" {
			t.Errorf("conversations one by one: %q", seen)
		}

		// Made again, the index is the same.
		before := find(t, x, "", search.Bounds{})
		if err := x.Rebuild(context.Background()); err != nil {
			t.Fatal(err)
		}
		wait(t, d, x)
		after := find(t, x, "", search.Bounds{})
		if fmt.Sprint(before.Hits) != fmt.Sprint(after.Hits) || len(after.Hits) == 0 {
			t.Errorf("made again, the index has %v, before %v", after.Hits, before.Hits)
		}
		if again, _, _ := x.Conversations(context.Background(), "fish ben", "", 10); fmt.Sprint(again) != fmt.Sprint(found) {
			t.Errorf("made again, conversations are %+v, before %+v", again, found)
		}
	})
}

// Everybody finds what they can see and nothing else.
func TestVisible(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		d := start(t, target)
		asha, ben, cara := d.User(t, "asha"), d.User(t, "ben"), d.User(t, "cara")
		room := asha.CreateRoomWith(t, map[string]any{"initial_state": []any{map[string]any{"type": "m.room.history_visibility", "content": map[string]any{"history_visibility": "joined"}}}}, ben)
		asha.Send(t, room, "harbour before cara")
		gone := asha.Send(t, room, "harbour deleted")
		edited := asha.Send(t, room, "plain")
		asha.SendContent(t, room, "m.room.message", map[string]any{"msgtype": "m.text", "body": "* x", "m.new_content": map[string]any{"msgtype": "m.text", "body": "harbour edited"},
			"m.relates_to": map[string]any{"rel_type": "m.replace", "event_id": edited}})
		asha.Redact(t, room, gone)
		asha.Redact(t, room, edited)
		asha.Do(t, "POST", despatchtest.Path(room, "invite"), map[string]any{"user_id": cara.ID})
		cara.Do(t, "POST", "/_matrix/client/v3/join/"+string(room), nil)
		asha.Send(t, room, "harbour after cara")
		ben.Send(t, ben.CreateRoom(t), "harbour of ben alone")
		observe(t, d, "capture:conv_x", `{"body":"harbour","id":"obs_a","kind":"text","sender":"Dee","sent":{"earliest":"2020-03-05T09:00:00.000Z"}}`)
		x := d.Index
		wait(t, d, x)
		q, _ := search.Parse("harbour")
		for _, c := range []struct {
			who  *despatchtest.User
			want int
		}{{asha, 2}, {ben, 3}, {cara, 1}} {
			r, err := x.SearchVisible(context.Background(), d.Hub, c.who.ID, "", q, search.Page{Count: true})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Hits) != c.want || r.Total != c.want {
				t.Errorf("%s finds %d, counts %d, want %d", c.who.ID, len(r.Hits), r.Total, c.want)
			}
		}
		if r := find(t, x, "harbour", search.Bounds{}); r.Total != 6 {
			t.Errorf("an officer finds %d, want 6", r.Total)
		}
	})
}

// What was disposed of is found no more, and its words are nowhere in the index's files.
func TestDelete(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		d := start(t, target)
		asha := d.User(t, "asha")
		room := asha.CreateRoomWith(t, map[string]any{"name": "Xylophonists"})
		x := d.Index
		for i := range 300 {
			asha.Send(t, room, fmt.Sprintf("an ordinary remark number %d about the quayside", i))
		}
		id := asha.Send(t, room, "the qwzvjkx9 password")
		wait(t, d, x)
		if n := find(t, x, "qwzvjkx9", search.Bounds{}).Total; n != 1 {
			t.Fatalf("before: found %d", n)
		}
		file := filepath.Join(d.Data, "search.db")
		has := func(word string) bool {
			for _, suffix := range []string{"", "-wal"} {
				raw, err := os.ReadFile(file + suffix)
				if err == nil && bytes.Contains(raw, []byte(word)) {
					return true
				}
			}
			return false
		}
		positions := []int64{d.Entry(t, id).Pos}
		q, _ := search.Parse("xylophonists")
		r, _ := x.Search(context.Background(), q, search.Bounds{}, search.Page{})
		positions = append(positions, r.Hits[0].Pos)
		if d.DB.Dialect() == sqldb.SQLite && !has("wzvjkx9") {
			t.Error("this test would not see the word in the file")
		}
		if err := x.Delete(context.Background(), positions); err != nil {
			t.Fatal(err)
		}
		for _, query := range []string{"qwzvjkx9", "xylophonists", "in:xylophonists"} {
			if n := find(t, x, query, search.Bounds{}).Total; n != 0 {
				t.Errorf("after: found %d for %s", n, query)
			}
		}
		if n := find(t, x, "quayside", search.Bounds{}).Total; n != 300 {
			t.Errorf("after: found %d of the others", n)
		}
		if d.DB.Dialect() == sqldb.SQLite {
			for _, word := range []string{"wzvjkx9", "lophonists"} {
				if has(word) {
					t.Errorf("%s is still in the index's files", word)
				}
			}
		}
		c, err := x.Conversation(context.Background(), r.Hits[0].Scope)
		if err != nil || c.Messages != 300 || c.Title != "" {
			t.Errorf("after: %+v, %v", c, err)
		}
	})
}

// An index that is not of this record is made again.
func TestOtherRecord(t *testing.T) {
	target := sqldbtest.SQLite(t)
	one := despatchtest.Start(t, despatchtest.Folder(t.TempDir()))
	asha := one.User(t, "asha")
	asha.Send(t, asha.CreateRoom(t), "harbour")
	ctx, cancel := context.WithCancel(context.Background())
	x, err := search.Open(ctx, search.Options{Record: one.DB, Target: target})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { x.Run(ctx); close(done) }()
	wait(t, one, x)
	cancel()
	<-done
	x.Close()
	two := despatchtest.Start(t, despatchtest.Folder(t.TempDir()))
	for i := range 9 {
		two.User(t, fmt.Sprint("u", i))
	}
	for _, c := range []struct {
		d    *despatchtest.Server
		want bool
	}{{one, true}, {two, false}} {
		x, err := search.Open(context.Background(), search.Options{Record: c.d.DB, Target: target})
		if err != nil {
			t.Fatal(err)
		}
		if kept := x.UpTo() > 0; kept != c.want {
			t.Errorf("kept: %v, want %v", kept, c.want)
		}
		x.Close()
	}
}

func TestPages(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		d := start(t, target)
		for i := range 250 {
			observe(t, d, "capture:conv_x", fmt.Sprintf(`{"body":"harbour %d","id":"obs_%d","kind":"text","sender":"Dee","sent":{"earliest":"2020-03-05T09:00:%02d.000Z"}}`, i, i, i%60))
		}
		x := d.Index
		wait(t, d, x)
		q, _ := search.Parse("harbour")
		seen, last := map[int64]bool{}, int64(1<<62)
		for after := ""; ; {
			r, err := x.Search(context.Background(), q, search.Bounds{}, search.Page{After: after, Limit: 30})
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range r.Hits {
				if seen[h.Pos] || h.Said > last {
					t.Fatalf("position %d twice or out of order", h.Pos)
				}
				seen[h.Pos], last = true, h.Said
			}
			if after = r.Next; after == "" {
				break
			}
		}
		if len(seen) != 250 {
			t.Errorf("saw %d of 250", len(seen))
		}
	})
}

func TestSyntax(t *testing.T) {
	for query, want := range map[string]string{
		`"harbour`: "no end", "har*bour": "at its end", "h*": "two letters", "foo:bar": "no filter", "from:": "directly after", "on:yesterday": "no date",
		"has:cake": "has:file", "a OR b": "not needed", `"--"`: "no letters", "-on:2026-01-01": "minus", "after:2026-02-01 before:2026-01-01": "Nothing can",
		strings.Repeat("a ", 41): "at most 40", strings.Repeat("a", 1001): "too long", "from:***": "no letters",
	} {
		_, err := search.Parse(query)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %q", query, err, want)
		}
	}
	for _, query := range []string{"", "  ", "Re: the quota - again", "https://example.org/x", "at 10:30", `from:"Asha Rao" x`, "don't"} {
		if _, err := search.Parse(query); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", `a "b c" -d from:x in:"y z" on:2026-01-01`, `"`, `-`, `from:"`, "“a”*", "港 *"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := search.Parse(s)
		if (q == nil) == (err == nil) {
			t.Fatalf("query %v, error %v", q, err)
		}
	})
}
