package console

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"despatch/internal/capture"
	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/store"
)

// capturesPage lists what somebody handed in.
type capturesPage struct {
	frame
	Whose       field
	Name        string
	Submissions []submissionRow
}

type submissionRow struct{ store.Submission }

func (s submissionRow) Path() string { return root + "captures/" + url.PathEscape(s.ID) }

// Outcome is how reading the file went, in words.
func (s submissionRow) Outcome() string { return outcome(capture.Status(s.Status)) }

func (s submissionRow) Colour() string {
	switch capture.Status(s.Status) {
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

const submissionsEach = 200

func (s *Server) captures(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := &capturesPage{frame: frame{Title: "Captured chats", Wide: true},
		Whose: field{Name: "whose", Label: "Whose?", Kind: "text", Auto: "off", Plain: true, Width: "govuk-input--width-20",
			Hint: "The user name of who handed them in."}}
	id := v.Session.User
	if p.Whose.Value = strings.TrimSpace(r.FormValue("whose")); p.Whose.Value != "" {
		text := p.Whose.Value
		if !strings.HasPrefix(text, "@") {
			text = "@" + text + ":" + string(s.Name)
		}
		id = matrix.UserID(text)
	}
	who, err := s.Identity.Person(r.Context(), id)
	if e, ok := errors.AsType[*httpd.Error](err); ok {
		p.wrong(e.Message, &p.Whose)
		return s.show(w, r, v, "captures", p)
	}
	if err != nil {
		return err
	}
	p.Name = who.Name
	list, err := s.Capture.Submissions(r.Context(), string(id), submissionsEach)
	if err != nil {
		return err
	}
	for _, x := range list {
		p.Submissions = append(p.Submissions, submissionRow{x})
	}
	return s.show(w, r, v, "captures", p)
}

// capturePage is the receipt of one submission: what was understood, and what is doubted.
type capturePage struct {
	frame
	Receipt *capture.Receipt
	Outcome string
	By      string
	Lines   []string
	Own     bool
	Answers bool // the file has questions that only its owner can answer
}

func (s *Server) capture(w http.ResponseWriter, r *http.Request, v *visit) error {
	rc, err := s.Capture.Receipt(r.Context(), r.PathValue("submission"))
	if errors.Is(err, store.ErrNotFound) {
		return httpd.NotFound("Nothing was handed in under that number.")
	}
	if err != nil {
		return err
	}
	return s.show(w, r, v, "capture", s.viewReceipt(r, v, rc))
}

func (s *Server) viewReceipt(r *http.Request, v *visit, rc *capture.Receipt) *capturePage {
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	p := &capturePage{frame: frame{Title: "What was handed in", Back: link{root + "captures", "Captured chats"}}, Receipt: rc,
		Outcome: outcome(rc.Status), By: n.of(rc.Person), Own: rc.Person == string(v.Session.User), Answers: rc.Status == capture.StatusNeedsAnswer}
	for _, l := range rc.Summary() {
		// The example in a question is a line of the chat: it is for its owner, since an officer reads only within a case.
		if !p.Own && (strings.HasPrefix(l, "Question:") || strings.HasPrefix(l, "  ")) {
			continue
		}
		p.Lines = append(p.Lines, strings.TrimSpace(l))
	}
	return p
}

// uploadPage hands in an export, and asks what the file does not say.
type uploadPage struct {
	frame
	File      field
	Zone      field
	DateOrder field
	Calendar  field
	Questions []capture.Question
	Kept      string // the number of the submission that has the questions
}

func newUploadPage() *uploadPage {
	return &uploadPage{frame: frame{Title: "Put a WhatsApp chat on the record", Back: link{root + "captures", "Captured chats"}},
		File: field{Name: "file", Label: "The exported chat", Kind: "file", Hint: "The .zip or .txt file that WhatsApp makes with “Export chat”. It is kept whole, as it is."},
		Zone: field{Name: "zone", Label: "In which time zone was the telephone?", Value: "Europe/London", Kind: "text", Auto: "off", Plain: true,
			Width: "govuk-input--width-20", Hint: "The export does not say. For example Europe/London or America/New_York."},
		DateOrder: field{Name: "date-order", Label: "How does the telephone write dates?", Kind: "radios",
			Hint: "Usually the file itself shows it. Answer only if you know.",
			Answer: []answer{{Value: "", Text: "The file is to say", Chosen: true}, {Value: "dmy", Text: "Day first", Hint: "31/12/2026"},
				{Value: "mdy", Text: "Month first", Hint: "12/31/2026"}, {Value: "ymd", Text: "Year first", Hint: "2026-12-31"}}},
		Calendar: field{Name: "calendar", Label: "Which calendar?", Kind: "radios", Answer: []answer{
			{Value: "", Text: "The file is to say", Chosen: true}, {Value: "gregorian", Text: "Gregorian"}, {Value: "buddhist", Text: "Buddhist"}}}}
}

func (s *Server) uploadPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.show(w, r, v, "upload", newUploadPage())
}

func (s *Server) uploadFile(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := newUploadPage()
	fields(r, &p.Zone, &p.DateOrder, &p.Calendar)
	opt := capture.Options{DateOrder: p.DateOrder.Value, Calendar: p.Calendar.Value}
	if v.upload == nil || v.upload.size == 0 {
		p.wrong("Choose the file of the exported chat.", &p.File)
	}
	var err error
	if p.Zone.Value == "" || strings.EqualFold(p.Zone.Value, "local") {
		p.wrong("Enter a time zone.", &p.Zone)
	} else if opt.Zone, err = time.LoadLocation(p.Zone.Value); err != nil {
		p.wrong("There is no time zone of that name. Enter one like Europe/London.", &p.Zone)
	}
	if !p.DateOrder.chosen() {
		p.wrong("Choose how dates are written.", &p.DateOrder)
	}
	if !p.Calendar.chosen() {
		p.wrong("Choose a calendar.", &p.Calendar)
	}
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
	if rc.Status == capture.StatusNeedsAnswer && rc.Run != nil {
		p.Questions, p.Kept = rc.Run.Questions, rc.Submission
		for _, q := range rc.Run.Questions {
			about := &p.DateOrder
			if q.About == "calendar" {
				about = &p.Calendar
			}
			p.wrong(q.Text, about)
		}
		return s.show(w, r, v, "upload", p)
	}
	return seeOther(w, r, root+"captures/"+url.PathEscape(rc.Submission)+"?new=1")
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
