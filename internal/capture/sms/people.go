package sms

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"despatch/internal/capture"
)

// owner stands for the person whose telephone it was, as long as nothing tells the number or the name.
const owner = "(owner of the phone)"

// selfToken is what some telephones write instead of their own number.
const selfToken = "insert-address-token"

// maxNumbers bounds the telephone numbers and the conversations that are told apart. A telephone that
// exchanged texts with more is none.
const maxNumbers = 100_000

// people is what a pass over the file learns of who is who.
type people struct {
	names map[string]map[string]int64 // of a number as [bare] has it: how often the file gives it which name
	order []string                    // the numbers as they first appear
	known map[string]bool
	self  map[string]int64 // numbers from which this telephone sent, and how often
	full  bool             // there are more numbers than are told apart

	name  map[string]string // the outcome: by number
	whole map[string]string // a number that the file also writes with its country code: by the shorter form
}

func newPeople() *people {
	return &people{names: map[string]map[string]int64{}, known: map[string]bool{}, self: map[string]int64{},
		name: map[string]string{}, whole: map[string]string{}}
}

// bare returns a number without what people write between its digits. What is no number is left as it is.
func bare(address string) string {
	s := strings.TrimSpace(clean(address))
	b := make([]byte, 0, len(s))
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9', r == '+' && i == 0:
			b = append(b, byte(r))
		case unicode.IsSpace(r), strings.ContainsRune("-–()./", r):
		default:
			return s
		}
	}
	if len(b) == 0 {
		return s
	}
	return string(b)
}

// clean removes what is not to be seen from a name or a number.
func clean(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200D' && r != '\u200C' {
			return -1
		}
		return r
	}, s))
}

// isNumber reports whether a bare address consists of digits.
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "+")
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// contact returns a contact's name, or "" if the telephone had none.
func contact(name string) string {
	name = clean(name)
	if name == "(Unknown)" || name == "null" {
		return ""
	}
	return name
}

// split returns the addresses of a record: those of a group are joined by a tilde.
func split(address string) []string {
	var list []string
	for a := range strings.SplitSeq(address, "~") {
		if a = bare(a); a != "" && !slices.Contains(list, a) && len(list) < maxParts {
			list = append(list, a)
		}
	}
	return list
}

// saw notes a number, and the name that a record with this number alone gives it.
func (p *people) saw(number, name string) {
	if !p.known[number] {
		if len(p.known) >= maxNumbers {
			p.full = true
			return
		}
		p.known[number] = true
		p.order = append(p.order, number)
	}
	if name == "" {
		return
	}
	if p.names[number] == nil {
		p.names[number] = map[string]int64{}
	}
	if len(p.names[number]) < 50 {
		p.names[number][name]++
	}
}

// sawAddress notes a number from the list of a picture message. From says that this telephone sent it
// from there.
func (p *people) sawAddress(number string, from bool) {
	if number == "" || number == selfToken {
		return
	}
	p.saw(number, "")
	if from && (len(p.self) < 100 || p.self[number] > 0) {
		p.self[number]++
	}
}

// learn settles who is who: the commonest name of each number, and which numbers are one, written with
// and without the country code: the telephone gives them the same name, and their last digits agree.
func (p *people) learn() (joined int64) {
	byName := map[string][]string{}
	for _, n := range p.order {
		best, most := "", int64(0)
		for name, c := range p.names[n] {
			if c > most || c == most && name < best {
				best, most = name, c
			}
		}
		if best == "" {
			continue
		}
		p.name[n] = best
		byName[best] = append(byName[best], n)
	}
	for _, numbers := range byName {
		for _, short := range numbers {
			tail := strings.TrimPrefix(short, "0")
			if strings.HasPrefix(short, "+") || !isNumber(short) || len(tail) < 7 {
				continue
			}
			for _, long := range numbers {
				if strings.HasPrefix(long, "+") && strings.HasSuffix(long, tail) && p.whole[short] == "" {
					p.whole[short] = long
					joined++
				}
			}
		}
	}
	// Two numbers of one name are told apart by the number.
	for name, numbers := range byName {
		numbers = slices.DeleteFunc(slices.Clone(numbers), func(n string) bool { return p.whole[n] != "" })
		if len(numbers) < 2 {
			continue
		}
		for _, n := range numbers {
			p.name[n] = name + " (" + n + ")"
		}
	}
	return joined
}

// number returns the one form under which a number is known.
func (p *people) number(address string) string {
	n := bare(address)
	if w := p.whole[n]; w != "" {
		return w
	}
	return n
}

// called returns the name of a number, or the number.
func (p *people) called(number string) string {
	if name := p.name[number]; name != "" {
		return name
	}
	return number
}

// ownNumber returns the number that this telephone sent most from, and how many records say so and
// say otherwise.
func (p *people) ownNumber() (number string, support, conflicts int64) {
	type entry struct {
		n string
		c int64
	}
	var all []entry
	for n, c := range p.self {
		all = append(all, entry{n, c})
		conflicts += c
	}
	if len(all) == 0 {
		return "", 0, 0
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Or(cmp.Compare(b.c, a.c), strings.Compare(a.n, b.n)) })
	return all[0].n, all[0].c, conflicts - all[0].c
}

// identifiers returns what a number identifies somebody by.
func identifiers(number string) []capture.Identifier {
	switch {
	case isNumber(number):
		return []capture.Identifier{{Type: "phone", Value: number}}
	case strings.Contains(number, "@"):
		return []capture.Identifier{{Type: "email", Value: number}}
	}
	return nil
}
