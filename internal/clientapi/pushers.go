package clientapi

import (
	"net/http"
	"net/url"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

type pushersResponse struct {
	Pushers []jsontext.Value `json:"pushers"`
}

// pushers implements "GET /pushers".
func (s *Server) pushers(r *http.Request, x session, _ *httpd.None) (*pushersResponse, error) {
	all, err := store.Pushers(r.Context(), s.DB.Reader(), x.User)
	resp := &pushersResponse{[]jsontext.Value{}}
	for _, p := range all {
		resp.Pushers = append(resp.Pushers, p.Content)
	}
	return resp, err
}

type pusherRequest struct {
	PushKey           string         `json:"pushkey"`
	Kind              *string        `json:"kind"`
	AppID             string         `json:"app_id"`
	AppDisplayName    string         `json:"app_display_name"`
	DeviceDisplayName string         `json:"device_display_name"`
	ProfileTag        string         `json:"profile_tag,omitempty"`
	Lang              string         `json:"lang"`
	Data              jsontext.Value `json:"data"`
	Append            bool           `json:"append,omitempty"`
}

const (
	maxPushers    = 100 // of one person
	maxPusherSize = 8 << 10
)

// setPusher implements "POST /pushers/set".
func (s *Server) setPusher(r *http.Request, x session, req *pusherRequest) (*httpd.None, error) {
	if req.PushKey == "" || len(req.PushKey) > 512 || req.AppID == "" || len(req.AppID) > 64 {
		return nil, httpd.MissingParam("A pusher has an app_id of at most 64 bytes and a pushkey of at most 512.")
	}
	if req.Kind == nil {
		return &httpd.None{}, s.Rec.Do(r.Context(), func(b *recorder.Batch) error {
			return store.DeletePusher(b.Context(), b.Tx(), x.User, "", req.AppID, req.PushKey)
		})
	}
	var data struct {
		URL string `json:"url"`
	}
	if *req.Kind != "http" {
		return nil, httpd.InvalidParam("Only pushers of the kind http are taken here.")
	}
	if err := json.Unmarshal(req.Data, &data); err != nil {
		return nil, httpd.MissingParam("data is an object with the url of a push gateway.")
	}
	if u, err := url.Parse(data.URL); err != nil || u.Host == "" || u.Path != "/_matrix/push/v1/notify" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, httpd.InvalidParam("The url of a push gateway ends in /_matrix/push/v1/notify.")
	}
	appended := req.Append
	req.Append = false // it is said with the request only
	content, err := marshal(req)
	if err != nil {
		return nil, err
	}
	if len(content) > maxPusherSize {
		return nil, httpd.TooLarge("A pusher may have at most %d bytes.", maxPusherSize)
	}
	return &httpd.None{}, s.Rec.Do(r.Context(), func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		have, err := store.Pushers(ctx, tx, x.User)
		if err != nil {
			return err
		}
		if len(have) >= maxPushers {
			return httpd.Errorf(http.StatusBadRequest, "M_LIMIT_EXCEEDED", "You have %d pushers already.", len(have))
		}
		if !appended { // a device that changed hands notifies nobody else any more
			if err := store.DeletePusher(ctx, tx, "", x.User, req.AppID, req.PushKey); err != nil {
				return err
			}
		}
		return store.SetPusher(ctx, tx, store.Pusher{User: x.User, AppID: req.AppID, PushKey: req.PushKey, Device: x.Device, Content: content})
	})
}
