package clientapi

import (
	"net/http"
	"strings"

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

// pushRules implements "GET /pushrules/": the predefined rules ("Push Rules").
func (s *Server) pushRules(_ *http.Request, x session, _ *httpd.None) (*httpd.Raw, error) {
	raw := httpd.Raw(`{"global":` + rules(x.User) + `}`)
	return &raw, nil
}

// pushRulesGlobal implements "GET /pushrules/global/".
func (s *Server) pushRulesGlobal(_ *http.Request, x session, _ *httpd.None) (*httpd.Raw, error) {
	raw := httpd.Raw(rules(x.User))
	return &raw, nil
}

func rules(user matrix.UserID) string {
	return strings.NewReplacer("@USER", string(matrix.AppendString(nil, user))).Replace(predefinedRules)
}

// predefinedRules are those of "Predefined Rules" that concern conversations without encryption.
const predefinedRules = `{"override":[` +
	`{"rule_id":".m.rule.master","default":true,"enabled":false,"conditions":[],"actions":[]},` +
	`{"rule_id":".m.rule.suppress_notices","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"content.msgtype","pattern":"m.notice"}],"actions":[]},` +
	`{"rule_id":".m.rule.invite_for_me","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"type","pattern":"m.room.member"},{"kind":"event_match","key":"content.membership","pattern":"invite"},{"kind":"event_match","key":"state_key","pattern":@USER}],"actions":["notify",{"set_tweak":"sound","value":"default"}]},` +
	`{"rule_id":".m.rule.member_event","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"type","pattern":"m.room.member"}],"actions":[]},` +
	`{"rule_id":".m.rule.is_user_mention","default":true,"enabled":true,"conditions":[{"kind":"event_property_contains","key":"content.m\\.mentions.user_ids","value":@USER}],"actions":["notify",{"set_tweak":"sound","value":"default"},{"set_tweak":"highlight"}]},` +
	`{"rule_id":".m.rule.is_room_mention","default":true,"enabled":true,"conditions":[{"kind":"event_property_is","key":"content.m\\.mentions.room","value":true},{"kind":"sender_notification_permission","key":"room"}],"actions":["notify",{"set_tweak":"highlight"}]},` +
	`{"rule_id":".m.rule.tombstone","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"type","pattern":"m.room.tombstone"},{"kind":"event_match","key":"state_key","pattern":""}],"actions":["notify",{"set_tweak":"highlight"}]},` +
	`{"rule_id":".m.rule.reaction","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"type","pattern":"m.reaction"}],"actions":[]},` +
	`{"rule_id":".m.rule.room.server_acl","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"type","pattern":"m.room.server_acl"},{"kind":"event_match","key":"state_key","pattern":""}],"actions":[]},` +
	`{"rule_id":".m.rule.suppress_edits","default":true,"enabled":true,"conditions":[{"kind":"event_property_is","key":"content.m\\.relates_to.rel_type","value":"m.replace"}],"actions":[]}],` +
	`"content":[],"room":[],"sender":[],"underride":[` +
	`{"rule_id":".m.rule.call","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"type","pattern":"m.call.invite"}],"actions":["notify",{"set_tweak":"sound","value":"ring"}]},` +
	`{"rule_id":".m.rule.room_one_to_one","default":true,"enabled":true,"conditions":[{"kind":"room_member_count","is":"2"},{"kind":"event_match","key":"type","pattern":"m.room.message"}],"actions":["notify",{"set_tweak":"sound","value":"default"}]},` +
	`{"rule_id":".m.rule.message","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"type","pattern":"m.room.message"}],"actions":["notify"]}]}`

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
