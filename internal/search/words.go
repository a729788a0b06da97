package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxWord  = 64     // bytes; what is longer is cut
	maxWords = 12_000 // of one text; what comes after is not found
)

// words appends the words of a text to dst: runs of letters and digits without capitals and accents. In scripts that
// put no spaces between words, each character is one, and so are emoji and signs like £.
func words(dst []string, text string) []string {
	if !ascii(text) {
		text = norm.NFKD.String(strings.ToValidUTF8(text, " "))
	}
	var word [maxWord]byte
	n, most := 0, len(dst)+maxWords
	end := func() {
		if n > 0 {
			dst = append(dst, string(word[:n]))
			n = 0
		}
	}
	for _, r := range text {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
		case 'A' <= r && r <= 'Z':
			r += 'a' - 'A'
		case r < utf8.RuneSelf:
			end()
			continue
		case unicode.Is(unicode.Mn, r):
			continue
		case single(r):
			end()
			dst = append(dst, string(r))
			continue
		case unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Mc, r):
			r = unicode.ToLower(r)
		default:
			end()
			continue
		}
		if len(dst) >= most {
			return dst
		}
		if n+utf8.RuneLen(r) <= maxWord {
			n += utf8.EncodeRune(word[n:], r)
		}
	}
	end()
	return dst
}

// single reports whether a character is a word by itself.
func single(r rune) bool {
	if r >= 0x2e80 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) {
		return true
	}
	return unicode.In(r, unicode.So, unicode.Sc, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) && !unicode.Is(unicode.Mc, r)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// padded writes words with a space before, between and after them, so that one can look for whole ones.
func padded(ws []string) string {
	if len(ws) == 0 {
		return ""
	}
	return " " + strings.Join(ws, " ") + " "
}
