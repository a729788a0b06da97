package link

import (
	"cmp"
	"slices"
	"strings"
)

// A NamePair says that two names in two copies are one person's.
type NamePair struct {
	A       string `json:"a"`
	B       string `json:"b"`
	Support int    `json:"support"` // messages that show it; 0 if it is only that the names are the same
	Against int    `json:"against"` // messages of either that are somebody else's in the other copy
}

// vote counts who is called what by whom.
type vote struct{ a, b string }

// agree finds which names are one person's: those of messages that both copies have must go together in
// nine of ten, seen from either side.
func agree(votes map[vote]int, a, b *Copy) []NamePair {
	na, nb := map[string]int{}, map[string]int{}
	for v, n := range votes {
		na[v.a] += n
		nb[v.b] += n
	}
	var out []NamePair
	usedA, usedB := map[string]bool{}, map[string]bool{}
	for v, n := range votes {
		// One person can have two names in one copy, whose number changed: then each is shown well.
		if n*10 < na[v.a]*9 || n*10 < nb[v.b]*9 && n < 5 || n < 2 && !same(v.a, v.b) {
			continue
		}
		out = append(out, NamePair{v.a, v.b, n, max(na[v.a], nb[v.b]) - n})
		usedA[v.a], usedB[v.b] = true, true
	}
	theirs := map[string]string{}
	for i := range b.Sightings {
		if s := b.Sightings[i].Sender; s != "" && !usedB[s] {
			theirs[plainName(s)] = s
		}
	}
	for i := range a.Sightings {
		s := a.Sightings[i].Sender
		if s == "" || usedA[s] {
			continue
		}
		if t, ok := theirs[plainName(s)]; ok && !usedB[t] && na[s] == 0 && nb[t] == 0 && !you(s) {
			out = append(out, NamePair{A: s, B: t})
			usedA[s], usedB[t] = true, true
		}
	}
	slices.SortFunc(out, func(x, y NamePair) int {
		return cmp.Or(cmp.Compare(y.Support, x.Support), cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B))
	})
	return out
}

// same reports whether two names are written alike, but for marks; a telephone number is its digits.
func same(a, b string) bool { return plainName(a) == plainName(b) && !you(a) }

func plainName(s string) string {
	s = strings.ToLower(fold(strings.TrimLeft(s, "~ "), nil))
	if strings.HasPrefix(s, "+") {
		s = strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, s)
	}
	return s
}

// you reports whether a name is what a system calls the one whose copy it is: it says nothing about who
// that is.
func you(s string) bool {
	switch plainName(s) {
	case "you", "me", "du", "ich", "vous", "moi", "tú", "yo", "você", "eu", "tu", "io", "jij", "ik", "sen", "ben":
		return true
	}
	return false
}

// classes numbers the people of two copies: the same number for the same person. What the system says
// has a number of its own, and so have, together, those of whom nothing is known.
func classes(a, b *Copy, names []NamePair) (ofA, ofB []int32) {
	const system, unknown = 0, 1
	numA, numB := map[string]int32{}, map[string]int32{}
	next := int32(2)
	for _, p := range names {
		n, ok := numA[p.A]
		if m, is := numB[p.B]; is {
			if ok && m != n { // two names of each that cross: everybody of them is one
				for k, v := range numA {
					if v == n {
						numA[k] = m
					}
				}
				for k, v := range numB {
					if v == n {
						numB[k] = m
					}
				}
			}
			n, ok = m, true
		}
		if !ok {
			n = next
			next++
		}
		numA[p.A], numB[p.B] = n, n
	}
	number := func(c *Copy, num map[string]int32) []int32 {
		out := make([]int32, len(c.Sightings))
		for i := range c.Sightings {
			s := &c.Sightings[i]
			switch n, ok := num[s.Sender]; {
			case s.system():
				out[i] = system
			case ok:
				out[i] = n
			default:
				out[i] = unknown
			}
		}
		return out
	}
	return number(a, numA), number(b, numB)
}
