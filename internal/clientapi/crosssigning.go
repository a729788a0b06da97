package clientapi

import (
	"context"
	"errors"
	"net/http"
	"slices"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// Cross-signing: one person's keys vouch for their devices, and for other people's keys (Client-Server API,
// "Cross-signing").

type crossSigningRequest struct {
	Master      jsontext.Value `json:"master_key"`
	SelfSigning jsontext.Value `json:"self_signing_key"`
	UserSigning jsontext.Value `json:"user_signing_key"`
	Auth        *passwordStage `json:"auth"`
}

type signingKey struct {
	UserID matrix.UserID     `json:"user_id"`
	Usage  []string          `json:"usage"`
	Keys   map[string]string `json:"keys"`
}

// keyID is the public key of a cross-signing key, which is its name.
func keyID(raw []byte) string {
	var k signingKey
	if json.Unmarshal(raw, &k) != nil {
		return ""
	}
	for _, public := range k.Keys {
		return public
	}
	return ""
}

// uploadSigningKeys implements "POST /keys/device_signing/upload". The password is asked for once there is a
// master key, unless the keys are those that are there already.
func (s *Server) uploadSigningKeys(r *http.Request, x session, req *crossSigningRequest) (*httpd.None, error) {
	ctx := r.Context()
	given := map[string][]byte{}
	for name, raw := range map[string]jsontext.Value{"master_key": req.Master, "self_signing_key": req.SelfSigning, "user_signing_key": req.UserSigning} {
		if len(raw) == 0 || raw.Kind() == 'n' {
			continue
		}
		var k signingKey
		if err := httpd.DecodeJSON(raw, &k); err != nil {
			return nil, err
		}
		usage := map[string]string{"master_key": "master", "self_signing_key": "self_signing", "user_signing_key": "user_signing"}[name]
		if k.UserID != x.User || len(k.Keys) != 1 || !slices.Contains(k.Usage, usage) || len(raw) > maxKeySize {
			return nil, httpd.InvalidParam("%s is not a key of yours for this use.", name)
		}
		text, err := compact(raw)
		if err != nil {
			return nil, err
		}
		given[name] = text
	}
	changed, replaces := false, false
	for name, raw := range given {
		old, err := store.Blob(ctx, s.DB.Reader(), x.User, "cross_signing", name)
		switch {
		case errors.Is(err, store.ErrNotFound):
			changed = true
		case err != nil:
			return nil, err
		case keyID(old) != keyID(raw):
			changed = true
		}
	}
	_, err := store.Blob(ctx, s.DB.Reader(), x.User, "cross_signing", "master_key")
	switch {
	case err == nil:
		replaces = changed
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	case given["master_key"] == nil && len(given) > 0:
		return nil, httpd.InvalidParam("There is no master key that could sign these.")
	}
	if replaces {
		if err := s.confirm(r, x, req.Auth); err != nil {
			return nil, err
		}
	}
	if !changed {
		return &httpd.None{}, nil
	}
	return &httpd.None{}, s.Rec.Do(ctx, func(b *recorder.Batch) error {
		for name, raw := range given {
			if err := store.SetBlob(b.Context(), b.Tx(), x.User, "cross_signing", name, raw); err != nil {
				return err
			}
		}
		return s.keysChanged(b, x.User)
	})
}

type signaturesResponse struct {
	Failures map[matrix.UserID]map[string]*httpd.Error `json:"failures"`
}

type signaturesRequest map[matrix.UserID]map[string]jsontext.Value

const maxSignatures = 500

// uploadSignatures implements "POST /keys/signatures/upload". Whose signatures they are is taken from who uploads
// them; whether they are right, clients check.
func (s *Server) uploadSignatures(r *http.Request, x session, req *signaturesRequest) (*signaturesResponse, error) {
	resp := &signaturesResponse{Failures: map[matrix.UserID]map[string]*httpd.Error{}}
	n := 0
	for user, keys := range *req {
		if n += len(keys); n > maxSignatures {
			return nil, httpd.TooLarge("Upload at most %d signatures at once.", maxSignatures)
		}
		for id, raw := range keys {
			err := s.keepSignature(r.Context(), x.User, user, id, raw)
			var shown *httpd.Error
			if errors.As(err, &shown) {
				if resp.Failures[user] == nil {
					resp.Failures[user] = map[string]*httpd.Error{}
				}
				resp.Failures[user][id] = shown
			} else if err != nil {
				return nil, err
			}
		}
	}
	return resp, nil
}

// keepSignature stores what one person has signed of another's keys.
func (s *Server) keepSignature(ctx context.Context, by, user matrix.UserID, id string, raw jsontext.Value) error {
	var signed struct {
		Signatures map[matrix.UserID]map[string]string `json:"signatures"`
	}
	if err := httpd.DecodeJSON(raw, &signed); err != nil {
		return err
	}
	own := signed.Signatures[by]
	if len(own) == 0 || len(id) > matrix.MaxIDSize {
		return httpd.InvalidParam("This is not signed by you.")
	}
	found := false
	for _, kind := range []string{"device_keys", "cross_signing"} {
		err := store.Blobs(ctx, s.DB.Reader(), user, kind, func(name string, raw []byte) error {
			found = found || name == id && kind == "device_keys" || kind == "cross_signing" && keyID(raw) == id
			return nil
		})
		if err != nil {
			return err
		}
	}
	if !found {
		return httpd.NotFound("There is no such key.")
	}
	text, err := marshal(own)
	if err != nil {
		return err
	}
	return s.Rec.Do(ctx, func(b *recorder.Batch) error {
		count, err := store.CountBlobs(b.Context(), b.Tx(), user, "signature")
		if err != nil {
			return err
		}
		if count >= 10*maxSignatures {
			return httpd.Errorf(http.StatusBadRequest, "M_LIMIT_EXCEEDED", "There are too many signatures on these keys.")
		}
		if err := store.SetBlob(b.Context(), b.Tx(), user, "signature", id+" "+string(by), text); err != nil {
			return err
		}
		return s.keysChanged(b, user)
	})
}

// signatures are those on somebody's keys, by key, that a viewer is shown: their owner's, and the viewer's.
func (s *Server) signatures(ctx context.Context, user, viewer matrix.UserID) (map[string]map[matrix.UserID]map[string]string, error) {
	out := map[string]map[matrix.UserID]map[string]string{}
	err := store.Blobs(ctx, s.DB.Reader(), user, "signature", func(name string, raw []byte) error {
		i := len(name)
		for i > 0 && name[i-1] != ' ' {
			i--
		}
		if i == 0 {
			return nil
		}
		id, by := name[:i-1], matrix.UserID(name[i:])
		if by != user && by != viewer {
			return nil
		}
		var signatures map[string]string
		if err := json.Unmarshal(raw, &signatures); err != nil {
			return err
		}
		if out[id] == nil {
			out[id] = map[matrix.UserID]map[string]string{}
		}
		out[id][by] = signatures
		return nil
	})
	return out, err
}
