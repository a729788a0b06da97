package link_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/link"
)

// line is a message of a copy that a test writes by hand: the minute or second of one morning.
type line struct {
	at, who, text string
}

// copyOf makes a copy whose clock shows UTC.
func copyOf(n int, lines ...line) *link.Copy {
	c := &link.Copy{ID: fmt.Sprint("conv", n), File: fmt.Sprintf("%064x", n), System: "whatsapp", Person: fmt.Sprint("@p", n)}
	for i, l := range lines {
		at, err := time.Parse("15:04:05", l.at)
		seconds := err == nil
		if !seconds {
			if at, err = time.Parse("15:04", l.at); err != nil {
				panic(err)
			}
		}
		o := &capture.Observation{Ordinal: int64(i), Kind: capture.KindText, Sender: l.who, Text: l.text,
			Sent: capture.Local(l.at, capture.Civil{Year: 2024, Month: 3, Day: 5, Hour: at.Hour(), Minute: at.Minute(), Second: at.Second()}, seconds, time.UTC)}
		switch {
		case l.text == "DELETED":
			o.Kind, o.Text, o.State.Deleted = capture.KindDeleted, "", true
		case l.text == "OMITTED":
			o.Kind, o.Text, o.Attachments = capture.KindMedia, "", []capture.Attachment{{Class: "image", Presence: capture.Omitted}}
		case strings.HasPrefix(l.text, "FILE "):
			o.Kind, o.Text, o.Attachments = capture.KindMedia, "", []capture.Attachment{{Class: "image", Presence: capture.Present, SHA256: strings.Repeat(l.text[5:6], 64)}}
		case strings.HasSuffix(l.text, " EDITED"):
			o.Text, o.State.Edited = strings.TrimSuffix(l.text, " EDITED"), true
		}
		c.Sightings = append(c.Sightings, link.See(int64(n*1000+i), c.System, o, nil))
	}
	return c
}

// anchored puts twenty messages that can be told by themselves before what a test is about.
func anchored(a, b string, lines ...line) []line {
	var out []line
	for i := range 20 {
		out = append(out, line{fmt.Sprintf("08:%02d:00", i*2), map[bool]string{true: a, false: b}[i%2 == 0], fmt.Sprintf("A long enough message, number %d of those that differ", i)})
	}
	return append(out, lines...)
}

// pairs are the links of a comparison beyond the anchors, as "index index rule".
func pairs(list []link.Link) (out []string) {
	for _, l := range list {
		if l.A >= 20 || l.B >= 20 {
			out = append(out, fmt.Sprint(l.A-20, " ", l.B-20, " ", l.Rule))
		}
	}
	return out
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		name         string
		a, b         []line
		links, doubt []string
		alike        int
	}{
		{"repeats within a minute pair by order",
			[]line{{"09:00:05", "X", "ok"}, {"09:00:20", "X", "ok"}}, []line{{"09:00", "X", "ok"}, {"09:00", "X", "ok"}}, []string{"0 0 minute", "1 1 minute"}, nil, 0},
		{"of three and two nobody can tell which are the same",
			[]line{{"09:00", "X", "ok"}, {"09:00", "X", "ok"}, {"09:00", "X", "ok"}}, []line{{"09:00", "X", "ok"}, {"09:00", "X", "ok"}}, nil, nil, 1},
		{"seconds tell which of three was deleted",
			[]line{{"09:00:05", "X", "ok"}, {"09:00:20", "X", "ok"}, {"09:00:40", "X", "ok"}}, []line{{"09:00:05", "X", "ok"}, {"09:00:40", "X", "ok"}}, []string{"0 0 text", "2 1 text"}, nil, 0},
		{"what others said in between tells it too",
			[]line{{"09:00", "X", "ok"}, {"09:00", "Y", "What about the letter to the committee?"}, {"09:00", "X", "ok"}}, []line{{"09:00", "Y", "What about the letter to the committee?"}, {"09:00", "X", "ok"}},
			[]string{"1 0 minute", "2 1 minute"}, nil, 0},
		{"a note of a deletion stands for the message", []line{{"09:00:05", "X", "I never said so"}}, []line{{"09:00:05", "X", "DELETED"}}, []string{"0 0 deletion"}, nil, 0},
		{"an attachment and where it was left out", []line{{"09:00:05", "X", "FILE a"}}, []line{{"09:00", "X", "OMITTED"}}, []string{"0 0 omission"}, nil, 0},
		{"the same attachment", []line{{"09:00:05", "X", "FILE a"}}, []line{{"09:00", "X", "FILE a"}}, []string{"0 0 file"}, nil, 0},
		{"an edit", []line{{"09:00:05", "X", "twelve thousand"}}, []line{{"09:00", "X", "fifteen EDITED"}}, []string{"0 0 edit"}, nil, 0},
		{"other words in the same second are for a person", []line{{"09:00:05", "X", "twelve thousand"}}, []line{{"09:00:05", "X", "no"}}, nil, []string{"0 0 place"}, 0},
		{"other words in the same minute are two messages", []line{{"09:00", "X", "twelve thousand"}}, []line{{"09:00", "X", "no"}}, nil, nil, 0},
		{"the same words from somebody else are for a person", []line{{"09:00:05", "X", "The minister has not seen any of this"}}, []line{{"09:00:05", "Y", "The minister has not seen any of this"}}, nil, []string{"0 0 sender"}, 0},
		{"a message that came hours later", []line{{"09:00:05", "X", "I was on the train, and agree with all of it"}}, []line{{"12:31:05", "X", "I was on the train, and agree with all of it"}}, []string{"0 0 content"}, nil, 0},
		{"short words hours apart are two messages", []line{{"09:00:05", "X", "ok"}}, []line{{"12:31:05", "X", "ok"}}, nil, nil, 0},
		{"invisible marks and widths of spaces do not matter", []line{{"09:00:05", "X", "café\u00a0at\u202f8 👍️"}}, []line{{"09:00:05", "X", "\u200ecafe\u0301 at 8 👍"}}, []string{"0 0 text"}, nil, 0},
		{"a mention is a mention, whatever the other is called", []line{{"09:00:05", "X", "@\u2068Tom Field\u2069 see this"}}, []line{{"09:00:05", "X", "@447700900123 see this"}}, []string{"0 0 text"}, nil, 0},
		{"neighbours that arrived the other way round", []line{{"09:00:05", "X", "yes"}, {"09:00:06", "Y", "no"}}, []line{{"09:00:05", "Y", "no"}, {"09:00:06", "X", "yes"}}, []string{"0 1 text", "1 0 text"}, nil, 0},
	} {
		a, b := copyOf(1, anchored("X", "Y", c.a...)...), copyOf(2, anchored("X", "Y", c.b...)...)
		r := link.Compare(a, b)
		if r.Relation != link.SameChat {
			t.Errorf("%s: %s, %v", c.name, r.Relation, r.Reasons)
			continue
		}
		if got := pairs(r.Links); !slices.Equal(got, c.links) {
			t.Errorf("%s: linked %q, want %q", c.name, got, c.links)
		}
		if got := pairs(r.Doubts); !slices.Equal(got, c.doubt) {
			t.Errorf("%s: for a person %q, want %q", c.name, got, c.doubt)
		}
		if got := r.Alike > 0; got != (c.alike > 0) {
			t.Errorf("%s: %d alike, want %d", c.name, r.Alike, c.alike)
		}
	}
}

// Somebody who forwards the same messages to two groups has not made one chat of them, and neither are
// a chat and itself in one file two copies.
func TestDifferentChats(t *testing.T) {
	one, other := simulate(shape{people: 5, messages: 2000, short: .3, long: .6}, 1), simulate(shape{people: 5, messages: 2000, short: .3, long: .6}, 2)
	for i := range 30 { // forwarded at the same time, by the same person
		k := 50 + 60*i
		*other.chat[k] = *one.chat[k]
		other.chat[k].id, other.chat[k].text, other.chat[k].class, other.chat[k].system = k, fmt.Sprintf("Forwarded: the newsletter of the department, part %d", i), "", ""
		one.chat[k].text, one.chat[k].class, one.chat[k].system = other.chat[k].text, "", ""
		other.chat[k].at = one.chat[k].at
	}
	e := export{zone: "Europe/London", told: "Europe/London", seconds: true, names: ownNames}
	a, _ := one.take(0, e)
	b, _ := other.take(1, e)
	r := link.Compare(a, b)
	if r.Relation == link.SameChat || r.Relation == link.MadeAgain {
		t.Errorf("two chats with 30 messages in common are %s: %v", r.Relation, r.Reasons)
	}
	if r.Anchors < 20 {
		t.Errorf("%d anchors: the test does not test", r.Anchors)
	}
	a.File, b.File = "same", "same"
	if r := link.Compare(a, a); r.Relation != link.Different || len(r.Links) != 0 {
		t.Errorf("two chats of one file are %s with %d links", r.Relation, len(r.Links))
	}
}

// Of four copies of one chat each message is made one, from whichever copies have it; no message has two
// observations of one file.
func TestMerge(t *testing.T) {
	w := simulate(shape{people: 6, messages: 5000, short: .4, long: .5, bursts: .01}, 3)
	var copies []*link.Copy
	for n, e := range exports(w)["four copies: cut off, taken early, joined later"] {
		if e.keep > 0 {
			e.keep = 2500
		}
		c, _ := w.take(n, e)
		copies = append(copies, c)
	}
	var same []link.Same
	for i, b := range copies {
		for _, a := range copies[:i] {
			r := link.Compare(a, b)
			for _, l := range r.Links {
				same = append(same, link.Same{A: a.Sightings[l.A].Pos, B: b.Sightings[l.B].Pos, Rule: l.Rule, Score: l.Score})
			}
		}
	}
	// A wrong link that would make one message of two of a file is left out.
	wrong := link.Same{A: copies[0].Sightings[10].Pos, B: copies[1].Sightings[len(copies[1].Sightings)-1].Pos, Score: 0.9801}
	roots := link.Merge(copies, append(same, wrong), nil)
	x := link.Rebuild(copies, roots)
	in := map[int][]int{}
	for n, c := range copies {
		for i := range c.Sightings {
			k := messageOf(&c.Sightings[i])
			in[k] = append(in[k], n)
		}
	}
	whole, broken := 0, 0
	for _, m := range x.Messages {
		ids, seen := map[int]bool{}, map[int]bool{}
		for _, s := range m.Seen {
			if seen[s.Copy] {
				t.Fatalf("a message has two observations of copy %d", s.Copy)
			}
			seen[s.Copy] = true
			ids[messageOf(&copies[s.Copy].Sightings[s.Index])] = true
		}
		if len(ids) > 1 {
			broken++
			continue
		}
		for id := range ids {
			if len(in[id]) == len(m.Seen) {
				whole++
			}
		}
	}
	if broken > 0 || whole*1000 < len(in)*995 {
		t.Errorf("of %d messages %d are whole and %d are made of several", len(in), whole, broken)
	}
	for i := 1; i < len(x.Messages); i++ {
		if x.Messages[i].At < x.Messages[i-1].At {
			t.Fatalf("message %d stands before one that was sent earlier", i)
		}
	}
}

// Every gap that the simulator made is found, and where there is none, none is.
func TestGaps(t *testing.T) {
	w := simulate(shape{people: 2, messages: 12_000, short: .35, long: .6}, 5)
	from, to := w.chat[3000].at, w.chat[3200].at
	london := export{zone: "Europe/London", told: "Europe/London", seconds: true, names: ownNames, media: true}
	early, late, cut := london, london, london
	early.taken = w.chat[8000].at
	cut.who, cut.keep, cut.names, cut.media = 1, 10_000, youNames(1, bookNames), false
	var copies []*link.Copy
	for n, e := range []export{early, late, cut} {
		c, _ := w.take(n, e)
		if n == 1 { // the later export of the same telephone, from which one side of a talk was taken out
			c.Sightings = slices.DeleteFunc(c.Sightings, func(s link.Sighting) bool {
				m := w.chat[messageOf(&s)]
				return m.sender == 1 && m.system == "" && !m.at.Before(from) && m.at.Before(to)
			})
		}
		c.Taken = c.Taken + int64(n)
		copies = append(copies, c)
	}
	var same []link.Same
	for i, b := range copies {
		for _, a := range copies[:i] {
			r := link.Compare(a, b)
			for _, l := range r.Links {
				same = append(same, link.Same{A: a.Sightings[l.A].Pos, B: b.Sightings[l.B].Pos, Rule: l.Rule, Score: l.Score})
			}
		}
	}
	x := link.Rebuild(copies, link.Merge(copies, same, nil))
	g := x.Find()
	id := func(k int) int {
		return messageOf(&x.Copies[x.Messages[k].Seen[0].Copy].Sightings[x.Messages[k].Seen[0].Index])
	}

	want, slow := 0, 0 // what was taken out; what came late to one and cannot be told by itself
	for _, m := range w.chat {
		if m.sender == 1 && m.system == "" && !m.at.Before(from) && m.at.Before(to) {
			want++
		}
		if m.delay > 0 {
			slow++
		}
	}
	for n, wanted := range []int{0, want, 0} {
		if got := g.Copies[n].Lacks; got < wanted || got > wanted+slow {
			t.Errorf("copy %d lacks %d messages, want %d", n, got, wanted)
		}
	}
	if !g.Copies[2].CutOff || g.Copies[2].Earlier == 0 || g.Copies[0].CutOff || g.Copies[1].CutOff {
		t.Errorf("cut off: %v, %v, %v", g.Copies[0].CutOff, g.Copies[1].CutOff, g.Copies[2].CutOff)
	}
	found := false
	for _, s := range g.Silences {
		inside := s.Copy == 1 && x.People[s.Person].Name == w.names[1] && s.From >= from.Add(-2*time.Hour).UnixMilli() && s.To <= to.Add(2*time.Hour).UnixMilli()
		if !inside {
			t.Errorf("a silence that was none: copy %d, %s, %s to %s, %d said, %d known", s.Copy, x.People[s.Person].Name, time.UnixMilli(s.From), time.UnixMilli(s.To), s.Said, s.Known)
		}
		found = found || inside && s.Known*10 >= want*9
	}
	if !found {
		t.Errorf("the silence is not found: %+v", g.Silences)
	}
	deleted, edited := map[int]bool{}, map[int]bool{}
	for _, m := range w.chat {
		if m.system != "" || m.at.After(early.taken) || m.sender == 1 && !m.at.Before(from) && m.at.Before(to) {
			continue
		}
		if !m.deleted.IsZero() && m.deleted.After(early.taken) {
			deleted[m.id] = true
		} else if !m.edited.IsZero() && m.edited.After(early.taken) && m.deleted.IsZero() {
			edited[m.id] = true
		}
	}
	if len(g.Again) != 1 || g.Again[0].Earlier != 0 || g.Again[0].Later != 1 {
		t.Fatalf("copies made again: %+v", g.Again)
	}
	r := g.Again[0]
	if len(r.Removed) < want || len(r.Removed) > want+slow || len(r.Deleted) != len(deleted) || len(r.Edited) != len(edited) {
		t.Errorf("since the first export %d were removed, %d deleted and %d edited, want %d, %d and %d", len(r.Removed), len(r.Deleted), len(r.Edited), want, len(deleted), len(edited))
	}
	for _, d := range g.Deletions {
		if w.chat[id(d.Message)].deleted.IsZero() {
			t.Errorf("message %d was not deleted", id(d.Message))
		}
		if at := w.chat[id(d.Message)].deleted.UnixMilli(); len(d.Kept) > 0 && (at < d.After || at > d.Before) {
			t.Errorf("message %d was deleted at %d, said to be between %d and %d", id(d.Message), at, d.After, d.Before)
		}
	}
	timers := 0
	for _, m := range w.chat {
		if strings.HasPrefix(m.system, "disappearing") {
			timers++
		}
	}
	if len(g.Timers) != timers {
		t.Errorf("%d timers, want %d", len(g.Timers), timers)
	}
	for _, k := range g.Unknown {
		if q := w.chat[id(k)].reply; q < 0 || w.chat[q].edited.IsZero() && w.chat[q].deleted.IsZero() {
			t.Errorf("message %d answers one that is there", id(k))
		}
	}
}

// Copies of nonsense, long ones too, take no time that grows with the square of their length.
func TestHostile(t *testing.T) {
	const n = 20_000
	at := func(f func(i int) link.Sighting) *link.Copy {
		c := &link.Copy{System: "x"}
		for i := range n {
			s := f(i)
			s.Pos, s.Ordinal = int64(i), int64(i)
			c.Sightings = append(c.Sightings, s)
		}
		return c
	}
	word := func(i int) link.Sighting {
		return link.Sighting{From: 0, To: 59_999, Sender: "x", Kind: "text", Print: uint64(i + 1), Runes: 30}
	}
	for _, c := range []struct {
		name  string
		links int // there must be so many, and none that is there twice
		f     func(i int) link.Sighting
	}{
		{"all the same at one time", 0, func(int) link.Sighting { return word(7) }},
		{"all different at one time", n, word},
		{"no time at all", 0, func(i int) link.Sighting { s := word(i % 100); s.To = 1 << 52; return s }},
		{"everybody is somebody else", n, func(i int) link.Sighting {
			s := word(i)
			s.From, s.To, s.Sender = int64(i), int64(i)+1, fmt.Sprint(i)
			return s
		}},
		{"words that are likely alike", 0, func(i int) link.Sighting {
			return link.Sighting{From: 0, To: 999, Sender: "x", Kind: "text", Print: rand.Uint64(), Runes: 200, Head: strings.Repeat(fmt.Sprint(i), 40)}
		}},
	} {
		start := time.Now()
		a, b := at(c.f), at(c.f)
		a.File, b.File = "a", "b"
		r := link.Compare(a, b)
		x := link.Rebuild([]*link.Copy{a}, nil)
		x.Find()
		t.Logf("%s: %s, %d links, %v", c.name, r.Relation, len(r.Links), time.Since(start))
		if len(r.Links) != c.links {
			t.Errorf("%s: %d links, want %d", c.name, len(r.Links), c.links)
		}
		if len(x.Messages) != n {
			t.Errorf("%s: %d messages, want %d", c.name, len(x.Messages), n)
		}
	}
}

func FuzzCompare(f *testing.F) {
	f.Add([]byte("\x00\x01ok\x05\x02ok"), []byte("\x00\x01ok\x05\x02ok"))
	f.Add([]byte("ashfkjashfkjahsfkjahsf"), []byte("ashfkjashfkjahsfkjahsf"))
	f.Add([]byte{}, []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	f.Fuzz(func(t *testing.T, x, y []byte) {
		read := func(n int, b []byte) *link.Copy {
			c := &link.Copy{File: fmt.Sprint(n), System: "whatsapp", Taken: int64(n)}
			at := int64(0)
			for i := 0; i+4 <= len(b) && i < 4000; i += 4 {
				at += int64(int8(b[i])) * 977 * int64(b[i+1]%7)
				o := &capture.Observation{Ordinal: int64(i), Kind: []capture.Kind{capture.KindText, capture.KindText, capture.KindMedia, capture.KindSystem, capture.KindDeleted, capture.KindCall, capture.KindUnknown}[b[i+1]%7],
					Sender: string('a' + rune(b[i+2]%5)), Text: strings.Repeat(string(rune(b[i+3]%9)+'a'), int(b[i+3])), NativeID: map[bool]string{true: fmt.Sprint(b[i+3])}[b[i+2] > 250]}
				precision := []string{"ms", "s", "min"}[b[i+2]%3]
				o.Sent = capture.At("", at, precision, "server")
				if b[i+2] > 200 {
					o.Sent = capture.Undated("?")
				}
				o.State.Edited = b[i+2]%11 == 0
				if o.Kind == capture.KindMedia {
					o.Attachments = []capture.Attachment{{Class: "image", Presence: []capture.Presence{capture.Present, capture.Omitted}[b[i+3]%2], SHA256: fmt.Sprint(b[i+3])}}
				}
				if b[i+1] > 250 {
					o.ReplyTo = &capture.Ref{QuotedText: o.Text}
				}
				c.Sightings = append(c.Sightings, link.See(int64(n*100_000+i), c.System, o, nil))
			}
			return c
		}
		a, b := read(1, x), read(2, y)
		r := link.Compare(a, b)
		usedA, usedB := map[int]bool{}, map[int]bool{}
		var same []link.Same
		for _, l := range r.Links {
			if usedA[l.A] || usedB[l.B] {
				t.Fatalf("an observation is linked twice: %+v", l)
			}
			if l.Score < link.Certain || l.Score > 1 {
				t.Fatalf("linked with a score of %v", l.Score)
			}
			usedA[l.A], usedB[l.B] = true, true
			same = append(same, link.Same{A: a.Sightings[l.A].Pos, B: b.Sightings[l.B].Pos, Score: l.Score})
		}
		for _, l := range r.Doubts {
			if l.Score < link.Likely || l.Score > 1 {
				t.Fatalf("doubted with a score of %v", l.Score)
			}
		}
		th := link.Rebuild([]*link.Copy{a, b}, link.Merge([]*link.Copy{a, b}, same, nil))
		if n := len(th.Messages); n != len(a.Sightings)+len(b.Sightings)-len(same) {
			t.Fatalf("%d messages of %d and %d observations with %d links", n, len(a.Sightings), len(b.Sightings), len(same))
		}
		th.Find()
	})
}

// FuzzSee looks at texts as people write them: the same with invisible marks in it is the same.
func FuzzSee(f *testing.F) {
	for _, s := range []string{"ok", "see @447700900123", "@\u2068Tom\u2069: yes", "ｆｕｌｌ　width", "e\u0301", "\u202e@", "@"} {
		f.Add(s)
	}
	names := link.NamesOf([]string{"Tom", "Tom Field", "~ x"})
	f.Fuzz(func(t *testing.T, text string) {
		see := func(s string) link.Sighting {
			return link.See(1, "whatsapp", &capture.Observation{Kind: capture.KindText, Text: s}, names)
		}
		x := see(text)
		if y := see("\u200e " + text + " \u200f"); y.Print != x.Print && !strings.Contains(text, "@") {
			t.Errorf("%q is another text with marks around it", text)
		}
		link.MatchKeys(&capture.Observation{Kind: capture.KindText, Text: text, NativeID: text})
	})
}

// Ids that all parties share decide, whatever the words are; ids that differ everywhere say nothing.
func TestNative(t *testing.T) {
	see := func(c *link.Copy, system, id string, at int64, text string) {
		o := &capture.Observation{Ordinal: int64(len(c.Sightings)), Kind: capture.KindText, Sender: "X", Text: text, NativeID: id, Sent: capture.At("", at, "ms", "server")}
		c.Sightings = append(c.Sightings, link.See(int64(len(c.Sightings)), system, o, nil))
	}
	for _, c := range []struct {
		what, system, kind string
		id                 func(copy, i int) string
		relation           link.Relation
		links              int
		rule               link.Rule
	}{
		{"mails in two mailboxes", "email", "mailbox", func(n, i int) string {
			return fmt.Sprintf("%d@example.org", i+n*5)
		}, link.SameMails, 15, link.ByNative},
		{"a chat with ids", "signal", "dm", func(_, i int) string { return fmt.Sprintf("9c3f-aci:%d", i) }, link.SameChat, 20, link.ByNative},
		{"texts whose ids each telephone makes", "imessage", "dm", func(n, i int) string { return fmt.Sprintf("GUID-%d-%d", n, i) }, link.SameChat, 20, link.ByText},
	} {
		var copies [2]*link.Copy
		for n := range copies {
			copies[n] = &link.Copy{File: fmt.Sprint(n), Person: fmt.Sprint("@p", n), System: c.system, Kind: c.kind}
			for i := range 20 {
				text := fmt.Sprintf("One of several messages that can be told apart, no. %d", i)
				if c.kind == "mailbox" {
					text = "ok"
				}
				see(copies[n], c.system, c.id(n, i), int64(i)*60_000, text)
			}
		}
		r := link.Compare(copies[0], copies[1])
		if r.Relation != c.relation || len(r.Links) != c.links {
			t.Errorf("%s: %s with %d links, want %s with %d: %v", c.what, r.Relation, len(r.Links), c.relation, c.links, r.Reasons)
			continue
		}
		for _, l := range r.Links {
			if l.Rule != c.rule {
				t.Errorf("%s: linked by %s, want %s", c.what, l.Rule, c.rule)
			}
		}
	}
}
