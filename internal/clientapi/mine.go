package clientapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/office"
	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/room"
	"despatch/internal/store"
)

// shownMine bounds the lists of somebody's own page.
const shownMine = 200

// mine is what one person has put on the record, and what they owe.
type mine struct {
	Requests    []askedOf  `json:"requests"`
	Submissions []handedIn `json:"submissions"`
	Losses      []lossOf   `json:"losses"`
	Uploads     []export   `json:"uploads"` // that were not finished
	Reasons     []choice   `json:"reasons"`
	LossReasons []choice   `json:"loss_reasons"`
	Owed        owed       `json:"owed"`
}

type choice struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

func choices(list []office.Choice) []choice {
	out := make([]choice, len(list))
	for i, c := range list {
		out[i] = choice(c)
	}
	return out
}

type askedOf struct {
	ID        string `json:"id"`
	Why       string `json:"why"` // in words
	What      string `json:"what"`
	Reference string `json:"reference"`
	AskedBy   string `json:"asked_by"`
	AskedAt   int64  `json:"asked_at"`
	Due       int64  `json:"due"`
	State     string `json:"state"`
	StateAt   int64  `json:"state_at"`
	Overdue   bool   `json:"overdue"`
	Reminded  int64  `json:"reminded_at"`
	Words     string `json:"words"`
	Answer    string `json:"answer"`
}

type handedIn struct {
	Submission string         `json:"submission"`
	Name       string         `json:"name"`
	Time       int64          `json:"time"`
	Position   int64          `json:"position"`
	Status     capture.Status `json:"status"`
	System     string         `json:"system"`
	SystemName string         `json:"system_name"`
	Messages   int64          `json:"messages"`
	Subject    string         `json:"subject"`
	Weight     string         `json:"weight"`
	Reason     string         `json:"reason"`
}

type lossOf struct {
	ID       string `json:"id"`
	Position int64  `json:"position"`
	Time     int64  `json:"time"`
	Device   string `json:"device"`
	Held     string `json:"held"`
	LostOn   string `json:"lost_on"`
	Reason   string `json:"reason"`
	Note     string `json:"note"`
	Request  string `json:"request"`
}

// owed counts what somebody still has to do.
type owed struct {
	Requests int   `json:"requests"`    // to hand something in
	Overdue  int   `json:"overdue"`     // of them
	Answers  int   `json:"answers"`     // files with a question that only they can answer
	Reminded int64 `json:"reminded_at"` // the latest reminder; 0 if there was none
}

func (s *Server) owed(r *http.Request, x session) (owed, error) {
	var o owed
	q, now := s.DB.Reader(), s.Now().UnixMilli()
	list, err := store.CaptureRequests(r.Context(), q, store.CaptureRequestFilter{Person: string(x.User), State: office.Asked}, shownMine)
	if err != nil {
		return o, err
	}
	o.Requests = len(list)
	for _, c := range list {
		if c.Due < now {
			o.Overdue++
		}
		o.Reminded = max(o.Reminded, c.RemindedAt)
	}
	open, err := store.OfficeSubmissions(r.Context(), q, store.SubmissionFilter{Person: string(x.User), Status: string(capture.StatusNeedsAnswer)}, shownMine)
	o.Answers = len(open)
	return o, err
}

// owedByMe is the number beside "My record".
func (s *Server) owedByMe(r *http.Request, x session, _ *httpd.None) (*owed, error) {
	o, err := s.owed(r, x)
	return &o, err
}

// mine is a person's own page.
func (s *Server) mine(r *http.Request, x session, _ *httpd.None) (*mine, error) {
	ctx, q, me := r.Context(), s.DB.Reader(), string(x.User)
	m := &mine{Requests: []askedOf{}, Submissions: []handedIn{}, Losses: []lossOf{}, Reasons: choices(office.Reasons), LossReasons: choices(office.LossReasons)}
	asked, err := store.CaptureRequests(ctx, q, store.CaptureRequestFilter{Person: me}, shownMine)
	if err != nil {
		return nil, err
	}
	now := s.Now().UnixMilli()
	for _, c := range asked {
		m.Requests = append(m.Requests, askedOf{ID: c.ID, Why: office.Text(office.Whys, c.Why), What: c.What, Reference: c.Reference, AskedBy: c.AskedBy, AskedAt: c.AskedAt,
			Due: c.Due, State: c.State, StateAt: c.StateAt, Overdue: c.State == office.Asked && c.Due < now, Reminded: c.RemindedAt, Words: c.Words, Answer: c.Answer})
	}
	subs, err := store.OfficeSubmissions(ctx, q, store.SubmissionFilter{Person: me}, shownMine)
	if err != nil {
		return nil, err
	}
	for _, c := range subs {
		m.Submissions = append(m.Submissions, handedIn{Submission: c.ID, Name: c.Name, Time: c.Time, Position: c.Pos, Status: capture.Status(c.Status), System: c.System,
			SystemName: office.SystemName(c.System), Messages: c.Messages, Subject: c.Subject, Weight: c.Weight, Reason: c.Reason})
	}
	losses, err := store.DeclaredLosses(ctx, q, me, shownMine)
	if err != nil {
		return nil, err
	}
	for _, l := range losses {
		m.Losses = append(m.Losses, newLoss(l))
	}
	if m.Uploads, err = s.exports.list(me); err != nil {
		return nil, err
	}
	m.Owed, err = s.owed(r, x)
	return m, err
}

func newLoss(l store.DeclaredLoss) lossOf {
	return lossOf{ID: l.ID, Position: l.Pos, Time: l.Time, Device: l.Device, Held: l.Held, LostOn: l.LostOn, Reason: office.Text(office.LossReasons, l.Reason), Note: l.Note, Request: l.Request}
}

type noteRequest struct {
	With     []string     `json:"with"`
	Channel  string       `json:"channel"`
	From     int64        `json:"from"` // milliseconds
	To       int64        `json:"to"`   // 0 if it is from
	Zone     string       `json:"zone"` // of the writer
	Text     string       `json:"text"`
	Dictated bool         `json:"dictated"`
	About    office.About `json:"about"`
	Request  string       `json:"request"`
}

// note puts the substance of a talk on the record.
func (s *Server) note(r *http.Request, x session, req *noteRequest) (*submitted, error) {
	if err := s.mayAnswer(r, x, req.Request); err != nil {
		return nil, err
	}
	zone := time.UTC
	if req.Zone != "" && len(req.Zone) < maxAnswer {
		if z, err := time.LoadLocation(req.Zone); err == nil {
			zone = z
		}
	}
	n := capture.Note{With: req.With, Channel: req.Channel, Text: req.Text, Dictated: req.Dictated}
	if req.From > 0 {
		n.From = time.UnixMilli(req.From).In(zone)
	}
	if req.To > 0 {
		n.To = time.UnixMilli(req.To).In(zone)
	}
	rc, err := s.Capture.Note(r.Context(), string(x.User), n)
	if bad, ok := errors.AsType[*capture.NoteError](err); ok {
		return nil, &httpd.Error{Status: http.StatusBadRequest, Code: "M_INVALID_PARAM", Message: bad.Text, Fields: map[string]any{"field": bad.Field}}
	}
	if err != nil {
		return nil, err
	}
	return s.settled(r.Context(), x, rc, req.About, req.Request)
}

type nothingRequest struct {
	Statement string `json:"statement"`
	Password  string `json:"password"`
}

// declareNothing says, signed by the password, that there is nothing to hand in.
func (s *Server) declareNothing(r *http.Request, x session, req *nothingRequest) (*httpd.None, error) {
	if err := s.sign(r, x, req.Password); err != nil {
		return nil, err
	}
	return &httpd.None{}, s.Office.DeclareNothing(r.Context(), x.User, r.PathValue("request"), req.Statement)
}

type lossRequest struct {
	Device   string `json:"device"`
	Held     string `json:"held"`
	LostOn   string `json:"lost_on"`
	Reason   string `json:"reason"`
	Note     string `json:"note"`
	Request  string `json:"request"`
	Password string `json:"password"`
}

// declareLoss says, signed by the password, that something is gone.
func (s *Server) declareLoss(r *http.Request, x session, req *lossRequest) (*lossOf, error) {
	if err := s.sign(r, x, req.Password); err != nil {
		return nil, err
	}
	l, err := s.Office.DeclareLoss(r.Context(), x.User, office.Loss{Device: req.Device, Held: req.Held, LostOn: req.LostOn, Reason: req.Reason, Note: req.Note, Request: req.Request})
	if err != nil {
		return nil, err
	}
	out := newLoss(l)
	return &out, nil
}

type handInRequest struct {
	Submission string `json:"submission"`
}

// handIn says that what somebody has put on the record is what a request asks for.
func (s *Server) handIn(r *http.Request, x session, req *handInRequest) (*httpd.None, error) {
	return &httpd.None{}, s.Office.HandIn(r.Context(), x.User, r.PathValue("request"), req.Submission)
}

// Notify tells somebody something in their conversation with the server. The same key again sends nothing.
func (s *Server) Notify(ctx context.Context, who matrix.UserID, text, key string) error {
	id, err := s.noticesRoom(ctx, who)
	if err != nil {
		return err
	}
	content, err := marshal(map[string]string{"msgtype": "m.text", "body": text})
	if err != nil {
		return err
	}
	_, err = s.Rooms.Send(ctx, room.Draft{Sender: s.noticesUser(), Room: id, Type: "m.room.message", Content: content, Device: "records office", Txn: key})
	return err
}

// sign checks the caller's password, which stands for their signature.
func (s *Server) sign(r *http.Request, x session, password string) error {
	if password == "" {
		return httpd.MissingParam("Enter your password to sign.")
	}
	err := s.Identity.VerifyPassword(r.Context(), x.User, password, httpd.RemoteAddr(r, s.Proxies))
	if e, ok := errors.AsType[*httpd.Error](err); ok && e.Status == http.StatusForbidden {
		return httpd.Forbidden("That is not your password. Nothing was signed.")
	}
	return err
}
