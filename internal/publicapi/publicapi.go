// Package publicapi is what anyone may see without signing in: the record's checkpoint, its verifier key
// and its tiles of hashes, in the form that C2SP tlog-tiles lays down, so that other people's tools can
// follow the log.
//
// The entries themselves are not served: they hold no content, but when and how much is said in a scope
// is nobody's business who has no case. Whoever is given an entry in a bundle or a receipt can prove it
// with the tiles.
package publicapi

import (
	"context"
	"errors"
	"io"
	"net/http"

	"despatch/internal/httpd"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// Server serves the public side of the record.
type Server struct {
	Rec  *recorder.Recorder
	DB   *sqldb.DB
	Key  string // the record's verifier key
	HTTP *httpd.Adapter
}

// Handler returns the routes, to be mounted at /record/.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /record/checkpoint", httpd.Func(s.HTTP, s.checkpoint))
	mux.Handle("GET /record/log.vkey", httpd.Func(s.HTTP, s.key))
	mux.Handle("GET /record/tile/{path...}", httpd.Func(s.HTTP, s.tile))
	return mux
}

func (s *Server) checkpoint(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, err := w.Write(s.Rec.Head().Checkpoint)
	return err
}

func (s *Server) key(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := io.WriteString(w, s.Key+"\n")
	return err
}

// tile serves a tile of hashes, full or partial. A full one never changes.
func (s *Server) tile(w http.ResponseWriter, r *http.Request) error {
	level, n, width, err := record.ParseTilePath("tile/" + r.PathValue("path"))
	if err != nil || level == record.EntriesLevel {
		return httpd.NotFound("There is no such tile.")
	}
	data, err := Reader(r.Context(), s.Rec.Head(), s.DB).Tile(level, n, width)
	if err != nil {
		if sqldb.IsUnavailable(err) || errors.Is(err, context.Canceled) {
			return err
		}
		return httpd.NotFound("There is no such tile yet.")
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, err = w.Write(data)
	return err
}

// Reader reads the tree as it was at a head.
func Reader(ctx context.Context, head *recorder.Head, db *sqldb.DB) *record.Reader {
	return record.NewReader(head.Edge, record.TilesFunc(func(level int, n int64) ([]byte, error) {
		return store.TileData(ctx, db.Reader(), level, n)
	}))
}
