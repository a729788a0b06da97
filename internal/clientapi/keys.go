package clientapi

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/store"
	"despatch/internal/stream"
)

// Conversations on the record are not end-to-end encrypted, but clients make keys all the same and keep
// asking until somebody takes them. So they are kept, and handed out to whoever asks; and people can verify
// one another's devices with them.

const (
	maxDeviceKeys  = 200 // devices of one person whose keys are kept
	maxOneTimeKeys = 200 // of one device
	maxKeySize     = 16 << 10
	maxKeyQuery    = 1000
)

type uploadKeysRequest struct {
	DeviceKeys   jsontext.Value            `json:"device_keys"`
	OneTimeKeys  map[string]jsontext.Value `json:"one_time_keys"`
	FallbackKeys map[string]jsontext.Value `json:"fallback_keys"`
}

type uploadKeysResponse struct {
	Counts map[string]int `json:"one_time_key_counts"`
}

// uploadKeys implements "POST /keys/upload".
func (s *Server) uploadKeys(r *http.Request, x session, req *uploadKeysRequest) (*uploadKeysResponse, error) {
	if len(req.OneTimeKeys) > maxOneTimeKeys || len(req.FallbackKeys) > maxOneTimeKeys {
		return nil, httpd.TooLarge("Upload at most %d keys at once.", maxOneTimeKeys)
	}
	device, err := s.ownDeviceKeys(x, req.DeviceKeys)
	if err != nil {
		return nil, err
	}
	once, err := readKeys(req.OneTimeKeys)
	if err != nil {
		return nil, err
	}
	fallback, err := readKeys(req.FallbackKeys)
	if err != nil {
		return nil, err
	}
	if len(device) > 0 {
		if old, err := store.Blob(r.Context(), s.DB.Reader(), x.User, "device_keys", x.Device); err == nil && string(old) == string(device) {
			device = nil
		}
	}
	if len(device)+len(once)+len(fallback) > 0 {
		err = s.Rec.Do(r.Context(), func(b *recorder.Batch) error { return s.storeKeys(b, x, device, once, fallback) })
		if err != nil {
			return nil, err
		}
		s.forgetKeysLeft(x.User, x.Device)
	}
	resp := &uploadKeysResponse{}
	resp.Counts, err = s.keyCounts(r.Context(), x.User, x.Device)
	return resp, err
}

func (s *Server) ownDeviceKeys(x session, raw jsontext.Value) ([]byte, error) {
	if len(raw) == 0 || raw.Kind() == 'n' {
		return nil, nil
	}
	var who struct {
		UserID   matrix.UserID `json:"user_id"`
		DeviceID string        `json:"device_id"`

		Algorithms []string                            `json:"algorithms"`
		Keys       map[string]string                   `json:"keys"`
		Signatures map[matrix.UserID]map[string]string `json:"signatures"`
	}
	if err := httpd.DecodeJSON(raw, &who); err != nil {
		return nil, err
	}
	if who.UserID != x.User || who.DeviceID != x.Device {
		return nil, httpd.InvalidParam("A device uploads its own keys only.")
	}
	if who.Algorithms == nil || who.Keys == nil || who.Signatures == nil {
		return nil, httpd.BadJSON("A device's keys have algorithms, keys and signatures.")
	}
	if len(raw) > maxKeySize {
		return nil, httpd.TooLarge("A device's keys may have at most %d bytes.", maxKeySize)
	}
	return compact(raw)
}

// readKeys reads keys by "algorithm:id", in the order of their names.
func readKeys(in map[string]jsontext.Value) ([]store.Key, error) {
	var out []store.Key
	for _, name := range slices.Sorted(maps.Keys(in)) {
		algorithm, id, ok := strings.Cut(name, ":")
		if !ok || len(name) > matrix.MaxIDSize {
			return nil, httpd.InvalidParam("%.100q is no name of a key.", name)
		}
		if len(in[name]) > maxKeySize {
			return nil, httpd.TooLarge("A key may have at most %d bytes.", maxKeySize)
		}
		content, err := matrix.Canonical(nil, in[name])
		if err != nil {
			return nil, err
		}
		out = append(out, store.Key{Algorithm: algorithm, ID: id, Content: content})
	}
	return out, nil
}

func (s *Server) storeKeys(b *recorder.Batch, x session, device []byte, once, fallback []store.Key) error {
	ctx, tx := b.Context(), b.Tx()
	if len(device) > 0 {
		n, err := store.CountBlobs(ctx, tx, x.User, "device_keys")
		if err != nil {
			return err
		}
		if n >= maxDeviceKeys {
			return httpd.Errorf(http.StatusBadRequest, "M_LIMIT_EXCEEDED", "You have keys of %d devices already. Sign some out.", n)
		}
		if err := store.SetBlob(ctx, tx, x.User, "device_keys", x.Device, device); err != nil {
			return err
		}
		if err := s.keysChanged(b, x.User); err != nil {
			return err
		}
	}
	if len(once) > 0 {
		counts, err := store.CountOneTimeKeys(ctx, tx, x.User, x.Device)
		if err != nil {
			return err
		}
		next, err := store.LastOneTimeKey(ctx, tx)
		if err != nil {
			return err
		}
		for _, k := range once {
			next++
			if counts[k.Algorithm]++; counts[k.Algorithm] > 2*maxOneTimeKeys {
				return httpd.Errorf(http.StatusBadRequest, "M_LIMIT_EXCEEDED", "This device has enough keys here.")
			}
			same, err := store.AddOneTimeKey(ctx, tx, x.User, x.Device, next, k)
			if err != nil {
				return err
			}
			if !same {
				return httpd.InvalidParam("There is another key %s:%s of this device here.", k.Algorithm, k.ID)
			}
		}
	}
	for _, k := range fallback {
		if err := store.SetFallbackKey(ctx, tx, x.User, x.Device, k); err != nil {
			return err
		}
	}
	return nil
}

// keysChanged has those who share a conversation with somebody be told that their keys are others.
func (s *Server) keysChanged(b *recorder.Batch, who matrix.UserID) error {
	side := s.Hub.NextSide(b)
	b.OnCommit(func() { s.Hub.KeysChanged(who, side) })
	return store.SetDeviceChange(b.Context(), b.Tx(), who, side)
}

// keyCounts counts a device's one-time keys. The algorithm that clients use is always named: one that is not
// there is no reason to them to make some.
func (s *Server) keyCounts(ctx context.Context, user matrix.UserID, device string) (map[string]int, error) {
	counts, err := store.CountOneTimeKeys(ctx, s.DB.Reader(), user, device)
	if err == nil && len(counts) == 0 {
		counts["signed_curve25519"] = 0
	}
	return counts, err
}

// keysLeft is what /sync says of a device's keys, as members of an object and elements of an array. It is kept in
// memory, as it is asked for with every answer.
func (s *Server) keysLeft(ctx context.Context, user matrix.UserID, device string) (counts, unused []byte, err error) {
	key := toDeviceKey{user, device}
	if kept, ok := s.keysAt.Load(key); ok {
		x := kept.([2][]byte)
		return x[0], x[1], nil
	}
	n, err := s.keyCounts(ctx, user, device)
	if err != nil {
		return nil, nil, err
	}
	for _, algorithm := range slices.Sorted(maps.Keys(n)) {
		if len(counts) > 0 {
			counts = append(counts, ',')
		}
		counts = append(matrix.AppendString(counts, algorithm), ':')
		counts = strconv.AppendInt(counts, int64(n[algorithm]), 10)
	}
	algorithms, err := store.UnusedFallbackKeys(ctx, s.DB.Reader(), user, device)
	if err != nil {
		return nil, nil, err
	}
	for i, a := range algorithms {
		if i > 0 {
			unused = append(unused, ',')
		}
		unused = matrix.AppendString(unused, a)
	}
	s.keysAt.Store(key, [2][]byte{counts, unused})
	return counts, unused, nil
}

func (s *Server) forgetKeysLeft(user matrix.UserID, device string) {
	s.keysAt.Delete(toDeviceKey{user, device})
}

type queryKeysRequest struct {
	DeviceKeys map[matrix.UserID][]string `json:"device_keys"`
}

type queryKeysResponse struct {
	DeviceKeys  map[matrix.UserID]map[string]jsontext.Value `json:"device_keys"`
	MasterKeys  map[matrix.UserID]jsontext.Value            `json:"master_keys"`
	SelfSigning map[matrix.UserID]jsontext.Value            `json:"self_signing_keys"`
	UserSigning map[matrix.UserID]jsontext.Value            `json:"user_signing_keys"`
	Failures    map[string]any                              `json:"failures"`
}

// queryKeys implements "POST /keys/query".
func (s *Server) queryKeys(r *http.Request, x session, req *queryKeysRequest) (*queryKeysResponse, error) {
	if len(req.DeviceKeys) > maxKeyQuery {
		return nil, httpd.TooLarge("Ask for at most %d people at once.", maxKeyQuery)
	}
	resp := &queryKeysResponse{map[matrix.UserID]map[string]jsontext.Value{}, map[matrix.UserID]jsontext.Value{}, map[matrix.UserID]jsontext.Value{},
		map[matrix.UserID]jsontext.Value{}, map[string]any{}}
	for user, wanted := range req.DeviceKeys {
		signed, err := s.signatures(r.Context(), user, x.User)
		if err != nil {
			return nil, err
		}
		names := map[string]string{}
		devices, err := s.Identity.Devices(r.Context(), user)
		if err != nil {
			return nil, err
		}
		for _, d := range devices {
			names[d.ID] = d.Name
		}
		keys := map[string]jsontext.Value{}
		err = store.Blobs(r.Context(), s.DB.Reader(), user, "device_keys", func(device string, raw []byte) error {
			if len(wanted) > 0 && !slices.Contains(wanted, device) {
				return nil
			}
			keys[device], err = withSignatures(raw, signed[device], names[device])
			return err
		})
		if err != nil {
			return nil, err
		}
		resp.DeviceKeys[user] = keys
		err = store.Blobs(r.Context(), s.DB.Reader(), user, "cross_signing", func(name string, raw []byte) error {
			shown, err := withSignatures(raw, signed[keyID(raw)], "")
			switch name {
			case "master_key":
				resp.MasterKeys[user] = shown
			case "self_signing_key":
				resp.SelfSigning[user] = shown
			case "user_signing_key":
				if user == x.User {
					resp.UserSigning[user] = shown
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return resp, nil
}

// withSignatures adds signatures, made by whom and with which key, to those that a key has, and the name of its device.
func withSignatures(raw []byte, more map[matrix.UserID]map[string]string, name string) (jsontext.Value, error) {
	if len(more) == 0 && name == "" {
		return raw, nil
	}
	var key map[string]jsontext.Value
	if err := json.Unmarshal(raw, &key); err != nil {
		return nil, err
	}
	if len(more) > 0 {
		all := map[matrix.UserID]map[string]string{}
		if err := json.Unmarshal(key["signatures"], &all); err != nil {
			all = map[matrix.UserID]map[string]string{}
		}
		for who, signatures := range more {
			if all[who] == nil {
				all[who] = map[string]string{}
			}
			maps.Copy(all[who], signatures)
		}
		text, err := marshal(all)
		if err != nil {
			return nil, err
		}
		key["signatures"] = text
	}
	if name != "" {
		text, err := marshal(map[string]string{"device_display_name": name})
		if err != nil {
			return nil, err
		}
		key["unsigned"] = text
	}
	return marshal(key)
}

type claimKeysRequest struct {
	OneTimeKeys map[matrix.UserID]map[string]string `json:"one_time_keys"`
}

type claimKeysResponse struct {
	OneTimeKeys map[matrix.UserID]map[string]map[string]jsontext.Value `json:"one_time_keys"`
	Failures    map[string]any                                         `json:"failures"`
}

// claimKeys implements "POST /keys/claim": each key is given out once, the oldest first.
func (s *Server) claimKeys(r *http.Request, _ session, req *claimKeysRequest) (*claimKeysResponse, error) {
	n := 0
	for _, devices := range req.OneTimeKeys {
		n += len(devices)
	}
	if n > maxKeyQuery {
		return nil, httpd.TooLarge("Claim keys of at most %d devices at once.", maxKeyQuery)
	}
	var resp *claimKeysResponse
	err := s.Rec.Do(r.Context(), func(b *recorder.Batch) error {
		resp = &claimKeysResponse{map[matrix.UserID]map[string]map[string]jsontext.Value{}, map[string]any{}}
		for user, devices := range req.OneTimeKeys {
			for device, algorithm := range devices {
				k, err := store.TakeKey(b.Context(), b.Tx(), user, device, algorithm)
				if errors.Is(err, store.ErrNotFound) {
					continue
				} else if err != nil {
					return err
				}
				b.OnCommit(func() { s.forgetKeysLeft(user, device) })
				if resp.OneTimeKeys[user] == nil {
					resp.OneTimeKeys[user] = map[string]map[string]jsontext.Value{}
				}
				resp.OneTimeKeys[user][device] = map[string]jsontext.Value{k.Algorithm + ":" + k.ID: k.Content}
			}
		}
		return nil
	})
	return resp, err
}

type keyChangesResponse struct {
	Changed []matrix.UserID `json:"changed"`
	Left    []matrix.UserID `json:"left"`
}

// keyChanges implements "GET /keys/changes". What is new since "to" is told too: it comes with the next answer anyhow.
func (s *Server) keyChanges(r *http.Request, x session, _ *httpd.None) (*keyChangesResponse, error) {
	from, err := stream.ParseToken(r.URL.Query().Get("from"))
	if err != nil {
		return nil, err
	}
	changed, left, err := s.sync.DeviceLists(r.Context(), x.User, from)
	return &keyChangesResponse{changed, left}, err
}

// turnServer implements "GET /voip/turnServer": calls are not offered.
func (s *Server) turnServer(*http.Request, session, *httpd.None) (*httpd.None, error) {
	return &httpd.None{}, nil
}

// protocols implements "GET /thirdparty/protocols": none.
func (s *Server) protocols(*http.Request, session, *httpd.None) (*httpd.None, error) {
	return &httpd.None{}, nil
}
