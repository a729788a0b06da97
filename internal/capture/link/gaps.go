package link

import (
	"cmp"
	"math"
	"slices"
)

// Gaps is what is known to be missing from a conversation, and how it is known. Messages are indices
// into [Thread.Messages].
type Gaps struct {
	Copies    []CopyGaps
	Deletions []Deletion
	Timers    []Timer
	Silences  []Silence
	Unknown   []int      // messages that answer one that is in no copy
	Again     []ReExport // copies of one person, made one after the other
}

// CopyGaps is what one copy lacks that others have.
type CopyGaps struct {
	Copy        int
	Messages    int   // that it has, without the system's lines
	First, Last int64 // of its messages, on the thread's clock
	Missing     []Span
	Lacks       int  // messages between its first and its last that others have and it has not
	Earlier     int  // messages before its first that others have
	Later       int  // messages after its last that others have
	CutOff      bool // it ends where exports are cut off, or its parser says so, and others go back further
	OnlyHere    int  // messages that no other copy has
	Answers     int  // messages of others that answer one it lacks
}

// Span is a run of messages that a copy lacks.
type Span struct {
	From, To int64 // of the first and the last, on the thread's clock
	Messages []int
}

// Deletion is a message of which at least one copy has only the note that it was deleted.
type Deletion struct {
	Message int
	Gone    []int // copies that have only the note
	Kept    []int // copies that still have it; if none, nobody handed it in in time
	// It was deleted after After and before Before, in milliseconds since 1970 UTC; 0 if not known.
	After, Before int64
}

// Timer is a disappearing timer that was switched on, changed or off.
type Timer struct {
	Message int
	On      bool
	Seconds int64 // after which messages disappear; 0 if not known
	Lost    []int // for each copy, how many messages that others have it lacks while the timer was on
}

// Silence is a long run in which only one side speaks, although both speak otherwise: one copy, or all,
// may lack what the other said.
type Silence struct {
	Copy     int // -1 if it is so in all copies together
	Person   int // who is silent
	From, To int64
	Said     int // how many messages the others sent meanwhile
	Known    int // how many messages of the silent are in other copies
}

// ReExport is what changed between two copies of one person.
type ReExport struct {
	Earlier, Later int   // copies
	Deleted        []int // messages that the later has only the note of
	Edited         []int // messages that say something else
	Removed        []int // messages that are not in the later at all, although it reaches over their time
}

// exportLimits are where WhatsApp cuts an export off: at about so many messages.
var exportLimits = [][2]int{{9_990, 10_010}, {39_990, 40_010}}

// Find reports what is missing from a conversation. Taken is when each copy was handed in.
func (t *Thread) Find() *Gaps {
	g := &Gaps{}
	if len(t.Copies) == 0 {
		return g
	}
	has := t.table()
	for n := range t.Copies {
		g.Copies = append(g.Copies, t.copyGaps(n, has))
	}
	t.deletions(g)
	t.timers(g, has)
	t.answers(g, has)
	t.silences(g, has)
	for x := range t.Copies {
		for y := range t.Copies {
			if a, b := t.Copies[x], t.Copies[y]; x != y && t.oneOwner(a, b) && (a.Taken < b.Taken || a.Taken == b.Taken && x < y) {
				g.Again = append(g.Again, t.reExport(x, y, has, g))
			}
		}
	}
	return g
}

// table says for each message and copy which sighting the copy has of it, or -1.
func (t *Thread) table() [][]int {
	has := make([][]int, len(t.Messages))
	cells := make([]int, len(t.Messages)*len(t.Copies))
	for i := range cells {
		cells[i] = -1
	}
	for k := range has {
		has[k], cells = cells[:len(t.Copies)], cells[len(t.Copies):]
		for _, s := range t.Messages[k].Seen {
			has[k][s.Copy] = s.Index
		}
	}
	return has
}

// systemLine reports whether a message is a line of the system's own: each telephone has its own of them.
func (t *Thread) systemLine(k int) bool {
	s := t.Messages[k].Seen[0]
	return t.Copies[s.Copy].Sightings[s.Index].system()
}

func (t *Thread) copyGaps(n int, has [][]int) CopyGaps {
	g := CopyGaps{Copy: n}
	first, last := -1, -1
	for k := range t.Messages {
		if has[k][n] >= 0 {
			if first < 0 {
				first = k
			}
			last = k
		}
	}
	if first < 0 {
		return g
	}
	g.First, g.Last = t.Messages[first].At, t.Messages[last].At
	run := false
	for k := range t.Messages {
		if t.systemLine(k) {
			continue
		}
		if has[k][n] >= 0 {
			g.Messages++
			if len(t.Messages[k].Seen) == 1 && len(t.Copies) > 1 {
				g.OnlyHere++
			}
			run = false
			continue
		}
		switch {
		case k < first:
			g.Earlier++
		case k > last:
			g.Later++
		default:
			g.Lacks++
			if !run {
				g.Missing = append(g.Missing, Span{From: t.Messages[k].At})
			}
			run = true
			s := &g.Missing[len(g.Missing)-1]
			s.To = t.Messages[k].At
			s.Messages = append(s.Messages, k)
		}
	}
	c := t.Copies[n]
	if g.Earlier > 0 {
		g.CutOff = c.Truncated
		for _, l := range exportLimits {
			g.CutOff = g.CutOff || len(c.Sightings) >= l[0] && len(c.Sightings) <= l[1]
		}
	}
	return g
}

func (t *Thread) deletions(g *Gaps) {
	for k := range t.Messages {
		m := &t.Messages[k]
		d := Deletion{Message: k}
		for _, s := range m.Seen {
			if t.Copies[s.Copy].Sightings[s.Index].Deleted {
				d.Gone = append(d.Gone, s.Copy)
				if taken := t.Copies[s.Copy].Taken; taken > 0 && (d.Before == 0 || taken < d.Before) {
					d.Before = taken
				}
			} else {
				d.Kept = append(d.Kept, s.Copy)
			}
		}
		if len(d.Gone) == 0 {
			continue
		}
		// A copy that still has it was made before, but only its last message tells since when it was not made.
		if !t.Floating {
			d.After = m.At
			for _, n := range d.Kept {
				d.After = max(d.After, t.end(n))
			}
			if d.Before != 0 && d.After > d.Before {
				d.After = m.At
			}
		}
		g.Deletions = append(g.Deletions, d)
	}
}

// end is when the last message of a copy was sent: it was made then or later.
func (t *Thread) end(n int) int64 {
	if len(t.Copies[n].Sightings) == 0 {
		return 0
	}
	return t.moment(Seen{n, len(t.Copies[n].Sightings) - 1})
}

func (t *Thread) timers(g *Gaps, has [][]int) {
	open := -1
	for k := range t.Messages {
		if !t.systemLine(k) {
			if open >= 0 {
				for n := range t.Copies {
					if has[k][n] < 0 {
						g.Timers[open].Lost[n]++
					}
				}
			}
			continue
		}
		s := t.sighting(&t.Messages[k], 0)
		switch s.Code {
		case "disappearing_on", "disappearing_changed":
			g.Timers = append(g.Timers, Timer{Message: k, On: true, Seconds: s.TTL, Lost: make([]int, len(t.Copies))})
			open = len(g.Timers) - 1
		case "disappearing_off":
			g.Timers = append(g.Timers, Timer{Message: k, Lost: make([]int, len(t.Copies))})
			open = -1
		}
	}
}

// answers finds messages that answer one which a copy lacks, or which none has.
func (t *Thread) answers(g *Gaps, has [][]int) {
	byPrint, byNative := map[uint64][]int{}, map[uint64]int{}
	for k := range t.Messages {
		for _, seen := range t.Messages[k].Seen {
			s := &t.Copies[seen.Copy].Sightings[seen.Index]
			if s.Print != 0 && (len(byPrint[s.Print]) == 0 || byPrint[s.Print][len(byPrint[s.Print])-1] != k) {
				byPrint[s.Print] = append(byPrint[s.Print], k)
			}
			if s.Native != 0 {
				byNative[s.Native] = k
			}
		}
	}
	for k := range t.Messages {
		for _, seen := range t.Messages[k].Seen {
			s := &t.Copies[seen.Copy].Sightings[seen.Index]
			if s.Quote == 0 && s.ReFor == 0 {
				continue
			}
			to, found := -1, false
			if s.ReFor != 0 {
				to, found = byNative[s.ReFor]
			}
			if list := byPrint[s.Quote]; !found && s.Quote != 0 {
				n, _ := slices.BinarySearch(list, k)
				if n > 0 { // the latest that says so, before the answer
					to, found = list[n-1], true
				}
			}
			if !found {
				if s.Quote != 0 || s.ReFor != 0 {
					g.Unknown = append(g.Unknown, k)
				}
				break
			}
			for n := range t.Copies {
				if has[to][n] < 0 && has[k][n] >= 0 {
					g.Copies[n].Answers++
				}
			}
			break
		}
	}
}

// maxSilences bounds the silences that are told of: the longest are.
const maxSilences = 50

// silences finds runs in which somebody who otherwise has a good share of the words says nothing, which
// chance would hardly make in a conversation of that length.
func (t *Thread) silences(g *Gaps, has [][]int) {
	for n := -1; n < len(t.Copies); n++ {
		said := make([]int, len(t.People))
		total := 0
		for k := range t.Messages {
			if p := t.Messages[k].Person; p >= 0 && (n < 0 || has[k][n] >= 0) {
				said[p]++
				total++
			}
		}
		for p := range t.People {
			share := float64(said[p]) / float64(max(1, total))
			if share < 0.15 || share == 1 || total < 30 {
				continue
			}
			// As often as people answer in bursts, a run is likelier than by chance: the bar is high.
			least := int(math.Ceil(math.Log(1e-4/float64(total)) / math.Log(1-share)))
			least = max(least, 12)
			run := Silence{Copy: n, Person: p}
			end := func() {
				if run.Said >= least && (n < 0 || run.Known > 0) {
					g.Silences = append(g.Silences, run)
				}
				run = Silence{Copy: n, Person: p}
			}
			for k := range t.Messages {
				m := &t.Messages[k]
				switch {
				case m.Person < 0:
				case n >= 0 && has[k][n] < 0:
					if m.Person == p {
						run.Known++
					}
				case m.Person == p:
					end()
				default:
					if run.Said == 0 {
						run.From = m.At
						run.Known = 0
					}
					run.To = m.At
					run.Said++
				}
			}
			end()
		}
	}
	slices.SortStableFunc(g.Silences, func(a, b Silence) int { return cmp.Compare(b.Said, a.Said) })
	g.Silences = g.Silences[:min(len(g.Silences), maxSilences)]
}

// oneOwner reports whether two copies are one person's: who says "You" in them, or who handed them in
// and calls everybody the same.
func (t *Thread) oneOwner(a, b *Copy) bool {
	if a.Viewpoint != "" && b.Viewpoint != "" {
		return same(a.Viewpoint, b.Viewpoint)
	}
	return a.Person != "" && a.Person == b.Person
}

func (t *Thread) reExport(x, y int, has [][]int, g *Gaps) ReExport {
	r := ReExport{Earlier: x, Later: y}
	first, last := g.Copies[y].First, g.Copies[y].Last
	for k := range t.Messages {
		i, j := has[k][x], has[k][y]
		if i < 0 || t.systemLine(k) {
			continue
		}
		s := &t.Copies[x].Sightings[i]
		if j < 0 {
			if at := t.Messages[k].At; at > first && at < last {
				r.Removed = append(r.Removed, k)
			}
			continue
		}
		o := &t.Copies[y].Sightings[j]
		switch {
		case o.Deleted && !s.Deleted:
			r.Deleted = append(r.Deleted, k)
		case !o.Deleted && !s.Deleted && o.Print != s.Print && o.Print != 0 && s.Print != 0:
			r.Edited = append(r.Edited, k)
		}
	}
	return r
}
