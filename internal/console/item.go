package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"despatch/internal/disclosure"
	"despatch/internal/identity"
)

// itemView is a message on a page of a case.
type itemView struct {
	*disclosure.Item
	Case caseView
	Here bool // it is the one that the page is about
}

func viewItem(c caseView, it *disclosure.Item) itemView { return itemView{Item: it, Case: c} }

func (v itemView) Path() string { return v.Case.Path() + "/items/" + strconv.FormatInt(v.Position, 10) }

func (v itemView) Around() string {
	return v.Case.Path() + "/around/" + strconv.FormatInt(v.Position, 10)
}

// Who said it.
func (v itemView) Who() string {
	if v.SenderName != "" {
		return v.SenderName
	}
	return v.Sender
}

// Source is where it was said.
func (v itemView) Source() string {
	title := v.Conversation
	if title == "" {
		title = "a conversation without a name"
	}
	if v.System != "despatch" && v.System != "" {
		return title + ", captured from " + systemName(v.System)
	}
	return title
}

func systemName(s string) string {
	if s == "whatsapp" {
		return "WhatsApp"
	}
	return s
}

// Decided is the decision in words, with its reasons.
func (v itemView) Decided() string { return decided(v.Decision) }

func decided(d *disclosure.Decision) string {
	if d == nil {
		return "Undecided"
	}
	words := map[disclosure.Outcome]string{disclosure.Release: "Release", disclosure.Redact: "Redact", disclosure.Withhold: "Withhold"}[d.Outcome]
	if len(d.Codes) > 0 {
		words += ": " + strings.Join(d.Codes, ", ")
	}
	return words
}

// Tag is the colour of the decision's tag; the words say the same.
func (v itemView) Tag() string {
	switch {
	case v.Decision == nil:
		return "grey"
	case v.Decision.Outcome == disclosure.Release:
		return "green"
	case v.Decision.Outcome == disclosure.Redact:
		return "yellow"
	}
	return "red"
}

// Parts are the text with the passages that are taken out marked.
func (v itemView) Parts() []textPart {
	var spans []disclosure.Span
	if v.Decision != nil && v.Decision.Outcome == disclosure.Redact {
		spans = v.Decision.Spans
	}
	return split(v.Text, 0, spans)
}

// textPart is a stretch of a text.
type textPart struct {
	Text string
	Out  bool // it is taken out
}

// split cuts a version of a text at the passages that are taken out of it.
func split(text string, edit int, spans []disclosure.Span) []textPart {
	runes := []rune(text)
	out := make([]bool, len(runes))
	for _, sp := range spans {
		for i := max(sp.Start, 0); sp.Edit == edit && i < min(sp.End, len(runes)); i++ {
			out[i] = true
		}
	}
	var parts []textPart
	for i := 0; i < len(runes); {
		j := i
		for j < len(runes) && out[j] == out[i] {
			j++
		}
		parts = append(parts, textPart{string(runes[i:j]), out[i]})
		i = j
	}
	return parts
}

// itemsPage lists the items of a case and decides about several at once.
type itemsPage struct {
	caseFrame
	Show    string
	Choice  []caseChoice
	Items   []itemView
	Next    string
	May     bool // the visitor decides here
	Outcome field
	Reasons [reasons]field
	Note    field
}

// reasons is how many a decision can be given on a page.
const reasons = 3

func (s *Server) newItemsPage(r *http.Request, v *visit) (*itemsPage, error) {
	f, err := s.within(r, v, "Items of the case")
	if err != nil {
		return nil, err
	}
	f.Recorded, f.Wide = true, true
	p := &itemsPage{caseFrame: f, Show: r.FormValue("show"), May: v.Roles().Has(identity.Records) && f.Case.mine(v.Session.User) && f.Case.Status != disclosure.Closed}
	t := f.Case.Totals
	for _, c := range []caseChoice{{"", "All", t.Items, false}, {"undecided", "Undecided", t.Undecided, false}, {"release", "Release", t.Released, false},
		{"redact", "Redact", t.Redacted, false}, {"withhold", "Withhold", t.Withheld, false}} {
		c.Current = c.Show == p.Show
		p.Choice = append(p.Choice, c)
	}
	p.Outcome, p.Reasons, p.Note = newDecision(f.Case.Kind, false)
	return p, nil
}

// filter is which items a list shows.
func filter(show string) disclosure.ItemFilter {
	switch o := disclosure.Outcome(show); o {
	case disclosure.Release, disclosure.Redact, disclosure.Withhold:
		return disclosure.ItemFilter{Outcome: o}
	}
	return disclosure.ItemFilter{Undecided: show == "undecided"}
}

func (s *Server) items(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newItemsPage(r, v)
	if err != nil {
		return err
	}
	return s.showItems(w, r, v, p)
}

func (s *Server) showItems(w http.ResponseWriter, r *http.Request, v *visit, p *itemsPage) error {
	after, _ := strconv.ParseInt(r.FormValue("after"), 10, 64) // what is no number is the beginning
	items, next, err := s.Cases.Items(r.Context(), v.Session.User, p.Case.ID, filter(p.Show), after)
	if err != nil {
		return err
	}
	for _, it := range items {
		p.Items = append(p.Items, viewItem(p.Case, it))
	}
	if next > 0 {
		p.Next = p.Case.Path() + "/items?" + url.Values{"show": {p.Show}, "after": {strconv.FormatInt(next, 10)}}.Encode()
	}
	return s.show(w, r, v, "items", p)
}

// decideItems decides about what was ticked, or about the whole list, in one way.
func (s *Server) decideItems(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newItemsPage(r, v)
	if err != nil {
		return err
	}
	d := p.readDecision(r, &p.Outcome, &p.Reasons, &p.Note)
	chosen := positions(r)
	if len(chosen) == 0 && r.PostForm.Get("which") != "all" {
		p.Problems = append(p.Problems, problem{"item", "Tick the items that you decide about."})
	}
	if len(p.Problems) == 0 {
		if r.PostForm.Get("which") == "all" {
			_, err = s.Cases.DecideAll(r.Context(), v.Session.User, p.Case.ID, filter(p.Show), d)
		} else {
			err = s.Cases.Decide(r.Context(), v.Session.User, p.Case.ID, chosen, d)
		}
		if err := p.refuse(err, &p.Outcome); err != nil {
			return err
		}
	}
	if len(p.Problems) > 0 {
		return s.showItems(w, r, v, p)
	}
	return seeOther(w, r, p.Case.Path()+"/items?"+url.Values{"show": {p.Show}}.Encode())
}

// newDecision are the questions of a decision.
func newDecision(k disclosure.Kind, redact bool) (outcome field, why [reasons]field, note field) {
	outcome = field{Name: "outcome", Label: "What is your decision?", Kind: "radios", Answer: []answer{
		{Value: string(disclosure.Release), Text: "Release", Hint: "As it stands on the record."}}}
	if redact {
		outcome.Answer = append(outcome.Answer, answer{Value: string(disclosure.Redact), Text: "Redact", Hint: "Release it without the words chosen below."})
	}
	outcome.Answer = append(outcome.Answer, answer{Value: string(disclosure.Withhold), Text: "Withhold", Hint: "The reader learns that there is an item, and why it is withheld."})
	for i := range why {
		why[i] = field{Name: "reason" + strconv.Itoa(i+1), Kind: "select", Label: []string{"Reason", "Second reason, if there is one", "Third reason, if there is one"}[i]}
		if i == 0 {
			why[i].Hint = "Needed to redact or withhold. After a qualified one the public interest must be weighed."
		}
		why[i].Answer = append(why[i].Answer, answer{Value: "", Text: "Choose"})
		for _, e := range disclosure.Exemptions(k) {
			text := e.Code + " " + e.Name
			if e.Test != "" {
				text += " (" + e.Test + ")"
			}
			why[i].Answer = append(why[i].Answer, answer{Value: e.Code, Text: text})
		}
	}
	note = field{Name: "note", Label: "Note for the case", Hint: "Why you decided so. It is never disclosed with the item.", Kind: "area", Rows: 3}
	return outcome, why, note
}

// readDecision reads the answers to them.
func (p *frame) readDecision(r *http.Request, outcome *field, why *[reasons]field, note *field) disclosure.Decision {
	fields(r, outcome, &why[0], &why[1], &why[2], note)
	d := disclosure.Decision{Outcome: disclosure.Outcome(outcome.Value), Note: note.Value}
	if !outcome.chosen() {
		p.wrong("Choose a decision.", outcome)
	}
	if d.Outcome == disclosure.Release {
		return d
	}
	for i := range why {
		if c := why[i].Value; c != "" && !slices.Contains(d.Codes, c) {
			d.Codes = append(d.Codes, c)
		}
	}
	if len(d.Codes) == 0 && outcome.chosen() {
		p.wrong("Choose a reason.", &why[0])
	}
	return d
}

// itemPage is one item, what was decided about it, and what is to be decided.
type itemPage struct {
	caseFrame
	Item       itemView
	Earlier    []earlierDecision
	May        bool
	Versions   []version
	Outcome    field
	Reasons    [reasons]field
	Note       field
	Public     field
	Exact      field
	HideSender bool
	KeepFiles  bool
}

type earlierDecision struct {
	Words, By string
	disclosure.Decision
}

// version is a text of the item whose words can be chosen: the first, or an edit.
type version struct {
	Name  string
	Words []word
}

// word is a word of a text and its place in it.
type word struct {
	Text, Value string
	Out         bool
}

func (s *Server) newItemPage(r *http.Request, v *visit) (*itemPage, error) {
	f, err := s.within(r, v, "Item of the case")
	if err != nil {
		return nil, err
	}
	pos, err := strconv.ParseInt(r.PathValue("item"), 10, 64)
	if err != nil {
		return nil, errNowhere()
	}
	it, earlier, err := s.Cases.Item(r.Context(), v.Session.User, f.Case.ID, pos)
	if err != nil {
		return nil, err
	}
	f.Recorded, f.Back = true, link{f.Case.Path() + "/items", "Items of the case"}
	f.Title = "Item no. " + number(it.Position)
	p := &itemPage{caseFrame: f, Item: viewItem(f.Case, it),
		May:    v.Roles().Has(identity.Records) && f.Case.mine(v.Session.User) && f.Case.Status != disclosure.Closed,
		Public: field{Name: "public", Label: "Note to the reader", Hint: "It is disclosed with the item.", Kind: "area", Rows: 2},
		Exact: field{Name: "exact", Label: "Or enter the exact words to take out", Kind: "area", Rows: 3,
			Hint: "One passage to a line. It is taken out wherever the item has it, capitals and all."}}
	p.Outcome, p.Reasons, p.Note = newDecision(f.Case.Kind, true)
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	for _, d := range earlier {
		p.Earlier = append(p.Earlier, earlierDecision{decided(&d), n.of(string(d.By)), d})
	}
	var spans []disclosure.Span
	if d := it.Decision; d != nil {
		p.Outcome.choose(string(d.Outcome))
		for i := range min(reasons, len(d.Codes)) {
			p.Reasons[i].choose(d.Codes[i])
		}
		p.Note.Value, p.Public.Value, p.HideSender, p.KeepFiles, spans = d.Note, d.Public, d.HideSender, d.KeepFiles, d.Spans
	}
	p.Versions = versions(it, spans)
	return p, nil
}

// versions are the texts of an item with the passages taken out marked word by word.
func versions(it *disclosure.Item, spans []disclosure.Span) []version {
	out := []version{{"The message", words(it.Text, 0, spans)}}
	for i, e := range it.Edits {
		out = append(out, version{"Edit " + strconv.Itoa(i+1), words(e.Text, i+1, spans)})
	}
	return out
}

// words cuts a text at its white space. Places are counted in runes.
func words(text string, edit int, spans []disclosure.Span) []word {
	var out []word
	at := 0
	for _, f := range strings.FieldsFunc(text, unicode.IsSpace) {
		i := strings.Index(text, f)
		start := at + utf8.RuneCountInString(text[:i])
		end := start + utf8.RuneCountInString(f)
		text, at = text[i+len(f):], end
		w := word{Text: f, Value: strconv.Itoa(edit) + "-" + strconv.Itoa(start) + "-" + strconv.Itoa(end)}
		for _, sp := range spans {
			w.Out = w.Out || sp.Edit == edit && sp.Start < end && sp.End > start
		}
		out = append(out, w)
	}
	return out
}

func (s *Server) item(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newItemPage(r, v)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "item", p)
}

func (s *Server) decideItem(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newItemPage(r, v)
	if err != nil {
		return err
	}
	d := p.readDecision(r, &p.Outcome, &p.Reasons, &p.Note)
	fields(r, &p.Public, &p.Exact)
	p.HideSender, p.KeepFiles = r.PostForm.Get("hide-sender") != "", r.PostForm.Get("keep-files") != ""
	d.Public = p.Public.Value
	if d.Outcome == disclosure.Redact {
		d.HideSender, d.KeepFiles = p.HideSender, p.KeepFiles
		var missing string
		if d.Spans, missing = chosenSpans(p.Item.Item, r.PostForm["word"], p.Exact.Value); missing != "" {
			p.wrong("The item does not have the words “"+missing+"”. Copy them exactly.", &p.Exact)
		} else if len(d.Spans) == 0 && !d.HideSender && len(p.Item.Attachments) == 0 {
			p.Problems = append(p.Problems, problem{"word", "Choose the words to take out."})
		}
		p.Versions = versions(p.Item.Item, d.Spans)
	}
	if len(p.Problems) == 0 {
		err := s.Cases.Decide(r.Context(), v.Session.User, p.Case.ID, []int64{p.Item.Position}, d)
		if err := p.refuse(err, &p.Outcome); err != nil {
			return err
		}
	}
	if len(p.Problems) > 0 {
		return s.show(w, r, v, "item", p)
	}
	// To the list and not to the next item: each opening is on the record.
	return seeOther(w, r, p.Case.Path()+"/items?show=undecided")
}

// chosenSpans are the passages that were ticked word by word, with the space between neighbours, and
// those entered as text. missing is text that the item does not have.
func chosenSpans(it *disclosure.Item, ticked []string, exact string) (spans []disclosure.Span, missing string) {
	texts := []string{it.Text}
	for _, e := range it.Edits {
		texts = append(texts, e.Text)
	}
	for edit, text := range texts {
		last := -1 // the span that the word before belongs to
		for _, w := range words(text, edit, nil) {
			var start, end int
			if !slices.Contains(ticked, w.Value) {
				last = -1
				continue
			}
			parts := strings.Split(w.Value, "-")
			start, _ = strconv.Atoi(parts[1])
			end, _ = strconv.Atoi(parts[2])
			if last >= 0 {
				spans[last].End = end
				continue
			}
			last = len(spans)
			spans = append(spans, disclosure.Span{Edit: edit, Start: start, End: end})
		}
	}
	for line := range strings.Lines(exact) {
		passage := strings.TrimSpace(line)
		if passage == "" {
			continue
		}
		found := false
		for edit, text := range texts {
			for at := 0; ; {
				i := strings.Index(text[at:], passage)
				if i < 0 {
					break
				}
				start := utf8.RuneCountInString(text[:at+i])
				spans = append(spans, disclosure.Span{Edit: edit, Start: start, End: start + utf8.RuneCountInString(passage)})
				at, found = at+i+len(passage), true
			}
		}
		if !found {
			return spans, passage
		}
	}
	return merged(spans), ""
}

// merged puts passages in order and joins those that overlap.
func merged(spans []disclosure.Span) []disclosure.Span {
	slices.SortFunc(spans, func(a, b disclosure.Span) int {
		if a.Edit != b.Edit {
			return a.Edit - b.Edit
		}
		return a.Start - b.Start
	})
	var out []disclosure.Span
	for _, sp := range spans {
		if n := len(out); n > 0 && out[n-1].Edit == sp.Edit && sp.Start <= out[n-1].End {
			out[n-1].End = max(out[n-1].End, sp.End)
			continue
		}
		out = append(out, sp)
	}
	return out
}
