package clientapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/office"
	"despatch/internal/httpd"
	"despatch/internal/store"
)

const (
	sampleSize   = 4  // messages shown before somebody puts a chat on the record
	shownChats   = 12 // conversations of a file that are named
	shownPeople  = 8  // and people in each
	shownDoubts  = 30
	maxSecret    = 4 << 10
	maxSecrets   = 16
	maxAnswer    = 1000
	maxSubmitted = 200 // files at once

	filingTimeout = time.Hour
)

// answers are what a person says about an export, and to the questions that it leaves open.
type answers struct {
	Zone         string `json:"zone"`
	DateOrder    string `json:"date_order"`
	Calendar     string `json:"calendar"`
	Secret       string `json:"secret"` // passwords or keys, one to a line: tried, and then forgotten
	Self         string `json:"self"`
	System       string `json:"system"`
	Conversation string `json:"conversation"`
	From         int64  `json:"happened_from"` // milliseconds
	To           int64  `json:"happened_to"`
}

func (a *answers) options(now time.Time) (capture.Options, error) {
	o := capture.Options{DateOrder: a.DateOrder, Calendar: a.Calendar, Self: a.Self, System: a.System, Conversation: a.Conversation, ReceivedAt: now}
	for _, s := range []string{a.Zone, a.DateOrder, a.Calendar, a.Self, a.System, a.Conversation} {
		if len(s) > maxAnswer {
			return o, httpd.InvalidParam("An answer is too long: %d letters at most.", maxAnswer)
		}
	}
	var err error
	if a.Zone != "" {
		if o.Zone, err = time.LoadLocation(a.Zone); err != nil || a.Zone == "Local" {
			return o, httpd.InvalidParam("There is no time zone %q. Zones are called Europe/London, for instance.", a.Zone)
		}
	}
	if len(a.Secret) > maxSecret {
		return o, httpd.InvalidParam("A password or key has at most %d letters.", maxSecret)
	}
	for line := range strings.Lines(a.Secret) {
		line = strings.TrimRight(line, "\r\n")
		for _, s := range []string{line, strings.TrimSpace(line)} { // with a space that came along when it was copied
			if s != "" && !slices.Contains(o.Secrets, s) && len(o.Secrets) < maxSecrets {
				o.Secrets = append(o.Secrets, s)
			}
		}
	}
	if a.From > 0 {
		zone := o.Zone
		if zone == nil {
			zone = time.UTC
		}
		o.Happened.From = time.UnixMilli(a.From).In(zone)
		o.Happened.To = time.UnixMilli(max(a.From, a.To)).In(zone)
	}
	return o, nil
}

// found is what a file holds, in what a person needs to recognise it.
type found struct {
	Uploads []string `json:"uploads,omitempty"` // of a preview: the files that belong together
	Name    string   `json:"name"`
	Files   int      `json:"files"`
	Bytes   int64    `json:"bytes"`

	Status     capture.Status         `json:"status"`
	Fault      string                 `json:"fault"` // why it cannot be read, and what to do
	System     string                 `json:"system"`
	SystemName string                 `json:"system_name"`
	Chats      []foundChat            `json:"conversations"`
	MoreChats  int                    `json:"more_conversations"`
	Messages   int64                  `json:"messages"`
	First      *capture.Instant       `json:"first"`
	Last       *capture.Instant       `json:"last"`
	NoZone     bool                   `json:"no_zone"` // the file does not say in which zone its clock was
	Zone       string                 `json:"zone"`    // that was declared
	Doubts     []doubt                `json:"doubts"`
	Questions  []capture.Question     `json:"questions"`
	Sample     []*capture.Observation `json:"sample,omitempty"`

	Unit     string `json:"unit"` // what the file consists of: lines or records
	InFile   int64  `json:"in_file"`
	Balanced bool   `json:"balanced"` // each of them is accounted for
}

type foundChat struct {
	Title    string   `json:"title"`
	Kind     string   `json:"kind"`
	People   []string `json:"people"`
	More     int      `json:"more_people"`
	Messages int64    `json:"messages"`
}

type doubt struct {
	Text  string `json:"text"`
	Count int64  `json:"count,omitzero"`
}

// newFound says what a run found. Lists are cut to what is shown; the record has all.
func newFound(files []capture.SubmittedFile, run *capture.ParseRun, fault string, declared capture.Declared) *found {
	f := &found{Files: len(files), Fault: fault, Zone: declared.Zone, Chats: []foundChat{}, Doubts: []doubt{}, Questions: []capture.Question{}}
	for _, x := range files {
		f.Bytes += x.Size
	}
	if len(files) > 0 {
		f.Name = files[0].Name
	}
	if run == nil {
		return f
	}
	f.Status, f.System, f.Messages, f.First, f.Last = run.Status, run.System, run.Coverage.Messages, run.Coverage.First, run.Coverage.Last
	if declared.System != "" {
		f.System = declared.System
	}
	f.SystemName = office.SystemName(f.System)
	f.NoZone = declared.Zone == "" && f.First != nil && f.First.Zone == capture.ZoneUnknown
	if run.Questions != nil {
		f.Questions = run.Questions
	}
	for _, c := range run.Conversations {
		if len(f.Chats) == shownChats {
			f.MoreChats++
			continue
		}
		chat := foundChat{Title: c.Title, Kind: c.Kind, People: []string{}}
		for _, p := range c.Participants {
			chat.Messages += p.Messages
			if len(chat.People) < shownPeople {
				chat.People = append(chat.People, p.Name)
			} else {
				chat.More++
			}
		}
		f.Chats = append(f.Chats, chat)
	}
	if run.Coverage.LikelyTruncated {
		f.Doubts = append(f.Doubts, doubt{Text: "The oldest messages are probably missing: " + f.SystemName + " cuts long exports."})
	}
	for _, w := range run.Warnings {
		if f.NoZone && w.Code == "zone_unknown" {
			continue // it is asked instead
		}
		text := w.Detail
		if text == "" {
			text = strings.ReplaceAll(w.Code, "_", " ")
		}
		if len(f.Doubts) < shownDoubts {
			f.Doubts = append(f.Doubts, doubt{Text: text, Count: w.Count})
		}
	}
	n := run.Reconciliation
	f.Unit, f.InFile, f.Balanced = n.Unit, n.InFile, n.Balanced
	return f
}

type previewRequest struct {
	Uploads []string `json:"uploads"`
	Answers answers  `json:"answers"`
}

type previewResponse struct {
	Found []*found `json:"found"` // one for each submission that it would become
}

// previewCapture says what files hold, and keeps nothing.
func (s *Server) previewCapture(r *http.Request, x session, req *previewRequest) (*previewResponse, error) {
	opt, err := req.Answers.options(s.Now())
	if err != nil {
		return nil, err
	}
	files, done, err := s.taken(r.Context(), x, req.Uploads)
	if err != nil {
		return nil, err
	}
	defer done(false)
	groups, err := capture.Together(r.Context(), s.Capture.Parsers, files)
	if err != nil {
		return nil, fileFault(err)
	}
	ids := map[*capture.File]string{}
	for i, f := range files {
		ids[f] = req.Uploads[i]
	}
	resp := &previewResponse{}
	for _, g := range groups {
		f, err := s.preview(r.Context(), g, opt)
		if err != nil {
			return nil, fileFault(err)
		}
		for _, file := range g {
			f.Uploads = append(f.Uploads, ids[file])
		}
		resp.Found = append(resp.Found, f)
	}
	return resp, nil
}

func (s *Server) preview(ctx context.Context, files []*capture.File, opt capture.Options) (*found, error) {
	var sample []*capture.Observation
	p, err := s.Capture.Preview(ctx, files, opt, func(o *capture.Observation) error {
		if len(sample) < sampleSize && o.Kind != capture.KindSystem {
			short := *o
			short.Body, short.Text = cut(o.Body), cut(o.Text)
			short.Attachments, short.Reactions, short.Edits = nil, nil, nil
			sample = append(sample, &short)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	fault := ""
	if p.Fault != nil {
		fault = p.Fault.Error()
	}
	f := newFound(p.Files, p.ParseRun, fault, p.Declared)
	f.Sample = sample
	return f, nil
}

func cut(s string) string {
	if len(s) > 300 {
		return strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

// taken opens files that were sent.
func (s *Server) taken(ctx context.Context, x session, ids []string) ([]*capture.File, func(bool), error) {
	if len(ids) == 0 || len(ids) > maxSubmitted {
		return nil, nil, httpd.InvalidParam("Choose 1 to %d files.", maxSubmitted)
	}
	return s.exports.take(ctx, string(x.User), ids)
}

// fileFault shows what is wrong with a file.
func fileFault(err error) error {
	if f, ok := errors.AsType[*capture.FileError](err); ok {
		return httpd.Errorf(http.StatusUnprocessableEntity, "M_INVALID_PARAM", "%s", f.Error())
	}
	return err
}

type captureRequest struct {
	Uploads []string     `json:"uploads"`
	Answers answers      `json:"answers"`
	About   office.About `json:"about"`
	Request string       `json:"request"` // that it answers, or empty
}

// submitted is the receipt of what somebody handed in.
type submitted struct {
	*found
	Submission string       `json:"submission"`
	Position   int64        `json:"position"`
	Time       int64        `json:"time"`
	Repeated   bool         `json:"repeated"`
	SHA256     string       `json:"sha256"` // of its first file
	About      office.About `json:"about"`
	Filed      []filedChat  `json:"filed"`
	Summary    []string     `json:"summary"`
}

type filedChat struct {
	Title string `json:"title"`
	Items int64  `json:"items"`
	First int64  `json:"first"`
	Last  int64  `json:"last"`
}

// capture puts files on the record. One that cannot be read, or that leaves something open, is kept all
// the same, and its receipt says so.
func (s *Server) capture(r *http.Request, x session, req *captureRequest) (*submitted, error) {
	opt, err := req.Answers.options(s.Now())
	if err != nil {
		return nil, err
	}
	if err := s.mayAnswer(r, x, req.Request); err != nil {
		return nil, err
	}
	files, done, err := s.taken(r.Context(), x, req.Uploads)
	if err != nil {
		return nil, err
	}
	// What was handed in is filed to its end, although a telephone may go to sleep meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), filingTimeout)
	defer cancel()
	rc, err := s.Capture.Submit(ctx, capture.Upload{Person: string(x.User), Files: files, Options: opt})
	done(err == nil)
	if err != nil {
		return nil, fileFault(err)
	}
	return s.settled(ctx, x, rc, req.About, req.Request)
}

// mayAnswer refuses what is handed in because of a request to somebody else, before any of it is kept.
func (s *Server) mayAnswer(r *http.Request, x session, request string) error {
	if request == "" {
		return nil
	}
	q, _, err := s.Office.Request(r.Context(), request)
	if err == nil && q.Person != string(x.User) {
		err = httpd.NotFound("There is no request %s to you.", request)
	}
	return err
}

// settled puts on the record what was said of a submission, and returns its receipt.
func (s *Server) settled(ctx context.Context, x session, rc *capture.Receipt, about office.About, request string) (*submitted, error) {
	if about != (office.About{}) {
		if err := s.Office.State(ctx, x.User, rc.Submission, about); err != nil {
			return nil, err
		}
	}
	if request != "" {
		if err := s.Office.HandIn(ctx, x.User, request, rc.Submission); err != nil {
			return nil, err
		}
	}
	return s.receiptOf(ctx, rc)
}

func (s *Server) receiptOf(ctx context.Context, rc *capture.Receipt) (*submitted, error) {
	about, err := s.Office.About(ctx, rc.Submission)
	if err != nil {
		return nil, err
	}
	out := &submitted{found: newFound(rc.Files, rc.Run, rc.Fault, rc.Declared), Submission: rc.Submission, Position: rc.Position, Time: rc.ReceivedAt,
		Repeated: rc.Repeated, About: about, Filed: []filedChat{}, Summary: rc.Summary()}
	out.Status = rc.Status
	if len(rc.Files) > 0 {
		out.SHA256 = rc.Files[0].SHA256
	}
	for _, c := range rc.Conversations {
		if len(out.Filed) < shownChats {
			out.Filed = append(out.Filed, filedChat{c.Title, c.Items, c.First, c.Last})
		}
	}
	return out, nil
}

// own returns the receipt of a request's submission if it is the caller's.
func (s *Server) own(r *http.Request, x session) (*capture.Receipt, error) {
	rc, err := s.Capture.Receipt(r.Context(), r.PathValue("submission"))
	if errors.Is(err, store.ErrNotFound) || err == nil && rc.Person != string(x.User) {
		return nil, httpd.NotFound("You handed in nothing of that number.")
	}
	return rc, err
}

// submission is the receipt of one of the caller's submissions.
func (s *Server) submission(r *http.Request, x session, _ *httpd.None) (*submitted, error) {
	rc, err := s.own(r, x)
	if err != nil {
		return nil, err
	}
	return s.receiptOf(r.Context(), rc)
}

// answerCapture answers what a kept file leaves open, and files it.
func (s *Server) answerCapture(r *http.Request, x session, req *answers) (*submitted, error) {
	rc, err := s.own(r, x)
	if err != nil {
		return nil, err
	}
	opt, err := req.options(time.UnixMilli(rc.ReceivedAt))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), filingTimeout)
	defer cancel()
	if rc, err = s.Capture.Answer(ctx, capture.Answers{Submission: rc.Submission, By: string(x.User), Options: opt}); err != nil {
		return nil, fileFault(err)
	}
	return s.receiptOf(ctx, rc)
}

// stateAbout says what one of the caller's submissions is about, and why it was not said here.
func (s *Server) stateAbout(r *http.Request, x session, req *office.About) (*submitted, error) {
	rc, err := s.own(r, x)
	if err != nil {
		return nil, err
	}
	return s.settled(r.Context(), x, rc, *req, "")
}
