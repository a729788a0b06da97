package whatsapp

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// form is a phrase made ready: literals with holes between them.
type form struct {
	code     string
	literals []string // as folded; the first and the last may be empty
	holes    []byte   // what stands between them: 'a', 'v' or '*'
}

func parseForm(code, text string) form {
	f := form{code: code}
	for {
		i := strings.IndexAny(text, "{*")
		if i < 0 {
			f.literals = append(f.literals, text)
			return f
		}
		f.literals = append(f.literals, text[:i])
		if text[i] == '*' {
			f.holes = append(f.holes, '*')
			text = text[i+1:]
		} else {
			f.holes = append(f.holes, text[i+1])
			text = text[i+3:]
		}
	}
}

// match says whether folded text has the form, and returns where its holes for a and v are in it.
// Names come first in a sentence, so a hole takes as little as it can; the last takes the rest.
func (f *form) match(text string) (a, v span, ok bool) {
	first, last := f.literals[0], f.literals[len(f.literals)-1]
	if !strings.HasPrefix(text, first) {
		return a, v, false
	}
	if len(f.holes) == 0 {
		return a, v, text == first
	}
	if len(text) < len(first)+len(last) || !strings.HasSuffix(text, last) {
		return a, v, false
	}
	at, limit := len(first), len(text)-len(last)
	for i, hole := range f.holes {
		end := limit
		if i < len(f.holes)-1 {
			n := strings.Index(text[at:limit], f.literals[i+1])
			if n < 0 {
				return a, v, false
			}
			end = at + n
		}
		if hole != '*' && end == at {
			return a, v, false // somebody without a name
		}
		switch hole {
		case 'a':
			a = span{at, end}
		case 'v':
			v = span{at, end}
		}
		if at = end; i < len(f.holes)-1 {
			at += len(f.literals[i+1])
		}
	}
	return a, v, true
}

// span is a piece of a folded text.
type span struct{ from, to int }

// vocabulary is every phrase, made ready for looking up.
type vocabulary struct {
	exact   map[string]string // of each sort of body
	opening map[string][]form // forms that begin with a literal, by its first four bytes
	inner   []form            // forms that begin with a hole
}

func newVocabulary(lists ...[]phrase) *vocabulary {
	v := &vocabulary{exact: map[string]string{}, opening: map[string][]form{}}
	for _, list := range lists {
		for _, p := range list {
			for _, text := range p.forms {
				v.add(p.code, text)
			}
		}
	}
	return v
}

func (v *vocabulary) add(code, text string) {
	f := parseForm(code, norm.NFC.String(text))
	head := f.literals[0]
	switch {
	case len(f.holes) == 0:
		if _, taken := v.exact[head]; !taken {
			v.exact[head] = code
		}
	case len(head) >= openingKey:
		v.opening[head[:openingKey]] = append(v.opening[head[:openingKey]], f)
	default:
		v.inner = append(v.inner, f)
	}
}

const openingKey = 4

// find returns the code of the phrase that the text is, and what stands in its holes, as written.
func (v *vocabulary) find(text string) (code, actor, value string, ok bool) {
	return v.findFolded(text, fold(text))
}

// findFolded is find for a text whose folded form is at hand.
func (v *vocabulary) findFolded(text, folded string) (code, actor, value string, ok bool) {
	if code, ok := v.exact[folded]; ok {
		return code, "", "", true
	}
	if len(v.inner) == 0 && len(v.opening) == 0 {
		return "", "", "", false
	}
	try := func(list []form) bool {
		for i := range list {
			if a, val, is := list[i].match(folded); is {
				code, actor, value, ok = list[i].code, asWritten(text, folded, a), asWritten(text, folded, val), true
				return true
			}
		}
		return false
	}
	if len(folded) >= openingKey && try(v.opening[folded[:openingKey]]) {
		return
	}
	try(v.inner)
	return
}

// is says whether the text is one of the phrases.
func (v *vocabulary) is(text string) bool {
	_, _, _, ok := v.find(text)
	return ok
}

// asWritten returns the piece of the text that a span of its folded form stands for. Folding keeps
// the number of characters, save those it leaves out.
func asWritten(text, folded string, s span) string {
	if s.from == s.to {
		return ""
	}
	from := utf8.RuneCountInString(folded[:s.from])
	n := utf8.RuneCountInString(folded[s.from:s.to])
	cased := []rune(foldWith(text, func(r rune) rune { return r }))
	if from+n > len(cased) {
		return folded[s.from:s.to]
	}
	return strings.Trim(string(cased[from:from+n]), " \"“”„«»「」'")
}

func only(list []phrase, code string) []phrase {
	for i := range list {
		if list[i].code == code {
			return list[i : i+1]
		}
	}
	return nil
}

func words(forms []string) *vocabulary { return newVocabulary([]phrase{{"is", forms}}) }

var (
	noticeWords   = newVocabulary(notices)
	deletedWords  = newVocabulary([]phrase{{"sender", deletedForms}, {"exporter", deletedSelfForms}, {"admin", deletedAdminForms}})
	editedWords   = words(editedForms)
	attachedWords = words(attachedForms)
	omittedWords  = newVocabulary(omitted)
	viewOnceWords = words(viewOnceForms)
	liveWords     = words(liveForms)
	callWords     = newVocabulary(calls)
	titleWords    = words(titleForms)

	// The few notices that are looked for in what people say; the rest are looked for only where
	// WhatsApp's mark stands.
	encryptionWords = newVocabulary(only(notices, "encryption_notice"))
	waitingWords    = newVocabulary(only(notices, "waiting"))
)

// fold makes text comparable with the phrases: invisible marks out, spaces alike, lower case, no full
// stop at the end.
func fold(s string) string {
	if ascii(s) {
		return trimStop(strings.ToLower(s))
	}
	return foldWith(s, unicode.ToLower)
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func foldWith(s string, letter func(rune) rune) string {
	return trimStop(strings.Map(func(r rune) rune {
		switch {
		case ignorable(r):
			return -1
		case r == '’' || r == '‘':
			return '\''
		case unicode.IsSpace(r) && r != '\n':
			return ' '
		}
		return letter(r)
	}, norm.NFC.String(s)))
}

func trimStop(s string) string {
	s = strings.TrimSpace(s)
	for _, stop := range []string{".", "。", "।", "!"} {
		s = strings.TrimSuffix(s, stop)
	}
	return s
}

// visible returns text without invisible marks, and with every space an ordinary one.
func visible(s string) string {
	if ascii(s) {
		return strings.TrimSpace(s)
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case ignorable(r):
			return -1
		case r == 0x00A0 || r == 0x202F:
			return ' '
		}
		return r
	}, s))
}
