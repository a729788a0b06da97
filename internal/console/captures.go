package console

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/office"
	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/store"
)

// tabs are the pages of what was said elsewhere.
func tabs(current string) []navItem {
	var out []navItem
	for _, l := range []link{{root + "captures", "Submissions"}, {root + "requests", "Requests"}, {root + "losses", "Declared losses"}, {root + "register", "Why elsewhere"}, {root + "office", "Who looked"}} {
		out = append(out, navItem{l, l.Href == root+current})
	}
	return out
}

// choose is a question with one answer from a list.
func choose(name, label string, answers ...answer) field {
	return field{Name: name, Label: label, Kind: "select", Answer: answers}
}

// listed reads a filter's answer from the address; one that is not in the list counts as none.
func (f *field) listed(r *http.Request) string {
	f.choose(r.FormValue(f.Name))
	if !f.chosen() {
		f.choose("")
	}
	return f.Value
}

// whose reads a user name from the address. It is empty if none was given.
func (s *Server) whose(r *http.Request, f *field, p *frame) (matrix.UserID, string, error) {
	f.Value = strings.TrimSpace(r.FormValue(f.Name))
	if f.Value == "" {
		return "", "", nil
	}
	text := f.Value
	if !strings.HasPrefix(text, "@") {
		text = "@" + strings.ToLower(text) + ":" + string(s.Name)
	}
	who, err := s.Identity.Person(r.Context(), matrix.UserID(text))
	if e, ok := errors.AsType[*httpd.Error](err); ok {
		p.wrong(e.Message, f)
		return "", "", nil
	}
	return who.ID, who.Name, err
}

func whoseField(hint string) field {
	return field{Name: "whose", Label: "Whose?", Kind: "text", Auto: "off", Plain: true, Width: "govuk-input--width-20", Hint: hint}
}

// capturesPage lists what was handed in.
type capturesPage struct {
	frame
	Tabs        []navItem
	Whose       field
	State       field
	System      field
	Weight      field
	Period      field
	Filtered    bool
	Name        string // of the person whose submissions these are, if they are one person's
	Waiting     int64  // submissions with an open question
	Submissions []submissionRow
	Next        string
}

type submissionRow struct {
	store.OfficeSubmission
	By string
}

func (s submissionRow) Path() string { return root + "captures/" + url.PathEscape(s.ID) }

// From is the system it came from, in words; empty if it was not read.
func (s submissionRow) From() string {
	if s.System == "" {
		return ""
	}
	return office.SystemName(s.System)
}

// Outcome is how reading the file went, in words.
func (s submissionRow) Outcome() string { return outcome(capture.Status(s.Status)) }

func (s submissionRow) Colour() string { return outcomeColour(capture.Status(s.Status)) }

func outcomeColour(s capture.Status) string {
	switch s {
	case capture.StatusRead:
		return "green"
	case capture.StatusNeedsAnswer:
		return "yellow"
	case "":
		return "blue"
	}
	return "red"
}

func outcome(s capture.Status) string {
	switch s {
	case capture.StatusRead:
		return "Read"
	case capture.StatusNeedsAnswer:
		return "Needs an answer"
	case capture.StatusUnreadable:
		return "Could not be read"
	case capture.StatusUnknown:
		return "Kind of file not known"
	}
	return "Being read"
}

const submissionsEach = 100

func newCapturesPage() *capturesPage {
	return &capturesPage{frame: frame{Title: "Captured chats", Wide: true}, Tabs: tabs("captures"), Whose: whoseField("The user name of who handed them in."),
		State: choose("state", "State", answer{Text: "Any", Chosen: true}, answer{Value: "open", Text: "To be settled"}, answer{Value: "needs_answer", Text: "Needs an answer"},
			answer{Value: "unreadable", Text: "Could not be read"}, answer{Value: "unknown", Text: "Kind of file not known"}, answer{Value: "read", Text: "Read"}, answer{Value: "none", Text: "Being read"}),
		System: choose("system", "System", answer{Text: "Any", Chosen: true}),
		Weight: choose("weight", "Significance", answer{Text: "Any", Chosen: true}, answer{Value: "significant", Text: "Significant"}, answer{Value: "routine", Text: "Routine"}, answer{Value: "none", Text: "Not stated"}),
		Period: choose("period", "Handed in", answer{Text: "At any time", Chosen: true}, answer{Value: "7", Text: "In the last 7 days"}, answer{Value: "30", Text: "In the last 30 days"}, answer{Value: "365", Text: "In the last year"})}
}

func (s *Server) captures(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := newCapturesPage()
	ctx := r.Context()
	systems, err := store.CapturedSystems(ctx, s.DB.Reader())
	if err != nil {
		return err
	}
	for _, code := range systems {
		p.System.Answer = append(p.System.Answer, answer{Value: code, Text: office.SystemName(code)})
	}
	f := store.SubmissionFilter{Status: p.State.listed(r), System: p.System.listed(r), Weight: p.Weight.listed(r)}
	if days, err := strconv.Atoi(p.Period.listed(r)); err == nil {
		f.From = s.Now().AddDate(0, 0, -days).UnixMilli()
	}
	id, name, err := s.whose(r, &p.Whose, &p.frame)
	if err != nil {
		return err
	}
	if len(p.Problems) > 0 {
		return s.show(w, r, v, "captures", p)
	}
	f.Person, p.Name = string(id), name
	p.Filtered = f != store.SubmissionFilter{}
	looked := s.filterWords(name, &p.State, &p.System, &p.Weight, &p.Period)
	if before, err := strconv.ParseInt(r.FormValue("before"), 10, 64); err == nil {
		f.Before, f.ID = before, r.FormValue("id")
	}
	if err := s.Office.Looked(ctx, v.User, "the list of submissions", looked); err != nil {
		return err
	}
	counts, err := store.CountSubmissions(ctx, s.DB.Reader())
	if err != nil {
		return err
	}
	p.Waiting = counts[string(capture.StatusNeedsAnswer)]
	list, err := store.OfficeSubmissions(ctx, s.DB.Reader(), f, submissionsEach)
	if err != nil {
		return err
	}
	n := &names{s: s, ctx: ctx, known: make(map[string]string)}
	for _, x := range list {
		p.Submissions = append(p.Submissions, submissionRow{x, n.of(x.Person)})
	}
	if len(list) == submissionsEach {
		last := list[len(list)-1]
		q := r.URL.Query()
		q.Set("before", strconv.FormatInt(last.Time, 10))
		q.Set("id", last.ID)
		p.Next = root + "captures?" + q.Encode()
	}
	return s.show(w, r, v, "captures", p)
}

// filterWords says for the record what a list was filtered by.
func (s *Server) filterWords(name string, fs ...*field) string {
	var parts []string
	if name != "" {
		parts = append(parts, "those of "+name)
	}
	for _, f := range fs {
		for _, a := range f.Answer {
			if a.Chosen && a.Value != "" {
				parts = append(parts, strings.ToLower(f.Label)+" "+a.Text)
			}
		}
	}
	return strings.Join(parts, ", ")
}

// capturePage is the receipt of one submission: what was understood, what is doubted, and what was done
// with it.
type capturePage struct {
	frame
	Receipt *capture.Receipt
	Path    string
	New     bool
	Outcome string
	Colour  string
	By      string
	From    string
	About   office.About
	Reason  string // for going elsewhere, in words
	Lines   []string
	Own     bool
	Answers bool // the file has questions
	Story   []storyRow
}

type storyRow struct {
	office.Step
	Name string
}

func (s *Server) capture(w http.ResponseWriter, r *http.Request, v *visit) error {
	rc, err := s.receipt(r)
	if err != nil {
		return err
	}
	p, err := s.viewReceipt(r, v, rc)
	if err != nil {
		return err
	}
	return s.show(w, r, v, "capture", p)
}

func (s *Server) receipt(r *http.Request) (*capture.Receipt, error) {
	rc, err := s.Capture.Receipt(r.Context(), r.PathValue("submission"))
	if errors.Is(err, store.ErrNotFound) {
		err = httpd.NotFound("Nothing was handed in under that number.")
	}
	return rc, err
}

func (s *Server) viewReceipt(r *http.Request, v *visit, rc *capture.Receipt) (*capturePage, error) {
	ctx := r.Context()
	n := &names{s: s, ctx: ctx, known: make(map[string]string)}
	p := &capturePage{frame: frame{Title: "What was handed in", Back: link{root + "captures", "Captured chats"}}, Receipt: rc, Path: root + "captures/" + url.PathEscape(rc.Submission),
		New: r.FormValue("new") != "", Outcome: outcome(rc.Status), Colour: outcomeColour(rc.Status), By: n.of(rc.Person), Own: rc.Person == string(v.Session.User), Answers: rc.Status == capture.StatusNeedsAnswer}
	if !p.Own {
		if err := s.Office.Looked(ctx, v.User, "submission no. "+number(rc.Position), ""); err != nil {
			return nil, err
		}
	}
	if rc.Run != nil && rc.Run.System != "" {
		p.From = office.SystemName(rc.Run.System)
	}
	for _, l := range rc.Summary() {
		// The example in a question is a line of the chat: it is for its owner, since an officer reads only within a case.
		if !p.Own && (strings.HasPrefix(l, "Question:") || strings.HasPrefix(l, "  ")) {
			continue
		}
		p.Lines = append(p.Lines, strings.TrimSpace(l))
	}
	var err error
	if p.About, err = s.Office.About(ctx, rc.Submission); err != nil {
		return nil, err
	}
	if p.About.Reason != "" {
		p.Reason = office.Text(office.Reasons, p.About.Reason)
	}
	story, err := s.Office.Story(ctx, rc.Submission)
	if err != nil {
		return nil, err
	}
	for _, x := range story {
		row := storyRow{Step: x}
		if x.By != "" {
			row.Name = n.of(x.By)
		}
		p.Story = append(p.Story, row)
	}
	return p, nil
}

// answerPage settles the questions of a file that is kept.
type answerPage struct {
	frame
	Path      string
	By        string
	Own       bool
	Examples  []string // of what the file says; only for its owner
	Zone      field
	Questions []field
	Reason    field
}

func (s *Server) newAnswerPage(r *http.Request, v *visit) (*answerPage, *capture.Receipt, error) {
	rc, err := s.receipt(r)
	if err != nil {
		return nil, nil, err
	}
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	path := root + "captures/" + url.PathEscape(rc.Submission)
	p := &answerPage{frame: frame{Title: "Answer what the file leaves open", Back: link{path, "What was handed in"}}, Path: path, By: n.of(rc.Person), Own: rc.Person == string(v.Session.User),
		Zone: zoneField(), Reason: field{Name: "reason", Label: "How do you know?", Kind: "area", Rows: 3, Hint: "It stands on the record beside your answer. For example: Priya said so by telephone."}}
	if rc.Declared.Zone != "" {
		p.Zone.Value = rc.Declared.Zone
	}
	if rc.Run == nil || rc.Status != capture.StatusNeedsAnswer {
		return p, rc, nil
	}
	for _, q := range rc.Run.Questions {
		f := field{Name: "about-" + q.About, Label: q.Text, Kind: "radios"}
		switch {
		case q.About == "zone":
			continue
		case q.About == "secret":
			f.Kind, f.Auto, f.Hint = "password", "off", "It is used to open the file and then forgotten. It is never kept."
		case len(q.Answers) == 0:
			f.Kind = "text"
		}
		for _, a := range q.Answers {
			f.Answer = append(f.Answer, answer{Value: a.Value, Text: capital(a.Meaning)})
		}
		p.Questions = append(p.Questions, f)
		if p.Own && q.Example != "" {
			p.Examples = append(p.Examples, q.Example)
		}
	}
	return p, rc, nil
}

func zoneField() field {
	return field{Name: "zone", Label: "In which time zone was the telephone?", Value: "Europe/London", Kind: "text", Auto: "off", Plain: true,
		Width: "govuk-input--width-20", Hint: "Many exports do not say. For example Europe/London or America/New_York."}
}

// zone reads a time zone.
func (p *frame) zone(f *field) *time.Location {
	if f.Value == "" || strings.EqualFold(f.Value, "local") {
		p.wrong("Enter a time zone.", f)
		return nil
	}
	zone, err := time.LoadLocation(f.Value)
	if err != nil {
		p.wrong("There is no time zone of that name. Enter one like Europe/London.", f)
	}
	return zone
}

func (s *Server) answerPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, rc, err := s.newAnswerPage(r, v)
	if err != nil {
		return err
	}
	if rc.Status != capture.StatusNeedsAnswer {
		return seeOther(w, r, p.Path)
	}
	if !p.Own {
		if err := s.Office.Looked(r.Context(), v.User, "the questions of submission no. "+number(rc.Position), ""); err != nil {
			return err
		}
	}
	return s.show(w, r, v, "answer", p)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, rc, err := s.newAnswerPage(r, v)
	if err != nil {
		return err
	}
	if rc.Status != capture.StatusNeedsAnswer {
		return seeOther(w, r, p.Path)
	}
	fields(r, &p.Zone, &p.Reason)
	a := capture.Answers{Submission: rc.Submission, By: string(v.User), Reason: p.Reason.Value}
	a.Options.Zone = p.zone(&p.Zone)
	for i := range p.Questions {
		f := &p.Questions[i]
		f.read(r)
		if len(f.Answer) > 0 && !f.chosen() {
			p.wrong("Choose an answer.", f)
		} else if f.Value == "" {
			p.wrong("Enter an answer.", f)
		}
		switch f.Name {
		case "about-date_order":
			a.Options.DateOrder = f.Value
		case "about-calendar":
			a.Options.Calendar = f.Value
		case "about-self":
			a.Options.Self = f.Value
		case "about-secret":
			a.Options.Secrets = []string{f.Value}
			f.Value = ""
		}
	}
	if !p.Own {
		p.need(&p.Reason, "Say how you know.")
		if len(p.Reason.Value) > maxReason {
			p.wrong("Say it in fewer words.", &p.Reason)
		}
	}
	if len(p.Problems) > 0 {
		return s.show(w, r, v, "answer", p)
	}
	if _, err := s.Capture.Answer(r.Context(), a); err != nil {
		if bad, ok := errors.AsType[*capture.FileError](err); ok {
			p.wrong(bad.Error(), nil)
			return s.show(w, r, v, "answer", p)
		}
		return err
	}
	return seeOther(w, r, p.Path+"?new=1")
}

const maxReason = 4000

// uploadPage hands in an export.
type uploadPage struct {
	frame
	File   field
	Zone   field
	Secret field
}

func newUploadPage() *uploadPage {
	return &uploadPage{frame: frame{Title: "Put a chat on the record", Back: link{root + "captures", "Captured chats"}},
		File: field{Name: "file", Label: "The exported chat, or any other file", Kind: "file", Hint: "As the system exported it. It is kept whole, as it is, also if it cannot be read."},
		Zone: zoneField(), Secret: field{Name: "secret", Label: "Its password or key, if it has one", Kind: "password", Auto: "off", Hint: "It is used to open the file and then forgotten. It is never kept."}}
}

func (s *Server) uploadPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.show(w, r, v, "upload", newUploadPage())
}

func (s *Server) uploadFile(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := newUploadPage()
	fields(r, &p.Zone, &p.Secret)
	opt := capture.Options{}
	if p.Secret.Value != "" {
		opt.Secrets = []string{p.Secret.Value}
		p.Secret.Value = ""
	}
	if v.upload == nil || v.upload.size == 0 {
		p.wrong("Choose the file of the exported chat.", &p.File)
	}
	opt.Zone = p.zone(&p.Zone)
	if len(p.Problems) > 0 {
		return s.show(w, r, v, "upload", p)
	}
	file, err := capture.NewFile(r.Context(), v.upload.name, v.upload.file, v.upload.size, time.Time{})
	var rc *capture.Receipt
	if err == nil {
		rc, err = s.Capture.Submit(r.Context(), capture.Upload{Person: string(v.Session.User), Files: []*capture.File{file}, Options: opt})
	}
	if bad, ok := errors.AsType[*capture.FileError](err); ok {
		p.wrong(bad.Error(), &p.File)
		return s.show(w, r, v, "upload", p)
	}
	if err != nil {
		if err := p.refuse(err, &p.File); err != nil {
			return err
		}
		return s.show(w, r, v, "upload", p)
	}
	to := root + "captures/" + url.PathEscape(rc.Submission)
	if rc.Status == capture.StatusNeedsAnswer {
		return seeOther(w, r, to+"/answer")
	}
	return seeOther(w, r, to+"?new=1")
}

// upload is a file that came with a form. It lies in a file of its own until the request ends.
type upload struct {
	name string
	size int64
	file *os.File
}

func (u *upload) close() {
	if u != nil && u.file != nil {
		u.file.Close()
	}
}

const (
	uploadRoute   = "POST /console/captures/add"
	maxUpload     = 2 << 30
	uploadTimeout = 30 * time.Minute
)

// readUpload reads a form with a file. The form's token stands before the file and is checked before any
// of it is stored.
func (s *Server) readUpload(w http.ResponseWriter, r *http.Request, v *visit) (err error) {
	conn := http.NewResponseController(w)
	conn.SetReadDeadline(time.Now().Add(uploadTimeout))
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	parts, err := r.MultipartReader()
	if err != nil {
		return readForm(w, r) // without a file
	}
	broken := httpd.Errorf(http.StatusBadRequest, "M_UNKNOWN", "The file did not arrive whole, or is larger than %s. Nothing was taken. Go back and try again.", size(maxUpload))
	r.PostForm = url.Values{}
	r.Form = r.PostForm
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if err == io.EOF {
			conn.SetReadDeadline(time.Time{})
			return nil
		}
		if err != nil || n > 50 {
			return broken
		}
		if part.FormName() == "file" && part.FileName() != "" && v.upload == nil {
			if !identity.CheckCSRF(v.token, r.PostForm.Get("csrf")) {
				return errOldForm()
			}
			if v.upload, err = s.keepUpload(part); err != nil {
				if _, ok := errors.AsType[*os.PathError](err); ok {
					return err
				}
				return broken
			}
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, 10<<10))
		if err != nil {
			return broken
		}
		r.PostForm.Add(part.FormName(), string(value))
	}
}

// keepUpload stores a file beside the record, without a name, so that a crash leaves nothing behind.
func (s *Server) keepUpload(part *multipart.Part) (*upload, error) {
	f, err := os.CreateTemp(s.Temp, "upload-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	n, err := io.Copy(f, part)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("receive a file: %w", err)
	}
	return &upload{name: part.FileName(), size: n, file: f}, nil
}
