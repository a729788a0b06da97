// Package spillage finds, in what was captured elsewhere, what should not be here: material marked SECRET
// or TOP SECRET, national caveats, and the markings of other organisations and states.
//
// What counts is how a word is used, not that it is there. A marking stands in capitals alone on a line,
// as in the header of a page; before a colon; in brackets before a paragraph; after the word
// “classification”; in the name of a file; or in a header of an e-mail. The secret of good coffee is none.
//
// The rules for lines are those of package policy, which looks at messages before they are sent. Here are
// those that only documents and mails need. They are wide: an item that is sealed by mistake is released
// by the security officer, one that is missed is read by many.
package spillage

import (
	"path"
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"

	"despatch/internal/capture"
	"despatch/internal/policy"
)

// Places where a marking may stand.
const (
	InText    = "text"
	InPicture = "picture" // in words that a machine read from it
	InSubject = "subject"
	InName    = "file name"
	InHeader  = "e-mail header"
)

// Find returns the marking that a captured message bears, or nil. Headers are the lines of its e-mail's
// header, if it is one.
func Find(o *capture.Observation, headers []string) *capture.Finding {
	for _, h := range headers {
		if f := Header(h); f != nil {
			return f
		}
	}
	if f := Text(o.Subject); f != nil {
		f.Place, f.Line = InSubject, 0
		return f
	}
	texts := []string{o.Body}
	if o.Text != o.Body {
		texts = append(texts, o.Text)
	}
	for _, e := range o.Edits {
		texts = append(texts, e.Body)
	}
	if o.ReplyTo != nil {
		texts = append(texts, o.ReplyTo.QuotedText)
	}
	if o.Poll != nil {
		texts = append(texts, o.Poll.Question)
		for _, p := range o.Poll.Options {
			texts = append(texts, p.Text)
		}
	}
	for _, s := range texts {
		if f := Text(s); f != nil {
			if o.Derived != nil && strings.HasPrefix(o.Derived.Engine, "tesseract") {
				f.Place = InPicture
			}
			return f
		}
	}
	for _, a := range o.Attachments {
		if f := Name(a.Name); f != nil {
			return f
		}
	}
	return nil
}

// Text returns the marking in a text, or nil.
func Text(s string) *capture.Finding {
	if len(s) < 2 {
		return nil
	}
	if !norm.NFKC.IsNormalString(s) {
		s = norm.NFKC.String(s)
	}
	if !suspect(s) {
		return nil
	}
	s = topSecret.ReplaceAllString(s, "TOP SECRET")
	if f := policy.Detect(s); certain(f) {
		return &capture.Finding{Marking: f.Marking, Reason: reasons[f.Reason], Place: InText, Line: f.Line}
	}
	return lines(s)
}

// traces are what every marking that the rules know has one of. Most messages have none, and to try the
// rules on each of a hundred thousand would take longer than all the rest.
var traces = []string{"SECRET", "S E C R E T", "//", "NATO", "EYES ONLY", "COSMIC", "NOFORN", "REL TO", "STRAP", "EU", "UE", "assification", "ASSIFICATION",
	"arking", "ARKING", "(S)", "(TS)", "SEC=PROTECTED", "GEHEIM", "VERTRAULICH", "SEGRETO", "SEGRETISSIMO", "TAJNE", "HEMLIG", "СЕКРЕТНО"}

func suspect(s string) bool {
	for _, t := range traces {
		if strings.Contains(s, t) {
			return true
		}
	}
	return false
}

// certain says whether a finding of policy's is one beyond doubt, and of something above this system.
// A lone (TS) in the midst of a line may be anything; before a paragraph see [lines].
func certain(f *policy.Finding) bool {
	return f != nil && f.Refuse && f.Reason != policy.Legacy && f.Marking != "TS"
}

var reasons = map[policy.Reason]string{policy.AboveCeiling: "above_ceiling", policy.Caveat: "caveat", policy.Foreign: "foreign"}

// topSecret is written with a hyphen in headers of mails and in names of files.
var topSecret = regexp.MustCompile(`\bTOP[-_]SECRET\b`)

const tier = `(?:TOP SECRET|SECRET)`

// rules are tried on a line without what people put round a heading. The marking is the first group.
var rules = []struct {
	reason string
	re     *regexp.Regexp
}{
	// With a caveat that names countries.
	{"foreign", regexp.MustCompile(`^(` + tier + `[ ,/–-]+(?:AUSTEO|AGAO|FVEY|REL(?:EASABLE)?(?: TO)? [A-Z][A-Z, /]+|[A-Z]{4,} EYES ONLY))$`)},
	// The markings of other states, alone on a line: France, Germany, the Netherlands, Italy, Spain, Poland, Sweden, Russia.
	{"foreign", regexp.MustCompile(`^((?:TRÈS |TRES )?SECRET[ -]D[ÉE]FENSE|STRENG GEHEIM|GEHEIM|VS-VERTRAULICH|ZEER GEHEIM|SEGRETISSIMO|SEGRETO|ŚCIŚLE TAJNE|TAJNE|KVALIFICERAT HEMLIG|СОВЕРШЕННО СЕКРЕТНО|СЕКРЕТНО)(?: ?[–-] ?[\p{Lu} ]+)?$`)},
	// In the header or footer of a page, beside its number or a copy's.
	{"above_ceiling", regexp.MustCompile(`^(?:(?i:page|copy)\s+(?i:no\.?\s*)?\d+(?:\s*(?i:of|/)\s*\d+)?|\d+)\s*[|–-]?\s*(` + tier + `)$`)},
	{"above_ceiling", regexp.MustCompile(`^(` + tier + `)\s*[|–-]?\s*(?i:page|copy)\s+(?i:no\.?\s*)?\d+(?:\s*(?i:of|/)\s*\d+)?(?:\s*[|–-]?\s*` + tier + `)?$`)},
	{"above_ceiling", regexp.MustCompile(`^(` + tier + `)(?:\s+` + tier + `)+$`)},
	// The old style of private offices.
	{"above_ceiling", regexp.MustCompile(`^((?:` + tier + ` AND PERSONAL|PERSONAL AND ` + tier + `))$`)},
	// The Australian standard for subjects and headers.
	{"foreign", regexp.MustCompile(`\bSEC=(` + tier + `|PROTECTED)\b`)},
	// Before a paragraph.
	{"foreign", regexp.MustCompile(`^(?:\d+[.)]\s*)?\((TS)\)\s+\p{Lu}[\p{L}']*\s+\p{Ll}`)},
}

// leading is what programs put before a subject.
var leading = regexp.MustCompile(`^(?i:(?:subject|betreff|objet|re|fwd?|aw|wg)\s*:\s*)+`)

// portion is the marking of one paragraph: (U), (C), (S), by themselves.
var portion = regexp.MustCompile(`^(?:\d+[.)]\s*)?\((U|C|S|TS|OUO|FOUO)\)\s+(?:\p{Lu}|\p{N})`)

// lines looks at a text line by line, and at how its paragraphs are marked together.
func lines(s string) *capture.Finding {
	portions, secret, at := 0, 0, 0
	sentences := 0
	n := 0
	for l := range strings.Lines(s) {
		n++
		l = strings.Trim(l, " \t\r\n*_#>=-–—~|.!•\"“”'`[]")
		if !upper(l) {
			continue
		}
		for i := range rules {
			if m := rules[i].re.FindStringSubmatch(l); m != nil {
				return &capture.Finding{Marking: m[1], Reason: rules[i].reason, Place: InText, Line: n}
			}
		}
		if short := leading.ReplaceAllString(l, ""); short != l {
			if f := policy.Detect(short); certain(f) {
				return &capture.Finding{Marking: f.Marking, Reason: reasons[f.Reason], Place: InText, Line: n}
			}
		}
		if m := portion.FindStringSubmatch(l); m != nil {
			portions++
			if strings.HasSuffix(m[1], "S") {
				if secret++; secret == 1 {
					at = n
				}
			}
			if strings.Count(l, " ") >= 3 {
				sentences++
			}
		}
	}
	// Sizes of shirts are marked so too, but not whole sentences.
	if secret > 0 && portions >= 2 && sentences >= 2 {
		return &capture.Finding{Marking: "(S)", Reason: "above_ceiling", Place: InText, Line: at}
	}
	return nil
}

// upper says whether a line has a capital letter at all; most markings are nothing else.
func upper(l string) bool { return l != "" && strings.ToLower(l) != l }

// named is a file's name that begins with a tier, or has one between separators.
var named = regexp.MustCompile(`^(?:\d+ )?((?:UK )?` + tier + `)(?: (.*))?$`)

// innocent is what follows the word where it is no marking.
var innocent = regexp.MustCompile(`(?i)^(?:santas?|garden|recipes?|sauce|life|history|clubs?|ballot|agents?|service|keys?|access|tokens?|diary|lives|ingredients?|weapon|admirer|cinema|sale|guidance|policy|clearance)\b`)

// Name returns the marking in the name of a file, or nil.
func Name(name string) *capture.Finding {
	s := norm.NFKC.String(strings.TrimSuffix(name, path.Ext(name)))
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '_' || r == ' ' || r == '.' || r == '+' }), " ")
	s = topSecret.ReplaceAllString(s, "TOP SECRET")
	found := func(marking, reason string) *capture.Finding {
		return &capture.Finding{Marking: marking, Reason: reason, Place: InName}
	}
	if f := policy.Detect(s); certain(f) {
		return found(f.Marking, reasons[f.Reason])
	}
	bare := strings.Trim(s, "[](){}- ")
	if f := policy.Detect(bare); certain(f) {
		return found(f.Marking, reasons[f.Reason])
	}
	if m := named.FindStringSubmatch(bare); m != nil && !innocent.MatchString(m[2]) && strings.ToUpper(m[2]) != m[2] {
		return found(m[1], "above_ceiling")
	}
	for i := range rules {
		if m := rules[i].re.FindStringSubmatch(bare); m != nil {
			return found(m[1], rules[i].reason)
		}
	}
	if i := strings.LastIndexAny(s, "-–"); i > 0 { // "Convoy - SECRET"
		if last := strings.TrimSpace(s[i+1:]); last == "SECRET" || last == "TOP SECRET" {
			return found(last, "above_ceiling")
		}
	}
	return nil
}

// headerNames are the headers of mails that carry a marking, in small letters: the Australian government's,
// our own, X.400's by way of Exchange, and those that labelling programs set.
var headerNames = []string{"x-protective-marking", "x-classification", "classification", "x-security-label", "x-sensitivity", "sensitivity", "x-tituslabs-classifications-30",
	"x-titus-labs-classifications", "siolabel", "security-label", "msip_labels"}

var inHeader = regexp.MustCompile(`(?i)\b(cosmic top secret|nato secret|nato confidential|nato restricted|secret ue|top[ -]?secret|secret|protected)\b`)

// Header returns the marking in one header of an e-mail, "Name: value", or nil.
func Header(line string) *capture.Finding {
	name, value, ok := strings.Cut(line, ":")
	name = strings.ToLower(strings.TrimSpace(name))
	if !ok {
		return nil
	}
	if name == "subject" {
		if f := Text(strings.TrimSpace(value)); f != nil {
			f.Place, f.Line = InHeader, 0
			return f
		}
		return nil
	}
	for _, h := range headerNames {
		if name != h {
			continue
		}
		if m := inHeader.FindString(value); m != "" {
			m = strings.ToUpper(strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(m), "topsecret", "top secret"), "-", " "))
			reason := "above_ceiling"
			if m != "SECRET" && m != "TOP SECRET" {
				reason = "foreign"
			}
			return &capture.Finding{Marking: m, Reason: reason, Place: InHeader}
		}
	}
	return nil
}
