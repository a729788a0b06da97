package store

import (
	"context"
	"database/sql"
	"fmt"

	"despatch/internal/sqldb"
)

// Content is what a file holds: all uploads of the same bytes share one.
type Content struct {
	SHA256    [32]byte
	Size      int64
	Type      string // found by looking at it
	File      string // name below the media folder
	Key       []byte // 32 bytes, and kept nowhere else
	CreatedAt int64
}

// Media is one upload.
type Media struct {
	ID        string // Matrix media ID
	SHA256    [32]byte
	Name      string // as the uploader called it
	Type      string // as it may be served
	Uploader  string
	CreatedAt int64
	Pos       int64 // of its entry on the record
	GoneAt    int64 // when participants ceased to be shown it; 0 if they are
}

// ContentByHash returns a content, or [ErrNotFound].
func ContentByHash(ctx context.Context, q sqldb.Queryer, sha256 [32]byte) (Content, error) {
	c := Content{SHA256: sha256}
	err := q.QueryRow(ctx, `SELECT size, type, file, enc_key, created_at FROM content WHERE sha256 = $1`, sha256[:]).
		Scan(&c.Size, &c.Type, &c.File, &c.Key, &c.CreatedAt)
	return c, notFound(err)
}

// InsertContent stores a content that is not there yet.
func InsertContent(ctx context.Context, tx *sqldb.Tx, c Content) error {
	_, err := tx.Exec(ctx, `INSERT INTO content (sha256, size, type, file, enc_key, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		c.SHA256[:], c.Size, c.Type, c.File, c.Key, c.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert content %x: %w", c.SHA256[:8], err)
	}
	return nil
}

// DeleteContent destroys the key of a content. The uploads of it stay, without anything to show.
func DeleteContent(ctx context.Context, tx *sqldb.Tx, sha256 [32]byte) error {
	_, err := tx.Exec(ctx, `DELETE FROM content WHERE sha256 = $1`, sha256[:])
	return err
}

// ContentFiles calls fn with the file name of each content.
func ContentFiles(ctx context.Context, q sqldb.Queryer, fn func(file string) error) error {
	r, err := q.Query(ctx, `SELECT file FROM content`)
	return rows(r, err, func(r *sql.Rows) error {
		var file string
		if err := r.Scan(&file); err != nil {
			return err
		}
		return fn(file)
	})
}

// MediaByID returns an upload, or [ErrNotFound].
func MediaByID(ctx context.Context, q sqldb.Queryer, id string) (Media, error) {
	m := Media{ID: id}
	var sha []byte
	err := q.QueryRow(ctx, `SELECT sha256, name, type, uploader, created_at, pos, gone_at FROM media WHERE id = $1`, id).
		Scan(&sha, &m.Name, &m.Type, &m.Uploader, &m.CreatedAt, &m.Pos, &m.GoneAt)
	copy(m.SHA256[:], sha)
	return m, notFound(err)
}

// InsertMedia stores a new upload.
func InsertMedia(ctx context.Context, tx *sqldb.Tx, m Media) error {
	_, err := tx.Exec(ctx, `INSERT INTO media (id, sha256, name, type, uploader, created_at, pos, gone_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)`,
		m.ID, m.SHA256[:], m.Name, m.Type, m.Uploader, m.CreatedAt, m.Pos)
	if err != nil {
		return fmt.Errorf("insert media %s: %w", m.ID, err)
	}
	return nil
}

// UseMedia says that the entry at pos shows an upload to participants. An upload that is gone stays so: who
// kept its ID cannot bring back what somebody deleted.
func UseMedia(ctx context.Context, tx *sqldb.Tx, id string, pos int64) error {
	if _, err := tx.Exec(ctx, `INSERT INTO media_use (media, pos) VALUES ($1, $2) ON CONFLICT DO NOTHING`, id, pos); err != nil {
		return fmt.Errorf("use media %s: %w", id, err)
	}
	return nil
}

// UnuseMedia says that the entry at pos, at the time now, ceased to show what it did. Uploads that nothing
// else shows are gone for participants; the record keeps them.
func UnuseMedia(ctx context.Context, tx *sqldb.Tx, pos, now int64) error {
	_, err := tx.Exec(ctx, `
		UPDATE media SET gone_at = $1
		WHERE id IN (SELECT media FROM media_use WHERE pos = $2)
		  AND NOT EXISTS (SELECT 1 FROM media_use u WHERE u.media = media.id AND u.pos <> $2)`, now, pos)
	if err != nil {
		return fmt.Errorf("hide the media of entry %d: %w", pos, err)
	}
	_, err = tx.Exec(ctx, `DELETE FROM media_use WHERE pos = $1`, pos)
	return err
}
