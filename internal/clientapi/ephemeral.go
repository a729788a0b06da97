package clientapi

import (
	"context"
	"net/http"
	"time"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/store"
	"despatch/internal/stream"
)

type typingRequest struct {
	Typing  bool  `json:"typing"`
	Timeout int64 `json:"timeout"`
}

// typing implements "PUT /rooms/{roomId}/typing/{userId}".
func (s *Server) typing(r *http.Request, x session, req *typingRequest) (*httpd.None, error) {
	if _, err := self(r, x); err != nil {
		return nil, err
	}
	info, err := s.joined(r, x)
	if err != nil {
		return nil, err
	}
	timeout := 30 * time.Second
	if req.Timeout > 0 {
		timeout = min(time.Duration(min(req.Timeout, 1<<30))*time.Millisecond, 2*time.Minute)
	}
	s.Hub.SetTyping(info.ID, x.User, req.Typing, timeout)
	return &httpd.None{}, nil
}

type receiptRequest struct {
	ThreadID string `json:"thread_id"`
}

// receipt implements "POST /rooms/{roomId}/receipt/{receiptType}/{eventId}".
func (s *Server) receipt(r *http.Request, x session, req *receiptRequest) (*httpd.None, error) {
	info, err := s.joined(r, x)
	if err != nil {
		return nil, err
	}
	typ := r.PathValue("receiptType")
	switch typ {
	case "m.read", "m.read.private":
	case "m.fully_read":
		if req.ThreadID != "" {
			return nil, httpd.InvalidParam("m.fully_read has no threads.")
		}
	default:
		return nil, httpd.InvalidParam("There is no receipt %q.", typ)
	}
	if len(req.ThreadID) > matrix.MaxIDSize {
		return nil, httpd.InvalidParam("thread_id is too long.")
	}
	return &httpd.None{}, s.read(r.Context(), info, x.User, typ, req.ThreadID, matrix.EventID(r.PathValue("eventID")))
}

type readMarkersRequest struct {
	FullyRead   matrix.EventID `json:"m.fully_read"`
	Read        matrix.EventID `json:"m.read"`
	ReadPrivate matrix.EventID `json:"m.read.private"`
}

// readMarkers implements "POST /rooms/{roomId}/read_markers".
func (s *Server) readMarkers(r *http.Request, x session, req *readMarkersRequest) (*httpd.None, error) {
	info, err := s.joined(r, x)
	if err != nil {
		return nil, err
	}
	for _, m := range []struct {
		typ string
		id  matrix.EventID
	}{{"m.fully_read", req.FullyRead}, {"m.read", req.Read}, {"m.read.private", req.ReadPrivate}} {
		if m.id == "" {
			continue
		}
		if err := s.read(r.Context(), info, x.User, m.typ, "", m.id); err != nil {
			return nil, err
		}
	}
	return &httpd.None{}, nil
}

// read stores how far somebody has read. Receipts are not on the record.
func (s *Server) read(ctx context.Context, info stream.RoomInfo, who matrix.UserID, typ, thread string, id matrix.EventID) error {
	ref, ok := store.EventRef(id)
	if !ok {
		return httpd.InvalidParam("There is no message %q.", id)
	}
	row, scope, err := store.EventByRef(ctx, s.DB.Reader(), ref)
	if err == store.ErrNotFound || err == nil && scope != info.Scope {
		return httpd.NotFound("There is no such message in this conversation.")
	} else if err != nil {
		return err
	}
	switch p, err := store.HistoryPlace(ctx, s.DB.Reader(), row.Pos); {
	case err == nil:
		row.Pos = p.Before - 1 // it stands there, however late it arrived
	case err != store.ErrNotFound:
		return err
	}
	return s.Rec.Do(ctx, func(b *recorder.Batch) error {
		side := s.Hub.NextSide(b)
		x := store.Receipt{Scope: scope, User: who, Type: typ, Thread: thread, Event: id, Pos: row.Pos, Time: b.Now(), Stream: side}
		if err := store.SetReceipt(b.Context(), b.Tx(), x); err != nil {
			return err
		}
		if typ != "m.fully_read" {
			b.OnCommit(func() { s.Hub.Read(info.ID, who, side) })
			return nil
		}
		content := append(append([]byte(`{"event_id":`), matrix.AppendString(nil, id)...), '}')
		b.OnCommit(func() { s.Hub.Touch(who, side) })
		return store.SetAccountData(b.Context(), b.Tx(), store.AccountData{User: who, Room: info.ID, Type: "m.fully_read", Content: content, Stream: side})
	})
}

type presenceResponse struct {
	stream.Presence
	now int64
}

// AppendJSON implements httpd.Appender.
func (p *presenceResponse) AppendJSON(b []byte) ([]byte, error) { return p.Append(b, p.now), nil }

// presence implements "GET /presence/{userId}/status". It is what the person's client says, is kept in memory only,
// and is not on the record.
func (s *Server) presence(r *http.Request, x session, _ *httpd.None) (*presenceResponse, error) {
	id, err := userID(r)
	if err != nil {
		return nil, err
	}
	if id != x.User && !s.Hub.Share(x.User, id) {
		return nil, httpd.Forbidden("You share no conversation with this person.")
	}
	return &presenceResponse{s.Hub.PresenceOf(id), s.Now().UnixMilli()}, nil
}

type setPresenceRequest struct {
	Presence  string `json:"presence"`
	StatusMsg string `json:"status_msg"`
}

const maxStatus = 256 // bytes of what somebody says of themselves

// setPresence implements "PUT /presence/{userId}/status".
func (s *Server) setPresence(r *http.Request, x session, req *setPresenceRequest) (*httpd.None, error) {
	if _, err := self(r, x); err != nil {
		return nil, err
	}
	if req.Presence == "" {
		return nil, httpd.MissingParam("presence is online, unavailable or offline.")
	}
	if len(req.StatusMsg) > maxStatus {
		return nil, httpd.TooLarge("A status may have at most %d bytes.", maxStatus)
	}
	if err := presenceKnown(req.Presence); err != nil {
		return nil, err
	}
	s.Hub.SetPresence(x.User, req.Presence, &req.StatusMsg, s.Now())
	return &httpd.None{}, nil
}

func presenceKnown(state string) error {
	switch state {
	case "online", "unavailable", "offline":
		return nil
	}
	return httpd.InvalidParam("presence is online, unavailable or offline.")
}

// present takes from a request for what is new that somebody is there.
func (s *Server) present(x session, state string) error {
	if state == "" {
		state = "online"
	}
	if err := presenceKnown(state); err != nil {
		return err
	}
	if state != "offline" {
		s.Hub.SetPresence(x.User, state, nil, s.Now())
	}
	return nil
}
