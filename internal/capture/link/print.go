package link

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"despatch/internal/capture"
)

// A fingerprint is the same for what two people's telephones show of one message, whatever invisible
// marks, widths of spaces and names of contacts each has put into it.

// hash is 64 bits of SHA-256 of a text of some sort; never 0.
func hash(sort, text string) uint64 {
	var buf [512]byte
	b := append(buf[:0], "despatch/match/1\x00"...)
	b = append(b, sort...)
	b = append(b, 0)
	b = append(b, text...)
	sum := sha256.Sum256(b)
	return max(1, binary.BigEndian.Uint64(sum[:8]))
}

// mix makes one fingerprint of two.
func mix(a, b uint64) uint64 {
	x := a*0x9e3779b97f4a7c15 ^ (b + 0x632be59bd9b4e019)
	x ^= x >> 31
	return max(1, x*0xbf58476d1ce4e5b9)
}

// maxFold bounds, in bytes, how much of a message its fingerprint is made of.
const maxFold = 64 << 10

// mention stands for whoever is spoken to with an @.
const mention = '\uE000'

// fold brings a text to the form that is compared: compatibility characters are decomposed, what is not
// seen is left out, spaces are one, and a mention of somebody is a mention of anybody.
func fold(text string, names *Names) string {
	if len(text) > maxFold {
		text = strings.ToValidUTF8(text[:maxFold], "")
	}
	if plain(text) {
		return strings.TrimSpace(text)
	}
	text = mentions(text, names)
	text = norm.NFKC.String(text)
	var b strings.Builder
	b.Grow(len(text))
	space := true
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			if !space {
				b.WriteByte(' ')
			}
			space = true
			continue
		case unseen(r):
			continue
		}
		b.WriteRune(r)
		space = false
	}
	return strings.TrimRight(b.String(), " ")
}

// plain reports whether a text folds to itself, but for spaces at its ends.
func plain(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= 0x7F || c < ' ' || c == '@' || c == ' ' && i+1 < len(s) && s[i+1] == ' ' {
			return false
		}
	}
	return true
}

// unseen reports whether a character shows as nothing.
func unseen(r rune) bool {
	return r < ' ' || r == 0x7F || r == 0xAD || r == 0x034F || r == 0x061C || r >= 0x200B && r <= 0x200F || r >= 0x202A && r <= 0x202E ||
		r >= 0x2060 && r <= 0x206F || r >= 0xFE00 && r <= 0xFE0F || r == 0xFEFF || r >= 0xE0100 && r <= 0xE01EF
}

// Names are those of a conversation's participants, to know them after an @.
type Names struct{ list []string } // the longest first

// maxNames bounds the names looked for after an @.
const maxNames = 256

// NamesOf returns the names of a conversation's participants, of which very many are not all used.
func NamesOf(list []string) *Names {
	n := &Names{}
	for _, s := range list {
		if s = strings.TrimSpace(strings.TrimPrefix(s, "~")); len(s) > 1 && len(n.list) < maxNames {
			n.list = append(n.list, s)
		}
	}
	slices.SortFunc(n.list, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b)) })
	return n
}

// mentions replaces each @NAME by one mark. Telephones put a name between U+2068 and U+2069, or write
// the number; otherwise the name has to be a participant's.
func mentions(text string, names *Names) string {
	if !strings.Contains(text, "@") {
		return text
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(text, '@')
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:i])
		rest := text[i+1:]
		n := mentioned(rest, names)
		if n == 0 || i > 0 && wordBefore(text[:i]) {
			b.WriteByte('@')
		} else {
			b.WriteRune(mention)
			rest = rest[n:]
		}
		text = rest
	}
}

func wordBefore(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

// mentioned returns how many bytes after an @ are somebody's name or number.
func mentioned(s string, names *Names) int {
	if rest, ok := strings.CutPrefix(s, "\u2068"); ok {
		if i := strings.Index(rest, "\u2069"); i > 0 && i < 200 {
			return len("\u2068") + i + len("\u2069")
		}
	}
	digits := 0
	if strings.HasPrefix(s, "+") {
		digits = 1
	}
	n := digits
	for n < len(s) && n < 20 && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n-digits >= 6 {
		return n
	}
	if names != nil {
		for _, name := range names.list {
			if strings.HasPrefix(s, name) {
				return len(name)
			}
		}
	}
	return 0
}

// head is the beginning of a text, at most n bytes.
func head(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// likeness is how much two texts have in common: the share of pairs of neighbouring characters that
// both have, from 0 to 1. A text that the other begins with is like it.
func likeness(a, b string) float64 {
	if a == "" || b == "" {
		return 0
	}
	if min(len(a), len(b)) >= 12 && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a)) {
		return 1
	}
	type pair [2]rune
	count := map[pair]int{}
	total, both := 0, 0
	each := func(s string, fn func(pair)) {
		last := rune(0)
		for _, r := range s {
			r = unicode.ToLower(r)
			fn(pair{last, r})
			last = r
		}
	}
	each(a, func(p pair) { count[p]++; total++ })
	each(b, func(p pair) {
		total++
		if count[p] > 0 {
			count[p]--
			both++
		}
	})
	return 2 * float64(both) / float64(total)
}

// NativeKey is the match key of an id that all parties to a message share, or 0: ids that every
// telephone counts for itself say nothing about another's.
func NativeKey(system string, o *capture.Observation) uint64 {
	if o.NativeID == "" {
		return 0
	}
	switch system {
	case "email", "teams", "google_chat", "gchat", "nctalk", "nextcloud", "nextcloud_talk", "slack", "mattermost", "imessage", "signal", "whatsapp":
		// WhatsApp and Signal give ids only in databases and backups; there they are those of the message.
		// Teams and others number within a chat.
		scope := ""
		switch system {
		case "teams", "slack", "nctalk", "nextcloud", "nextcloud_talk":
			scope = o.Chat
		}
		return hash("native", system+"\x00"+scope+"\x00"+o.NativeID)
	}
	return 0
}

// MatchKeys are the keys by which another copy of a message is looked for in the whole record: its
// native id if that is long enough to be nobody else's, what was said if that is informative, and each
// attachment that is present. They are few, sorted, and the same whatever the system is: an observation
// does not say.
func MatchKeys(o *capture.Observation) []uint64 {
	s := See(0, "", o, nil)
	var keys []uint64
	if len(o.NativeID) >= 16 {
		keys = append(keys, hash("id", o.NativeID))
	}
	if s.informative() && s.Runes >= 24 {
		keys = append(keys, hash("content", string(binary.BigEndian.AppendUint64(nil, s.Print))))
	}
	for i := range o.Attachments {
		if a := &o.Attachments[i]; a.Presence == capture.Present && a.SHA256 != "" && i < 4 {
			keys = append(keys, hash("attachment", a.SHA256))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
