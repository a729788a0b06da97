package clientapi

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
)

// passwordStage is the "auth" of a request (Client-Server API, "User-Interactive Authentication API").
type passwordStage struct {
	Type       string         `json:"type"`
	Session    string         `json:"session"`
	Password   string         `json:"password"`
	Identifier jsontext.Value `json:"identifier"`
	User       string         `json:"user"`
}

// other reports whether the stage names somebody other than a user.
func (p *passwordStage) other(user matrix.UserID) bool {
	var id struct {
		User string `json:"user"`
	}
	if len(p.Identifier) == 0 || json.Unmarshal(p.Identifier, &id) != nil {
		id.User = p.User
	}
	return id.User != "" && id.User != string(user) && id.User != user.Localpart()
}

// interactive remembers the sessions of user-interactive authentication. Each has one stage only, so there
// is nothing to keep but that they were given out, and for what.
type interactive struct {
	mu   sync.Mutex
	made map[string]uiaSession // guarded by mu
}

type uiaSession struct {
	at    time.Time
	route string // a session is good for the request it was made for, and no other
}

const (
	maxInteractive   = 10_000
	interactiveLasts = 15 * time.Minute
)

// ask is the answer to a request that needs a stage: what it is, and the session to come back with.
func (u *interactive) ask(r *http.Request, stage string) error { return u.again(r, stage, nil) }

// again is ask after an attempt that was wrong, or nil.
func (u *interactive) again(r *http.Request, stage string, why *httpd.Error) error {
	var b [18]byte
	if _, err := rand.Read(b[:]); err != nil {
		return err
	}
	id := base64.RawURLEncoding.EncodeToString(b[:])
	now := time.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.made == nil {
		u.made = make(map[string]uiaSession)
	}
	if len(u.made) >= maxInteractive {
		for k, x := range u.made {
			if now.Sub(x.at) > interactiveLasts || len(u.made) >= maxInteractive {
				delete(u.made, k)
			}
		}
	}
	u.made[id] = uiaSession{now, r.Pattern}
	return asked(id, stage, why)
}

// asked is the error 401 of a session; why is what was wrong with an attempt, or nil.
func asked(id, stage string, why *httpd.Error) error {
	e := &httpd.Error{Status: http.StatusUnauthorized, Fields: map[string]any{
		"session": id, "params": map[string]any{}, "completed": []string{},
		"flows": []map[string]any{{"stages": []string{stage}}},
	}}
	if why != nil {
		e.Code, e.Message = why.Code, why.Message
	}
	return e
}

// of reports whether a session was given out for this request.
func (u *interactive) of(r *http.Request, id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	x, ok := u.made[id]
	return ok && x.route == r.Pattern && time.Since(x.at) <= interactiveLasts
}

// done forgets a session that was completed.
func (u *interactive) done(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.made, id)
}
