package search

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"despatch/internal/store"
)

// Query is what somebody looks for, see [Parse]. It is safe for concurrent use.
type Query struct {
	text string
	all  []store.SearchTerm // words that must be there
	none []store.SearchTerm // words that must not

	// Filters that were given more than once: any of them will do.
	from, in       []filter
	notFrom, notIn []filter
	about          map[string][]string // has: and type:, as marks
	notAbout       []string
	after, before  time.Time // days, in UTC; zero if not given
}

// filter is the value of from: or in:.
type filter struct {
	raw   string
	words []string
}

// String returns the query as it was written.
func (q *Query) String() string { return q.text }

// SyntaxError says what is wrong with a query, in words for who wrote it.
type SyntaxError struct {
	At      int    // in runes
	Message string // "There is no end to the quotation that begins with “harbour”."
}

func (e *SyntaxError) Error() string { return e.Message }

// What bounds a query.
const (
	maxQuery = 1000 // runes
	maxTerms = 40
)

// Parse reads a query:
//
//	harbour contract      both words, in any order
//	"harbour contract"    exactly these words, one after the other
//	-draft                not this word or "phrase"
//	contract*             words that begin so
//	from:asha             said by somebody of that name or user ID; from:"Asha Rao"
//	in:fisheries          in a conversation of that name or ID; in:"harbour board"
//	after:2026-01-31      said on that day or later
//	before:2026-03-01     said before that day
//	on:2026-02-14         said on that day
//	has:file              with a file
//	type:captured         captured from another system; type:native for Despatch's own
//
// Capitals and accents make no difference. A minus before a filter reverses it. Of from:, in: and type: given more
// than once any will do. An empty query finds everything. The error is a [*SyntaxError].
func Parse(text string) (*Query, error) {
	p := &parser{in: []rune(text), q: &Query{text: strings.TrimSpace(text), about: make(map[string][]string)}}
	if len(p.in) > maxQuery {
		return nil, p.fail(maxQuery, "That is too long to search for: %d characters, where %d is the most.", len(p.in), maxQuery)
	}
	for terms := 0; ; terms++ {
		p.space()
		if p.at == len(p.in) {
			break
		}
		if terms == maxTerms {
			return nil, p.fail(p.at, "That is too much at once: search for at most %d words, phrases and filters.", maxTerms)
		}
		if err := p.term(); err != nil {
			return nil, err
		}
	}
	if a, b := p.q.after, p.q.before; !a.IsZero() && !b.IsZero() && !a.Before(b) {
		return nil, p.fail(0, "Nothing can be said on %s or later and also before %s.", a.Format(time.DateOnly), b.Format(time.DateOnly))
	}
	return p.q, nil
}

type parser struct {
	in []rune
	at int
	q  *Query
}

func (p *parser) fail(at int, format string, args ...any) error {
	return &SyntaxError{At: at, Message: fmt.Sprintf(format, args...)}
}

func (p *parser) space() {
	for p.at < len(p.in) && unicode.IsSpace(p.in[p.at]) {
		p.at++
	}
}

// term reads one word, phrase or filter.
func (p *parser) term() error {
	start := p.at
	not := p.in[p.at] == '-' && p.at+1 < len(p.in) && !unicode.IsSpace(p.in[p.at+1])
	if not {
		p.at++
	}
	if name := p.filterName(); name != "" {
		value, at := "", p.at
		if p.at < len(p.in) && !unicode.IsSpace(p.in[p.at]) {
			var err error
			if value, _, err = p.value(); err != nil {
				return err
			}
		}
		return p.filter(name, value, not, at)
	}
	value, quoted, err := p.value()
	if err != nil {
		return err
	}
	prefix := false
	if stem, ok := strings.CutSuffix(value, "*"); ok && !quoted {
		value, prefix = stem, true
	} else if quoted && p.at < len(p.in) && p.in[p.at] == '*' {
		p.at++
		prefix = true
	}
	if !quoted {
		if strings.Contains(value, "*") {
			return p.fail(start, "The * stands for the rest of a word, and so only at its end: contract*.")
		}
		if value == "OR" || value == "AND" || value == "NOT" {
			return p.fail(start, "%s is not needed: all words must be there, and -word leaves out what has it. To look for the word, write it in small letters.", value)
		}
	}
	ws := words(nil, value)
	if len(ws) == 0 {
		if !quoted && !not && !prefix { // a dash or a full stop between words
			return nil
		}
		return p.fail(start, "There are no letters or digits in “%s” to search for.", value)
	}
	if prefix && len([]rune(ws[len(ws)-1])) < 2 {
		return p.fail(start, "Give at least two letters before the *.")
	}
	t := store.SearchTerm{In: store.InSaid, Words: ws, Prefix: prefix}
	if not {
		p.q.none = append(p.q.none, t)
	} else {
		p.q.all = append(p.q.all, t)
	}
	return nil
}

const filters = "from:, in:, after:, before:, on:, has: and type:"

// filterName reads the name of a filter and its colon, or nothing.
func (p *parser) filterName() string {
	i := p.at
	for i < len(p.in) && i-p.at <= 12 && unicode.IsLetter(p.in[i]) {
		i++
	}
	if i == p.at || i >= len(p.in) || p.in[i] != ':' {
		return ""
	}
	name := strings.ToLower(string(p.in[p.at:i]))
	switch name {
	case "from", "in", "after", "before", "on", "has", "type":
	default:
		// "Re: the quota" and "https://…" are things that people paste.
		if i+1 >= len(p.in) || unicode.IsSpace(p.in[i+1]) || p.in[i+1] == '/' {
			return ""
		}
	}
	p.at = i + 1
	return name
}

// closing is the end of a quotation by its beginning.
var closing = map[rune]string{'"': `"`, '“': "”“\"", '„': "“”\"", '«': "»"}

// value reads up to the next space, or a quotation.
func (p *parser) value() (value string, quoted bool, err error) {
	start := p.at
	if end, ok := closing[p.in[p.at]]; ok {
		for p.at++; p.at < len(p.in); p.at++ {
			if strings.ContainsRune(end, p.in[p.at]) {
				p.at++
				return string(p.in[start+1 : p.at-1]), true, nil
			}
		}
		text := p.in[start+1:]
		if len(text) > 20 {
			text = append(text[:20:20], '…')
		}
		return "", false, p.fail(start, "There is no end to the quotation that begins with “%s”: put another \" where it ends.", string(text))
	}
	for p.at < len(p.in) && !unicode.IsSpace(p.in[p.at]) {
		p.at++
	}
	return string(p.in[start:p.at]), false, nil
}

// filter takes in a filter with its value.
func (p *parser) filter(name, value string, not bool, at int) error {
	if value == "" {
		return p.fail(at, "Say what %s: is to look for, directly after it: %s.", name, map[string]string{"from": "from:asha", "in": "in:fisheries",
			"has": "has:file", "type": "type:captured"}[name]+map[bool]string{true: name + ":2026-01-31"}[name == "after" || name == "before" || name == "on"])
	}
	f := filter{value, words(nil, value)}
	switch name {
	case "from", "in":
		if len(f.words) == 0 {
			return p.fail(at, "There are no letters or digits in “%s” to look for.", value)
		}
		list := map[string]*[]filter{"from": &p.q.from, "in": &p.q.in, "-from": &p.q.notFrom, "-in": &p.q.notIn}[map[bool]string{true: "-"}[not]+name]
		*list = append(*list, f)
		return nil
	case "has", "type":
		mark := map[string]string{"has:file": markFile, "type:captured": markCaptured, "type:native": markNative}[name+":"+strings.ToLower(value)]
		if mark == "" {
			return p.fail(at, "There is no %s:%s. There are has:file, type:captured and type:native.", name, value)
		}
		if not {
			p.q.notAbout = append(p.q.notAbout, mark)
		} else {
			p.q.about[name] = append(p.q.about[name], mark)
		}
		return nil
	case "after", "before", "on":
		return p.date(name, value, not, at)
	}
	return p.fail(at, "There is no filter “%s:”. There are %s. To search for the text, put it in quotation marks.", name, filters)
}

func (p *parser) date(name, value string, not bool, at int) error {
	if not {
		return p.fail(at, "A minus before %s: means nothing. Use before: or after: the other way round.", name)
	}
	day, err := time.Parse(time.DateOnly, value)
	if err != nil {
		return p.fail(at, "“%s” is no date. Write it as year, month, day: 2026-01-31.", value)
	}
	if name != "before" && (p.q.after.IsZero() || day.After(p.q.after)) {
		p.q.after = day
	}
	if name == "on" {
		day = day.AddDate(0, 0, 1)
	}
	if name != "after" && (p.q.before.IsZero() || day.Before(p.q.before)) {
		p.q.before = day
	}
	return nil
}
