// Package pushrule decides by somebody's push rules whether an event notifies them, and whether it is
// highlighted (Client-Server API, "Push Rules"). It is a function of the rules, the event and a few facts
// about the room: it knows no database and sends nothing.
package pushrule

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/matrix"
)

// Rules are somebody's rules: those of a kind in the order in which they are asked, and the kinds in theirs.
type Rules struct {
	Override  []Rule `json:"override"`
	Content   []Rule `json:"content"`
	Room      []Rule `json:"room"`
	Sender    []Rule `json:"sender"`
	Underride []Rule `json:"underride"`
}

// Rule is one rule, as it is stored and shown.
type Rule struct {
	RuleID     string         `json:"rule_id"`
	Default    bool           `json:"default"`
	Enabled    bool           `json:"enabled"`
	Conditions jsontext.Value `json:"conditions,omitempty"`
	Pattern    string         `json:"pattern,omitempty"`
	Actions    jsontext.Value `json:"actions"`
}

// Kind returns the rules of a kind, or nil if there is no such kind.
func (r *Rules) Kind(name string) *[]Rule {
	switch name {
	case "override":
		return &r.Override
	case "content":
		return &r.Content
	case "room":
		return &r.Room
	case "sender":
		return &r.Sender
	case "underride":
		return &r.Underride
	}
	return nil
}

// Facts are what rules ask of a room beside the event.
type Facts struct {
	User        matrix.UserID // whose rules these are
	DisplayName string        // theirs, in the room
	Joined      int           // how many people are in the room
	SenderPower int64         // the sender's power level
	NotifyPower int64         // which level may notify the whole room
}

// Result is what the rules say of an event.
type Result struct {
	Notify    bool
	Highlight bool
	Sound     string // "" for none
}

// Set is rules read once, to be asked often.
type Set struct {
	user  matrix.UserID
	rules []rule
}

type rule struct {
	conditions []condition
	result     Result
}

type condition struct {
	kind    string
	path    []string
	pattern string
	isBody  bool
	value   []byte // canonical
	op      string // of a number of members
	count   int
	key     string
}

// maxConditions bounds what one rule asks; a rule with more is never true.
const maxConditions = 100

// Compile reads the enabled rules of a user. What it does not understand never matches, as the specification asks.
func Compile(user matrix.UserID, r *Rules) *Set {
	s := &Set{user: user}
	for _, x := range r.Override {
		s.add(&x, x.conditions())
	}
	for _, x := range r.Content {
		s.add(&x, []condition{{kind: "event_match", path: []string{"content", "body"}, pattern: strings.ToLower(x.Pattern), isBody: true}})
	}
	for _, x := range r.Room {
		s.add(&x, []condition{{kind: "room", key: x.RuleID}})
	}
	for _, x := range r.Sender {
		s.add(&x, []condition{{kind: "sender", key: x.RuleID}})
	}
	for _, x := range r.Underride {
		s.add(&x, x.conditions())
	}
	return s
}

func (s *Set) add(x *Rule, conditions []condition) {
	if !x.Enabled || conditions == nil && len(x.Conditions) > 2 && len(strings.TrimSpace(string(x.Conditions))) > 2 {
		return
	}
	if x.Default && (x.RuleID == ".m.rule.contains_display_name" || x.RuleID == ".m.rule.contains_user_name" || x.RuleID == ".m.rule.roomnotif") {
		conditions = append([]condition{{kind: "no mentions"}}, conditions...)
	}
	s.rules = append(s.rules, rule{conditions, x.result()})
}

// conditions reads a rule's conditions; nil if it has one that cannot be read, or none.
func (x *Rule) conditions() []condition {
	var raw []struct {
		Kind    string         `json:"kind"`
		Key     string         `json:"key"`
		Pattern *string        `json:"pattern"`
		Is      string         `json:"is"`
		Value   jsontext.Value `json:"value"`
	}
	if len(x.Conditions) == 0 || json.Unmarshal(x.Conditions, &raw) != nil || len(raw) > maxConditions {
		return nil
	}
	out := make([]condition, 0, len(raw))
	for _, c := range raw {
		n := condition{kind: c.Kind, key: c.Key, path: path(c.Key), isBody: c.Key == "content.body"}
		switch c.Kind {
		case "event_match":
			if c.Pattern == nil {
				return nil
			}
			n.pattern = strings.ToLower(*c.Pattern)
		case "event_property_is", "event_property_contains":
			v, err := matrix.Canonical(nil, c.Value)
			if err != nil {
				return nil
			}
			n.value = v
		case "room_member_count":
			at := strings.IndexFunc(c.Is, unicode.IsDigit)
			if at < 0 {
				return nil
			}
			count, err := strconv.Atoi(c.Is[at:])
			if err != nil {
				return nil
			}
			n.op, n.count = c.Is[:at], count
		}
		out = append(out, n)
	}
	return out
}

// path splits a key at its full stops, of which `\.` is none (Appendices, "Dot-separated property paths").
func path(key string) []string {
	var out []string
	var part strings.Builder
	for i := 0; i < len(key); i++ {
		switch c := key[i]; {
		case c == '\\' && i+1 < len(key) && (key[i+1] == '.' || key[i+1] == '\\'):
			i++
			part.WriteByte(key[i])
		case c == '.':
			out = append(out, part.String())
			part.Reset()
		default:
			part.WriteByte(c)
		}
	}
	return append(out, part.String())
}

// result reads a rule's actions.
func (x *Rule) result() (r Result) {
	var actions []jsontext.Value
	if json.Unmarshal(x.Actions, &actions) != nil {
		return r
	}
	for _, a := range actions {
		if a.Kind() == '"' {
			var word string
			json.Unmarshal(a, &word)
			r.Notify = r.Notify || word == "notify" || word == "coalesce"
			continue
		}
		var tweak struct {
			Set   string         `json:"set_tweak"`
			Value jsontext.Value `json:"value"`
		}
		if json.Unmarshal(a, &tweak) != nil {
			continue
		}
		switch tweak.Set {
		case "highlight":
			r.Highlight = string(tweak.Value) != "false"
		case "sound":
			json.Unmarshal(tweak.Value, &r.Sound)
		}
	}
	return r
}

// Evaluate says what the first rule that matches an event, given as canonical JSON with its type, sender and
// content, has done with it. Nobody is notified of what they sent.
func (s *Set) Evaluate(event []byte, f *Facts) Result {
	if sender, _ := matrix.LookupString(event, "sender"); sender == string(s.user) {
		return Result{}
	}
	for i := range s.rules {
		if s.rules[i].matches(event, f) {
			return s.rules[i].result
		}
	}
	return Result{}
}

func (r *rule) matches(event []byte, f *Facts) bool {
	for i := range r.conditions {
		if !r.conditions[i].holds(event, f) {
			return false
		}
	}
	return true
}

func (c *condition) holds(event []byte, f *Facts) bool {
	switch c.kind {
	case "event_match":
		text, ok := matrix.LookupString(event, c.path...)
		if !ok {
			return false
		}
		if text = strings.ToLower(text); c.isBody {
			return containsWords(text, c.pattern, true)
		}
		return glob(c.pattern, text)
	case "event_property_is":
		v := matrix.Lookup(event, c.path...)
		return v != nil && string(v) == string(c.value) && v[0] != '{' && v[0] != '['
	case "event_property_contains":
		found := false
		if v := matrix.Lookup(event, c.path...); v != nil && v[0] == '[' {
			matrix.Elements(v, func(x []byte) bool {
				found = string(x) == string(c.value)
				return !found
			})
		}
		return found
	case "contains_display_name":
		body, ok := matrix.LookupString(event, "content", "body")
		return ok && f.DisplayName != "" && containsWords(strings.ToLower(body), strings.ToLower(f.DisplayName), false)
	case "room_member_count":
		switch c.op {
		case "", "==":
			return f.Joined == c.count
		case "<":
			return f.Joined < c.count
		case ">":
			return f.Joined > c.count
		case "<=":
			return f.Joined <= c.count
		case ">=":
			return f.Joined >= c.count
		}
	case "sender_notification_permission":
		return c.key == "room" && f.SenderPower >= f.NotifyPower
	case "room":
		id, _ := matrix.LookupString(event, "room_id")
		return id == c.key
	case "sender":
		id, _ := matrix.LookupString(event, "sender")
		return id == c.key
	case "no mentions":
		return matrix.Lookup(event, "content", "m.mentions") == nil
	}
	return false
}

// glob reports whether a pattern with * and ? matches all of a text. Its work is bounded by the product of their
// lengths, of which both are those of one event.
func glob(pattern, text string) bool {
	_, ok := globPrefix(pattern, text, true)
	return ok
}

// globPrefix matches a pattern at the beginning of text, or with whole against all of it, and returns where the
// shortest match ends.
func globPrefix(pattern, text string, whole bool) (end int, ok bool) {
	p, t := 0, 0
	star, mark := -1, 0
	for {
		if p == len(pattern) && (!whole || t == len(text)) {
			return t, true
		}
		if p < len(pattern) && pattern[p] == '*' {
			star, mark = p, t
			p++
			continue
		}
		if p < len(pattern) && t < len(text) {
			pr, pn := utf8.DecodeRuneInString(pattern[p:])
			tr, tn := utf8.DecodeRuneInString(text[t:])
			if pr == '?' || pr == tr {
				p, t = p+pn, t+tn
				continue
			}
		}
		if star < 0 || mark >= len(text) {
			return 0, false
		}
		_, n := utf8.DecodeRuneInString(text[mark:])
		mark += n
		p, t = star+1, mark
	}
}

// maxBody bounds how much of a message is searched for words.
const maxBody = 10_000

// containsWords reports whether a pattern matches a part of a text that begins and ends at the edges of words
// (Client-Server API, "Conditions": of content.body). If it is not wild, stars in it are stars.
func containsWords(text, pattern string, wild bool) bool {
	if pattern == "" {
		return false
	}
	if len(text) > maxBody {
		text = text[:maxBody]
	}
	if !wild || !strings.ContainsAny(pattern, "*?") {
		for at := 0; at <= len(text)-len(pattern); {
			i := strings.Index(text[at:], pattern)
			if i < 0 {
				return false
			}
			if edge(text, at+i) && edge(text, at+i+len(pattern)) {
				return true
			}
			_, n := utf8.DecodeRuneInString(text[at+i:])
			at += i + n
		}
		return false
	}
	middle := strings.Trim(pattern, "*")
	head, tail := pattern[0] == '*', pattern[len(pattern)-1] == '*'
	for at := range text {
		if !head && !edge(text, at) {
			continue
		}
		if end, ok := globPrefix(middle, text[at:], false); ok && (tail || edge(text, at+end)) {
			return true
		}
	}
	return middle == ""
}

// edge reports whether a word begins or ends at a place of a text.
func edge(text string, at int) bool {
	if at <= 0 || at >= len(text) {
		return true
	}
	before, _ := utf8.DecodeLastRuneInString(text[:at])
	after, _ := utf8.DecodeRuneInString(text[at:])
	return !word(before) || !word(after)
}

func word(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
