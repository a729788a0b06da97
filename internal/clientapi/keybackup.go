package clientapi

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// Key backups (Client-Server API, "Server-side key backups"). There is nothing in recorded conversations that would
// need one; some clients ask their user for it until there is one.

type backupResponse struct {
	Algorithm string         `json:"algorithm"`
	AuthData  jsontext.Value `json:"auth_data"`
	Count     int64          `json:"count"`
	ETag      string         `json:"etag"`
	Version   string         `json:"version"`
}

type backupRequest struct {
	Algorithm string         `json:"algorithm"`
	AuthData  jsontext.Value `json:"auth_data"`
	Version   string         `json:"version"`
}

type versionResponse struct {
	Version string `json:"version"`
}

const (
	maxAuthData    = 64 << 10
	maxBackupKeys  = 100_000 // of one version
	maxBackupBatch = 1000
)

func noBackup(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return httpd.NotFound("There is no such key backup.")
	}
	return err
}

// backupVersion implements "GET /room_keys/version" and "GET /room_keys/version/{version}".
func (s *Server) backupVersion(r *http.Request, x session, _ *httpd.None) (*backupResponse, error) {
	version := int64(0)
	if text := r.PathValue("version"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n <= 0 {
			return nil, noBackup(store.ErrNotFound)
		}
		version = n
	}
	b, err := store.BackupVersion(r.Context(), s.DB.Reader(), x.User, version)
	if err != nil {
		return nil, noBackup(err)
	}
	n, err := store.CountBackupKeys(r.Context(), s.DB.Reader(), x.User, b.Version)
	return &backupResponse{b.Algorithm, b.AuthData, n, strconv.FormatInt(b.ETag, 10), strconv.FormatInt(b.Version, 10)}, err
}

func (req *backupRequest) check() error {
	switch {
	case req.Algorithm == "" || len(req.Algorithm) > matrix.MaxIDSize:
		return httpd.MissingParam("A backup has an algorithm.")
	case req.AuthData.Kind() != '{':
		return httpd.MissingParam("auth_data is an object.")
	case len(req.AuthData) > maxAuthData:
		return httpd.TooLarge("auth_data may have at most %d bytes.", maxAuthData)
	}
	return nil
}

// createBackup implements "POST /room_keys/version".
func (s *Server) createBackup(r *http.Request, x session, req *backupRequest) (*versionResponse, error) {
	if err := req.check(); err != nil {
		return nil, err
	}
	var version int64
	err := s.Rec.Do(r.Context(), func(b *recorder.Batch) (err error) {
		version, err = store.CreateBackup(b.Context(), b.Tx(), x.User, store.Backup{Algorithm: req.Algorithm, AuthData: req.AuthData.Clone()})
		return err
	})
	return &versionResponse{strconv.FormatInt(version, 10)}, err
}

// updateBackup implements "PUT /room_keys/version/{version}": the signatures on a backup can change, and nothing else.
func (s *Server) updateBackup(r *http.Request, x session, req *backupRequest) (*httpd.None, error) {
	if err := req.check(); err != nil {
		return nil, err
	}
	if req.Version != "" && req.Version != r.PathValue("version") {
		return nil, httpd.InvalidParam("The version in the request is not that of its address.")
	}
	return &httpd.None{}, s.inBackup(r, x, r.PathValue("version"), func(b *recorder.Batch, version *store.Backup) error {
		if req.Algorithm != version.Algorithm {
			return httpd.InvalidParam("The algorithm of a backup stays as it is.")
		}
		version.AuthData = req.AuthData.Clone()
		return store.UpdateBackup(b.Context(), b.Tx(), x.User, *version)
	})
}

// deleteBackup implements "DELETE /room_keys/version/{version}".
func (s *Server) deleteBackup(r *http.Request, x session, _ *httpd.None) (*httpd.None, error) {
	return &httpd.None{}, s.inBackup(r, x, r.PathValue("version"), func(b *recorder.Batch, version *store.Backup) error {
		return store.DeleteBackup(b.Context(), b.Tx(), x.User, version.Version)
	})
}

// inBackup runs a change of a version.
func (s *Server) inBackup(r *http.Request, x session, text string, change func(*recorder.Batch, *store.Backup) error) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return noBackup(store.ErrNotFound)
	}
	return s.Rec.Do(r.Context(), func(b *recorder.Batch) error {
		version, err := store.BackupVersion(b.Context(), b.Tx(), x.User, n)
		if err != nil {
			return noBackup(err)
		}
		return change(b, &version)
	})
}

type backupKey struct {
	First    int64          `json:"first_message_index"`
	Forwards int64          `json:"forwarded_count"`
	Verified bool           `json:"is_verified"`
	Session  jsontext.Value `json:"session_data"`
}

type backupRoom struct {
	Sessions map[string]backupKey `json:"sessions"`
}

type backupRooms struct {
	Rooms map[matrix.RoomID]backupRoom `json:"rooms"`
}

type etagResponse struct {
	Count int64  `json:"count"`
	ETag  string `json:"etag"`
}

// keysOfBackup reads the version of a request and its keys as far as its address names them.
func (s *Server) keysOfBackup(r *http.Request, x session) (*backupRooms, error) {
	n, err := strconv.ParseInt(r.URL.Query().Get("version"), 10, 64)
	if err != nil || n <= 0 {
		return nil, httpd.MissingParam("Say of which version of the backup.")
	}
	if _, err := store.BackupVersion(r.Context(), s.DB.Reader(), x.User, n); err != nil {
		return nil, noBackup(err)
	}
	out := &backupRooms{map[matrix.RoomID]backupRoom{}}
	err = store.BackupKeys(r.Context(), s.DB.Reader(), x.User, n, matrix.RoomID(r.PathValue("roomID")), r.PathValue("sessionID"), func(k store.BackupKey) {
		if out.Rooms[k.Room].Sessions == nil {
			out.Rooms[k.Room] = backupRoom{map[string]backupKey{}}
		}
		out.Rooms[k.Room].Sessions[k.Session] = backupKey{k.First, k.Forwards, k.Verified, k.Content}
	})
	return out, err
}

// backupKeys implements "GET /room_keys/keys".
func (s *Server) backupKeys(r *http.Request, x session, _ *httpd.None) (*backupRooms, error) {
	return s.keysOfBackup(r, x)
}

// backupRoomKeys implements "GET /room_keys/keys/{roomId}".
func (s *Server) backupRoomKeys(r *http.Request, x session, _ *httpd.None) (*backupRoom, error) {
	all, err := s.keysOfBackup(r, x)
	if err != nil {
		return nil, err
	}
	room := all.Rooms[matrix.RoomID(r.PathValue("roomID"))]
	if room.Sessions == nil {
		room.Sessions = map[string]backupKey{}
	}
	return &room, nil
}

// backupSessionKey implements "GET /room_keys/keys/{roomId}/{sessionId}".
func (s *Server) backupSessionKey(r *http.Request, x session, _ *httpd.None) (*backupKey, error) {
	all, err := s.keysOfBackup(r, x)
	if err != nil {
		return nil, err
	}
	key, ok := all.Rooms[matrix.RoomID(r.PathValue("roomID"))].Sessions[r.PathValue("sessionID")]
	if !ok {
		return nil, httpd.NotFound("There is no such key in the backup.")
	}
	return &key, nil
}

// putBackupKeys implements "PUT /room_keys/keys".
func (s *Server) putBackupKeys(r *http.Request, x session, req *backupRooms) (*etagResponse, error) {
	return s.backUp(r, x, req)
}

// putBackupRoomKeys implements "PUT /room_keys/keys/{roomId}".
func (s *Server) putBackupRoomKeys(r *http.Request, x session, req *backupRoom) (*etagResponse, error) {
	return s.backUp(r, x, &backupRooms{map[matrix.RoomID]backupRoom{matrix.RoomID(r.PathValue("roomID")): *req}})
}

// putBackupSessionKey implements "PUT /room_keys/keys/{roomId}/{sessionId}".
func (s *Server) putBackupSessionKey(r *http.Request, x session, req *backupKey) (*etagResponse, error) {
	return s.backUp(r, x, &backupRooms{map[matrix.RoomID]backupRoom{matrix.RoomID(r.PathValue("roomID")): {map[string]backupKey{r.PathValue("sessionID"): *req}}}})
}

// backUp stores keys in the newest version, each if it is better than the one that is there.
func (s *Server) backUp(r *http.Request, x session, req *backupRooms) (*etagResponse, error) {
	n := 0
	for room, keys := range req.Rooms {
		for session, k := range keys.Sessions {
			if n++; n > maxBackupBatch {
				return nil, httpd.TooLarge("Back up at most %d keys at once.", maxBackupBatch)
			}
			if len(room) > matrix.MaxIDSize || len(session) > matrix.MaxIDSize || len(k.Session) > maxKeySize || k.Session.Kind() != '{' {
				return nil, httpd.InvalidParam("A key has session_data, an object of at most %d bytes.", maxKeySize)
			}
		}
	}
	var resp etagResponse
	given := r.URL.Query().Get("version")
	err := s.Rec.Do(r.Context(), func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		version, err := store.BackupVersion(ctx, tx, x.User, 0)
		if err != nil {
			return noBackup(err)
		}
		if current := strconv.FormatInt(version.Version, 10); given != current {
			return httpd.WrongRoomKeysVersion(current)
		}
		changed := false
		for room, keys := range req.Rooms {
			for session, k := range keys.Sessions {
				better, err := improves(b, x.User, version.Version, room, session, k)
				if err != nil {
					return err
				}
				if !better {
					continue
				}
				changed = true
				err = store.SetBackupKey(ctx, tx, x.User, version.Version, store.BackupKey{Room: room, Session: session, Verified: k.Verified,
					First: k.First, Forwards: k.Forwards, Content: k.Session})
				if err != nil {
					return err
				}
			}
		}
		if changed {
			version.ETag++
			if err := store.UpdateBackup(ctx, tx, x.User, version); err != nil {
				return err
			}
		}
		resp.ETag = strconv.FormatInt(version.ETag, 10)
		resp.Count, err = store.CountBackupKeys(ctx, tx, x.User, version.Version)
		if err == nil && resp.Count > maxBackupKeys {
			err = httpd.Errorf(http.StatusBadRequest, "M_LIMIT_EXCEEDED", "A backup has at most %d keys.", maxBackupKeys)
		}
		return err
	})
	return &resp, err
}

// improves reports whether a key is to replace the one that is there (Client-Server API, "PUT /room_keys/keys": the
// rules for which of two is kept).
func improves(b *recorder.Batch, user matrix.UserID, version int64, room matrix.RoomID, session string, k backupKey) (bool, error) {
	var old *store.BackupKey
	err := store.BackupKeys(b.Context(), b.Tx(), user, version, room, session, func(x store.BackupKey) { old = &x })
	switch {
	case err != nil || old == nil:
		return true, err
	case k.Verified != old.Verified:
		return k.Verified, nil
	case k.First != old.First:
		return k.First < old.First, nil
	}
	return k.Forwards < old.Forwards, nil
}

// deleteBackupKeys implements the three forms of "DELETE /room_keys/keys".
func (s *Server) deleteBackupKeys(r *http.Request, x session, _ *httpd.None) (*etagResponse, error) {
	var resp etagResponse
	err := s.inBackup(r, x, r.URL.Query().Get("version"), func(b *recorder.Batch, version *store.Backup) (err error) {
		ctx, tx := b.Context(), b.Tx()
		if err := store.DeleteBackupKeys(ctx, tx, x.User, version.Version, matrix.RoomID(r.PathValue("roomID")), r.PathValue("sessionID")); err != nil {
			return err
		}
		version.ETag++
		if err := store.UpdateBackup(ctx, tx, x.User, *version); err != nil {
			return err
		}
		resp.ETag = strconv.FormatInt(version.ETag, 10)
		resp.Count, err = store.CountBackupKeys(ctx, tx, x.User, version.Version)
		return err
	})
	return &resp, err
}
