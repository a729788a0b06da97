package clientapi

import (
	"context"
	"errors"
	"net/http"
	"sync"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/room"
	"despatch/internal/store"
)

// Server notices: what the server tells a person, in a conversation of their own with it (Client-Server API, "Server
// Notices"). They are asked for as on Synapse, for which tools exist.

type noticeRequest struct {
	UserID  matrix.UserID  `json:"user_id"`
	Type    string         `json:"type"`
	Content jsontext.Value `json:"content"`
}

// notices makes the conversations one after another, so that nobody gets two.
type notices struct{ mu sync.Mutex }

// sendNotice implements Synapse's "POST /_synapse/admin/v1/send_server_notice" and its form with a transaction.
func (s *Server) sendNotice(r *http.Request, x session, req *noticeRequest) (*sendResponse, error) {
	if !administrator(x) {
		return nil, httpd.Forbidden("Only an IT administrator can send notices.")
	}
	who, err := matrix.ParseUserID(string(req.UserID))
	if err != nil || who.Server() != s.Name {
		return nil, httpd.InvalidParam("user_id is nobody's here.")
	}
	if _, err := s.Identity.Person(r.Context(), who); err != nil {
		return nil, err
	}
	if req.Content.Kind() != '{' {
		return nil, httpd.MissingParam("A notice has a content.")
	}
	if req.Type == "" {
		req.Type = "m.room.message"
	}
	id, err := s.noticesRoom(r.Context(), who)
	if err != nil {
		return nil, err
	}
	sent, err := s.Rooms.Send(r.Context(), room.Draft{Sender: s.noticesUser(), Room: id, Type: req.Type, Content: req.Content,
		Device: "notices of " + string(x.User), Txn: r.PathValue("txnID")})
	return &sendResponse{sent.ID}, err
}

func (s *Server) noticesUser() matrix.UserID {
	return matrix.UserID("@" + room.NoticesUser + ":" + string(s.Name))
}

// noticesRoom is the conversation of the server with somebody, who is in it or has been invited.
func (s *Server) noticesRoom(ctx context.Context, who matrix.UserID) (matrix.RoomID, error) {
	s.notices.mu.Lock()
	defer s.notices.mu.Unlock()
	by := s.noticesUser()
	if err := s.noticesAccount(ctx, by); err != nil {
		return "", err
	}
	raw, err := store.Blob(ctx, s.DB.Reader(), by, "notices", string(who))
	if err == nil {
		var id matrix.RoomID
		if err := json.Unmarshal(raw, &id); err != nil {
			return "", err
		}
		if state, _ := s.Hub.Membership(id, who); state != "join" && state != "invite" {
			_, err = s.Rooms.SetMembership(ctx, room.Change{Sender: by, Target: who, Room: id, Membership: "invite"})
		}
		return id, err
	} else if err != store.ErrNotFound {
		return "", err
	}
	id, err := s.Rooms.Create(ctx, room.Create{Creator: by, Name: "Notices", Preset: "private_chat", Invite: []matrix.UserID{who},
		Powers: jsontext.Value(`{"events_default":50,"invite":100}`)})
	if err != nil {
		return "", err
	}
	if raw, err = marshal(id); err != nil {
		return "", err
	}
	err = s.Rec.Do(ctx, func(b *recorder.Batch) error {
		return store.SetBlob(b.Context(), b.Tx(), by, "notices", string(who), raw)
	})
	if err != nil {
		return "", err
	}
	return id, s.putAccountData(ctx, who, id, "m.tag", []byte(`{"tags":{"m.server_notice":{}}}`))
}

// noticesAccount makes the account in whose name notices are sent. Nobody can sign in with it.
func (s *Server) noticesAccount(ctx context.Context, who matrix.UserID) error {
	_, err := s.Identity.Person(ctx, who)
	var shown *httpd.Error
	if errors.As(err, &shown) && shown.Status == http.StatusNotFound {
		_, err = s.Identity.Create(ctx, identity.Program, identity.NewPerson{Localpart: room.NoticesUser, Name: "Notices"})
	}
	return err
}
