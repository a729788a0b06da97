package clientapi

import (
	"net/http"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/room"
	"despatch/internal/store"
)

type searchPeopleRequest struct {
	SearchTerm string `json:"search_term"`
	Limit      int    `json:"limit"`
}

type searchPeopleResponse struct {
	Results []foundPerson `json:"results"`
	Limited bool          `json:"limited"`
}

type foundPerson struct {
	UserID      matrix.UserID `json:"user_id"`
	DisplayName string        `json:"display_name,omitempty"`
	AvatarURL   string        `json:"avatar_url,omitempty"`
}

// searchPeople implements "POST /user_directory/search". In an organisation everybody finds everybody; where anybody
// can make an account, only those are found who are in a conversation with the caller, or in one that is open to all.
func (s *Server) searchPeople(r *http.Request, x session, req *searchPeopleRequest) (*searchPeopleResponse, error) {
	if req.Limit <= 0 || req.Limit > 50 {
		req.Limit = 10
	}
	found, more, err := s.Identity.Search(r.Context(), req.SearchTerm, req.Limit)
	resp := &searchPeopleResponse{Results: []foundPerson{}, Limited: more}
	for _, p := range found {
		if s.OpenRegistration {
			if ok, err := s.knows(r, x, p.ID); err != nil || !ok || p.ID == x.User {
				if err != nil {
					return nil, err
				}
				continue
			}
		}
		resp.Results = append(resp.Results, foundPerson{p.ID, p.Name, p.Avatar})
	}
	return resp, err
}

// knows reports whether somebody can have come across another.
func (s *Server) knows(r *http.Request, x session, other matrix.UserID) (bool, error) {
	if s.Hub.Share(x.User, other) {
		return true, nil
	}
	for _, id := range s.Hub.Rooms(other, "join") {
		info, ok := s.Hub.Room(id)
		if !ok {
			continue
		}
		one, err := s.summarise(r, info)
		if err != nil {
			return false, err
		}
		if one.JoinRule == "public" || one.WorldReadable {
			return true, nil
		}
	}
	return false, nil
}

// mayAsk lets everybody who is signed in ask for profiles and, where anybody can make an account, everybody else too.
func (s *Server) mayAsk(r *http.Request) error {
	if s.OpenRegistration && httpd.AccessToken(r) == "" {
		return nil
	}
	_, err := s.caller(r)
	return err
}

// fields reads somebody's profile.
func (s *Server) fields(r *http.Request) (map[string]jsontext.Value, error) {
	if err := s.mayAsk(r); err != nil {
		return nil, err
	}
	id, err := userID(r)
	if err != nil {
		return nil, err
	}
	p, err := s.Identity.Person(r.Context(), id)
	if err != nil {
		return nil, err
	}
	out := map[string]jsontext.Value{}
	for name, value := range map[string]string{"displayname": p.Name, "avatar_url": p.Avatar} {
		if value != "" {
			out[name] = matrix.AppendString(nil, value)
		}
	}
	err = store.ProfileFields(r.Context(), s.DB.Reader(), id, func(name string, value []byte) { out[name] = value })
	return out, err
}

type profileResponse map[string]jsontext.Value

// profile implements "GET /profile/{userId}".
func (s *Server) profile(r *http.Request, _ *httpd.None) (*profileResponse, error) {
	all, err := s.fields(r)
	return (*profileResponse)(&all), err
}

// profileField implements "GET /profile/{userId}/{keyName}".
func (s *Server) profileField(r *http.Request, _ *httpd.None) (*profileResponse, error) {
	all, err := s.fields(r)
	if err != nil {
		return nil, err
	}
	name := r.PathValue("field")
	value, ok := all[name]
	if !ok {
		if name == "displayname" || name == "avatar_url" {
			return &profileResponse{}, nil
		}
		return nil, httpd.NotFound("This profile has no such field.")
	}
	return &profileResponse{name: value}, nil
}

// setProfileField implements "PUT /profile/{userId}/{keyName}".
func (s *Server) setProfileField(r *http.Request, x session, req *profileResponse) (*httpd.None, error) {
	id, err := self(r, x)
	if err != nil {
		return nil, err
	}
	name := r.PathValue("field")
	value, ok := (*req)[name]
	switch {
	case name == "displayname" || name == "avatar_url":
		text := ""
		if ok && value.Kind() != 'n' {
			if err := json.Unmarshal(value, &text); err != nil {
				return nil, httpd.BadJSON("%s is a text.", name)
			}
		}
		return &httpd.None{}, s.setShown(r, id, name, text)
	case !ok:
		return nil, httpd.MissingParam("The request has no %s.", name)
	}
	text, err := matrix.Canonical(nil, value)
	if err != nil {
		return nil, err
	}
	return &httpd.None{}, s.Identity.SetField(r.Context(), id, name, text)
}

// deleteProfileField implements "DELETE /profile/{userId}/{keyName}".
func (s *Server) deleteProfileField(r *http.Request, x session, _ *httpd.None) (*httpd.None, error) {
	id, err := self(r, x)
	if err != nil {
		return nil, err
	}
	name := r.PathValue("field")
	if name == "displayname" || name == "avatar_url" {
		return &httpd.None{}, s.setShown(r, id, name, "")
	}
	return &httpd.None{}, s.Identity.SetField(r.Context(), id, name, nil)
}

// setShown sets a name or a picture, which others are shown in conversations too.
func (s *Server) setShown(r *http.Request, id matrix.UserID, field, text string) error {
	var name, avatar *string
	if field == "displayname" {
		name = &text
	} else {
		avatar = &text
	}
	if err := s.Identity.SetProfile(r.Context(), identity.By(id), id, name, avatar); err != nil {
		return err
	}
	p, err := s.Identity.Person(r.Context(), id)
	if err != nil {
		return err
	}
	return s.Rooms.Rename(r.Context(), id, room.Profile{Name: p.Name, Avatar: p.Avatar})
}
