package whatsapp

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"despatch/internal/capture"
)

// A message begins with a header: when, and then who said what. WhatsApp writes the date and time as
// the phone's language and region do, so the form differs from phone to phone; but within one export
// it is the same on every line. That form is the header's shape.
//
//	[27.10.23, 22:42:29] Ann: Hello           an iPhone
//	16/03/2022, 15:20 - Ann: Hello            an Android phone
//	13.06.18 21.25.15: Ann: Hello             old phones

// shape is what the headers of one export have in common. How many digits a day or a month has is no
// part of it, since phones pad them or do not.
type shape struct {
	style     byte // '[', '-' or ':'
	timeFirst bool
	dateSep   rune // between day and month
	timeSep   rune // between hour and minute
	yearAt    int8 // which of the three numbers has four digits; -1 if none
	comma     bool
	seconds   bool
	halves    bool   // the clock has twelve hours and says which half of the day
	word      string // between date and time: "klo", "à"
}

// stamp is a header's date and time as they are written.
type stamp struct {
	shape  shape
	date   [3]int
	hour   int
	minute int
	second int
	half   half
	marker string // the word for the half of the day, folded
	rest   int    // where in the line the stamp ends
	raw    string // the date and time as written
}

// peeked is how much of a line is looked at for a header; the longest known has some 40 characters.
const peeked = 56

// stampScanner reads stamps. It is one object so that a chat of any length takes no more memory.
type stampScanner struct {
	r   [peeked]rune // the line's beginning, with invisible marks left out and digits and spaces made plain
	end [peeked]int  // where in the line each of them ends
	n   int
	i   int
}

// scan reads the stamp at the beginning of a line, and says whether there is one.
func (s *stampScanner) scan(text []byte) (stamp, bool) {
	if !s.load(text) {
		return stamp{}, false
	}
	var st stamp
	st.shape.yearAt = -1
	st.shape.style = '-'
	if s.accept('[') {
		st.shape.style = '['
		s.space()
	}
	from := s.i
	if !s.dateAndTime(&st) && !s.timeAndDate(&st, from) {
		return stamp{}, false
	}
	until := s.i
	if !s.close(&st) {
		return stamp{}, false
	}
	st.rest = s.end[s.i-1]
	st.raw = strings.TrimSpace(string(s.r[from:until]))
	return st, true
}

// load reads the plain beginning of a line. It says at once if that cannot be a header, as with most
// lines that are none.
func (s *stampScanner) load(text []byte) bool {
	s.n, s.i = 0, 0
	for at := 0; at < len(text) && s.n < peeked; {
		r, size := utf8.DecodeRune(text[at:])
		at += size
		if ignorable(r) {
			continue
		}
		r = plain(r)
		if s.n == 0 && r != '[' && (r < '0' || r > '9') {
			return false
		}
		s.r[s.n], s.end[s.n] = r, at
		s.n++
	}
	return s.n >= 12
}

func (s *stampScanner) peek() rune {
	if s.i < s.n {
		return s.r[s.i]
	}
	return 0
}

func (s *stampScanner) accept(r rune) bool {
	if s.peek() == r && r != 0 {
		s.i++
		return true
	}
	return false
}

func (s *stampScanner) space() (any bool) {
	for s.peek() == ' ' {
		s.i++
		any = true
	}
	return any
}

// number reads at most max digits and returns their value and how many there were.
func (s *stampScanner) number(max int) (value, digits int) {
	for digits < max && s.peek() >= '0' && s.peek() <= '9' {
		value = value*10 + int(s.peek()-'0')
		digits++
		s.i++
	}
	if c := s.peek(); c >= '0' && c <= '9' {
		return 0, 0 // more digits than there may be
	}
	return value, digits
}

func (s *stampScanner) dateAndTime(st *stamp) bool {
	if !s.dateNumbers(st) {
		return false
	}
	gap := s.between(st)
	before := s.marker(st)
	if !gap && !before && s.peek() != ' ' {
		return false
	}
	s.space()
	return s.clock(st)
}

// timeAndDate reads "15:04, 02/01/2018", as phones in Vietnamese write it.
func (s *stampScanner) timeAndDate(st *stamp, from int) bool {
	style := st.shape.style
	*st = stamp{}
	st.shape.yearAt, st.shape.style, st.shape.timeFirst = -1, style, true
	s.i = from
	return s.clock(st) && s.between(st) && s.dateNumbers(st)
}

// dateNumbers reads three numbers with one separator.
func (s *stampScanner) dateNumbers(st *stamp) bool {
	for k := range 3 {
		value, digits := s.number(4)
		switch {
		case digits == 0, digits == 3:
			return false
		case digits == 4 && st.shape.yearAt >= 0:
			return false
		case digits == 4:
			st.shape.yearAt = int8(k)
		}
		st.date[k] = value
		if k == 2 {
			break
		}
		sep := s.peek()
		switch sep {
		case '-', '.', '/', '年', '月', '년', '월':
			s.i++
		default:
			return false
		}
		s.space()
		if k == 0 {
			st.shape.dateSep = sep
		} else if sep < 0x80 && sep != st.shape.dateSep {
			return false
		}
	}
	s.afterDate()
	return true
}

// afterDate passes what some languages put behind a date: "2018.", "2018年1月2日", "2.01.22 г.".
func (s *stampScanner) afterDate() {
	switch s.peek() {
	case '.', '日', '일':
		s.i++
		s.accept('.')
		return
	}
	mark := s.i
	s.space()
	for _, suffix := range []string{"г.", "г", "р.", "р", "be", "ad"} {
		if s.acceptWord(suffix) && (s.peek() == ',' || s.peek() == ' ' || s.peek() == ']') {
			return
		}
		s.i = mark
		s.space()
	}
	s.i = mark
}

func (s *stampScanner) acceptWord(w string) bool {
	i := s.i
	for _, r := range w {
		if i >= s.n || unicode.ToLower(s.r[i]) != r {
			return false
		}
		i++
	}
	s.i = i
	return true
}

// between passes what stands between date and time: a comma, a space, a word such as "klo" or "à".
func (s *stampScanner) between(st *stamp) bool {
	st.shape.comma = s.accept(',')
	any := s.space() || st.shape.comma
	mark := s.i
	word := s.letters()
	if word == "" || len(word) > 16 {
		s.i = mark
		return any
	}
	if _, known := halves[word]; known || !s.space() {
		s.i = mark // a marker of the half of the day, for the clock to read
		return any
	}
	st.shape.word = word
	return any
}

// letters reads a word: letters and the dots in and after them. It is returned folded: lower case,
// only letters.
func (s *stampScanner) letters() string {
	var b [16]rune
	n := 0
	for s.i < s.n && n < len(b) {
		r := s.r[s.i]
		switch {
		case unicode.IsLetter(r), unicode.IsMark(r):
			b[n] = unicode.ToLower(r)
			n++
		case n > 0 && (r == '.' || r == '\'' || r == '"' || r == '״' || r == '׳' || r == '’'):
		case n > 0 && r == ' ' && s.i+1 < s.n && s.r[s.i-1] == '.' && unicode.IsLetter(s.r[s.i+1]): // "p. m."
		default:
			return string(b[:n])
		}
		s.i++
	}
	return string(b[:n])
}

// marker reads the word for the half of the day, where it is known.
func (s *stampScanner) marker(st *stamp) bool {
	mark := s.i
	s.space()
	word := s.letters()
	h, known := halves[word]
	if !known || st.shape.halves {
		s.i = mark
		return false
	}
	st.half, st.marker, st.shape.halves = h, word, true
	return true
}

// clock reads a time, with the marker before it or after it.
func (s *stampScanner) clock(st *stamp) bool {
	s.marker(st)
	s.space()
	var digits int
	if st.hour, digits = s.number(2); digits == 0 {
		return false
	}
	mark := s.i
	s.space()
	switch sep := s.peek(); sep {
	case ':', '.', 'h':
		st.shape.timeSep = sep
		s.i++
		if sep == 'h' {
			s.space()
		} else if mark != s.i-1 {
			return false // "15 :04"
		}
	default:
		return false
	}
	if st.minute, digits = s.number(2); digits != 2 {
		return false
	}
	if sep := s.peek(); sep == ':' || sep == '.' {
		mark := s.i
		s.i++
		if second, digits := s.number(2); digits == 2 {
			st.second, st.shape.seconds = second, true
		} else {
			s.i = mark
		}
	}
	if !s.marker(st) {
		s.afterTime(st)
	}
	return true
}

// afterTime passes a word behind a time that is no known marker. It may be the language's word for
// hours ("15:04 ч."), or a marker in a language we do not know; which, only the whole file tells.
func (s *stampScanner) afterTime(st *stamp) {
	mark := s.i
	s.space()
	word := s.letters()
	if word == "" || st.shape.halves {
		s.i = mark
		return
	}
	if clockWords[word] {
		return
	}
	st.half, st.marker, st.shape.halves = halfUnknown, word, true
}

// close reads what ends a stamp and fixes the shape's style.
func (s *stampScanner) close(st *stamp) bool {
	if st.shape.style == '[' {
		s.space()
		if !s.accept(']') {
			return false
		}
		s.accept(' ')
		return true
	}
	if s.accept(':') { // old phones
		st.shape.style = ':'
		return st.half != halfUnknown && s.accept(' ')
	}
	if !s.space() {
		return false
	}
	switch s.peek() {
	case '-', '–', '—':
		s.i++
		return s.accept(' ') || s.i == s.n
	}
	return false
}

// half is a part of the day.
type half uint8

const (
	halfNone    half = iota // the clock has 24 hours
	halfAM                  // 12 is midnight
	halfPM                  // 12 is noon
	halfNoon                // around noon: 11 is before it, 12 and 1 are after
	halfNight               // 12 to 5 are after midnight, later hours before it
	halfUnknown             // the word is not known
)

// halves are the words for the halves of the day, folded as [stampScanner.letters] folds them.
var halves = map[string]half{
	"am": halfAM, "pm": halfPM, // also "a. m.", "a.m."
	"上午": halfAM, "凌晨": halfAM, "清晨": halfAM, "早上": halfAM, "下午": halfPM, "傍晚": halfPM, "晚上": halfPM, "中午": halfNoon,
	"午前": halfAM, "午後": halfPM, "오전": halfAM, "오후": halfPM,
	"ص": halfAM, "م": halfPM, "صباحا": halfAM, "مساء": halfPM,
	"قظ": halfAM, "بظ": halfPM, "לפנהצ": halfAM, "אחהצ": halfPM,
	"πμ": halfAM, "μμ": halfPM, "öö": halfAM, "ös": halfPM,
	"vorm": halfAM, "vormittags": halfAM, "morgens": halfAM, "nachm": halfPM, "nachmittags": halfPM, "abends": halfPM,
	"mittags": halfNoon, "nachts": halfNight,
	"fm": halfAM, "em": halfPM, "ap": halfAM, "ip": halfPM, "dop": halfAM, "odp": halfPM,
	"de": halfAM, "du": halfPM, "vm": halfAM, "nm": halfPM, "проб": halfAM, "слоб": halfPM, "дп": halfAM, "пп": halfPM,
	"sa": halfAM, "ch": halfPM, "ptg": halfPM, "pg": halfAM, "पूर्वाह्न": halfAM, "अपराह्न": halfPM,
	"ก่อนเที่ยง": halfAM, "หลังเที่ยง": halfPM,
}

// clockWords are said after a time of day in some languages and mean nothing.
var clockWords = map[string]bool{"uhr": true, "ч": true, "h": true, "hrs": true, "uur": true, "น": true, "г": true}

// civil returns the time under an order of the date's numbers. A two-digit year is of this century.
// Where the half of the day is not known, other is the second reading.
func (st *stamp) civil(o order) (c, other capture.Civil, both bool) {
	c = capture.Civil{Year: st.date[o.year], Month: st.date[o.month], Day: st.date[o.day], Hour: st.hour, Minute: st.minute, Second: st.second}
	if st.shape.yearAt < 0 {
		c.Year += 2000
	}
	c.Year -= o.era
	if c.Hour == 24 { // some phones count the hour after midnight as the 24th
		c.Hour = 0
	}
	if c.Hour > 12 {
		return c, c, false
	}
	other = c
	twelve := c.Hour % 12
	switch st.half {
	case halfAM:
		c.Hour = twelve
	case halfPM:
		c.Hour = twelve + 12
	case halfNoon:
		if c.Hour < 6 || c.Hour == 12 {
			c.Hour = twelve + 12
		}
	case halfNight:
		if c.Hour = twelve; twelve > 5 {
			c.Hour += 12
		}
	case halfUnknown:
		c.Hour, other.Hour = twelve, twelve+12
		return c, other, true
	}
	return c, c, false
}

// ignorable says whether a character only directs how text is set: it stands anywhere in an export
// and is no part of what is said.
func ignorable(r rune) bool {
	switch {
	case r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069, r == 0x061C, r == 0xFEFF:
		return true
	}
	return false
}

// plain returns the everyday form of a digit, a space or a punctuation mark of a date.
func plain(r rune) rune {
	switch {
	case r < 0x80:
		return r
	case r == 0x00A0, r == 0x202F, r >= 0x2000 && r <= 0x200A, r == 0x3000:
		return ' '
	case r == '،', r == '，':
		return ','
	case r == '：':
		return ':'
	case unicode.Is(unicode.Nd, r):
		return '0' + digit(r)
	}
	return r
}

// digit returns the value of a decimal digit of any script: the ten of a script stand in a row, and
// rows are listed by the first and last of each.
func digit(r rune) rune {
	for _, t := range unicode.Nd.R16 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	return 0
}
