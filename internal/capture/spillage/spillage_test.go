package spillage

import (
	"testing"

	"despatch/internal/capture"
)

// TestPhrases measures how many of the marked phrases are found, and how many alarms are false.
func TestPhrases(t *testing.T) {
	for name, list := range map[string][]phrase{"known": phrases, "held out": heldOut} {
		found, missed, wrong := 0, 0, 0
		for _, p := range list {
			f := Text(p.text)
			switch {
			case f != nil && p.bad:
				found++
			case f != nil:
				wrong++
				t.Logf("%s: false alarm at %q: %+v", name, p.text, f)
			case p.bad:
				missed++
				t.Logf("%s: missed %q", name, p.text)
			}
		}
		precision, recall := float64(found)/float64(found+wrong), float64(found)/float64(found+missed)
		t.Logf("%s: %d phrases, %d of them marked: precision %.3f, recall %.3f", name, len(list), found+missed, precision, recall)
		if precision < 0.95 || recall < 0.95 && name == "known" || recall < 0.85 {
			t.Errorf("%s: precision %.3f, recall %.3f", name, precision, recall)
		}
	}
}

func TestName(t *testing.T) {
	for name, want := range map[string]string{
		"SECRET - plan.pdf": "SECRET", "SECRET_plan_v2.docx": "SECRET", "TOP_SECRET_annex.pdf": "TOP SECRET", "[SECRET] minutes.docx": "SECRET",
		"UK_EYES_ONLY annex.pdf": "UK EYES ONLY", "NATO SECRET brief.pdf": "NATO SECRET", "Convoy - SECRET.pdf": "SECRET", "COSMIC TOP SECRET.pdf": "COSMIC TOP SECRET",
		"01_SECRET_convoy.pptx": "SECRET", "TOP-SECRET.txt": "TOP SECRET", "SECRET.pdf": "SECRET",
		"secret recipe.docx": "", "SECRET_santa_list.xlsx": "", "SECRET SANTA.docx": "", "Secret Garden.epub": "", "client_secret.json": "", "secretary.docx": "",
		"OFFICIAL-SENSITIVE plan.pdf": "", "IMG-20211115-WA0010.jpg": "", "Official Secrets Act.pdf": "", "": "", "SECRET_KEY.txt": "", "top secret cake.jpg": "",
	} {
		got := ""
		if f := Name(name); f != nil {
			got = f.Marking
		}
		if got != want {
			t.Errorf("%q bears %q, want %q", name, got, want)
		}
	}
}

func TestHeader(t *testing.T) {
	for line, want := range map[string]string{
		"X-Protective-Marking: VER=2024.1, NS=gov.au, SEC=SECRET":                   "SECRET",
		"X-Protective-Marking: VER=2024.1, NS=gov.au, SEC=TOP-SECRET":               "TOP SECRET",
		"X-Protective-Marking: VER=2024.1, NS=gov.au, SEC=PROTECTED":                "PROTECTED",
		"X-Protective-Marking: VER=2024.1, NS=gov.au, SEC=OFFICIAL:Sensitive":       "",
		"x-classification: Secret":                                                  "SECRET",
		"X-Classification: OFFICIAL":                                                "",
		"Sensitivity: Company-Confidential":                                         "",
		"Sensitivity: Private":                                                      "",
		"MSIP_Labels: MSIP_Label_x_Name=TOP SECRET; MSIP_Label_x_Method=Privileged": "TOP SECRET",
		"Subject: SECRET - convoy":                                                  "SECRET",
		"Subject: Re: Fwd: [SEC=SECRET] convoy":                                     "SECRET",
		"Subject: The secret of good coffee":                                        "",
		"From: The Secretary <secret@example.org>":                                  "",
		"X-Spam: secret": "",
	} {
		got := ""
		if f := Header(line); f != nil {
			got = f.Marking
		}
		if got != want {
			t.Errorf("%q bears %q, want %q", line, got, want)
		}
	}
}

func TestFind(t *testing.T) {
	if f := Find(&capture.Observation{Body: "x", Text: "page 1\nSECRET\n", Derived: &capture.Derived{Engine: "tesseract 5"}}, nil); f == nil || f.Place != InPicture || f.Line != 2 {
		t.Errorf("words in a picture: %+v", f)
	}
	if f := Find(&capture.Observation{Subject: "[SECRET] x"}, nil); f == nil || f.Place != InSubject {
		t.Errorf("a subject: %+v", f)
	}
	if f := Find(&capture.Observation{Attachments: []capture.Attachment{{Name: "a.jpg"}, {Name: "TOP SECRET.pdf"}}}, nil); f == nil || f.Place != InName {
		t.Errorf("a name: %+v", f)
	}
	if f := Find(&capture.Observation{Edits: []capture.Edit{{Body: "SECRET: it leaves at six"}}}, nil); f == nil || f.Place != InText {
		t.Errorf("an earlier version: %+v", f)
	}
	if f := Find(&capture.Observation{Body: "The secret of good coffee"}, []string{"X-Protective-Marking: SEC=SECRET"}); f == nil || f.Place != InHeader {
		t.Errorf("a header: %+v", f)
	}
	if f := Find(&capture.Observation{Body: "The secret of good coffee", Attachments: []capture.Attachment{{Name: "coffee.jpg"}}}, []string{"Subject: coffee"}); f != nil {
		t.Errorf("coffee: %+v", f)
	}
}

func FuzzText(f *testing.F) {
	for _, p := range phrases[:40] {
		f.Add(p.text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, x := range []*capture.Finding{Text(s), Name(s), Header(s)} {
			if x != nil && (x.Marking == "" || x.Place == "" || x.Reason == "") {
				t.Errorf("%q: %+v", s, x)
			}
		}
	})
}
