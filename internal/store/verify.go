package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"

	"golang.org/x/mod/sumdb/note"

	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/sqldb"
)

// Report is what came of verifying a whole store.
type Report struct {
	record.Verified
	Size       int64
	Checkpoint record.Checkpoint
	Problems   []record.Finding // at most maxProblems
}

const maxProblems = 1000

// Verify checks the whole record in a database against its signed checkpoint, and every event's id
// against its body. It returns an error only if it could not read; what is wrong is in the report.
func Verify(ctx context.Context, db *sqldb.DB, key note.Verifier) (*Report, error) {
	q := db.Reader()
	head, err := ReadHead(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read the end of the record: %w", err)
	}
	r := &Report{Size: head.Size}
	if r.Checkpoint, err = record.OpenCheckpoint(head.Checkpoint, key); err != nil {
		r.Problems = append(r.Problems, record.Finding{Problem: "the checkpoint is not signed by the record's key: " + err.Error()})
		r.Findings++
		return r, nil
	}
	s := &stored{ctx: ctx, q: q, scopes: make(map[int64]scopeTag), versions: make(map[int64]matrix.RoomVersion)}
	if err := s.load(); err != nil {
		return nil, err
	}
	r.Verified, err = record.Verify(ctx, s, record.Verification{
		Size: head.Size, Checkpoint: r.Checkpoint, Workers: min(4, runtime.GOMAXPROCS(0)),
		Report: func(f record.Finding) {
			if len(r.Problems) < maxProblems {
				r.Problems = append(r.Problems, f)
			}
		},
	})
	return r, err
}

// stored is the record as it lies in the database.
type stored struct {
	ctx      context.Context
	q        sqldb.Queryer
	scopes   map[int64]scopeTag
	versions map[int64]matrix.RoomVersion // of rooms, by scope
}

type scopeTag struct {
	name string
	salt [32]byte
	tag  [32]byte
}

func (s *stored) load() error {
	err := Scopes(s.ctx, s.q, func(x Scope) error {
		s.scopes[x.ID] = scopeTag{x.Name, x.Salt, record.ScopeTag(x.Salt, x.Name)}
		return nil
	})
	if err != nil {
		return err
	}
	return Rooms(s.ctx, s.q, func(r Room) error { s.versions[r.Scope] = r.Version; return nil })
}

// Tile implements record.Tiles.
func (s *stored) Tile(level int, n int64) ([]byte, error) { return TileData(s.ctx, s.q, level, n) }

// errStop ends a walk over rows whose reader has had enough.
var errStop = errors.New("stop")

// Rows implements record.Stored.
func (s *stored) Rows(ctx context.Context, from, to int64) iter.Seq2[*record.Row, error] {
	return func(yield func(*record.Row, error) bool) {
		var row record.Row
		err := Entries(ctx, s.q, from, to, func(e *Entry) error {
			if err := s.fill(&row, e); err != nil {
				return err
			}
			if !yield(&row, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && err != errStop {
			yield(nil, err)
		}
	}
}

// fill makes the log's entry of a stored one. An event whose id is not that of its body gets a
// commitment that cannot be right, so that it is reported.
func (s *stored) fill(row *record.Row, e *Entry) error {
	x := s.scopes[e.Scope]
	*row = record.Row{Position: e.Pos, Scope: x.name, ScopeSalt: &x.salt, Body: e.Body,
		Entry: record.Entry{Time: e.Time, ScopeTag: x.tag, Seq: uint64(e.Seq), Kind: e.Kind}}
	switch {
	case e.Commitment != nil:
		copy(row.Entry.Commitment[:], e.Commitment)
	case len(e.Salt) == 32:
		row.Entry.Commitment = record.Commit((*[32]byte)(e.Salt), e.Body)
	}
	if len(e.Salt) == 32 {
		row.Salt = (*[32]byte)(e.Salt)
	}
	if e.Kind == record.KindEvent && e.Body != nil {
		ev, err := matrix.Parse(s.versions[e.Scope], e.Body)
		if err != nil || ev.ID != EventID(e.Ref) {
			row.Entry.Commitment = [32]byte{}
		}
	}
	return nil
}
