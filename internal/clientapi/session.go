package clientapi

import (
	"errors"
	"net/http"
	"strings"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/room"
)

type wellKnownResponse struct {
	Homeserver struct {
		BaseURL string `json:"base_url"`
	} `json:"m.homeserver"`
	// E2EE tells Element's clients not to offer what conversations on the record cannot have.
	E2EE struct {
		Default      bool `json:"default"`
		ForceDisable bool `json:"force_disable"`
	} `json:"io.element.e2ee"`
}

// wellKnown implements "Well-known URIs".
func (s *Server) wellKnown(r *http.Request, _ *httpd.None) (*wellKnownResponse, error) {
	var resp wellKnownResponse
	resp.Homeserver.BaseURL = s.BaseURL
	if s.BaseURL == "" {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		resp.Homeserver.BaseURL = scheme + "://" + r.Host
	}
	resp.E2EE.ForceDisable = true
	return &resp, nil
}

type versionsResponse struct {
	Versions         []string        `json:"versions"`
	UnstableFeatures map[string]bool `json:"unstable_features"`
}

// versions implements "API Versions". Clients look for single versions, so each is listed.
func (s *Server) versions(*http.Request, *httpd.None) (*versionsResponse, error) {
	return &versionsResponse{
		Versions: []string{"r0.6.1", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7", "v1.8", "v1.9", "v1.10",
			"v1.11", "v1.12", "v1.13", "v1.14", "v1.15", "v1.16", "v1.17", "v1.18", "v1.19"},
		UnstableFeatures: map[string]bool{"org.matrix.msc4222": true, "org.matrix.msc3440.stable": true, "org.matrix.msc3771": true, "org.matrix.msc3773": true,
			"org.matrix.msc2285.stable": true, "org.matrix.msc4133.stable": true, "uk.tcpip.msc4133.stable": true, "org.matrix.msc4151": true, "org.despatch.record": true, "org.matrix.simplified_msc3575": true,
			"fi.mau.msc2659.stable": true, "io.element.msc4190": true, "com.beeper.batch_sending": true},
	}, nil
}

type capabilitiesResponse struct {
	Capabilities map[string]any `json:"capabilities"`
}

// capabilities implements "Capabilities negotiation".
func (s *Server) capabilities(*http.Request, session, *httpd.None) (*capabilitiesResponse, error) {
	return &capabilitiesResponse{map[string]any{
		"m.room_versions": map[string]any{
			"default":   s.Rooms.Version,
			"available": map[matrix.RoomVersion]string{matrix.V7: "stable", matrix.V8: "stable", matrix.V9: "stable", matrix.V10: "stable", matrix.V11: "stable", matrix.V12: "stable"},
		},
		"m.change_password":          map[string]bool{"enabled": true},
		"m.set_displayname":          map[string]bool{"enabled": true},
		"m.set_avatar_url":           map[string]bool{"enabled": true},
		"m.3pid_changes":             map[string]bool{"enabled": false},
		"m.profile_fields":           map[string]bool{"enabled": true},
		"m.get_login_token":          map[string]bool{"enabled": false},
		"m.forget_forced_upon_leave": map[string]bool{"enabled": false},
	}}, nil
}

type loginFlowsResponse struct {
	Flows []loginFlow `json:"flows"`
}

type loginFlow struct {
	Type string `json:"type"`
}

// loginFlows implements "Login", GET.
func (s *Server) loginFlows(*http.Request, *httpd.None) (*loginFlowsResponse, error) {
	return &loginFlowsResponse{[]loginFlow{{"m.login.password"}, {loginBridged}}}, nil
}

type loginRequest struct {
	Type       string `json:"type"`
	Identifier struct {
		Type string `json:"type"`
		User string `json:"user"`
	} `json:"identifier"`
	User       string `json:"user"` // older clients
	Password   string `json:"password"`
	DeviceID   string `json:"device_id"`
	DeviceName string `json:"initial_device_display_name"`

	RefreshToken bool `json:"refresh_token"`
}

type loginResponse struct {
	UserID      matrix.UserID     `json:"user_id"`
	AccessToken string            `json:"access_token"`
	DeviceID    string            `json:"device_id"`
	HomeServer  matrix.ServerName `json:"home_server"`

	RefreshToken string `json:"refresh_token,omitempty"`
	ExpiresIn    int64  `json:"expires_in_ms,omitempty"`
}

// login implements "Login", POST.
func (s *Server) login(r *http.Request, req *loginRequest) (*loginResponse, error) {
	if req.Type == loginBridged {
		return s.loginAsBridged(r, req)
	}
	if req.Type != "m.login.password" {
		return nil, httpd.Unknown("Only signing in with a password is offered here.")
	}
	if req.Identifier.Type != "" && req.Identifier.Type != "m.id.user" {
		return nil, httpd.Unknown("Sign in with your user name: there are no phone numbers or e-mail addresses here.")
	}
	user := req.Identifier.User
	if user == "" {
		user = req.User
	}
	in, err := s.Identity.SignIn(r.Context(), identity.SignIn{User: user, Password: req.Password, Device: req.DeviceID,
		DeviceName: req.DeviceName, From: httpd.RemoteAddr(r, s.Proxies), Refresh: req.RefreshToken})
	if err != nil {
		return nil, err
	}
	return &loginResponse{in.User, in.Token, in.Device, s.Name, in.RefreshToken, in.ExpiresIn.Milliseconds()}, nil
}

type refreshRequest struct {
	RefreshToken string `json:"refresh_token"`
}

type refreshResponse struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int64  `json:"expires_in_ms"`
}

// refresh implements "POST /refresh".
func (s *Server) refresh(r *http.Request, req *refreshRequest) (*refreshResponse, error) {
	if req.RefreshToken == "" {
		return nil, httpd.MissingParam("refresh_token is missing.")
	}
	in, err := s.Identity.Refresh(r.Context(), req.RefreshToken)
	if err != nil {
		return nil, err
	}
	return &refreshResponse{in.Token, in.RefreshToken, in.ExpiresIn.Milliseconds()}, nil
}

type deactivateRequest struct {
	Auth *passwordStage `json:"auth"`
}

type deactivateResponse struct {
	Unbind string `json:"id_server_unbind_result"`
}

// deactivate implements "POST /account/deactivate". The person leaves their conversations and cannot sign in any
// more; what they said stays on the record, whatever the request asks to be erased.
func (s *Server) deactivate(r *http.Request, x session, req *deactivateRequest) (*deactivateResponse, error) {
	if err := s.confirm(r, x, req.Auth); err != nil {
		return nil, err
	}
	for _, state := range []string{"join", "invite", "knock"} {
		for _, id := range s.Hub.Rooms(x.User, state) {
			_, err := s.Rooms.SetMembership(r.Context(), room.Change{Sender: x.User, Target: x.User, Room: id, Membership: "leave"})
			if err != nil && !errors.Is(err, room.ErrNotices) {
				return nil, err
			}
		}
	}
	return &deactivateResponse{"success"}, s.Identity.Deactivate(r.Context(), x)
}

// logout implements "POST /logout".
func (s *Server) logout(r *http.Request, x session, _ *httpd.None) (*httpd.None, error) {
	return &httpd.None{}, s.Identity.SignOut(r.Context(), x)
}

// logoutAll implements "POST /logout/all".
func (s *Server) logoutAll(r *http.Request, x session, _ *httpd.None) (*httpd.None, error) {
	return &httpd.None{}, s.Identity.SignOutAll(r.Context(), identity.By(x.User), x.User, nil)
}

type whoamiResponse struct {
	UserID   matrix.UserID `json:"user_id"`
	DeviceID string        `json:"device_id"`
	IsGuest  bool          `json:"is_guest"`
}

// whoami implements "GET /account/whoami".
func (s *Server) whoami(_ *http.Request, x session, _ *httpd.None) (*whoamiResponse, error) {
	return &whoamiResponse{UserID: x.User, DeviceID: x.Device}, nil
}

type passwordRequest struct {
	NewPassword   string         `json:"new_password"`
	LogoutDevices *bool          `json:"logout_devices"`
	Auth          *passwordStage `json:"auth"`
}

// confirm asks for the caller's password ("User-Interactive Authentication API").
func (s *Server) confirm(r *http.Request, x session, auth *passwordStage) error {
	if x.Via != "" {
		return nil // application services have shown their token, and no password (MSC4190)
	}
	if auth == nil || auth.Type == "" {
		return s.uia.ask(r, "m.login.password")
	}
	if auth.Type != "m.login.password" {
		return httpd.Unknown("Only the password is asked for here.")
	}
	if auth.other(x.User) {
		return httpd.Forbidden("Confirm this with your own password.")
	}
	err := s.Identity.VerifyPassword(r.Context(), x.User, auth.Password, httpd.RemoteAddr(r, s.Proxies))
	var shown *httpd.Error
	if errors.As(err, &shown) && shown.Code == "M_FORBIDDEN" {
		if !s.uia.of(r, auth.Session) {
			return s.uia.again(r, "m.login.password", shown)
		}
		return asked(auth.Session, "m.login.password", shown)
	}
	if err == nil {
		s.uia.done(auth.Session)
	}
	return err
}

// changePassword implements "POST /account/password": the old password is asked for first.
func (s *Server) changePassword(r *http.Request, x session, req *passwordRequest) (*httpd.None, error) {
	if err := s.confirm(r, x, req.Auth); err != nil {
		return nil, err
	}
	keep := req.LogoutDevices != nil && !*req.LogoutDevices
	return &httpd.None{}, s.Identity.ChangePassword(r.Context(), x, req.NewPassword, keep)
}

type threepidsResponse struct {
	Threepids []string `json:"threepids"`
}

// threepids implements "GET /account/3pid": there are none here.
func (s *Server) threepids(*http.Request, session, *httpd.None) (*threepidsResponse, error) {
	return &threepidsResponse{[]string{}}, nil
}

type devicesResponse struct {
	Devices []deviceResponse `json:"devices"`
}

// deviceResponse has every field always: matrix-nio takes no list of devices without them.
type deviceResponse struct {
	DeviceID    string `json:"device_id"`
	DisplayName string `json:"display_name"`
	LastSeenIP  string `json:"last_seen_ip"`
	LastSeenTS  int64  `json:"last_seen_ts"`
}

// devices implements "GET /devices".
func (s *Server) devices(r *http.Request, x session, _ *httpd.None) (*devicesResponse, error) {
	found, err := s.Identity.Devices(r.Context(), x.User)
	resp := &devicesResponse{Devices: []deviceResponse{}}
	for _, d := range found {
		resp.Devices = append(resp.Devices, deviceResponse{DeviceID: d.ID, DisplayName: d.Name, LastSeenIP: d.SeenFrom, LastSeenTS: d.SeenAt})
	}
	return resp, err
}

// device implements "GET /devices/{deviceId}".
func (s *Server) device(r *http.Request, x session, _ *httpd.None) (*deviceResponse, error) {
	all, err := s.devices(r, x, nil)
	if err != nil {
		return nil, err
	}
	for _, d := range all.Devices {
		if d.DeviceID == r.PathValue("deviceID") {
			return &d, nil
		}
	}
	return nil, httpd.NotFound("You have no such device.")
}

type nameDeviceRequest struct {
	DisplayName string `json:"display_name"`
}

// nameDevice implements "PUT /devices/{deviceId}".
func (s *Server) nameDevice(r *http.Request, x session, req *nameDeviceRequest) (*httpd.None, error) {
	if x.Via != "" {
		return s.nameBridgedDevice(r, x, strings.TrimSpace(req.DisplayName))
	}
	return &httpd.None{}, s.Identity.NameDevice(r.Context(), x.User, r.PathValue("deviceID"), strings.TrimSpace(req.DisplayName))
}

type deleteDevicesRequest struct {
	Devices []string       `json:"devices"`
	Auth    *passwordStage `json:"auth"`
}

// deleteDevice implements "DELETE /devices/{deviceId}": the device is signed out.
func (s *Server) deleteDevice(r *http.Request, x session, req *deleteDevicesRequest) (*httpd.None, error) {
	req.Devices = []string{r.PathValue("deviceID")}
	return s.deleteDevices(r, x, req)
}

// deleteDevices implements "POST /delete_devices".
func (s *Server) deleteDevices(r *http.Request, x session, req *deleteDevicesRequest) (*httpd.None, error) {
	if len(req.Devices) > maxDeviceKeys {
		return nil, httpd.TooLarge("Remove at most %d devices at once.", maxDeviceKeys)
	}
	if err := s.confirm(r, x, req.Auth); err != nil {
		return nil, err
	}
	for _, device := range req.Devices {
		if x.Via != "" {
			if err := s.Identity.RemoveBridgedDevice(r.Context(), x.Via, x.User, device); err != nil {
				return nil, err
			}
			continue
		}
		if err := s.Identity.RemoveDevice(r.Context(), identity.By(x.User), x.User, device); err != nil {
			return nil, err
		}
	}
	return &httpd.None{}, nil
}
