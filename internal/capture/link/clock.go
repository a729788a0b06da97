package link

import (
	"cmp"
	"math"
	"slices"
)

// quarter is the step by which time zones differ.
const quarter = 15 * 60_000

// An Offset is what has to be added to the times of one copy, from one of its messages on, to get those
// of the other.
type Offset struct {
	First    int   `json:"first"` // index of the first message it holds for
	From     int64 `json:"from"`  // that message's time in its own copy, in milliseconds
	Quarters int64 `json:"quarters"`
	Anchors  int   `json:"anchors"` // how many messages show it
}

// Clock says how the clock of one copy stands to that of another: by a multiple of a quarter of an hour
// that changes where one of them puts its clocks forward or back, and by a skew that stays.
type Clock struct {
	Offsets   []Offset `json:"offsets"`
	Skew      int64    `json:"skew_ms"`
	Tolerance int64    `json:"tolerance_ms"` // how far apart, after that, the two may still have a message
	Agree     int      `json:"agree"`        // anchors that fit
	Against   int      `json:"against"`      // anchors that do not

	until []int // for each offset but the last: the last message for which it is shown
}

// anchor is a message that both copies have, and each has once.
type anchor struct {
	a, b int // indices
	hard bool
}

// anchors finds the messages that can be told by their content alone: it is informative, and there is
// one message of it on either side. Soft ones are those with less in them.
func anchors(a, b *Copy) []anchor {
	type seen struct{ first, count int }
	index := func(c *Copy, key func(*Sighting) uint64) map[uint64]seen {
		m := make(map[uint64]seen, len(c.Sightings))
		for i := range c.Sightings {
			if k := key(&c.Sightings[i]); k != 0 {
				s := m[k]
				if s.count == 0 {
					s.first = i
				}
				s.count++
				m[k] = s
			}
		}
		return m
	}
	var out []anchor
	taken := make(map[int]bool)
	add := func(key func(*Sighting) uint64, hard bool) {
		ina, inb := index(a, key), index(b, key)
		for k, x := range ina {
			y, ok := inb[k]
			if !ok || x.count != 1 || y.count != 1 || taken[x.first] {
				continue
			}
			if s, t := &a.Sightings[x.first], &b.Sightings[y.first]; s.width() > 2*3600_000 || t.width() > 2*3600_000 {
				continue
			}
			taken[x.first] = true
			out = append(out, anchor{x.first, y.first, hard})
		}
	}
	add(func(s *Sighting) uint64 { return s.Native }, true)
	add(func(s *Sighting) uint64 {
		if s.informative() {
			return s.content()
		}
		return 0
	}, true)
	add(func(s *Sighting) uint64 {
		if s.Runes >= 6 && !s.system() {
			return s.content()
		}
		return 0
	}, false)
	slices.SortFunc(out, func(x, y anchor) int { return x.a - y.a })
	return out
}

// middle is the middle of the time in which a message was sent.
func (s *Sighting) middle() int64 { return s.From + (s.To-s.From)/2 }

// maxOffsets bounds how many different offsets two copies can show.
const maxOffsets = 12

// tell finds how two clocks differ from the messages that both have. A run of anchors changes the
// offset only if it is long enough not to be chance.
func tell(a, b *Copy, list []anchor) *Clock {
	c := &Clock{Tolerance: 2000}
	if len(list) == 0 {
		return c
	}
	delta := make([]int64, len(list))
	for i, x := range list {
		delta[i] = b.Sightings[x.b].middle() - a.Sightings[x.a].middle()
	}
	c.Skew = skew(a, b, list)
	quarters := make([]int64, len(list))
	count := map[int64]int{}
	for i, d := range delta {
		quarters[i] = floorDiv(d-c.Skew+quarter/2, quarter)
		count[quarters[i]]++
	}
	var states []int64
	for q, n := range count {
		if n >= 2 || len(list) < 4 {
			states = append(states, q)
		}
	}
	slices.SortFunc(states, func(x, y int64) int {
		if d := count[y] - count[x]; d != 0 {
			return d
		}
		return int(x - y)
	})
	if len(states) == 0 {
		c.Against = len(list)
		return c
	}
	states = states[:min(len(states), maxOffsets)]
	path := runs(quarters, states)
	last := -1
	for i, x := range list {
		if q := states[path[i]]; last < 0 || c.Offsets[last].Quarters != q {
			if last >= 0 {
				c.until = append(c.until, list[i-1].a)
			}
			first := x.a
			if last < 0 {
				first = 0
			}
			c.Offsets = append(c.Offsets, Offset{First: first, From: a.Sightings[first].From, Quarters: q})
			last++
		}
		if quarters[i] == c.Offsets[last].Quarters {
			c.Agree++
			c.Offsets[last].Anchors++
		} else {
			c.Against++
		}
	}
	c.Tolerance = c.tolerance(a, b, list)
	return c
}

// runs finds the offset that holds at each anchor: the cheapest way through the states. An anchor that
// does not fit costs 2; a change costs 3 where clocks are put forward or back by an hour, which chance
// hardly imitates, and 8 otherwise.
func runs(quarters, states []int64) []int {
	const unfit, summer, change = 2, 3, 8
	cost, next := make([]int, len(states)), make([]int, len(states))
	from := make([][maxOffsets]uint8, len(quarters))
	for i, q := range quarters {
		for s := range states {
			best, by := cost[s], s
			for o := range states {
				step := change
				if d := states[s] - states[o]; d == 4 || d == -4 {
					step = summer
				}
				if i > 0 && cost[o]+step < best {
					best, by = cost[o]+step, o
				}
			}
			if states[s] != q {
				best += unfit
			}
			next[s], from[i][s] = best, uint8(by)
		}
		cost, next = next, cost
	}
	path := make([]int, len(quarters))
	at := 0
	for s := range cost {
		if cost[s] < cost[at] {
			at = s
		}
	}
	for i := len(quarters) - 1; i >= 0; i-- {
		path[i] = at
		at = int(from[i][at])
	}
	return path
}

// skew is what is left of the differences when multiples of a quarter of an hour are taken away: none, if
// that explains nine of ten anchors, or else what explains most. An anchor allows for as much as the two
// times of sending may vary.
func skew(a, b *Copy, list []anchor) int64 {
	const slack = 1500
	type edge struct {
		at   int64
		step int
	}
	var edges []edge
	none := 0
	for _, x := range list {
		s, t := &a.Sightings[x.a], &b.Sightings[x.b]
		left := t.middle() - s.middle()
		left -= floorDiv(left+quarter/2, quarter) * quarter
		half := (s.width()+t.width())/2 + slack
		edges = append(edges, edge{left - half, 1}, edge{left + half, -1})
		if left-half <= 0 && left+half >= 0 {
			none++
		}
	}
	if none*10 >= len(list)*9 {
		return 0
	}
	slices.SortFunc(edges, func(x, y edge) int { return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(y.step, x.step)) })
	best, most, open := int64(0), none, 0
	for i, e := range edges {
		open += e.step
		if open > most && i+1 < len(edges) {
			most, best = open, e.at+(edges[i+1].at-e.at)/2
		}
	}
	return best
}

// tolerance is how far apart most of the anchors that fit are, and some more.
func (c *Clock) tolerance(a, b *Copy, list []anchor) int64 {
	var apart []int64
	for _, x := range list {
		if d := c.apart(x.a, &a.Sightings[x.a], &b.Sightings[x.b]); d < quarter/2 {
			apart = append(apart, d)
		}
	}
	if len(apart) == 0 {
		return 2000
	}
	slices.Sort(apart)
	return min(120_000, 2*apart[len(apart)*99/100]+2000)
}

// offsets returns what may have to be added to the time of a copy's message with an index. Between the
// last message that shows one offset and the first that shows the next it may be either.
func (c *Clock) offsets(i int) (one, other int64) {
	if len(c.Offsets) == 0 {
		return 0, 0
	}
	n, _ := slices.BinarySearchFunc(c.Offsets, i, func(o Offset, i int) int {
		if o.First <= i {
			return -1
		}
		return 1
	})
	n = max(0, n-1)
	one = c.Offsets[n].Quarters*quarter + c.Skew
	if n < len(c.until) && i > c.until[n] {
		return one, c.Offsets[n+1].Quarters*quarter + c.Skew
	}
	return one, one
}

// apart is how many milliseconds lie between when the two may have been sent; 0 if it can have been the
// same moment.
func (c *Clock) apart(i int, s, t *Sighting) int64 {
	one, other := c.offsets(i)
	d := between(s.From+one, s.To+one, t.From, t.To)
	if other != one {
		d = min(d, between(s.From+other, s.To+other, t.From, t.To))
	}
	return d
}

func between(aFrom, aTo, bFrom, bTo int64) int64 {
	return max(0, aFrom-bTo, bFrom-aTo)
}

func floorDiv(a, b int64) int64 { return int64(math.Floor(float64(a) / float64(b))) }
