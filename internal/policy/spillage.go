package policy

import (
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Reason says which sort of marking a [Finding] is about.
type Reason int

const (
	AboveCeiling Reason = iota + 1 // SECRET or TOP SECRET
	Caveat                         // UK EYES ONLY and the like, used only at SECRET and above
	Foreign                        // a marking of NATO, the EU or the United States
	Legacy                         // PROTECT, RESTRICTED, CONFIDENTIAL: not given since 2014
)

// Finding is a marking found in a text that should not be here. It is an error whose text is meant for the
// person who wrote it.
type Finding struct {
	Reason  Reason
	Marking string // as it stands in the text
	Line    int    // from 1

	// Refuse says that this is beyond doubt used as a marking. Otherwise the writer is asked, and may send.
	Refuse bool
}

func (f *Finding) Error() string { return f.What() + " " + f.Instead() }

// What says what was found, and what happens.
func (f *Finding) What() string {
	var s string
	switch f.Reason {
	case AboveCeiling:
		s = fmt.Sprintf("This looks like %s. Despatch is built for OFFICIAL and OFFICIAL-SENSITIVE only.", f.Marking)
	case Caveat:
		s = fmt.Sprintf("“%s” is used only on SECRET and TOP SECRET. Despatch is built for OFFICIAL and OFFICIAL-SENSITIVE only.", f.Marking)
	case Foreign:
		s = fmt.Sprintf("“%s” is another organisation's marking. Despatch has no agreement to carry it.", f.Marking)
	default:
		s = fmt.Sprintf("“%s” is an old marking that has not been given since 2014.", f.Marking)
	}
	if f.Refuse {
		return s + " It was not sent."
	}
	return s + " If that is what it is, do not send it."
}

// Instead says what to do instead.
func (f *Finding) Instead() string {
	switch f.Reason {
	case AboveCeiling, Caveat:
		return "Use the system that your department has for SECRET. If such material is already here, tell the security team at once. If it is not classified, leave the marking out."
	case Foreign:
		return "Use the system that your department has for it. If such material is already here, tell the security team at once. If it is not classified, leave the marking out."
	default:
		return "If it is OFFICIAL-SENSITIVE today, mark it so. If you are not sure, ask the security team first."
	}
}

// A pattern is one way of marking. Its expression is tried only on lines that have one of its words:
// most lines have none, and an expression is slow.
type pattern struct {
	words  []string
	re     *regexp.Regexp // the marking is its first group
	reason Reason
	refuse bool
}

// anywhere is a pattern for a marking that is one wherever it stands.
func anywhere(reason Reason, refuse bool, words, re string) pattern {
	return pattern{strings.Split(words, "|"), regexp.MustCompile(`(?:^|[^\pL\pN])(` + re + `)(?:[^\pL\pN]|$)`), reason, refuse}
}

const (
	tier    = `(?:UK )?(?:TOP SECRET|SECRET)`
	old     = `(?:CONFIDENTIAL|RESTRICTED|PROTECT)`
	nations = `(?:UK|US|USA|CAN|CANUS|AUS|NZ|GBR|AUSCANNZUKUS|FIVE|5)`

	// What may follow a tier in a marking: caveats, codewords of a kind, descriptors.
	tail = `(?:(?:\s*(?://|[-–—:/,])\s*|\s+)(?:STRAP ?[123]?|ATOMIC|CRYPTO|SI|TK|HCS|NOFORN|ORCON|[A-Z/ ]*EYES ONLY|RECIPIENTS ONLY|[A-Z]+(?: [A-Z]+)? USE ONLY|` +
		`EMBARGOED.*|PERSONAL DATA|PERSONAL|LEGAL|LPP|COMMERCIAL|MARKET SENSITIVE|POLICY|STAFF|MANAGEMENT|INVESTIGATIONS?|APPOINTMENTS|BUDGET|CONTRACTS|MEDICAL|VISITS|LOCSEN|HMG|UK))*`
	colon = `\s*(?::|/|–|—|--?\s)` // what ends a marking that a text follows
)

// spillage is tried on a line in this order.
var spillage = []pattern{
	anywhere(Foreign, true, "//", `(?:TOP SECRET|SECRET|CONFIDENTIAL|UNCLASSIFIED)\s?//\s?[A-Z][A-Z0-9/, -]*[A-Z0-9]`),
	anywhere(Foreign, true, "S//|C//", `(?:TS|S|C)//[A-Z][A-Z0-9/, -]*[A-Z0-9]`),
	anywhere(Foreign, true, "COSMIC|NATO", `COSMIC TOP SECRET(?: ATOMAL)?|NATO (?:SECRET|CONFIDENTIAL|RESTRICTED)(?: ATOMAL)?`),
	anywhere(Foreign, true, "UE|EU", `(?:TRES|TRÈS) SECRET UE(?:/EU TOP SECRET)?|SECRET UE(?:/EU SECRET)?|CONFIDENTIEL UE(?:/EU CONFIDENTIAL)?|RESTREINT UE(?:/EU RESTRICTED)?|EU (?:TOP SECRET|SECRET|CONFIDENTIAL|RESTRICTED)`),
	anywhere(Foreign, true, "NOFORN|REL TO", `NOFORN|REL TO (?:USA|GBR|FVEY|NATO)[A-Z, ]*`),
	anywhere(Caveat, true, "EYES ONLY", nations+`(?:[/, ]+`+nations+`)* EYES ONLY`),
	anywhere(AboveCeiling, true, "UK SECRET|UK TOP SECRET|STRAP", `UK (?:TOP )?SECRET|(?:TOP )?SECRET[ –—:/-]+STRAP ?[123]?|STRAP ?[123]`),
	anywhere(AboveCeiling, true, "S E C R E T", `S E C R E T`),

	// The tier within brackets, as in the title of a document or before a paragraph.
	{[]string{"SECRET", "TS"}, regexp.MustCompile(`[\[(](` + tier + tail + `|TS)[\])]`), AboveCeiling, true},

	// After a label, in capitals or not.
	labelled(AboveCeiling, `(?:UK )?(?:top[ -]secret|secret)`),
	labelled(Legacy, `confidential|restricted|protect`),

	// A line of its own, or the beginning of one.
	{[]string{"SECRET"}, regexp.MustCompile(`^(` + tier + tail + `)(?:` + colon + `|$)`), AboveCeiling, true},
	{[]string{"CONFIDENTIAL", "RESTRICTED", "PROTECT"}, regexp.MustCompile(`^(` + old + tail + `)$`), Legacy, true},
	{[]string{"CONFIDENTIAL", "RESTRICTED", "PROTECT"}, regexp.MustCompile(`^(` + old + tail + `)` + colon), Legacy, false},

	// In the midst of a sentence it may be talk: the writer is asked. Where all is in capitals, one word says little.
	anywhere(Caveat, false, "yes only|yes Only", `(?i:UK(?:/US)? eyes only)`),
	anywhere(AboveCeiling, false, "TOP SECRET", `TOP SECRET`),
	{[]string{"SECRET"}, regexp.MustCompile(`^.*?\b(SECRET)\b.*\p{Ll}|^.*\p{Ll}.*?\b(SECRET)\b`), AboveCeiling, false},
}

// labelled is a pattern for "Classification: Secret".
func labelled(reason Reason, re string) pattern {
	return pattern{[]string{"assification", "ASSIFICATION", "arking", "ARKING"}, regexp.MustCompile(
		`(?i)\b(?:classification|marking)\s*(?::|=|–|-|\bis\b)\s*["'“*]*(` + re + `)\b`), reason, true}
}

// Detect returns the marking in text that should not be here, a certain one before a doubtful one, or nil.
// A word is not a marking: "The secret of good coffee" is none, nor is "SECRET SANTA".
func Detect(text string) *Finding {
	if !norm.NFKC.IsNormalString(text) {
		text = norm.NFKC.String(text) // full-width letters, non-breaking spaces
	}
	var doubtful *Finding
	n := 0
	for l := range strings.Lines(text) {
		n++
		if quiet(l) {
			continue
		}
		f := detectLine(undecorated(l))
		if f == nil {
			continue
		}
		f.Line = n
		if f.Refuse {
			return f
		}
		if doubtful == nil {
			doubtful = f
		}
	}
	return doubtful
}

func detectLine(l string) *Finding {
	var doubtful *Finding
	for i := range spillage {
		p := &spillage[i]
		if !p.mayMatch(l) {
			continue
		}
		m := p.re.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		f := &Finding{Reason: p.reason, Marking: strings.TrimSpace(strings.ToUpper(strings.Join(m[1:], ""))), Refuse: p.refuse}
		if f.Refuse {
			return f
		}
		if doubtful == nil {
			doubtful = f
		}
	}
	return doubtful
}

// quiet reports whether a line has nothing that any pattern could be about: no two capitals in a row (but
// for a space), and none of the words that the patterns know in small letters.
func quiet(l string) bool {
	for i := 2; i < len(l); i++ {
		if c := l[i]; capital(c) && (capital(l[i-1]) || l[i-1] == ' ' && capital(l[i-2])) {
			return false
		}
	}
	return !strings.Contains(l, "assification") && !strings.Contains(l, "arking") && !strings.Contains(l, "yes only") && !strings.Contains(l, "yes Only")
}

func capital(c byte) bool { return 'A' <= c && c <= 'Z' }

func (p *pattern) mayMatch(l string) bool {
	for _, w := range p.words {
		if strings.Contains(l, w) {
			return true
		}
	}
	return false
}

// undecorated is a line without what people put round a heading.
func undecorated(l string) string {
	return strings.Trim(l, " \t\r\n*_#>=-–—~|.!•\"“”'`")
}
