package link

import (
	"cmp"
	"slices"
)

// Same says that two observations are one message, by their positions on the record.
type Same struct {
	A, B  int64
	Rule  Rule
	Score float64
}

// Merge puts observations together that are one message, the most certain first, and returns for each
// that is not alone the lowest position of its message. Two observations of one file are never one
// message, and neither are two that apart says are not; what would make them so is left out.
//
// The message is named after the observation that came first onto the record, never after what it says.
func Merge(copies []*Copy, same []Same, apart func(a, b int64) bool) map[int64]int64 {
	file := map[int64]int{}
	for n, c := range copies {
		for i := range c.Sightings {
			file[c.Sightings[i].Pos] = n
		}
	}
	list := slices.Clone(same)
	slices.SortFunc(list, func(x, y Same) int {
		return cmp.Or(cmp.Compare(y.Score, x.Score), cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B))
	})
	groups := map[int64][]int64{} // by each member
	for _, s := range list {
		if _, ok := file[s.A]; !ok || s.A == s.B {
			continue
		}
		if _, ok := file[s.B]; !ok {
			continue
		}
		x, y := groups[s.A], groups[s.B]
		if x == nil {
			x = []int64{s.A}
		}
		if y == nil {
			y = []int64{s.B}
		}
		if slices.Contains(x, s.B) || !mayJoin(copies, file, x, y, apart) {
			continue
		}
		all := append(slices.Clone(x), y...)
		for _, p := range all {
			groups[p] = all
		}
	}
	out := make(map[int64]int64, len(groups))
	for p, g := range groups {
		out[p] = slices.Min(g)
	}
	return out
}

func mayJoin(copies []*Copy, file map[int64]int, x, y []int64, apart func(a, b int64) bool) bool {
	for _, p := range x {
		for _, q := range y {
			a, b := copies[file[p]], copies[file[q]]
			if a == b || a.File != "" && a.File == b.File || apart != nil && apart(p, q) {
				return false
			}
		}
	}
	return true
}

// Seen is one observation of a message: a sighting of a copy.
type Seen struct{ Copy, Index int }

// ConflictKind says what the observations of one message disagree about.
type ConflictKind string

const (
	OtherWords  ConflictKind = "words"      // they say different things, and none says that it was edited
	EditedWords ConflictKind = "edited"     // one has the words from before an edit
	DeletedHere ConflictKind = "deleted"    // one has only the note that it was deleted
	OtherTime   ConflictKind = "time"       // their times do not fit, although the clocks are known
	OtherSender ConflictKind = "sender"     // they give it to different people
	OtherFile   ConflictKind = "attachment" // the attachments have other bytes
)

// Message is one message as several copies have it.
type Message struct {
	Root      int64  // position of the first of its observations on the record
	Seen      []Seen // by copy
	At        int64  // when it was sent, on the clock of [Thread.Reference], in milliseconds
	Person    int    // who sent it, an index into [Thread.People]; -1 for the system
	Conflicts []ConflictKind

	// Which of Seen each field of the best view comes from; -1 if none has it.
	Words, Time, Sender, Attachment int
}

// Person is somebody who takes part, by all the names they have in the copies.
type Person struct {
	Name  string   // the one that says most
	Names []string // in each copy; empty where they do not speak
}

// Thread is one conversation rebuilt from several copies.
type Thread struct {
	Copies    []*Copy
	Reference int      // the copy whose clock the times are of
	Clocks    []*Clock // of each copy to the reference
	Floating  bool     // no copy's zone is known: the times are those of the reference's clock
	People    []Person
	Messages  []Message
}

// Rebuild makes one conversation of copies. Roots is what [Merge] returns.
func Rebuild(copies []*Copy, roots map[int64]int64) *Thread {
	t := &Thread{Copies: copies, Clocks: make([]*Clock, len(copies))}
	for _, c := range copies {
		c.put()
	}
	where := map[int64]int{} // messages by root
	message := make([][]int, len(copies))
	for n, c := range copies {
		message[n] = make([]int, len(c.Sightings))
		for i := range c.Sightings {
			root, linked := roots[c.Sightings[i].Pos]
			if !linked {
				root = c.Sightings[i].Pos
			}
			k, ok := where[root]
			if !ok {
				k = len(t.Messages)
				where[root] = k
				t.Messages = append(t.Messages, Message{Root: root, Person: -1})
			}
			t.Messages[k].Seen = append(t.Messages[k].Seen, Seen{n, i})
			message[n][i] = k
		}
	}
	t.refer()
	t.align()
	t.name(message)
	t.time(message)
	for k := range t.Messages {
		t.view(&t.Messages[k])
	}
	ref := func(m *Message) int {
		for _, s := range m.Seen {
			if s.Copy == t.Reference {
				return s.Index
			}
		}
		return -1
	}
	slices.SortStableFunc(t.Messages, func(x, y Message) int {
		if c := cmp.Compare(x.At, y.At); c != 0 {
			return c
		}
		if a, b := ref(&x), ref(&y); a >= 0 && b >= 0 {
			return cmp.Compare(a, b)
		}
		return 0
	})
	return t
}

// refer chooses the copy whose clock is that of the thread: one whose zone is known, and the longest.
func (t *Thread) refer() {
	best := -1
	worth := func(c *Copy) (known bool, n int) {
		for i := range c.Sightings {
			if !c.Sightings[i].Floating {
				n++
			}
		}
		return n*2 > len(c.Sightings), len(c.Sightings)
	}
	for n := range t.Copies {
		if best >= 0 {
			k, l := worth(t.Copies[n])
			bk, bl := worth(t.Copies[best])
			if k == bk && l <= bl || !k && bk {
				continue
			}
		}
		best = n
	}
	t.Reference = max(0, best)
	if best >= 0 {
		known, _ := worth(t.Copies[best])
		t.Floating = !known
	}
}

// align finds every copy's clock from the messages that it shares with the reference, or else with a
// copy whose clock is known already.
func (t *Thread) align() {
	if len(t.Copies) == 0 {
		return
	}
	t.Clocks[t.Reference] = &Clock{Tolerance: 2000}
	for range t.Copies {
		for n, c := range t.Copies {
			if t.Clocks[n] != nil {
				continue
			}
			shared := map[int][]anchor{}
			for k := range t.Messages {
				seen := t.Messages[k].Seen
				for _, s := range seen {
					if s.Copy != n || c.Sightings[s.Index].width() > 2*3600_000 {
						continue
					}
					for _, o := range seen {
						if o.Copy != n && t.Clocks[o.Copy] != nil && t.Copies[o.Copy].Sightings[o.Index].width() <= 2*3600_000 {
							shared[o.Copy] = append(shared[o.Copy], anchor{a: s.Index, b: o.Index})
						}
					}
				}
			}
			via, most := -1, 0
			for o := range t.Copies {
				if len(shared[o]) > most || o == t.Reference && len(shared[o]) > 0 {
					via, most = o, len(shared[o])
					if o == t.Reference {
						break
					}
				}
			}
			if via < 0 {
				continue
			}
			list := shared[via]
			slices.SortFunc(list, func(x, y anchor) int { return cmp.Or(cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b)) })
			moved := t.onReference(via)
			t.Clocks[n] = tell(c, moved, list)
		}
	}
	for n := range t.Clocks {
		if t.Clocks[n] == nil {
			t.Clocks[n] = &Clock{Tolerance: 2000}
		}
	}
}

// onReference returns a copy with the times that the reference's clock would have shown.
func (t *Thread) onReference(n int) *Copy {
	c := t.Copies[n]
	if n == t.Reference {
		return c
	}
	moved := *c
	moved.Sightings = slices.Clone(c.Sightings)
	for i := range moved.Sightings {
		one, _ := t.Clocks[n].offsets(i)
		moved.Sightings[i].From += one
		moved.Sightings[i].To += one
	}
	return &moved
}

// name finds who is who in the copies, from the messages that they share.
func (t *Thread) name(message [][]int) {
	type alias struct {
		copy int
		name string
	}
	people := map[alias]int{}
	var names [][]string
	for x := range t.Copies {
		for y := range x {
			votes := map[vote]int{}
			for k := range t.Messages {
				var s, o string
				for _, seen := range t.Messages[k].Seen {
					switch seen.Copy {
					case y:
						s = t.Copies[y].Sightings[seen.Index].Sender
					case x:
						o = t.Copies[x].Sightings[seen.Index].Sender
					}
				}
				if s != "" && o != "" {
					votes[vote{s, o}]++
				}
			}
			for _, p := range agree(votes, t.Copies[y], t.Copies[x]) {
				one, ok := people[alias{y, p.A}]
				two, is := people[alias{x, p.B}]
				switch {
				case ok && is:
					// Both are known already: one person, unless two copies say so by chance.
					if one != two && names[one][x] == "" && names[two][y] == "" {
						for a, n := range people {
							if n == two {
								people[a] = one
								names[one][a.copy] = a.name
							}
						}
						names[two] = nil
					}
				case ok:
					people[alias{x, p.B}] = one
					names[one][x] = cmp.Or(names[one][x], p.B)
				case is:
					people[alias{y, p.A}] = two
					names[two][y] = cmp.Or(names[two][y], p.A)
				default:
					row := make([]string, len(t.Copies))
					row[y], row[x] = p.A, p.B
					people[alias{y, p.A}], people[alias{x, p.B}] = len(names), len(names)
					names = append(names, row)
				}
			}
		}
	}
	index := map[int]int{}
	person := func(copy int, name string) int {
		n, ok := people[alias{copy, name}]
		if !ok {
			n = len(names)
			row := make([]string, len(t.Copies))
			row[copy] = name
			names = append(names, row)
			people[alias{copy, name}] = n
		}
		at, ok := index[n]
		if !ok {
			at = len(t.People)
			index[n] = at
			t.People = append(t.People, Person{Name: telling(names[n]), Names: names[n]})
		}
		return at
	}
	for k := range t.Messages {
		m := &t.Messages[k]
		for _, s := range m.Seen {
			sender := t.Copies[s.Copy].Sightings[s.Index].Sender
			if sender == "" {
				continue
			}
			p := person(s.Copy, sender)
			if m.Person >= 0 && m.Person != p {
				m.Conflicts = append(m.Conflicts, OtherSender)
				break
			}
			m.Person = p
		}
	}
}

// telling is the name that says most: not "You", rather words than a number, and the longest.
func telling(names []string) string {
	best, worth := "", -1
	for _, n := range names {
		w := len(n)
		switch {
		case n == "":
			continue
		case you(n):
			w = 0
		case n[0] == '+' || n[0] >= '0' && n[0] <= '9':
			w = 1
		case n[0] == '~':
			w = 2
		default:
			w += 10
		}
		if w > worth {
			best, worth = n, w
		}
	}
	return best
}

// time says when each message was sent, on the reference's clock: by the sighting that knows it best. A
// clock that shows only minutes leaves a message where it stands in its copy.
func (t *Thread) time(message [][]int) {
	for k := range t.Messages {
		m := &t.Messages[k]
		m.Time = -1
		width := int64(0)
		for x, seen := range m.Seen {
			s := &t.Copies[seen.Copy].Sightings[seen.Index]
			if m.Time < 0 || s.width() < width || s.width() == width && seen.Copy == t.Reference {
				m.Time, width = x, s.width()
				m.At = t.moment(seen)
			}
		}
	}
	for n, c := range t.Copies {
		last := int64(0)
		for i := range c.Sightings {
			m := &t.Messages[message[n][i]]
			if s := m.Seen[m.Time]; s.Copy == n {
				if w := c.Sightings[i].width(); w >= 60_000 && last > m.At && last < m.At+w {
					m.At = last
				}
			}
			last = m.At
		}
	}
	for k := range t.Messages {
		m := &t.Messages[k]
		for _, seen := range m.Seen {
			s := &t.Copies[seen.Copy].Sightings[seen.Index]
			best := m.Seen[m.Time]
			b := &t.Copies[best.Copy].Sightings[best.Index]
			from, bfrom := t.moment(seen), t.moment(best)
			if between(from, from+s.width()-1, bfrom, bfrom+b.width()-1) > max(2*t.Clocks[seen.Copy].Tolerance, 120_000) && !t.mayMove(seen, best) {
				m.Conflicts = append(m.Conflicts, OtherTime)
				break
			}
		}
	}
}

// mayMove reports whether one of two clocks may have been put forward or back just then.
func (t *Thread) mayMove(a, b Seen) bool {
	for _, s := range []Seen{a, b} {
		if one, other := t.Clocks[s.Copy].offsets(s.Index); one != other {
			return true
		}
	}
	return false
}

// moment is when a sighting was sent at the earliest, on the reference's clock.
func (t *Thread) moment(s Seen) int64 {
	one, _ := t.Clocks[s.Copy].offsets(s.Index)
	return t.Copies[s.Copy].Sightings[s.Index].From + one
}

// view says which observation each field of a message is best taken from, and what they disagree about.
func (t *Thread) view(m *Message) {
	m.Words, m.Sender, m.Attachment = -1, -1, -1
	deleted, words, edited := false, map[uint64]bool{}, false
	files := map[uint64]bool{}
	for x, seen := range m.Seen {
		s := &t.Copies[seen.Copy].Sightings[seen.Index]
		if s.Deleted {
			deleted = true
			continue
		}
		if s.Print != 0 {
			words[s.Print] = true
			edited = edited || s.Edited
			if m.Words < 0 || t.better(s, t.sighting(m, m.Words)) {
				m.Words = x
			}
		}
		if s.Files != 0 {
			files[s.Files] = true
		}
		if (s.Files != 0 || s.Placeholder) && (m.Attachment < 0 || s.Files != 0 && t.sighting(m, m.Attachment).Files == 0) {
			m.Attachment = x
		}
	}
	for x, seen := range m.Seen {
		s := &t.Copies[seen.Copy].Sightings[seen.Index]
		if s.Sender != "" && (m.Sender < 0 || m.Person >= 0 && s.Sender == t.People[m.Person].Name) {
			m.Sender = x
		}
	}
	live := m.Words >= 0 || m.Attachment >= 0
	if deleted && live {
		m.Conflicts = append(m.Conflicts, DeletedHere)
	}
	switch {
	case len(words) > 1 && edited:
		m.Conflicts = append(m.Conflicts, EditedWords)
	case len(words) > 1:
		m.Conflicts = append(m.Conflicts, OtherWords)
	}
	if len(files) > 1 {
		m.Conflicts = append(m.Conflicts, OtherFile)
	}
}

func (t *Thread) sighting(m *Message, x int) *Sighting {
	return &t.Copies[m.Seen[x].Copy].Sightings[m.Seen[x].Index]
}

// better reports whether the words of one sighting are rather those of the message: what an edit left,
// then what came with an id, then what came first onto the record.
func (t *Thread) better(s, than *Sighting) bool {
	if s.Edited != than.Edited {
		return s.Edited
	}
	return s.Native != 0 && than.Native == 0
}
