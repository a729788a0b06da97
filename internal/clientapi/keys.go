package clientapi

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/store"
)

// Conversations on the record are not end-to-end encrypted, but clients make keys all the same and keep
// asking until somebody takes them. So they are kept, and handed out to whoever asks.

type uploadKeysRequest struct {
	DeviceKeys jsontext.Value `json:"device_keys"`
}

type uploadKeysResponse struct {
	Counts map[string]int `json:"one_time_key_counts"`
}

const maxDeviceKeys = 200 // devices of one person whose keys are kept

// uploadKeys implements "POST /keys/upload". One-time keys are counted as used up at once: nothing here
// can use them.
func (s *Server) uploadKeys(r *http.Request, x session, req *uploadKeysRequest) (*uploadKeysResponse, error) {
	if len(req.DeviceKeys) > 0 {
		var who struct {
			UserID   matrix.UserID `json:"user_id"`
			DeviceID string        `json:"device_id"`
		}
		if err := httpd.DecodeJSON(req.DeviceKeys, &who); err != nil {
			return nil, err
		}
		if who.UserID != x.User || who.DeviceID != x.Device {
			return nil, httpd.InvalidParam("A device uploads its own keys only.")
		}
		raw, err := compact(req.DeviceKeys)
		if err != nil {
			return nil, err
		}
		if err := s.keepBlob(r.Context(), x.User, "device_keys", x.Device, raw, maxDeviceKeys); err != nil {
			return nil, err
		}
	}
	return &uploadKeysResponse{map[string]int{"signed_curve25519": 50}}, nil
}

type queryKeysRequest struct {
	DeviceKeys map[matrix.UserID][]string `json:"device_keys"`
}

type queryKeysResponse struct {
	DeviceKeys map[matrix.UserID]map[string]jsontext.Value `json:"device_keys"`
	Failures   map[string]any                              `json:"failures"`
}

const maxKeyQuery = 1000

// queryKeys implements "POST /keys/query".
func (s *Server) queryKeys(r *http.Request, _ session, req *queryKeysRequest) (*queryKeysResponse, error) {
	if len(req.DeviceKeys) > maxKeyQuery {
		return nil, httpd.TooLarge("Ask for at most %d people at once.", maxKeyQuery)
	}
	resp := &queryKeysResponse{DeviceKeys: map[matrix.UserID]map[string]jsontext.Value{}, Failures: map[string]any{}}
	for user := range req.DeviceKeys {
		keys := map[string]jsontext.Value{}
		err := store.Blobs(r.Context(), s.DB.Reader(), user, "device_keys", func(device string, raw []byte) error {
			keys[device] = raw
			return nil
		})
		if err != nil {
			return nil, err
		}
		resp.DeviceKeys[user] = keys
	}
	return resp, nil
}

type claimKeysResponse struct {
	OneTimeKeys map[string]any `json:"one_time_keys"`
	Failures    map[string]any `json:"failures"`
}

// claimKeys implements "POST /keys/claim": there are none to claim.
func (s *Server) claimKeys(*http.Request, session, *httpd.Raw) (*claimKeysResponse, error) {
	return &claimKeysResponse{map[string]any{}, map[string]any{}}, nil
}

type keyChangesResponse struct {
	Changed []string `json:"changed"`
	Left    []string `json:"left"`
}

// keyChanges implements "GET /keys/changes".
func (s *Server) keyChanges(*http.Request, session, *httpd.None) (*keyChangesResponse, error) {
	return &keyChangesResponse{[]string{}, []string{}}, nil
}

// backupVersion implements "GET /room_keys/version": there is no backup, as there is nothing to back up.
func (s *Server) backupVersion(*http.Request, session, *httpd.None) (*httpd.None, error) {
	return nil, httpd.NotFound("There is no key backup: conversations here are on the record.")
}

type pushersResponse struct {
	Pushers []jsontext.Value `json:"pushers"`
}

// pushers implements "GET /pushers": push notifications come with a later release.
func (s *Server) pushers(*http.Request, session, *httpd.None) (*pushersResponse, error) {
	return &pushersResponse{[]jsontext.Value{}}, nil
}

// setPusher implements "POST /pushers/set" as far as taking a pusher away, of which there are none.
func (s *Server) setPusher(_ *http.Request, _ session, req *pusherRequest) (*httpd.None, error) {
	if req.Kind != nil {
		return nil, httpd.Unknown("Push notifications are not offered here yet.")
	}
	return &httpd.None{}, nil
}

type pusherRequest struct {
	Kind *string `json:"kind"`
}

// turnServer implements "GET /voip/turnServer": calls are not offered.
func (s *Server) turnServer(*http.Request, session, *httpd.None) (*httpd.None, error) {
	return &httpd.None{}, nil
}

// protocols implements "GET /thirdparty/protocols": none.
func (s *Server) protocols(*http.Request, session, *httpd.None) (*httpd.None, error) {
	return &httpd.None{}, nil
}
