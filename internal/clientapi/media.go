package clientapi

import (
	"errors"
	"net/http"
	"strconv"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/media"
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
	if r.ContentLength > s.Media.MaxUpload() {
		return httpd.TooLarge("Files may have at most %d MB.", s.Media.MaxUpload()>>20)
	}
	s.HTTP.Steady(w, r)
	it, err := s.Media.Put(r.Context(), r.Body, media.Upload{By: string(x.User), Name: r.URL.Query().Get("filename"), Type: r.Header.Get("Content-Type")})
	if err != nil {
		return err
	}
	raw, err := marshal(uploadResponse{s.Media.URI(it)})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(raw)
	return err
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
	typ, f, err := s.Media.Thumbnail(r.Context(), id, media.Size{Width: width, Height: height, Crop: q.Get("method") == "crop"})
	if err != nil {
		return noFile(err)
	}
	defer f.Close()
	media.Serve(w, r, media.Item{Type: typ, Size: f.Size()}, f, "", false)
	return nil
}
