package clientapi

import (
	"net/http"
	"sync"
	"time"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// Reports go onto the record, where the records office finds them (Client-Server API, "Reporting Content"). Whoever
// reports is answered in the same way whether or not there is such a thing: a report is no way to find out.

type reportRequest struct {
	Reason string `json:"reason"`
}

// report is the body of an entry about something that somebody has reported.
type report struct {
	Type   string         `json:"type"` // report.message, report.conversation or report.person
	By     matrix.UserID  `json:"by"`
	Room   matrix.RoomID  `json:"room,omitzero"`
	Event  matrix.EventID `json:"event,omitzero"`
	Person matrix.UserID  `json:"person,omitzero"`
	Reason string         `json:"reason,omitzero"`
}

const (
	maxReason  = 5000 // bytes
	maxReports = 30   // of one person in an hour
)

// reporters counts who has reported how much lately.
type reporters struct {
	mu    sync.Mutex
	since time.Time             // guarded by mu
	count map[matrix.UserID]int // guarded by mu
}

// add counts one report, and returns how long to wait if there are too many.
func (c *reporters) add(who matrix.UserID, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil || now.Sub(c.since) > time.Hour {
		c.since, c.count = now, make(map[matrix.UserID]int)
	}
	if c.count[who]++; c.count[who] > maxReports {
		return c.since.Add(time.Hour).Sub(now)
	}
	return 0
}

func (s *Server) file(r *http.Request, x session, req *reportRequest, rep report) (*httpd.None, error) {
	if len(req.Reason) > maxReason {
		return nil, httpd.TooLarge("A reason may have at most %d bytes.", maxReason)
	}
	if wait := s.reporters.add(x.User, s.Now()); wait > 0 {
		return nil, httpd.LimitExceeded(wait, "You have reported much lately. Tell the records office in person, or wait a little.")
	}
	rep.By, rep.Reason = x.User, req.Reason
	text, err := marshal(rep)
	if err != nil {
		return nil, err
	}
	if text, err = matrix.Canonical(nil, text); err != nil {
		return nil, err
	}
	return &httpd.None{}, s.Rec.Do(r.Context(), func(b *recorder.Batch) error {
		b.Append(recorder.Entry{Scope: identity.Scope, Kind: record.KindReport, Body: text})
		return nil
	})
}

// reportEvent implements "POST /rooms/{roomId}/report/{eventId}".
func (s *Server) reportEvent(r *http.Request, x session, req *reportRequest) (*httpd.None, error) {
	id, err := roomID(r)
	if err != nil {
		return nil, err
	}
	event := matrix.EventID(r.PathValue("eventID"))
	ref, ok := store.EventRef(event)
	if !ok {
		return &httpd.None{}, nil
	}
	info, known := s.Hub.Room(id)
	_, scope, err := store.EventByRef(r.Context(), s.DB.Reader(), ref)
	if err == store.ErrNotFound || !known || err == nil && scope != info.Scope {
		return &httpd.None{}, nil
	} else if err != nil {
		return nil, err
	}
	if state, _ := s.Hub.Membership(id, x.User); state == "" {
		return &httpd.None{}, nil
	}
	return s.file(r, x, req, report{Type: "report.message", Room: id, Event: event})
}

// reportRoom implements "POST /rooms/{roomId}/report".
func (s *Server) reportRoom(r *http.Request, x session, req *reportRequest) (*httpd.None, error) {
	id, err := roomID(r)
	if err != nil {
		return nil, err
	}
	if _, ok := s.Hub.Room(id); !ok {
		return &httpd.None{}, nil
	}
	return s.file(r, x, req, report{Type: "report.conversation", Room: id})
}

// reportUser implements "POST /users/{userId}/report".
func (s *Server) reportUser(r *http.Request, x session, req *reportRequest) (*httpd.None, error) {
	id, err := userID(r)
	if err != nil {
		return nil, err
	}
	if _, err := s.Identity.Person(r.Context(), id); err != nil {
		return &httpd.None{}, nil
	}
	return s.file(r, x, req, report{Type: "report.person", Person: id})
}
