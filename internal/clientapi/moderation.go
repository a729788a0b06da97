package clientapi

import (
	"net/http"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
)

// Suspending and locking accounts (Client-Server API, "Account moderation"). It is for the IT desk and for security
// officers; the record of what somebody said stays, and who did it is on the record too.

type suspendedBody struct {
	Suspended *bool `json:"suspended"`
}

type lockedBody struct {
	Locked *bool `json:"locked"`
}

// moderated is whom a request of a moderator is about.
func (s *Server) moderated(r *http.Request, x session) (matrix.UserID, error) {
	if !x.Roles().HasAny(identity.IT, identity.Security) {
		return "", httpd.Forbidden("Only an IT administrator or a security officer may do that.")
	}
	id, err := userID(r)
	if err != nil {
		return "", err
	}
	if id.Server() != s.Name {
		return "", httpd.InvalidParam("This account is of another server.")
	}
	_, err = s.Identity.Person(r.Context(), id)
	return id, err
}

// suspended implements "GET /admin/suspend/{userId}".
func (s *Server) suspended(r *http.Request, x session, _ *httpd.None) (*suspendedBody, error) {
	id, err := s.moderated(r, x)
	if err != nil {
		return nil, err
	}
	is, _, err := s.Identity.Restricted(r.Context(), id)
	return &suspendedBody{&is}, err
}

// suspend implements "PUT /admin/suspend/{userId}".
func (s *Server) suspend(r *http.Request, x session, req *suspendedBody) (*suspendedBody, error) {
	id, err := s.moderated(r, x)
	if err != nil {
		return nil, err
	}
	if req.Suspended == nil {
		return nil, httpd.MissingParam("suspended is true or false.")
	}
	return req, s.Identity.Suspend(r.Context(), identity.By(x.User), id, *req.Suspended)
}

// locked implements "GET /admin/lock/{userId}".
func (s *Server) locked(r *http.Request, x session, _ *httpd.None) (*lockedBody, error) {
	id, err := s.moderated(r, x)
	if err != nil {
		return nil, err
	}
	_, is, err := s.Identity.Restricted(r.Context(), id)
	return &lockedBody{&is}, err
}

// lock implements "PUT /admin/lock/{userId}".
func (s *Server) lock(r *http.Request, x session, req *lockedBody) (*lockedBody, error) {
	id, err := s.moderated(r, x)
	if err != nil {
		return nil, err
	}
	if req.Locked == nil {
		return nil, httpd.MissingParam("locked is true or false.")
	}
	return req, s.Identity.Lock(r.Context(), identity.By(x.User), id, *req.Locked)
}
