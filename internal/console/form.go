package console

import (
	"net/http"
	"strings"
)

// field is a question of a form, with its answer so far.
type field struct {
	Name   string
	Label  string
	Hint   string
	Value  string
	Error  string
	Kind   string // text, password, area, radios, select, date
	Auto   string // what browsers may fill in
	Mode   string // the keyboard of a telephone: numeric, …
	Width  string // a class for the width of what is entered
	Rows   int
	Plain  bool // nothing that a keyboard should "correct"
	Large  bool // the label is the page's heading
	Answer []answer
}

// answer is one that can be chosen.
type answer struct {
	Value, Text, Hint string
	Chosen            bool
}

// ID is the id of the element that a problem links to.
func (f field) ID() string { return f.Name }

// read takes the answer from a form.
func (f *field) read(r *http.Request) {
	f.Value = r.PostForm.Get(f.Name)
	if f.Kind != "password" {
		f.Value = strings.TrimSpace(f.Value)
	}
	f.choose(f.Value)
}

// choose marks an answer as chosen.
func (f *field) choose(value string) {
	f.Value = value
	for i := range f.Answer {
		f.Answer[i].Chosen = f.Answer[i].Value == value
	}
}

// chosen reports whether one of the answers was.
func (f *field) chosen() bool {
	for _, a := range f.Answer {
		if a.Chosen {
			return true
		}
	}
	return false
}

// wrong adds a problem to a page and to the field that it is about.
func (p *frame) wrong(text string, about *field) {
	f := problem{Text: text}
	if about != nil {
		f.Field, about.Error = about.ID(), text
	}
	p.Problems = append(p.Problems, f)
}

// refuse adds what a service refused to a page, if it did; it returns any other error.
func (p *frame) refuse(err error, about *field) error {
	if x, ok := refused(err, ""); ok {
		p.wrong(x.Text, about)
		return nil
	}
	return err
}

// need adds a problem if a field was left empty.
func (p *frame) need(f *field, text string) {
	if f.Value == "" {
		p.wrong(text, f)
	}
}

func fields(r *http.Request, fs ...*field) {
	for _, f := range fs {
		f.read(r)
	}
}
