package email

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf16"
)

// rtfPreset fills the dictionary before the first byte (MS-OXRTFCP, 2.1.3.1).
const rtfPreset = "{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"

// unpackRTF undoes the compression of rich text (MS-OXRTFCP).
func unpackRTF(b []byte) ([]byte, bool) {
	if len(b) < 16 {
		return nil, false
	}
	size := int(binary.LittleEndian.Uint32(b[4:]))
	if size < 0 || size > maxBody {
		return nil, false
	}
	switch string(b[8:12]) {
	case "MELA":
		if len(b)-16 < size {
			return nil, false
		}
		return b[16 : 16+size], true
	case "LZFu":
	default:
		return nil, false
	}
	var dict [4096]byte
	at := copy(dict[:], rtfPreset)
	out := make([]byte, 0, min(size, 64<<10))
	put := func(c byte) {
		out = append(out, c)
		dict[at] = c
		at = (at + 1) & 4095
	}
	for in := b[16:]; len(in) > 0; {
		flags := in[0]
		in = in[1:]
		for bit := 0; bit < 8 && len(in) > 0; bit++ {
			if flags>>bit&1 == 0 {
				put(in[0])
				in = in[1:]
			} else {
				if len(in) < 2 {
					return out, len(out) >= size
				}
				ref := int(in[0])<<8 | int(in[1])
				in = in[2:]
				from := ref >> 4
				if from == at {
					return out, len(out) >= size
				}
				for n := ref&15 + 2; n > 0; n-- {
					put(dict[from])
					from = (from + 1) & 4095
				}
			}
			if len(out) > maxBody {
				return nil, false
			}
		}
	}
	return out, len(out) >= size
}

// rtfGroup is the state inside a pair of braces.
type rtfGroup struct {
	skip    bool // nothing of it is shown
	htmlTag bool // it holds a tag of the HTML that the rich text was made from
	hidden  bool // \htmlrtf: rich text only, no part of the HTML
	after   int  // how many characters stand in for one of \u
}

// rtfSilent are destinations that hold no words.
var rtfSilent = map[string]bool{"fonttbl": true, "colortbl": true, "stylesheet": true, "info": true, "pict": true, "object": true, "themedata": true, "generator": true,
	"header": true, "footer": true, "listtable": true, "listoverridetable": true, "fldinst": true, "xmlnstbl": true, "datastore": true, "latentstyles": true, "pntext": true}

// readRTF returns the words of rich text, or the HTML that it was made from (MS-OXRTFEX).
func readRTF(rtf []byte) (text string, isHTML bool) {
	isHTML = strings.Contains(string(rtf[:min(len(rtf), 2048)]), `\fromhtml`)
	page := "windows-1252"
	var out strings.Builder
	var bytes8 []byte
	flush := func() {
		if len(bytes8) > 0 {
			s, _ := decodeText(bytes8, page)
			out.WriteString(s)
			bytes8 = bytes8[:0]
		}
	}
	g := rtfGroup{after: 1}
	var stack []rtfGroup
	drop := 0 // characters that stand in for one of \u
	show := func(s string) {
		if g.skip || isHTML && g.hidden && !g.htmlTag {
			return
		}
		flush()
		out.WriteString(s)
	}
	star, high := false, rune(0)
	for i := 0; i < len(rtf); {
		c := rtf[i]
		i++
		switch c {
		case '{':
			if len(stack) < 1000 {
				stack = append(stack, g)
			}
			star = false
		case '}':
			flush()
			if n := len(stack); n > 0 {
				g, stack = stack[n-1], stack[:n-1]
			}
		case '\r', '\n':
		case '\\':
			if i >= len(rtf) {
				break
			}
			c = rtf[i]
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
				i++
				switch c {
				case '\'':
					if i+1 < len(rtf) {
						hi, lo := unhex(rtf[i]), unhex(rtf[i+1])
						i += 2
						if drop > 0 {
							drop--
						} else if hi >= 0 && lo >= 0 && !g.skip && !(isHTML && g.hidden && !g.htmlTag) {
							bytes8 = append(bytes8, byte(hi<<4|lo))
						}
					}
				case '*':
					star = true
				case '~':
					show("\u00A0")
				case '_':
					show("-")
				case '\\', '{', '}':
					show(string(c))
				}
				continue
			}
			start := i
			for i < len(rtf) && (rtf[i] >= 'a' && rtf[i] <= 'z' || rtf[i] >= 'A' && rtf[i] <= 'Z') && i-start < 40 {
				i++
			}
			word := string(rtf[start:i])
			start = i
			if i < len(rtf) && rtf[i] == '-' {
				i++
			}
			for i < len(rtf) && rtf[i] >= '0' && rtf[i] <= '9' && i-start < 12 {
				i++
			}
			arg := string(rtf[start:i])
			if i < len(rtf) && rtf[i] == ' ' {
				i++
			}
			n, _ := strconv.Atoi(arg)
			switch {
			case word == "htmltag":
				g.htmlTag, g.skip = true, !isHTML
			case word == "htmlrtf":
				g.hidden = arg != "0"
			case word == "ansicpg" && n > 0:
				page = codepageName(uint32(n))
			case word == "uc" && n >= 0 && n < 10:
				g.after = n
			case word == "u":
				if n < 0 {
					n += 0x10000
				}
				switch r := rune(n); {
				case r >= 0xD800 && r < 0xDC00: // half of a character
					high = r
				case r >= 0xDC00 && r < 0xE000:
					show(string(utf16.DecodeRune(high, r)))
				default:
					show(string(r))
				}
				drop = g.after
			case word == "par" || word == "line":
				show("\n")
			case word == "tab":
				show("\t")
			case word == "lquote" || word == "rquote" || word == "ldblquote" || word == "rdblquote" || word == "emdash" || word == "endash" || word == "bullet":
				show(map[string]string{"lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "emdash": "—", "endash": "–", "bullet": "•"}[word])
			case word == "bin" && n > 0:
				i = min(len(rtf), i+n)
			case rtfSilent[word] || star && word != "htmltag" && word != "mhtmltag":
				g.skip = true
			case word == "mhtmltag":
				g.skip = true
			}
			star = false
		default:
			switch {
			case drop > 0:
				drop--
			case g.skip || isHTML && g.hidden && !g.htmlTag:
			default:
				bytes8 = append(bytes8, c)
			}
		}
		if out.Len() > maxBody {
			break
		}
	}
	flush()
	return strings.ToValidUTF8(out.String(), "\uFFFD"), isHTML
}
