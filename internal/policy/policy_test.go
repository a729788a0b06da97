package policy

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseMarking(t *testing.T) {
	own := Markings{Handling: []string{"PRIVATE OFFICE"}, Descriptors: []string{"SPAD"}}
	for _, tt := range []struct{ in, want, err string }{
		{"OFFICIAL", "OFFICIAL", ""},
		{" official ", "OFFICIAL", ""},
		{"OFFICIAL-SENSITIVE", "OFFICIAL-SENSITIVE", ""},
		{"OFFICIAL SENSITIVE", "OFFICIAL-SENSITIVE", ""},
		{"Official: Sensitive", "OFFICIAL-SENSITIVE", ""},
		{"OFFICIAL - SENSITIVE", "OFFICIAL-SENSITIVE", ""},
		{"OFFICIAL-SENSITIVE - RECIPIENTS ONLY", "OFFICIAL-SENSITIVE – RECIPIENTS ONLY", ""},
		{"OFFICIAL-SENSITIVE–RECIPIENTS ONLY–PERSONAL DATA", "OFFICIAL-SENSITIVE – RECIPIENTS ONLY – PERSONAL DATA", ""},
		{"UK OFFICIAL – FOR PUBLIC RELEASE", "UK OFFICIAL – FOR PUBLIC RELEASE", ""},
		{"OFFICIAL – HMG USE ONLY", "OFFICIAL – HMG USE ONLY", ""},
		{"OFFICIAL – DEPARTMENT FOR TRANSPORT USE ONLY – COMMERCIAL", "OFFICIAL – DEPARTMENT FOR TRANSPORT USE ONLY – COMMERCIAL", ""},
		{"OFFICIAL-SENSITIVE – LPP", "OFFICIAL-SENSITIVE – LEGAL PROFESSIONAL PRIVILEGE", ""},
		{"OFFICIAL – HR", "OFFICIAL – HR / MANAGEMENT", ""},
		{"OFFICIAL – EMBARGOED until 12:00 on 3 May, then for public release", "OFFICIAL – EMBARGOED UNTIL 12:00 ON 3 MAY, THEN FOR PUBLIC RELEASE", ""},
		{"OFFICIAL – EMBARGOED – 12:00 3 May", "OFFICIAL – EMBARGOED 12:00 3 MAY", ""},
		{"OFFICIAL – PRIVATE OFFICE – SPAD", "OFFICIAL – PRIVATE OFFICE – SPAD", ""},

		{"", "", "begins with OFFICIAL"},
		{"SENSITIVE", "", "begins with OFFICIAL"},
		{"OFFICIALLY", "", "cannot follow"},
		{"OFFICIAL-SENSITIVELY", "", "cannot follow"},
		{"OFFICIAL – RECIPIENTS ONLY", "", "RECIPIENTS ONLY is for OFFICIAL-SENSITIVE"},
		{"OFFICIAL-SENSITIVE – FOR PUBLIC RELEASE", "", "cannot be released"},
		{"OFFICIAL – EMBARGOED", "", "date and time"},
		{"OFFICIAL – COMMERCIAL – HMG USE ONLY", "", "goes before"},
		{"OFFICIAL – BANANA", "", "BANANA"},
		{"OFFICIAL –  – COMMERCIAL", "", "nothing between"},
		{"OFFICIAL COMMERCIAL", "", "between the parts"},
		{"SECRET", "", "not built"},
		{"TOP SECRET – STRAP 2", "", "TOP SECRET"},
		{"OFFICIAL – UK EYES ONLY", "", "only on SECRET"},
	} {
		m, err := own.Parse(tt.in)
		if tt.err == "" {
			if err != nil || m.String() != tt.want {
				t.Errorf("Parse(%q) = %q, %v; want %q", tt.in, m, err, tt.want)
				continue
			}
			if again, err := own.Parse(m.String()); err != nil || again.String() != m.String() {
				t.Errorf("Parse(%q) = %q, %v: not the same again", m, again, err)
			}
			continue
		}
		want := strings.ReplaceAll(tt.err, "not built", "built for OFFICIAL")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %q, %v; want an error with %q", tt.in, m, err, want)
		}
	}
	_, err := own.Parse("SECRET – UK EYES ONLY")
	if f, ok := errors.AsType[*Finding](err); !ok || !f.Refuse {
		t.Errorf("Parse(SECRET …) = %v, want a Finding that refuses", err)
	}
}

func TestDetect(t *testing.T) {
	const no, ask, refuse = "no", "ask", "refuse"
	for _, tt := range []struct {
		text   string
		want   string
		reason Reason
	}{
		// No markings.
		{"The secret of good coffee", no, 0},
		{"Secret: it is her birthday", no, 0},
		{"Secret!", no, 0},
		{"That is top secret, haha", no, 0},
		{"Top Secret was a good film", no, 0},
		{"SECRET SANTA LIST", no, 0},
		{"The NATO Secretary General and the Secretary of State", no, 0},
		{"SECRETARY OF STATE", no, 0},
		{"Private and confidential", no, 0},
		{"access is restricted to staff", no, 0},
		{"we must protect the budget", no, 0},
		{"PROTECTING CHILDREN ACT", no, 0},
		{"For your eyes only", no, 0},
		{"The Five Eyes only met once", no, 0},
		{"OFFICIAL-SENSITIVE – RECIPIENTS ONLY", no, 0},
		{"Marking: OFFICIAL", no, 0},
		{"Classification: official-sensitive", no, 0},
		{"the classification is not a reason for secrecy", no, 0},
		{"see https://example.org/S//x", no, 0},
		{"A//B testing", no, 0},
		{"STRAPLINE", no, 0},
		{"bootstrap 2", no, 0},
		{"the secret ballot is on Tuesday", no, 0},
		{"", no, 0},

		// Markings.
		{"SECRET", refuse, AboveCeiling},
		{"TOP SECRET", refuse, AboveCeiling},
		{"UK SECRET", refuse, AboveCeiling},
		{"**SECRET**\n\nThe plan", refuse, AboveCeiling},
		{"The plan\n--- SECRET ---", refuse, AboveCeiling},
		{"SECRET: minutes of Monday", refuse, AboveCeiling},
		{"SECRET - minutes of Monday", refuse, AboveCeiling},
		{"SECRET – UK EYES ONLY", refuse, Caveat},
		{"SECRET RECIPIENTS ONLY", refuse, AboveCeiling},
		{"TOP SECRET STRAP 2", refuse, AboveCeiling},
		{"read this, it is STRAP1", refuse, AboveCeiling},
		{"[SECRET] Minutes", refuse, AboveCeiling},
		{"Minutes (TOP SECRET)", refuse, AboveCeiling},
		{"3. (TS) The source", refuse, AboveCeiling},
		{"S E C R E T", refuse, AboveCeiling},
		{"ＳＥＣＲＥＴ", refuse, AboveCeiling},
		{"TOP\u00a0SECRET", refuse, AboveCeiling},
		{"Classification: Secret", refuse, AboveCeiling},
		{"Security classification - top secret", refuse, AboveCeiling},
		{"protective marking: \"SECRET\"", refuse, AboveCeiling},
		{"one\ntwo\r\nSECRET\r\nthree", refuse, AboveCeiling},

		{"for UK EYES ONLY please", refuse, Caveat},
		{"AUS/CAN/NZ/UK/US EYES ONLY", refuse, Caveat},
		{"FIVE EYES ONLY", refuse, Caveat},
		{"this is uk eyes only", ask, Caveat},

		{"SECRET//NOFORN", refuse, Foreign},
		{"TOP SECRET//SI//TK", refuse, Foreign},
		{"(S//NF) The source", refuse, Foreign},
		{"the paper is NATO SECRET", refuse, Foreign},
		{"NATO RESTRICTED", refuse, Foreign},
		{"COSMIC TOP SECRET", refuse, Foreign},
		{"RESTREINT UE/EU RESTRICTED", refuse, Foreign},
		{"TRÈS SECRET UE", refuse, Foreign},
		{"REL TO USA, GBR", refuse, Foreign},

		{"CONFIDENTIAL", refuse, Legacy},
		{"RESTRICTED", refuse, Legacy},
		{"PROTECT - PERSONAL", refuse, Legacy},
		{"CONFIDENTIAL - POLICY", refuse, Legacy},
		{"Classification: Restricted", refuse, Legacy},
		{"RESTRICTED: no parking tomorrow", ask, Legacy},

		// Perhaps.
		{"I have the SECRET paper here", ask, AboveCeiling},
		{"TOP SECRET party plans", ask, AboveCeiling},
		{"TOP SECRET PARTY PLANS", ask, AboveCeiling},
		{"I have the SECRET paper\nNATO SECRET", refuse, Foreign},
	} {
		f := Detect(tt.text)
		got := no
		if f != nil {
			got = ask
			if f.Refuse {
				got = refuse
			}
		}
		if got != tt.want || f != nil && f.Reason != tt.reason {
			t.Errorf("Detect(%q) = %s %+v, want %s %d", tt.text, got, f, tt.want, tt.reason)
		}
		if f != nil && (f.Marking == "" || f.Line == 0 || f.What() == "" || f.Instead() == "") {
			t.Errorf("Detect(%q) = %+v: says too little", tt.text, f)
		}
	}
	if f := Detect("one\ntwo\nUK SECRET"); f.Line != 3 || f.Marking != "UK SECRET" {
		t.Errorf("found %q in line %d, want UK SECRET in line 3", f.Marking, f.Line)
	}
}

func TestMarkingOf(t *testing.T) {
	for text, want := range map[string]string{
		"OFFICIAL-SENSITIVE\nNumbers below": "OFFICIAL-SENSITIVE",
		"*OFFICIAL – HMG USE ONLY*":         "OFFICIAL – HMG USE ONLY",
		"Official visit on Monday":          "",
		"OFFICIAL VISIT ON MONDAY":          "",
		"hello":                             "",
	} {
		m, ok := Markings{}.MarkingOf(text)
		if m.String() != want || ok != (want != "") {
			t.Errorf("MarkingOf(%q) = %q, %v; want %q", text, m, ok, want)
		}
	}
}

func TestTimer(t *testing.T) {
	for _, c := range Timers {
		got, err := ParseTimer(c.Milliseconds(), Timers)
		if err != nil || got != c {
			t.Errorf("ParseTimer(%d) = %v, %v", c.Milliseconds(), got, err)
		}
	}
	for _, ms := range []int64{-1, 1, 86400001, 1 << 62} {
		if _, err := ParseTimer(ms, Timers); err == nil || !strings.Contains(err.Error(), "24 hours") {
			t.Errorf("ParseTimer(%d): %v, want the choices", ms, err)
		}
	}
	for d, want := range map[time.Duration]string{0: "never", 30 * time.Second: "30 seconds", time.Minute: "1 minute",
		time.Hour: "1 hour", day: "24 hours", 7 * day: "7 days", 90 * day: "90 days", 90 * time.Second: "90 seconds"} {
		if got := Timer(d).String(); got != want {
			t.Errorf("Timer(%d) = %q, want %q", d, got, want)
		}
	}
	if got, want := Timer(day).Hint(), "Disappears from devices after 24 hours. The record keeps it."; got != want {
		t.Errorf("Hint = %q, want %q", got, want)
	}
	if Timer(0).Gone(0, 1<<60) || Timer(time.Second).Gone(1000, 1999) || !Timer(time.Second).Gone(1000, 2000) {
		t.Error("Gone is wrong at its edges")
	}
}

func FuzzDetect(f *testing.F) {
	for _, s := range []string{"SECRET", "TOP SECRET//SI", "(TS)", "Classification: secret", "UK/US EYES ONLY", "\xff SECRET"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if f := Detect(s); f != nil && f.Marking == "" {
			t.Errorf("Detect(%q) found nothing in particular", s)
		}
		if m, err := (Markings{}).Parse(s); err == nil {
			if again, err := (Markings{}).Parse(m.String()); err != nil || again.String() != m.String() {
				t.Errorf("Parse(%q) = %q, and of that %q, %v", s, m, again, err)
			}
		}
	})
}

func BenchmarkDetect(b *testing.B) {
	for name, text := range map[string]string{
		"ordinary": strings.Repeat("The minister asks whether the figures for March are in yet. ", 8),
		"worst":    strings.Repeat("I say SECRET and we protect it. ", 2000), // as long as an event can be
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Detect(text)
			}
		})
	}
}
