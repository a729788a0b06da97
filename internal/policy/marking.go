package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Level is a tier of the Government Security Classifications Policy.
type Level int

const (
	Unmarked Level = iota
	Official
	OfficialSensitive
	Secret
	TopSecret
)

// Ceiling is the highest level that Despatch is built for. SECRET needs dedicated networks and hardware.
const Ceiling = OfficialSensitive

var levelNames = [...]string{"", "OFFICIAL", "OFFICIAL-SENSITIVE", "SECRET", "TOP SECRET"}

func (l Level) String() string { return levelNames[l] }

// Marking is a protective marking in the order of the policy:
// [UK] OFFICIAL[-SENSITIVE] – HANDLING INSTRUCTION – DESCRIPTOR – additional instructions.
type Marking struct {
	UK          bool // prefixed for foreign governments and international organisations
	Level       Level
	Handling    []string
	Descriptors []string
	Additional  string // what EMBARGOED must be followed by, say
}

// Markings are the organisation's own additions to the policy's lists, in capitals.
type Markings struct {
	Handling    []string
	Descriptors []string
}

var (
	descriptors = []string{"PERSONAL DATA", "LEGAL PROFESSIONAL PRIVILEGE", "LPP", "LEGAL", "MARKET SENSITIVE",
		"COMMERCIAL", "HR / MANAGEMENT", "HR/MANAGEMENT", "HR", "MANAGEMENT"}
	useOnly = regexp.MustCompile(`^[A-Z0-9][A-Z0-9 ,&/'’.()-]{0,100} USE ONLY$`)
	// A dash that separates parts has a space on either side, or is not a hyphen; "OFFICIAL-SENSITIVE" has neither.
	separator = regexp.MustCompile(`\s+-{1,2}\s+|\s*[–—]\s*`)
	spaces    = regexp.MustCompile(`\s+`)
)

// Parse reads a marking that somebody chose, in capitals or not, and says what is wrong with it in words for
// that person. It refuses levels above [Ceiling] with an error that wraps [*Finding].
func (own Markings) Parse(s string) (Marking, error) {
	if f := Detect(s); f != nil && f.Refuse {
		return Marking{}, f
	}
	text := spaces.ReplaceAllString(strings.TrimSpace(s), " ")
	rest := strings.ToUpper(text)
	var m Marking
	if r, ok := strings.CutPrefix(rest, "UK "); ok {
		m.UK, rest = true, r
	}
	r, ok := strings.CutPrefix(rest, "OFFICIAL")
	if !ok {
		return Marking{}, fmt.Errorf("a marking begins with OFFICIAL or OFFICIAL-SENSITIVE; %q does not", s)
	}
	m.Level, rest = Official, r
	for _, form := range []string{"-SENSITIVE", " - SENSITIVE", " – SENSITIVE", ":SENSITIVE", ": SENSITIVE", " SENSITIVE"} {
		if r, ok := strings.CutPrefix(rest, form); ok && (r == "" || !isWord(r)) {
			m.Level, rest = OfficialSensitive, r
			break
		}
	}
	if rest == "" {
		return m, nil
	}
	loc := separator.FindStringIndex(rest)
	if loc == nil || loc[0] != 0 {
		return Marking{}, fmt.Errorf("%q cannot follow %s: put “ – ” between the parts of a marking", strings.TrimSpace(rest), m.Level)
	}
	for _, part := range separator.Split(rest[loc[1]:], -1) {
		if err := m.add(part, own); err != nil {
			return Marking{}, err
		}
	}
	return m, m.check()
}

// add takes one part that stands after the level.
func (m *Marking) add(part string, own Markings) error {
	switch {
	case part == "":
		return fmt.Errorf("a marking has nothing between two dashes")
	case slices.Contains(m.Handling, "EMBARGOED") && m.Additional == "" && !slices.Contains(descriptors, part):
		m.Additional = part
	case strings.HasPrefix(part, "EMBARGOED"):
		m.Handling = append(m.Handling, "EMBARGOED")
		m.Additional = strings.TrimSpace(strings.TrimPrefix(part, "EMBARGOED"))
	case part == "RECIPIENTS ONLY", part == "FOR PUBLIC RELEASE", useOnly.MatchString(part), slices.Contains(own.Handling, part):
		if len(m.Descriptors) > 0 {
			return fmt.Errorf("the handling instruction %s goes before the descriptor %s", part, m.Descriptors[0])
		}
		m.Handling = append(m.Handling, part)
	case slices.Contains(descriptors, part), slices.Contains(own.Descriptors, part):
		switch part {
		case "LPP":
			part = "LEGAL PROFESSIONAL PRIVILEGE"
		case "HR/MANAGEMENT", "HR", "MANAGEMENT":
			part = "HR / MANAGEMENT"
		}
		m.Descriptors = append(m.Descriptors, part)
	default:
		return fmt.Errorf("%q is neither a handling instruction nor a descriptor that this organisation uses", part)
	}
	return nil
}

// check applies the policy's table of what may be used at which level.
func (m Marking) check() error {
	for _, h := range m.Handling {
		switch {
		case h == "RECIPIENTS ONLY" && m.Level == Official:
			return fmt.Errorf("RECIPIENTS ONLY is for OFFICIAL-SENSITIVE; plain OFFICIAL cannot have it")
		case h == "FOR PUBLIC RELEASE" && m.Level != Official:
			return fmt.Errorf("FOR PUBLIC RELEASE is for plain OFFICIAL; what is SENSITIVE cannot be released")
		case h == "EMBARGOED" && m.Additional == "":
			return fmt.Errorf("EMBARGOED must be followed by the date and time until which it is")
		}
	}
	return nil
}

// String writes the marking as the policy does.
func (m Marking) String() string {
	if m.Level == Unmarked {
		return ""
	}
	var b strings.Builder
	if m.UK {
		b.WriteString("UK ")
	}
	b.WriteString(m.Level.String())
	for _, h := range m.Handling {
		b.WriteString(" – " + h)
		if h == "EMBARGOED" {
			b.WriteString(" " + m.Additional)
		}
	}
	for _, d := range m.Descriptors {
		b.WriteString(" – " + d)
	}
	return b.String()
}

// MarkingOf is the marking that a message bears on its first line, if any, at or below [Ceiling].
func (own Markings) MarkingOf(text string) (Marking, bool) {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	line = undecorated(line)
	if !strings.HasPrefix(line, "OFFICIAL") && !strings.HasPrefix(line, "UK OFFICIAL") {
		return Marking{}, false
	}
	m, err := own.Parse(line)
	return m, err == nil
}

// isWord reports whether s begins in the midst of a word.
func isWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}
