package whatsapp

import (
	"bytes"
	"strings"
)

// A header's rest is "SENDER: BODY", or a system line without a sender. Names may hold ": " too, and
// so may what people say, so where the name ends is learnt from the whole chat.

// maxName bounds, in bytes, how far into a line a sender's name may reach.
const maxName = 512

// maxNames bounds the names that are remembered while learning.
const maxNames = 50_000

// learner collects what stands before a colon on the headers of a chat.
type learner struct {
	first map[string]*prefix // by the text before the first ": "
	bare  map[string]int64   // names that end a header: nothing is said
	after map[string]string  // what stands between the first ": " and the second, and after whom; "" after several
}

type prefix struct {
	count  int64
	common string // the longest text before a ": " that all of its headers share
}

func newLearner() *learner {
	return &learner{first: map[string]*prefix{}, bare: map[string]int64{}, after: map[string]string{}}
}

var colon = []byte(": ")

func (l *learner) see(rest []byte) {
	rest = rest[:min(len(rest), maxName)]
	i := bytes.Index(rest, colon)
	if i <= 0 {
		if k := len(rest) - 1; i < 0 && k > 0 && rest[k] == ':' && len(l.bare) < maxNames {
			l.bare[string(rest[:k])]++
		}
		return
	}
	name := string(rest[:i])
	last := bytes.LastIndex(rest, colon)
	if second := bytes.Index(rest[i+2:], colon); second >= 0 {
		l.seeAfter(name, string(rest[i+2:i+2+second]))
	}
	p := l.first[name]
	if p == nil {
		if len(l.first) < maxNames {
			l.first[name] = &prefix{count: 1, common: string(rest[:last])}
		}
		return
	}
	p.count++
	for len(p.common) > i && !(bytes.HasPrefix(rest, []byte(p.common)) && bytes.HasPrefix(rest[len(p.common):], colon)) {
		p.common = p.common[:strings.LastIndex(p.common, ": ")]
	}
}

func (l *learner) seeAfter(name, word string) {
	if before, known := l.after[word]; known && before != name {
		l.after[word] = ""
	} else if !known && len(l.after) < maxNames {
		l.after[word] = name
	}
}

// names tells senders from what they say.
type names struct {
	longer  map[string]string // first prefixes whose real name is longer
	doubted map[string]bool   // names that rest on one header only, and may be longer
	known   map[string]int64
	system  map[string]bool // first prefixes that are the beginning of a system line
}

// learn settles who is who.
//
// A name that holds ": " is believed when everything said under its first part, twice at least, goes
// on with the same words, and nobody else's lines do. A name seen once that could be longer stays the
// shorter one, in doubt.
func (l *learner) learn() *names {
	n := &names{longer: map[string]string{}, doubted: map[string]bool{}, known: map[string]int64{}, system: map[string]bool{}}
	for name, p := range l.first {
		if opensQuote(name) || noticeBegins(name) {
			n.system[name] = true
			continue
		}
		n.known[name] = p.count
		if len(p.common) <= len(name) {
			continue
		}
		next, _, _ := strings.Cut(p.common[len(name)+2:], ": ")
		switch {
		case p.count == 1:
			n.doubted[name] = l.after[next] == name && len(next) <= 40 && !strings.HasSuffix(next, " ") && phone(visible(name)) == ""
		case l.after[next] == name:
			n.longer[name] = p.common
			n.known[p.common] = p.count
		}
	}
	for name, count := range l.bare {
		if count > 1 {
			n.known[name] += count
		}
	}
	return n
}

// split returns where the sender's name ends in a header's rest and where the body begins, or ok
// false for a system line. doubt says that the name may be longer.
func (n *names) split(rest []byte) (name, body int, doubt, ok bool) {
	i := bytes.Index(rest[:min(len(rest), maxName)], colon)
	if i < 0 {
		// An editor has taken the space from "Ann: " before an empty message.
		if k := len(rest) - 1; k > 0 && rest[k] == ':' && n.known[string(rest[:k])] > 0 {
			return k, len(rest), false, true
		}
		return 0, 0, false, false
	}
	if i == 0 || n.system[string(rest[:i])] {
		return 0, 0, false, false
	}
	if long, is := n.longer[string(rest[:i])]; is && bytes.HasPrefix(rest, []byte(long)) {
		return len(long), len(long) + 2, false, true
	}
	return i, i + 2, n.doubted[string(rest[:i])], true
}

// opensQuote says whether the text opens a quotation that it does not close: what stands before a
// colon is then no name but a line such as: Ann changed the subject to “Plan: B”.
func opensQuote(s string) bool {
	pairs := []struct{ open, close string }{{"“", "”"}, {"„", "“"}, {"«", "»"}, {"「", "」"}}
	for _, p := range pairs {
		if strings.Count(s, p.open) > 0 && strings.LastIndex(s, p.open) > strings.LastIndex(s, p.close) {
			return true
		}
	}
	return strings.Count(s, `"`)%2 == 1
}

// noticeBegins says whether the text is the beginning of a line in which WhatsApp itself uses a colon.
func noticeBegins(s string) bool {
	if !strings.Contains(s, " ") && len(s) < 24 {
		return false
	}
	return encryptionWords.is(s)
}
