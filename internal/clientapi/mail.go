package clientapi

import (
	"net/http"

	"despatch/internal/httpd"
)

// mailAddresses are the addresses from which mails are taken onto the record for somebody.
type mailAddresses struct {
	Record    string        `json:"record"`    // where such mails are sent; empty if none are taken
	CanCheck  bool          `json:"can_check"` // a code can be sent to an address; else the IT desk adds it
	Addresses []mailAddress `json:"addresses"`
}

type mailAddress struct {
	Address string `json:"address"`
	AddedAt int64  `json:"added_at"`
	Mine    bool   `json:"by_me"` // else by the IT desk
}

// mailAddresses lists the caller's addresses.
func (s *Server) mailAddresses(r *http.Request, x session, _ *httpd.None) (*mailAddresses, error) {
	list, err := s.Mail.Addresses(r.Context(), x.User)
	if err != nil {
		return nil, err
	}
	resp := &mailAddresses{CanCheck: s.Mail.Settings.Relay != "", Addresses: []mailAddress{}}
	if s.Mail.Settings.On() {
		resp.Record = s.Mail.Settings.Address
	}
	for _, a := range list {
		resp.Addresses = append(resp.Addresses, mailAddress{a.Address, a.AddedAt, a.AddedBy == string(x.User)})
	}
	return resp, nil
}

// addressRequest names an address, and holds the code that was sent there.
type addressRequest struct {
	Address string `json:"address"`
	Code    string `json:"code"`
}

// claimAddress sends a code to an address that the caller says is theirs.
func (s *Server) claimAddress(r *http.Request, x session, req *addressRequest) (*httpd.None, error) {
	return &httpd.None{}, s.Mail.Claim(r.Context(), x.User, req.Address)
}

// confirmAddress makes an address the caller's, who has the code that was sent there.
func (s *Server) confirmAddress(r *http.Request, x session, req *addressRequest) (*httpd.None, error) {
	return &httpd.None{}, s.Mail.Confirm(r.Context(), x.User, req.Address, req.Code)
}

// removeAddress makes an address of the caller unknown.
func (s *Server) removeAddress(r *http.Request, x session, req *addressRequest) (*httpd.None, error) {
	return &httpd.None{}, s.Mail.Remove(r.Context(), string(x.User), x.User, req.Address)
}
