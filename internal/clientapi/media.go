package clientapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/media"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

type uploadResponse struct {
	ContentURI string `json:"content_uri"`
}

// upload implements "POST /_matrix/media/v3/upload". What tells where and with what a picture was taken
// is removed.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) error {
	x, err := s.caller(r)
	if err != nil {
		return err
	}
	it, err := s.take(w, r, x, media.Upload{})
	if err != nil {
		return err
	}
	return answer(w, uploadResponse{s.Media.URI(it)})
}

func answer(w http.ResponseWriter, v any) error {
	raw, err := marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(raw)
	return err
}

// take keeps the file in a request.
func (s *Server) take(w http.ResponseWriter, r *http.Request, x session, u media.Upload) (media.Item, error) {
	if x.Suspended() {
		return media.Item{}, suspendedError()
	}
	if r.ContentLength > s.Media.MaxUpload() {
		return media.Item{}, httpd.TooLarge("Files may have at most %d MB.", s.Media.MaxUpload()>>20)
	}
	s.HTTP.Steady(w, r)
	u.By, u.Name, u.Type = string(x.User), r.URL.Query().Get("filename"), r.Header.Get("Content-Type")
	return s.Media.Put(r.Context(), r.Body, u)
}

type promiseResponse struct {
	ContentURI string `json:"content_uri"`
	Expires    int64  `json:"unused_expires_at"`
}

const (
	maxPromises  = 100 // that one person may have open
	promiseLasts = 24 * time.Hour
	maxMediaWait = 20 * time.Second
)

// promiseMedia implements "POST /_matrix/media/v1/create": an address for a file that follows.
func (s *Server) promiseMedia(r *http.Request, x session, _ *httpd.None) (*promiseResponse, error) {
	now := s.Now().UnixMilli()
	n, err := store.CountPromises(r.Context(), s.DB.Reader(), x.User, now)
	if err != nil {
		return nil, err
	}
	if n >= maxPromises {
		return nil, httpd.LimitExceeded(time.Minute, "You have %d files still to be uploaded. Upload some of them first.", n)
	}
	id, err := s.Media.NewID()
	if err != nil {
		return nil, err
	}
	resp := &promiseResponse{s.Media.URI(media.Item{ID: id}), now + promiseLasts.Milliseconds()}
	return resp, s.Rec.Do(r.Context(), func(b *recorder.Batch) error {
		return store.Promise(b.Context(), b.Tx(), id, x.User, resp.Expires)
	})
}

// uploadPromised implements "PUT /_matrix/media/v3/upload/{serverName}/{mediaId}".
func (s *Server) uploadPromised(w http.ResponseWriter, r *http.Request) error {
	x, err := s.caller(r)
	if err != nil {
		return err
	}
	id := r.PathValue("mediaID")
	if matrix.ServerName(r.PathValue("serverName")) != s.Name {
		return httpd.NotFound("There is no such file here.")
	}
	check := func(q sqldb.Queryer, ctx context.Context) error {
		owner, expires, err := store.Promised(ctx, q, id)
		switch {
		case err == store.ErrNotFound:
			if _, err := s.Media.Item(ctx, id); err == nil {
				return httpd.CannotOverwriteMedia("This file has been uploaded already.")
			}
			return httpd.NotFound("There is no such file here, or its address has expired. Make a new one.")
		case err != nil:
			return err
		case owner != x.User:
			return httpd.Forbidden("This address was made by somebody else.")
		case expires <= s.Now().UnixMilli():
			return httpd.NotFound("There is no such file here, or its address has expired. Make a new one.")
		}
		return nil
	}
	if err := check(s.DB.Reader(), r.Context()); err != nil {
		return err
	}
	_, err = s.take(w, r, x, media.Upload{ID: id, Taken: func(b *recorder.Batch) error {
		if err := check(b.Tx(), b.Context()); err != nil {
			return err
		}
		return store.DeletePromise(b.Context(), b.Tx(), id, b.Now())
	}})
	if err != nil {
		return err
	}
	return answer(w, struct{}{})
}

// arrived waits for a file of which the address has been given out, as long as the request says.
func (s *Server) arrived(r *http.Request, id string) error {
	wait := maxMediaWait
	if ms, err := strconv.ParseInt(r.URL.Query().Get("timeout_ms"), 10, 64); err == nil && ms >= 0 {
		wait = min(wait, time.Duration(min(ms, 1<<30))*time.Millisecond)
	}
	deadline := time.After(wait)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		_, expires, err := store.Promised(r.Context(), s.DB.Reader(), id)
		if err == store.ErrNotFound || err == nil && expires <= s.Now().UnixMilli() {
			return nil
		} else if err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-deadline:
			return httpd.NotYetUploaded(time.Second)
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
}

type mediaConfigResponse struct {
	UploadSize int64 `json:"m.upload.size"`
}

// mediaConfig implements "GET /media/config".
func (s *Server) mediaConfig(*http.Request, session, *httpd.None) (*mediaConfigResponse, error) {
	return &mediaConfigResponse{s.Media.MaxUpload()}, nil
}

// mediaID is the file that a request names. Everybody who asks must be signed in, on the older paths too.
func (s *Server) mediaID(r *http.Request) (string, error) {
	if _, err := s.caller(r); err != nil {
		return "", err
	}
	if matrix.ServerName(r.PathValue("serverName")) != s.Name {
		return "", httpd.NotFound("There is no such file here.")
	}
	return r.PathValue("mediaID"), nil
}

func noFile(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return httpd.NotFound("There is no such file, or it is no longer shown.")
	}
	return err
}

// download implements "GET /media/download/{serverName}/{mediaId}".
func (s *Server) download(w http.ResponseWriter, r *http.Request) error {
	id, err := s.mediaID(r)
	if err != nil {
		return err
	}
	if err := s.arrived(r, id); err != nil {
		return err
	}
	it, f, err := s.Media.Open(r.Context(), id)
	if err != nil {
		return noFile(err)
	}
	defer f.Close()
	name := it.Name
	if n := r.PathValue("fileName"); n != "" {
		name = n
	}
	media.Serve(w, r, it, f, name, false)
	return nil
}

// thumbnail implements "GET /media/thumbnail/{serverName}/{mediaId}".
func (s *Server) thumbnail(w http.ResponseWriter, r *http.Request) error {
	id, err := s.mediaID(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	width, err1 := strconv.Atoi(q.Get("width"))
	height, err2 := strconv.Atoi(q.Get("height"))
	if err1 != nil || err2 != nil || width <= 0 || height <= 0 {
		return httpd.InvalidParam("width and height are numbers of pixels.")
	}
	if err := s.arrived(r, id); err != nil {
		return err
	}
	typ, f, err := s.Media.Thumbnail(r.Context(), id, media.Size{Width: width, Height: height, Crop: q.Get("method") == "crop"})
	if err != nil {
		return noFile(err)
	}
	defer f.Close()
	media.Serve(w, r, media.Item{Type: typ, Size: f.Size()}, f, "", false)
	return nil
}
