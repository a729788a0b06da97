package link

import (
	"cmp"
	"fmt"
	"slices"
)

// Relation is how two copies stand to one another.
type Relation string

const (
	SameChat    Relation = "same"     // two people's copies of one conversation
	MadeAgain   Relation = "reexport" // the same person's copy, made again
	SameMails   Relation = "messages" // two mailboxes that have messages in common
	PerhapsSame Relation = "possible" // a person must say
	Different   Relation = "different"
)

// Comparison is what two copies show when they are laid side by side.
type Comparison struct {
	Relation Relation
	Reasons  []string // what it rests on, in plain words

	Anchors int // messages that can be told by their content alone
	Shared  int // of the messages of the time that both reach over, in the smaller copy, those that are linked
	Overlap int // messages of that time in the smaller copy
	Clock   *Clock
	Names   []NamePair
	Links   []Link
	Doubts  []Link
	Alike   int // messages that have a partner for certain, of which nobody can tell which
}

// Compare lays two copies side by side. Two copies of one file, or of systems that have nothing to do
// with one another, are different. It sorts their sightings.
//
// Time and memory grow with the length of the copies, not with its square.
func Compare(a, b *Copy) *Comparison {
	a.put()
	b.put()
	c := &Comparison{Relation: Different, Clock: &Clock{}}
	if a.File != "" && a.File == b.File || !related(a.System, b.System) || len(a.Sightings) == 0 || len(b.Sightings) == 0 {
		return c
	}
	list := anchors(a, b)
	for _, x := range list {
		if x.hard {
			c.Anchors++
		}
	}
	c.Clock = tell(a, b, list)
	c.name(a, b, list)
	m := newMatcher(a, b, c.Clock, c.Names)
	m.run()
	more := m.summertime()
	if len(more) > 0 {
		// What is linked holds the clock where it is; what is not says where it has moved.
		for _, l := range m.links {
			if a.Sightings[l.A].width() <= 60_000 && b.Sightings[l.B].width() <= 60_000 {
				list = append(list, anchor{a: l.A, b: l.B})
			}
		}
		list = append(list, more...)
		slices.SortFunc(list, func(x, y anchor) int { return cmp.Or(cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b)) })
		list = slices.CompactFunc(list, func(x, y anchor) bool { return x.a == y.a && x.b == y.b })
		c.Clock = tell(a, b, list)
	}
	if c.rename(a, b, m) || len(more) > 0 { // people who said little are known by what was linked
		m = newMatcher(a, b, c.Clock, c.Names)
		m.run()
	}
	c.Links, c.Doubts, c.Alike = m.links, m.doubts, m.alike
	c.relate(a, b, m)
	return c
}

// related reports whether copies of two systems can be of one conversation.
func related(a, b string) bool {
	text := func(s string) bool { return s == "sms" || s == "mms" || s == "imessage" || s == "rcs" }
	return a == b || a == "" || b == "" || text(a) && text(b) || a == "unstructured" || b == "unstructured"
}

// name finds who is called what from the anchors that fit the clock.
func (c *Comparison) name(a, b *Copy, list []anchor) {
	votes := map[vote]int{}
	for _, x := range list {
		s, t := &a.Sightings[x.a], &b.Sightings[x.b]
		if s.Sender != "" && t.Sender != "" && c.Clock.apart(x.a, s, t) <= c.Clock.Tolerance {
			votes[vote{s.Sender, t.Sender}]++
		}
	}
	c.Names = agree(votes, a, b)
}

// rename finds who is called what from all that was linked, and reports whether anybody is new.
func (c *Comparison) rename(a, b *Copy, m *matcher) bool {
	votes := map[vote]int{}
	for _, l := range m.links {
		s, t := &a.Sightings[l.A], &b.Sightings[l.B]
		if s.Sender != "" && t.Sender != "" && l.Rule != ByDeletion {
			votes[vote{s.Sender, t.Sender}]++
		}
	}
	known := map[vote]bool{}
	for _, p := range c.Names {
		known[vote{p.A, p.B}] = true
	}
	names := agree(votes, a, b)
	fresh := slices.ContainsFunc(names, func(p NamePair) bool { return !known[vote{p.A, p.B}] })
	if fresh {
		c.Names = names
	}
	return fresh
}

// relate says how the copies stand to one another. Anchors alone do not show one conversation: somebody
// can forward the same ten messages to two groups. So the time that both reach over must be shared.
func (c *Comparison) relate(a, b *Copy, m *matcher) {
	native := 0
	for _, l := range c.Links {
		if l.Rule == ByNative {
			native++
		}
	}
	c.share(a, b, m)
	share := 0.0
	if c.Overlap > 0 {
		share = float64(c.Shared) / float64(c.Overlap)
	}
	files := slices.ContainsFunc(c.Links, func(l Link) bool { return l.Rule == ByFile })
	enough := c.Anchors >= 5 || files && c.Anchors >= 3 || native >= 3
	fits := c.Clock.Agree*5 >= (c.Clock.Agree+c.Clock.Against)*4 || native >= 3
	named := c.namesAgree()
	c.Reasons = []string{
		fmt.Sprintf("%d messages can be told by their content or their id alone, and %d of those that speak of time fit one clock while %d do not", c.Anchors, c.Clock.Agree, c.Clock.Against),
		fmt.Sprintf("of %d messages in the time that both reach over, %d are in both", c.Overlap, c.Shared),
		fmt.Sprintf("%d people could be matched by name or by what they said", len(c.Names)),
	}
	switch {
	case a.Kind == "mailbox" || b.Kind == "mailbox":
		if native > 0 {
			c.Relation = SameMails
			c.Links = slices.DeleteFunc(c.Links, func(l Link) bool { return l.Rule != ByNative })
			c.Doubts = nil
		}
	case enough && fits && named && share >= 0.5:
		c.Relation = SameChat
		if again(a, b, c) {
			c.Relation = MadeAgain
		}
	case c.Anchors >= 1 && len(c.Links) >= 3 && share >= 0.25 && fits:
		c.Relation = PerhapsSame
	}
	if c.Relation == Different {
		c.Links, c.Doubts, c.Alike = nil, nil, 0
	}
}

// share counts, in the copy with fewer messages in the time that both reach over, those that are linked.
func (c *Comparison) share(a, b *Copy, m *matcher) {
	firstA, lastA, firstB, lastB := -1, -1, -1, -1
	for _, l := range m.links {
		if firstA < 0 {
			firstA, firstB, lastB = l.A, l.B, l.B
		}
		lastA = max(lastA, l.A)
		firstB, lastB = min(firstB, l.B), max(lastB, l.B)
	}
	if firstA < 0 {
		return
	}
	count := func(c *Copy, to []int, from, until int) (n, linked int) {
		for i := from; i <= until; i++ {
			if c.Sightings[i].system() {
				continue
			}
			n++
			if to[i] >= 0 {
				linked++
			}
		}
		return n, linked
	}
	na, la := count(a, m.toA, firstA, lastA)
	nb, lb := count(b, m.toB, firstB, lastB)
	if c.Overlap, c.Shared = na, la; nb < na {
		c.Overlap, c.Shared = nb, lb
	}
}

// namesAgree reports whether nine of ten messages that are linked are of people who were matched.
func (c *Comparison) namesAgree() bool {
	support, against := 0, 0
	for _, p := range c.Names {
		support += p.Support
		against += p.Against
	}
	return len(c.Names) > 0 && support*10 >= (support+against)*9
}

// again reports whether two copies are one person's: they call everybody the same, and their clocks
// have always shown the same.
func again(a, b *Copy, c *Comparison) bool {
	if a.Viewpoint != "" && b.Viewpoint != "" && a.Viewpoint != b.Viewpoint {
		return false
	}
	if a.Person != b.Person && (a.Viewpoint == "" || b.Viewpoint == "") {
		return false
	}
	if len(c.Clock.Offsets) != 1 || c.Clock.Offsets[0].Quarters != 0 || c.Clock.Skew != 0 {
		return false
	}
	return !slices.ContainsFunc(c.Names, func(p NamePair) bool { return p.A != p.B })
}
