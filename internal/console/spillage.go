package console

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/store"
)

// security are those who look at what is sealed because of a marking. Nobody else does.
var security = []identity.Role{identity.Security}

// sealedPage lists captured messages that bear a marking which should not be here.
type sealedPage struct {
	frame
	Shows []sealedShow
	Rows  []sealedRow
	Done  string // what has just been decided
	Older string // where the next page is
}

// sealedShow is one of the lists.
type sealedShow struct {
	Href, Text string
	Count      int
	Current    bool
}

// sealedRow is one message, without what it says.
type sealedRow struct {
	store.SealedItem
	By      string // who handed it in
	Decided string // who decided, and when
}

func (r sealedRow) Path() string { return root + "spillage/" + strconv.FormatInt(r.Pos, 10) }

// Where says where the marking stands.
func (r sealedRow) Where() string {
	if r.Line > 0 {
		return fmt.Sprintf("%s, line %s", r.Place, number(r.Line))
	}
	return r.Place
}

// Sort says of what sort the marking is.
func (r sealedRow) Sort() string {
	switch r.Reason {
	case "caveat":
		return "A caveat used only on SECRET and TOP SECRET"
	case "foreign":
		return "Another organisation’s or state’s marking"
	}
	return "Above OFFICIAL"
}

const sealedEach = 100

// sealedLists are the states by which messages are listed, in the order of the page.
var sealedLists = []struct{ state, text string }{{store.Sealed, "To be looked at"}, {store.Kept, "Kept sealed"}, {store.Released, "Released"}}

func (s *Server) sealed(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := &sealedPage{frame: frame{Title: "Possible spillages", Wide: true}}
	show := r.FormValue("show")
	if show != store.Kept && show != store.Released {
		show = store.Sealed
	}
	switch r.FormValue("done") {
	case store.Released:
		p.Done = "The message is released. It is shown like any other."
	case store.Kept:
		p.Done = "The message stays sealed."
	}
	for _, l := range sealedLists {
		n, err := store.CountSealed(r.Context(), s.DB.Reader(), l.state)
		if err != nil {
			return err
		}
		p.Shows = append(p.Shows, sealedShow{root + "spillage?show=" + l.state, l.text, int(n), l.state == show})
	}
	before := int64(math.MaxInt64)
	if n, err := strconv.ParseInt(r.FormValue("before"), 10, 64); err == nil && n > 0 {
		before = n
	}
	list, err := store.SealedItems(r.Context(), s.DB.Reader(), show, before, sealedEach+1)
	if err != nil {
		return err
	}
	if len(list) > sealedEach {
		list = list[:sealedEach]
		p.Older = fmt.Sprintf("%sspillage?show=%s&before=%d", root, show, list[sealedEach-1].Pos)
	}
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	for _, x := range list {
		p.Rows = append(p.Rows, rowOfSealed(n, x))
	}
	return s.show(w, r, v, "spillage", p)
}

func rowOfSealed(n *names, x store.SealedItem) sealedRow {
	row := sealedRow{SealedItem: x, By: n.of(x.Person)}
	if x.DecidedBy != "" {
		row.Decided = n.of(x.DecidedBy) + ", " + moment(x.DecidedAt)
	}
	return row
}

// sealPage shows one sealed message to the security officer, and asks what is to become of it.
type sealPage struct {
	frame
	Row     sealedRow
	Sender  string
	Written string
	Subject string
	Text    string
	Cut     bool // there is more text than is shown
	Machine bool // a machine read the text from a picture or a document
	Files   []string
	Doubts  []string
	Open    bool // it can still be decided
	Answer  field
	Reason  field
}

// shownSealed bounds the text that is shown, in bytes: enough to judge a marking by.
const shownSealed = 20 << 10

func (s *Server) newSealPage(r *http.Request, v *visit) (*sealPage, error) {
	pos, err := strconv.ParseInt(r.PathValue("item"), 10, 64)
	if err != nil {
		return nil, httpd.NotFound("No sealed message has that number.")
	}
	o, item, err := s.Capture.LookAtSealed(r.Context(), string(v.Session.User), pos)
	if errors.Is(err, store.ErrNotFound) {
		return nil, httpd.NotFound("No sealed message has that number, or its contents were lawfully destroyed.")
	}
	if err != nil {
		return nil, err
	}
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	p := &sealPage{frame: frame{Title: "Message no. " + number(pos) + " is sealed", Back: link{root + "spillage", "Possible spillages"}},
		Row: rowOfSealed(n, item), Sender: o.Sender, Written: o.Sent.Raw, Subject: o.Subject, Text: o.Text, Machine: o.Derived != nil, Open: item.State != store.Released,
		Answer: field{Name: "answer", Label: "What is it?", Kind: "radios", Answer: []answer{
			{Value: "keep", Text: "A spillage, or not clear yet", Hint: "It stays sealed. Follow the procedure for a security incident: Despatch tells nobody outside."},
			{Value: "release", Text: "A false alarm", Hint: "It is shown, searched and disclosed like any other message."}}},
		Reason: field{Name: "reason", Label: "Why?", Kind: "area", Rows: 3, Hint: "Your reason is on the record. Do not repeat what is classified."}}
	if item.State == store.Released {
		p.Title = "Message no. " + number(pos) + " was released"
	}
	if p.Text == "" {
		p.Text = o.Body
	}
	if p.Written == "" {
		p.Written = o.Sent.Local
	}
	if len(p.Text) > shownSealed {
		p.Text, p.Cut = strings.ToValidUTF8(p.Text[:shownSealed], ""), true
	}
	for _, a := range o.Attachments {
		p.Files = append(p.Files, a.Name)
	}
	for _, q := range o.Quality {
		p.Doubts = append(p.Doubts, q.Detail)
	}
	return p, nil
}

func (s *Server) sealedItem(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := s.newSealPage(r, v)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "sealed", p)
}

func (s *Server) decideSealed(w http.ResponseWriter, r *http.Request, v *visit) error {
	pos, err := strconv.ParseInt(r.PathValue("item"), 10, 64)
	if err != nil {
		return httpd.NotFound("No sealed message has that number.")
	}
	var answer, reason field
	answer.Name, reason.Name = "answer", "reason"
	answer.read(r)
	reason.read(r)
	release := answer.Value == "release"
	if (release || answer.Value == "keep") && reason.Value != "" {
		err := s.Capture.DecideSealed(r.Context(), string(v.Session.User), pos, release, reason.Value)
		switch {
		case err == nil:
			state := store.Kept
			if release {
				state = store.Released
			}
			return seeOther(w, r, root+"spillage?done="+state)
		case errors.Is(err, capture.ErrDecided):
			return httpd.Errorf(http.StatusConflict, "M_UNKNOWN", "Somebody has released the message already. Nothing was changed.")
		case errors.Is(err, store.ErrNotFound):
			return httpd.NotFound("No sealed message has that number.")
		case !errors.Is(err, capture.ErrReason):
			return err
		}
	}
	p, err := s.newSealPage(r, v)
	if err != nil {
		return err
	}
	p.Answer.read(r)
	p.Reason.read(r)
	if !p.Answer.chosen() {
		p.wrong("Choose what it is.", &p.Answer)
	}
	switch {
	case p.Reason.Value == "":
		p.wrong("Give a reason.", &p.Reason)
	case len(p.Reason.Value) > 2000:
		p.wrong("Give the reason in at most 2000 characters.", &p.Reason)
	}
	return s.show(w, r, v, "sealed", p)
}
