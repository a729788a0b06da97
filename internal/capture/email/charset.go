package email

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
)

// Faults of a text's character set; "" is none.
const (
	setUnknown = "charset_unknown" // the declared one is not known
	setWrong   = "charset_wrong"   // the bytes contradict the declared one
	setLossy   = "not_text"        // some bytes are no text in it
)

// decodeText returns bytes as text by the declared character set. Where the bytes contradict it, they are
// read as UTF-8 if that is what they are, or else as Windows-1252, and the fault says so.
func decodeText(b []byte, declared string) (s, fault string) {
	set := strings.ToLower(strings.Trim(declared, " \"'"))
	set = strings.TrimPrefix(set, "charset=")
	if b, ok := bytes.CutPrefix(b, []byte("\xEF\xBB\xBF")); ok && utf8.Valid(b) {
		return string(b), ""
	}
	switch set {
	case "", "us-ascii", "ascii", "ansi_x3.4-1968", "utf-8", "utf8", "unicode-1-1-utf-8", "unknown-8bit", "x-unknown", "8bit":
		return plain(b, set)
	}
	enc := charset(set)
	if enc == nil {
		s, _ := plain(b, "")
		return s, setUnknown
	}
	if single(enc) && multibyte(b) {
		return string(b), setWrong
	}
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "\uFFFD"), setLossy
	}
	s = strings.ToValidUTF8(string(out), "\uFFFD")
	if strings.ContainsRune(s, '\uFFFD') && !bytes.Contains(b, []byte("\uFFFD")) {
		if multibyte(b) {
			return string(b), setWrong
		}
		return s, setLossy
	}
	return s, ""
}

// plain reads ASCII and UTF-8, and what claims to be.
func plain(b []byte, set string) (s, fault string) {
	high := false
	for _, c := range b {
		high = high || c >= 0x80
	}
	if !high {
		return string(b), ""
	}
	isASCII := set != "utf-8" && set != "utf8" && set != "unicode-1-1-utf-8"
	if utf8.Valid(b) {
		if isASCII && set != "" {
			return string(b), setWrong
		}
		return string(b), ""
	}
	if !isASCII && someMultibyte(b) { // mostly good, and damaged in places
		return strings.ToValidUTF8(string(b), "\uFFFD"), setLossy
	}
	out, err := charmap.Windows1252.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "\uFFFD"), setLossy
	}
	return string(out), setWrong
}

// multibyte reports whether bytes are UTF-8 and not ASCII.
func multibyte(b []byte) bool { return utf8.Valid(b) && someMultibyte(b) }

// someMultibyte reports whether some bytes form a character of UTF-8 beyond ASCII.
func someMultibyte(b []byte) bool {
	for i := 0; i < len(b); i++ {
		if b[i] >= 0xC2 {
			if r, n := utf8.DecodeRune(b[i:]); r != utf8.RuneError && n > 1 {
				return true
			}
		}
	}
	return false
}

// charset returns a character set by the names that mails use, or nil.
func charset(name string) encoding.Encoding {
	if enc, err := htmlindex.Get(name); err == nil {
		if n, _ := htmlindex.Name(enc); n != "replacement" {
			return enc
		}
	}
	if enc, err := ianaindex.MIME.Encoding(name); err == nil && enc != nil {
		return enc
	}
	switch name {
	case "cp932", "ms932":
		enc, _ := htmlindex.Get("shift_jis")
		return enc
	case "cp949", "ms949", "ks_c_5601":
		enc, _ := htmlindex.Get("euc-kr")
		return enc
	case "cp936", "ms936":
		enc, _ := htmlindex.Get("gbk")
		return enc
	case "cp437", "ibm437":
		return charmap.CodePage437
	case "cp850", "ibm850":
		return charmap.CodePage850
	}
	return nil
}

// single reports whether a character set has a byte for each character.
func single(enc encoding.Encoding) bool {
	_, ok := enc.(*charmap.Charmap)
	return ok
}
