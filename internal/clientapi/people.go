package clientapi

import (
	"net/http"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/room"
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

// searchPeople implements "POST /user_directory/search".
func (s *Server) searchPeople(r *http.Request, _ session, req *searchPeopleRequest) (*searchPeopleResponse, error) {
	if req.Limit <= 0 || req.Limit > 50 {
		req.Limit = 10
	}
	found, more, err := s.Identity.Search(r.Context(), req.SearchTerm, req.Limit)
	resp := &searchPeopleResponse{Results: []foundPerson{}, Limited: more}
	for _, p := range found {
		resp.Results = append(resp.Results, foundPerson{p.ID, p.Name, p.Avatar})
	}
	return resp, err
}

type profileResponse struct {
	DisplayName string `json:"displayname,omitempty"`
	AvatarURL   string `json:"avatar_url,omitempty"`
}

// profile implements "GET /profile/{userId}".
func (s *Server) profile(r *http.Request, _ session, _ *httpd.None) (*profileResponse, error) {
	id, err := userID(r)
	if err != nil {
		return nil, err
	}
	p, err := s.Identity.Person(r.Context(), id)
	if err != nil {
		return nil, err
	}
	return &profileResponse{p.Name, p.Avatar}, nil
}

// profileField implements "GET /profile/{userId}/{keyName}".
func (s *Server) profileField(r *http.Request, x session, _ *httpd.None) (*profileResponse, error) {
	p, err := s.profile(r, x, nil)
	if err != nil {
		return nil, err
	}
	switch r.PathValue("field") {
	case "displayname":
		return &profileResponse{DisplayName: p.DisplayName}, nil
	case "avatar_url":
		return &profileResponse{AvatarURL: p.AvatarURL}, nil
	}
	return nil, httpd.NotFound("A profile has no such field.")
}

type setProfileRequest struct {
	DisplayName *string `json:"displayname"`
	AvatarURL   *string `json:"avatar_url"`
}

// setProfileField implements "PUT /profile/{userId}/{keyName}".
func (s *Server) setProfileField(r *http.Request, x session, req *setProfileRequest) (*httpd.None, error) {
	id, err := self(r, x)
	if err != nil {
		return nil, err
	}
	switch r.PathValue("field") {
	case "displayname":
		req.AvatarURL = nil
	case "avatar_url":
		req.DisplayName = nil
	default:
		return nil, httpd.NotFound("A profile has no such field.")
	}
	if err := s.Identity.SetProfile(r.Context(), identity.By(id), id, req.DisplayName, req.AvatarURL); err != nil {
		return nil, err
	}
	p, err := s.Identity.Person(r.Context(), id)
	if err != nil {
		return nil, err
	}
	return &httpd.None{}, s.Rooms.Rename(r.Context(), id, room.Profile{Name: p.Name, Avatar: p.Avatar})
}
