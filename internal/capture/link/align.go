package link

import (
	"cmp"
	"math"
	"slices"
)

// Rule says what two sightings were found to be one message by.
type Rule string

const (
	ByNative   Rule = "native"   // an id that all parties to the message share
	ByFile     Rule = "file"     // the same attachment, the same sender, a time that fits
	ByText     Rule = "text"     // the same words to the second
	ByMinute   Rule = "minute"   // the same words, where one clock shows minutes or less
	ByDeletion Rule = "deletion" // the note of a deletion where the other has the message
	ByOmission Rule = "omission" // an attachment that one copy left out
	ByEdit     Rule = "edit"     // other words, and one says that it was edited
	ByLikeness Rule = "likeness" // words that are like one another
	ByPlace    Rule = "place"    // other words at the same moment from the same person
	BySystem   Rule = "system"   // the same line of the system's own
	ByContent  Rule = "content"  // words that nothing else has, at another time
	BySender   Rule = "sender"   // the same words from somebody else
	ByPerson   Rule = "person"   // a person says so
)

// What is certain enough is linked, what is likely is for a person.
const (
	Certain = 0.98
	Likely  = 0.80
)

// Link says that two sightings are one message. A and B are indices into the sightings of two copies.
type Link struct {
	A, B  int
	Rule  Rule
	Score float64 // the probability that it is so
}

// matcher finds which messages of two copies are the same. The messages of one person stand in the same
// order in both, so it weighs all the ways in which the two can be laid side by side: the probability
// of a link is the share of those ways that have it.
//
// Ways are weighed as odds against the two messages being different ones, of which each copy then lacks
// one.
type matcher struct {
	a, b           *Copy
	clock          *Clock
	classA, classB []int32
	toA, toB       []int // the partner of each; -1 for none
	links, doubts  []Link
	alike          int // messages that certainly have a partner, of which nobody can tell which it is
	common         map[commonKey]int
	size           map[int32]int
	context        bool // weigh also what stands before and after
	beforeA        []int
	afterA         []int
	beforeB        []int
	afterB         []int
	buf            lattice
	likenesses     int  // texts looked at side by side so far
	ids            bool // ids are shared by all parties: messages with different ids are different
}

type commonKey struct {
	class   int32
	content uint64
}

// absent is how likely it is that a copy lacks a message that it should have.
const absent = 0.005

var (
	oddsOfPair = math.Log(1-absent) - 2*math.Log(absent)
	never      = math.Inf(-1)
)

func newMatcher(a, b *Copy, clock *Clock, names []NamePair) *matcher {
	m := &matcher{a: a, b: b, clock: clock, toA: make([]int, len(a.Sightings)), toB: make([]int, len(b.Sightings)),
		common: map[commonKey]int{}, size: map[int32]int{}}
	m.classA, m.classB = classes(a, b, names)
	for i := range m.toA {
		m.toA[i] = -1
	}
	for j := range m.toB {
		m.toB[j] = -1
	}
	tally := func(c *Copy, classes []int32) {
		for i := range c.Sightings {
			m.common[commonKey{classes[i], c.Sightings[i].sort()}]++
			m.size[classes[i]]++
		}
	}
	tally(a, m.classA)
	tally(b, m.classB)
	return m
}

// sort is the content of a message, or what sort it is of if it has none that can be compared.
func (s *Sighting) sort() uint64 {
	if c := s.content(); c != 0 {
		return c
	}
	switch {
	case s.Deleted:
		return 1
	case s.Placeholder:
		return mix(2, s.Print)
	}
	return 3
}

// rare is minus the logarithm of how often somebody says this.
func (m *matcher) rare(class int32, s *Sighting) float64 {
	return -math.Log(float64(max(1, m.common[commonKey{class, s.sort()}])) / float64(m.size[class]+20))
}

// odds is the logarithm of how much likelier it is that two messages are one than that they are two, and
// what speaks for it.
func (m *matcher) odds(i, j int) (float64, Rule) {
	s, t := &m.a.Sightings[i], &m.b.Sightings[j]
	apart := m.clock.apart(i, s, t)
	if apart > m.clock.Tolerance || m.ids && s.Native != 0 && t.Native != 0 {
		return never, ""
	}
	w, rule := m.same(i, s, t)
	if w == never {
		return never, ""
	}
	w += oddsOfPair
	if apart > 0 {
		w -= 4 * float64(apart) / float64(m.clock.Tolerance+1)
	}
	if m.context {
		w -= 2 * float64(m.crossed(i, j))
	}
	return w, rule
}

// same weighs what the two say.
func (m *matcher) same(i int, s, t *Sighting) (float64, Rule) {
	class := m.classA[i]
	exact := s.width() <= 1000 && t.width() <= 1000
	text := ByMinute
	if exact {
		text = ByText
	}
	switch {
	case s.system() != t.system():
		return never, ""
	case s.system():
		if s.Print != 0 && s.Print == t.Print {
			return m.rare(class, s), BySystem
		}
		return never, ""
	case s.Deleted && t.Deleted:
		return m.rare(class, s), ByDeletion
	case s.Deleted || t.Deleted:
		return math.Log(0.5), ByDeletion
	case s.Files != 0 && s.Files == t.Files:
		return m.rare(class, s), ByFile
	case s.Placeholder || t.Placeholder || s.Files != 0 || t.Files != 0:
		return m.sameMedia(class, s, t)
	case s.Print != 0 && s.Print == t.Print:
		return m.rare(class, s), text
	case s.Print == 0 && t.Print == 0:
		if s.Kind == t.Kind {
			return m.rare(class, s), text
		}
		return math.Log(0.01), ByPlace
	case s.Edited || t.Edited:
		return math.Log(0.3), ByEdit
	}
	if min(s.Runes, t.Runes) >= 12 && m.like(s, t) {
		return math.Log(1e-3) + m.rare(class, s), ByLikeness
	}
	if exact {
		return math.Log(2e-4), ByPlace
	}
	return math.Log(1e-6), ByPlace
}

// sameMedia weighs two messages of which at least one has or had an attachment.
func (m *matcher) sameMedia(class int32, s, t *Sighting) (float64, Rule) {
	hasS, hasT := s.Files != 0 || s.Placeholder, t.Files != 0 || t.Placeholder
	caption := s.Print == t.Print || s.Print == 0 || t.Print == 0
	switch {
	case s.Files != 0 && t.Files != 0: // other bytes: made smaller on the way, or another file
		if !caption || s.Class != t.Class {
			return math.Log(1e-5), ByPlace
		}
		return math.Log(1e-3), ByPlace
	case hasS != hasT: // one is only words
		if s.Print != 0 && s.Print == t.Print {
			return math.Log(0.5), ByOmission
		}
		if s.Edited || t.Edited {
			return math.Log(0.05), ByEdit
		}
		return math.Log(1e-6), ByPlace
	case !mayBe(s.Class, t.Class):
		return math.Log(1e-5), ByPlace
	case caption && s.Print != 0 && s.Print == t.Print:
		return m.rare(class, s), ByOmission
	case caption:
		return math.Log(0.5), ByOmission
	case s.Edited || t.Edited:
		return math.Log(0.2), ByEdit
	case m.like(s, t):
		return math.Log(0.05), ByLikeness
	}
	return math.Log(1e-5), ByPlace
}

// maxLikenesses bounds how many texts are looked at side by side in one comparison.
const maxLikenesses = 200_000

// like reports whether two texts are much alike.
func (m *matcher) like(s, t *Sighting) bool {
	if len(s.Head) > 3*len(t.Head) || len(t.Head) > 3*len(s.Head) || m.likenesses >= maxLikenesses {
		return false
	}
	m.likenesses++
	return likeness(s.Head, t.Head) >= 0.75
}

// mayBe reports whether one attachment can be called both.
func mayBe(a, b string) bool {
	if a == b || a == "" || b == "" || a == "media" || b == "media" {
		return true
	}
	moving := func(c string) bool { return c == "video" || c == "gif" }
	still := func(c string) bool { return c == "image" || c == "sticker" }
	return moving(a) && moving(b) || still(a) && still(b)
}

// crossed counts of the four neighbours with certain partners those that stand on the wrong side.
func (m *matcher) crossed(i, j int) int {
	n := 0
	if p := m.beforeA[i]; p >= 0 && p > j {
		n++
	}
	if p := m.afterA[i]; p >= 0 && p < j {
		n++
	}
	if p := m.beforeB[j]; p >= 0 && p > i {
		n++
	}
	if p := m.afterB[j]; p >= 0 && p < i {
		n++
	}
	return n
}

// neighbours notes the partners of the nearest linked messages before and after each.
func (m *matcher) neighbours() {
	near := func(to []int) (before, after []int) {
		before, after = make([]int, len(to)), make([]int, len(to))
		last := -1
		for i := range to {
			before[i] = last
			if to[i] >= 0 {
				last = to[i]
			}
		}
		last = -1
		for i := len(to) - 1; i >= 0; i-- {
			after[i] = last
			if to[i] >= 0 {
				last = to[i]
			}
		}
		return before, after
	}
	m.beforeA, m.afterA = near(m.toA)
	m.beforeB, m.afterB = near(m.toB)
}

func (m *matcher) link(l Link) {
	if m.toA[l.A] >= 0 || m.toB[l.B] >= 0 {
		return
	}
	m.toA[l.A], m.toB[l.B] = l.B, l.A
	m.links = append(m.links, l)
}

// run links what is certain: first what bears the same id, then person by person what was said, and
// last what remains, with regard to what stands around it.
func (m *matcher) run() {
	m.native()
	m.context = false
	m.people()
	m.neighbours()
	m.context = true
	m.doubts, m.alike = nil, 0
	m.people()
	m.late()
	m.elsewhere()
	m.doubts = slices.DeleteFunc(m.doubts, func(l Link) bool { return m.toA[l.A] >= 0 || m.toB[l.B] >= 0 })
	slices.SortFunc(m.links, byIndex)
	slices.SortFunc(m.doubts, byIndex)
	m.doubts = slices.CompactFunc(m.doubts, func(x, y Link) bool { return x.A == y.A && x.B == y.B })
}

func byIndex(x, y Link) int { return cmp.Or(cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B)) }

// native links what bears the same id, if either copy has it once.
func (m *matcher) native() {
	index := func(c *Copy) map[uint64]int {
		out := map[uint64]int{}
		for i := range c.Sightings {
			if k := c.Sightings[i].Native; k != 0 {
				if _, twice := out[k]; twice {
					out[k] = -1
				} else {
					out[k] = i
				}
			}
		}
		return out
	}
	theirs, mine := index(m.b), index(m.a)
	for i := range m.a.Sightings {
		k := m.a.Sightings[i].Native
		if j, ok := theirs[k]; k != 0 && ok && j >= 0 && mine[k] == i {
			m.link(Link{i, j, ByNative, 1})
		}
	}
	// Some systems count for themselves on each telephone what they otherwise give an id to.
	m.ids = len(m.links) > 0 && len(m.links)*5 >= min(len(mine), len(theirs))
}

// people lays side by side what each person said and has no partner yet.
func (m *matcher) people() {
	theirs := map[int32][]int{}
	for j := range m.toB {
		if m.toB[j] < 0 {
			theirs[m.classB[j]] = append(theirs[m.classB[j]], j)
		}
	}
	mine := map[int32][]int{}
	var order []int32
	for i := range m.toA {
		if m.toA[i] < 0 && len(theirs[m.classA[i]]) > 0 {
			if len(mine[m.classA[i]]) == 0 {
				order = append(order, m.classA[i])
			}
			mine[m.classA[i]] = append(mine[m.classA[i]], i)
		}
	}
	for _, class := range order {
		m.components(mine[class], theirs[class])
	}
}

// moment is when a message was sent on the clock of the second copy.
type moment struct {
	from, to int64
	index    int
	second   bool
}

// components cuts what one person said into stretches of which no message can be one of another stretch.
func (m *matcher) components(ia, ib []int) {
	all := make([]moment, 0, len(ia)+len(ib))
	for _, i := range ia {
		s := &m.a.Sightings[i]
		one, other := m.clock.offsets(i)
		all = append(all, moment{s.From + min(one, other), s.To + max(one, other) + m.clock.Tolerance, i, false})
	}
	for _, j := range ib {
		t := &m.b.Sightings[j]
		all = append(all, moment{t.From, t.To + m.clock.Tolerance, j, true})
	}
	slices.SortFunc(all, func(x, y moment) int {
		return cmp.Or(cmp.Compare(x.from, y.from), cmp.Compare(x.to, y.to), cmp.Compare(x.index, y.index))
	})
	var a, b []int
	for k := 0; k < len(all); {
		a, b = a[:0], b[:0]
		end := all[k].to
		for ; k < len(all) && all[k].from <= end; k++ {
			end = max(end, all[k].to)
			if all[k].second {
				b = append(b, all[k].index)
			} else {
				a = append(a, all[k].index)
			}
		}
		if len(a) > 0 && len(b) > 0 {
			slices.Sort(a)
			slices.Sort(b)
			m.stretch(a, b, true)
		}
	}
}

// maxCells bounds a lattice. What is larger is cut where both have what nothing else is like, and if it
// is still too large only ways near its diagonal are weighed.
const maxCells = 1 << 18

func (m *matcher) stretch(a, b []int, cut bool) {
	if len(a) == 0 || len(b) == 0 {
		return
	}
	if len(a)*len(b) <= maxCells || !cut {
		m.weigh(a, b)
		return
	}
	fixed := m.patience(a, b)
	if len(fixed) == 0 {
		m.weigh(a, b)
		return
	}
	i, j := 0, 0
	for _, f := range append(fixed, [2]int{len(a), len(b)}) {
		m.stretch(a[i:f[0]], b[j:f[1]], false)
		if f[0] < len(a) {
			m.weigh(a[f[0]:f[0]+1], b[f[1]:f[1]+1])
		}
		i, j = f[0]+1, f[1]+1
	}
}

// patience returns the longest rising row of what stands once in either.
func (m *matcher) patience(a, b []int) [][2]int {
	type place struct{ at, count int }
	index := func(c *Copy, list []int) map[uint64]place {
		out := make(map[uint64]place, len(list))
		for k, i := range list {
			if h := c.Sightings[i].content(); h != 0 {
				p := out[h]
				out[h] = place{k, p.count + 1}
			}
		}
		return out
	}
	ina, inb := index(m.a, a), index(m.b, b)
	var both [][2]int
	for k, i := range a {
		h := m.a.Sightings[i].content()
		if h == 0 || ina[h].count != 1 || inb[h].count != 1 {
			continue
		}
		l := inb[h].at
		if m.clock.apart(i, &m.a.Sightings[i], &m.b.Sightings[b[l]]) <= m.clock.Tolerance {
			both = append(both, [2]int{k, l})
		}
	}
	var tops []int // indices into both: the end of the best row of each length
	prev := make([]int, len(both))
	for x := range both {
		n, _ := slices.BinarySearchFunc(tops, both[x][1], func(t, v int) int { return cmp.Compare(both[t][1], v) })
		prev[x] = -1
		if n > 0 {
			prev[x] = tops[n-1]
		}
		if n == len(tops) {
			tops = append(tops, x)
		} else {
			tops[n] = x
		}
	}
	if len(tops) == 0 {
		return nil
	}
	var out [][2]int
	for x := tops[len(tops)-1]; x >= 0; x = prev[x] {
		out = append(out, both[x])
	}
	slices.Reverse(out)
	return out
}

// lattice holds the sums over all ways to lay two rows side by side. Row i has the places lo[i] to hi[i].
type lattice struct {
	lo, hi, at    []int
	odds          []float64
	rule          []Rule
	open, all     []float64 // ways to a place: those that may go on to leave out one of a; all
	rest, restOut []float64 // ways from a place: after any step; after one that left out one of b
}

func (l *lattice) shape(n, k int) {
	band := k
	if n*k > 4*maxCells {
		band = max(8, 2*maxCells/max(n, k))
	}
	l.lo, l.hi, l.at = l.lo[:0], l.hi[:0], l.at[:0]
	total := 0
	for i := range n + 1 {
		mid := i * k / n
		lo, hi := max(0, mid-band), min(k, mid+band)
		if i == 0 {
			lo = 0
		}
		if i == n {
			hi = k
		}
		l.lo, l.hi, l.at = append(l.lo, lo), append(l.hi, hi), append(l.at, total)
		total += hi - lo + 1
	}
	grow := func(f []float64) []float64 {
		if cap(f) < total {
			f = make([]float64, total)
		}
		return f[:total]
	}
	l.odds, l.open, l.all, l.rest, l.restOut = grow(l.odds), grow(l.open), grow(l.all), grow(l.rest), grow(l.restOut)
	if cap(l.rule) < total {
		l.rule = make([]Rule, total)
	}
	l.rule = l.rule[:total]
}

// place returns where the place (i, j) is kept, or -1 if the lattice does not have it.
func (l *lattice) place(i, j int) int {
	if j < l.lo[i] || j > l.hi[i] {
		return -1
	}
	return l.at[i] + j - l.lo[i]
}

// value reads a sum; where there is no place there are no ways.
func (l *lattice) value(f []float64, i, j int) float64 {
	if i >= len(l.lo) {
		return never
	}
	if p := l.place(i, j); p >= 0 {
		return f[p]
	}
	return never
}

func logAdd(x, y float64) float64 {
	if x < y {
		x, y = y, x
	}
	if d := x - y; d > 40 || y == never {
		return x
	} else {
		return x + math.Log1p(math.Exp(-d))
	}
}

// weigh lays two rows side by side in all ways.
func (m *matcher) weigh(a, b []int) {
	if len(a) == 1 && len(b) == 1 {
		w, rule := m.odds(a[0], b[0])
		m.judge(Link{a[0], b[0], rule, chance(w)})
		return
	}
	l := &m.buf
	n, k := len(a), len(b)
	l.shape(n, k)
	for i := range n + 1 {
		for j := l.lo[i]; j <= l.hi[i]; j++ {
			p := l.at[i] + j - l.lo[i]
			l.odds[p] = never
			if i > 0 && j > 0 {
				l.odds[p], l.rule[p] = m.odds(a[i-1], b[j-1])
			}
			open, all := never, 0.0
			if i == 0 && j == 0 {
				open = 0
			} else {
				if i > 0 {
					open = l.value(l.open, i-1, j)
					if l.odds[p] != never {
						open = logAdd(open, l.odds[p]+l.value(l.all, i-1, j-1))
					}
				}
				all = open
				if j > l.lo[i] {
					all = logAdd(all, l.all[p-1])
				}
			}
			l.open[p], l.all[p] = open, all
		}
	}
	for i := n; i >= 0; i-- {
		for j := l.hi[i]; j >= l.lo[i]; j-- {
			p := l.at[i] + j - l.lo[i]
			if i == n && j == k {
				l.rest[p], l.restOut[p] = 0, 0
				continue
			}
			pair, out := never, never
			if i < n && j < k {
				if w := l.value(l.odds, i+1, j+1); w != never {
					pair = w + l.value(l.rest, i+1, j+1)
				}
			}
			if j < l.hi[i] {
				out = l.restOut[p+1]
			}
			l.restOut[p] = logAdd(pair, out)
			l.rest[p] = logAdd(l.restOut[p], l.value(l.rest, i+1, j))
		}
	}
	total := l.rest[0]
	sums, tops := make([]float64, k+1), make([]float64, k+1)
	alike := 0
	for i := 1; i <= n; i++ {
		best, sum := Link{Score: -1}, 0.0
		for j := max(1, l.lo[i]); j <= l.hi[i]; j++ {
			p := l.at[i] + j - l.lo[i]
			if l.odds[p] == never {
				continue
			}
			x := math.Exp(l.value(l.all, i-1, j-1) + l.odds[p] + l.rest[p] - total)
			sum += x
			sums[j] += x
			tops[j] = max(tops[j], x)
			if x > best.Score {
				best = Link{a[i-1], b[j-1], l.rule[p], x}
			}
		}
		if best.Score >= 0 {
			m.judge(best)
			if best.Score < Likely && sum >= Certain {
				alike++
			}
		}
	}
	others := 0
	for j, sum := range sums {
		if tops[j] < Likely && sum >= Certain {
			others++
		}
	}
	m.alike += max(alike, others)
}

func chance(odds float64) float64 { return 1 / (1 + math.Exp(-odds)) }

// judge takes a link, or notes that a person should. That other words at the same moment are the same
// message is never certain.
func (m *matcher) judge(l Link) {
	l.Score = min(1, max(0, l.Score))
	if l.Rule == ByPlace {
		l.Score = min(l.Score, 0.97)
	}
	switch {
	case l.Score >= Certain:
		m.link(l)
	case l.Score >= Likely:
		m.doubts = append(m.doubts, l)
	}
}

// lateBy bounds how much later a message can have come to one party than to another.
const lateBy = 24 * 3600_000

// late links what stands once in each copy, and came to one much later: its sender was out of reach.
func (m *matcher) late() {
	type one struct{ at, count int }
	theirs := map[commonKey]one{}
	for j := range m.toB {
		if s := &m.b.Sightings[j]; m.toB[j] < 0 && s.informative() {
			k := commonKey{m.classB[j], s.content()}
			theirs[k] = one{j, theirs[k].count + 1}
		}
	}
	mine := map[commonKey]int{}
	for i := range m.toA {
		if s := &m.a.Sightings[i]; m.toA[i] < 0 && s.informative() {
			mine[commonKey{m.classA[i], s.content()}]++
		}
	}
	for i := range m.toA {
		s := &m.a.Sightings[i]
		if m.toA[i] >= 0 || !s.informative() {
			continue
		}
		k := commonKey{m.classA[i], s.content()}
		o, ok := theirs[k]
		if !ok || o.count != 1 || mine[k] != 1 || m.ids && s.Native != 0 && m.b.Sightings[o.at].Native != 0 {
			continue
		}
		d := m.clock.apart(i, s, &m.b.Sightings[o.at])
		switch {
		case d > lateBy:
		case m.common[k] == 2:
			m.link(Link{i, o.at, ByContent, 0.985})
		case d < 2*3600_000:
			m.doubts = append(m.doubts, Link{i, o.at, ByContent, 0.85})
		}
	}
}

// elsewhere asks a person about what two copies give to different people.
func (m *matcher) elsewhere() {
	theirs := map[uint64]int{}
	for j := range m.toB {
		if s := &m.b.Sightings[j]; m.toB[j] < 0 && s.informative() {
			if _, twice := theirs[s.content()]; twice {
				theirs[s.content()] = -1
			} else {
				theirs[s.content()] = j
			}
		}
	}
	for i := range m.toA {
		s := &m.a.Sightings[i]
		if m.toA[i] >= 0 || !s.informative() {
			continue
		}
		j, ok := theirs[s.content()]
		if ok && j >= 0 && m.classA[i] != m.classB[j] && m.clock.apart(i, s, &m.b.Sightings[j]) <= m.clock.Tolerance && s.Native == 0 {
			m.doubts = append(m.doubts, Link{i, j, BySender, 0.9})
		}
	}
}

// summertime returns messages without a partner that would have one if a clock had been put forward or
// back by an hour: where there is nothing to tell a message by, such as in months of which only the
// system's lines are left, several together show it.
func (m *matcher) summertime() []anchor {
	const hour = 3600_000
	theirs := map[commonKey][]int{}
	for j := range m.toB {
		if s := &m.b.Sightings[j]; m.toB[j] < 0 && s.width() <= 60_000 {
			k := commonKey{m.classB[j], s.sort()}
			if len(theirs[k]) < 1000 {
				theirs[k] = append(theirs[k], j)
			}
		}
	}
	for _, list := range theirs {
		slices.SortFunc(list, func(x, y int) int {
			return cmp.Or(cmp.Compare(m.b.Sightings[x].From, m.b.Sightings[y].From), cmp.Compare(x, y))
		})
	}
	var out []anchor
	for _, shift := range []int64{-hour, hour} {
		var found []anchor
		for i := range m.toA {
			s := &m.a.Sightings[i]
			if m.toA[i] >= 0 || s.width() > 60_000 {
				continue
			}
			one, _ := m.clock.offsets(i)
			from, to := s.From+one+shift-m.clock.Tolerance, s.To+one+shift+m.clock.Tolerance
			list := theirs[commonKey{m.classA[i], s.sort()}]
			k, _ := slices.BinarySearchFunc(list, from-60_000, func(j int, t int64) int { return cmp.Compare(m.b.Sightings[j].From, t) })
			only, n := -1, 0
			for ; k < len(list) && m.b.Sightings[list[k]].From <= to; k++ {
				if m.b.Sightings[list[k]].To >= from {
					only = list[k]
					n++
				}
			}
			if n == 1 {
				found = append(found, anchor{a: i, b: only})
			}
		}
		if len(found) >= 5 {
			out = append(out, found...)
		}
	}
	return out
}
