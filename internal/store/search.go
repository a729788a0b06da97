package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"despatch/internal/sqldb"
)

// The full-text index. On SQLite it is a database of its own with an FTS5 table, on PostgreSQL a table with a
// tsvector in the record's database. Words arrive cut and folded, so neither database's own idea of a word counts.

// searchSchema makes the index on SQLite; on PostgreSQL migration 0007 does. The FTS5 table keeps no texts.
var searchSchema = []string{
	`CREATE TABLE IF NOT EXISTS follower (name TEXT PRIMARY KEY, pos BIGINT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS search_mark (id INTEGER PRIMARY KEY CHECK (id = 1), mark BYTEA NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS search_doc (
		key INTEGER PRIMARY KEY, pos BIGINT NOT NULL UNIQUE, item BIGINT NOT NULL, scope BIGINT NOT NULL,
		captured BIGINT NOT NULL, message BIGINT NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS search_doc_scope ON search_doc (scope, key)`,
	`CREATE INDEX IF NOT EXISTS search_doc_edit ON search_doc (item) WHERE item <> pos`,
	`CREATE TABLE IF NOT EXISTS search_conversation (
		scope INTEGER PRIMARY KEY, name TEXT NOT NULL, system TEXT NOT NULL, title TEXT NOT NULL, title_pos BIGINT NOT NULL,
		words TEXT NOT NULL, messages BIGINT NOT NULL, first BIGINT NOT NULL, last BIGINT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS search_party (
		scope BIGINT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, words TEXT NOT NULL, messages BIGINT NOT NULL,
		PRIMARY KEY (scope, id))`,
	`CREATE INDEX IF NOT EXISTS search_party_id ON search_party (id)`,
	// The tokenizer "ascii" splits at ASCII punctuation only and so leaves the words as they are.
	`CREATE VIRTUAL TABLE IF NOT EXISTS search_words USING fts5 (
		said, who, about, content = '', contentless_delete = 1, tokenize = 'ascii')`,
	`INSERT INTO search_words (search_words, rank) VALUES ('secure-delete', 1)`,
}

// MakeSearch makes the tables of the index where they do not exist.
func MakeSearch(ctx context.Context, tx *sqldb.Tx) error {
	if tx.Dialect() == sqldb.Postgres {
		return nil
	}
	for _, stmt := range searchSchema {
		if _, err := tx.Exec(ctx, stmt); err != nil {
			return fmt.Errorf("make the search index: %.40q: %w", stmt, err)
		}
	}
	return nil
}

// ClearSearch empties the index.
func ClearSearch(ctx context.Context, tx *sqldb.Tx) error {
	stmts := []string{`DELETE FROM search_doc`, `DELETE FROM search_conversation`, `DELETE FROM search_party`,
		`DELETE FROM search_mark`, `DELETE FROM follower WHERE name = 'search'`}
	if tx.Dialect() == sqldb.SQLite {
		stmts = append(stmts, `INSERT INTO search_words (search_words) VALUES ('delete-all')`)
	}
	for _, stmt := range stmts {
		if _, err := tx.Exec(ctx, stmt); err != nil {
			return fmt.Errorf("empty the search index: %w", err)
		}
	}
	return nil
}

// HurrySearch has the transaction not wait for the disk on PostgreSQL: what a crash takes is indexed again, since the
// cursor goes with it.
func HurrySearch(ctx context.Context, tx *sqldb.Tx) error {
	if tx.Dialect() == sqldb.SQLite {
		return nil
	}
	_, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = off`)
	return err
}

// SearchMark returns the commitment of the last indexed entry, or nil.
func SearchMark(ctx context.Context, q sqldb.Queryer) ([]byte, error) {
	var mark []byte
	err := q.QueryRow(ctx, `SELECT mark FROM search_mark WHERE id = 1`).Scan(&mark)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return mark, err
}

// SetSearchMark stores the commitment of the last indexed entry.
func SetSearchMark(ctx context.Context, tx *sqldb.Tx, mark []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO search_mark (id, mark) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET mark = excluded.mark`, mark)
	return err
}

// SearchDoc is an entry in the index. Its key orders the index by when things were said.
type SearchDoc struct {
	Key      int64
	Pos      int64
	Item     int64
	Scope    int64
	Captured bool
	Message  bool     // a message, not an edit of one or the name of a conversation
	Said     []string // words of what was said
	Who      []string // words of who said it
	About    []string // marks to search by: letters and digits only
}

// InsertSearchDocs adds entries to the index. Those whose key is taken get the next free one.
func InsertSearchDocs(ctx context.Context, tx *sqldb.Tx, docs []SearchDoc) error {
	if tx.Dialect() == sqldb.Postgres {
		return insertSearchPostgres(ctx, tx, docs)
	}
	for i := range docs {
		d := &docs[i]
		for {
			res, err := tx.Exec(ctx, `
				INSERT INTO search_doc (key, pos, item, scope, captured, message) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (key) DO NOTHING`, d.Key, d.Pos, d.Item, d.Scope, bit(d.Captured), bit(d.Message))
			if err != nil {
				return fmt.Errorf("index entry %d: %w", d.Pos, err)
			}
			if n, err := res.RowsAffected(); err != nil || n == 1 {
				break
			}
			d.Key++
		}
		_, err := tx.Exec(ctx, `INSERT INTO search_words (rowid, said, who, about) VALUES ($1, $2, $3, $4)`,
			d.Key, strings.Join(d.Said, " "), strings.Join(d.Who, " "), strings.Join(d.About, " "))
		if err != nil {
			return fmt.Errorf("index the words of entry %d: %w", d.Pos, err)
		}
	}
	return nil
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func insertSearchPostgres(ctx context.Context, tx *sqldb.Tx, docs []SearchDoc) error {
	if err := freeKeys(ctx, tx, docs); err != nil {
		return err
	}
	n := len(docs)
	key, pos, item, scope := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	captured, message, words := make([]int64, n), make([]int64, n), make([]string, n)
	for i := range docs {
		d := &docs[i]
		key[i], pos[i], item[i], scope[i], captured[i], message[i] = d.Key, d.Pos, d.Item, d.Scope, bit(d.Captured), bit(d.Message)
		words[i] = d.vector()
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO search_doc (key, pos, item, scope, captured, message, words)
		SELECT k, p, i, s, c, m, w::tsvector
		FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[]) AS x (k, p, i, s, c, m, w)`,
		key, pos, item, scope, captured, message, words)
	if err != nil {
		return fmt.Errorf("index %d entries: %w", n, err)
	}
	return nil
}

// freeKeys changes the keys that are taken, in the table or among the documents.
func freeKeys(ctx context.Context, tx *sqldb.Tx, docs []SearchDoc) error {
	taken := make(map[int64]bool)
	for round := 0; ; round++ {
		want := make([]int64, len(docs))
		for i := range docs {
			want[i] = docs[i].Key
		}
		r, err := tx.Query(ctx, `SELECT key FROM search_doc WHERE key = ANY($1)`, want)
		err = rows(r, err, func(r *sql.Rows) error {
			var k int64
			err := r.Scan(&k)
			taken[k] = true
			return err
		})
		if err != nil {
			return err
		}
		moved := false
		mine := make(map[int64]bool, len(docs))
		for i := range docs {
			for taken[docs[i].Key] || mine[docs[i].Key] {
				docs[i].Key++
				moved = true
			}
			mine[docs[i].Key] = true
		}
		if !moved {
			return nil
		}
	}
}

// Where the three columns of FTS5 lie in the one tsvector: who at the beginning with weight A, then about with
// weight B, then what was said. A position is at most 16383, and a word has at most 256.
const (
	vectorWho   = 1
	vectorAbout = 40
	vectorSaid  = 80
	vectorEnd   = 16383
	vectorMost  = 256
)

// vector writes the document as PostgreSQL reads a tsvector. The words have letters and digits only.
func (d *SearchDoc) vector() string {
	at := make(map[string][]byte)
	var order []string
	count := make(map[string]int)
	put := func(words []string, from, to int, weight string) {
		for i, w := range words {
			if count[w]++; count[w] > vectorMost {
				continue
			}
			p, ok := at[w]
			if !ok {
				order = append(order, w)
			} else {
				p = append(p, ',')
			}
			at[w] = append(strconv.AppendInt(p, int64(min(from+i, to)), 10), weight...)
		}
	}
	put(d.Who, vectorWho, vectorAbout-2, "A")
	put(d.About, vectorAbout, vectorSaid-2, "B")
	put(d.Said, vectorSaid, vectorEnd, "")
	var b strings.Builder
	for _, w := range order {
		b.WriteByte('\'')
		b.WriteString(w)
		b.WriteString("':")
		b.Write(at[w])
		b.WriteByte(' ')
	}
	return b.String()
}

// SearchIn says in which column a term is looked for.
type SearchIn string

const (
	InSaid  SearchIn = "said"
	InWho   SearchIn = "who"
	InAbout SearchIn = "about"
)

// SearchTerm is words that follow one another, the last of which may be only the beginning of one.
type SearchTerm struct {
	In     SearchIn
	Words  []string
	Prefix bool
}

// SearchExpr is what is looked for: all groups of All, of each group any term, and no term of None.
type SearchExpr struct {
	All  [][]SearchTerm
	None []SearchTerm
}

// fts5 writes the expression as FTS5 reads it. There is at least one group.
func (e *SearchExpr) fts5() string {
	var b strings.Builder
	term := func(t SearchTerm) {
		b.WriteString(string(t.In) + ` : "` + strings.Join(t.Words, " ") + `"`)
		if t.Prefix {
			b.WriteString(" *")
		}
	}
	list := func(terms []SearchTerm) {
		b.WriteByte('(')
		for i, t := range terms {
			if i > 0 {
				b.WriteString(" OR ")
			}
			term(t)
		}
		b.WriteByte(')')
	}
	b.WriteByte('(')
	for i, g := range e.All {
		if i > 0 {
			b.WriteString(" AND ")
		}
		list(g)
	}
	b.WriteByte(')')
	if len(e.None) > 0 {
		b.WriteString(" NOT ")
		list(e.None)
	}
	return b.String()
}

// tsquery writes the expression as PostgreSQL reads a tsquery.
func (e *SearchExpr) tsquery() string {
	var b strings.Builder
	term := func(t SearchTerm) {
		weight := map[SearchIn]string{InSaid: "D", InWho: "A", InAbout: "B"}[t.In]
		b.WriteByte('(')
		for i, w := range t.Words {
			if i > 0 {
				b.WriteString(" <-> ")
			}
			b.WriteString("'" + w + "':" + weight)
			if t.Prefix && i == len(t.Words)-1 {
				b.WriteByte('*')
			}
		}
		b.WriteByte(')')
	}
	list := func(terms []SearchTerm) {
		b.WriteByte('(')
		for i, t := range terms {
			if i > 0 {
				b.WriteString(" | ")
			}
			term(t)
		}
		b.WriteByte(')')
	}
	for i, g := range e.All {
		if i > 0 {
			b.WriteString(" & ")
		}
		list(g)
	}
	if len(e.None) > 0 {
		b.WriteString(" & !")
		list(e.None)
	}
	return b.String()
}

// SearchRow is an entry that was found.
type SearchRow struct {
	Key, Pos, Item, Scope int64
	Captured              bool
}

// recentDocs is how many of the newest entries PostgreSQL looks through one by one before it asks the index for all
// that match: for a frequent word they hold a page of results, for a rare one all that match are few.
const recentDocs = 2000

// FindWords returns entries that match, with from <= key < to, newest first, at most limit.
func FindWords(ctx context.Context, q sqldb.Queryer, e *SearchExpr, from, to int64, limit int) ([]SearchRow, error) {
	if q.Dialect() == sqldb.SQLite {
		return searchRows(q.Query(ctx, `
			SELECT d.key, d.pos, d.item, d.scope, d.captured FROM search_words w CROSS JOIN search_doc d ON d.key = w.rowid
			WHERE w.search_words MATCH $1 AND w.rowid >= $2 AND w.rowid < $3 ORDER BY w.rowid DESC LIMIT $4`, e.fts5(), from, to, limit))
	}
	query := e.tsquery()
	// Asked for in one piece, the planner walks the whole table backwards for a rare word, or sorts half of it for a
	// frequent one.
	found, err := searchRows(q.Query(ctx, `
		WITH recent AS MATERIALIZED (SELECT * FROM search_doc WHERE key >= $2 AND key < $3 ORDER BY key DESC LIMIT $5)
		SELECT key, pos, item, scope, captured FROM recent WHERE words @@ $1::tsquery ORDER BY key DESC LIMIT $4`, query, from, to, limit, recentDocs))
	if err != nil || len(found) == limit {
		return found, err
	}
	return searchRows(q.Query(ctx, `
		WITH found AS MATERIALIZED (SELECT key, pos, item, scope, captured FROM search_doc WHERE words @@ $1::tsquery AND key >= $2 AND key < $3)
		SELECT key, pos, item, scope, captured FROM found ORDER BY key DESC LIMIT $4`, query, from, to, limit))
}

func searchRows(r *sql.Rows, err error) ([]SearchRow, error) {
	var out []SearchRow
	return out, rows(r, err, func(r *sql.Rows) error {
		var x SearchRow
		var captured int64
		err := r.Scan(&x.Key, &x.Pos, &x.Item, &x.Scope, &captured)
		x.Captured = captured != 0
		out = append(out, x)
		return err
	})
}

// CountWords counts entries that match, up to limit.
func CountWords(ctx context.Context, q sqldb.Queryer, e *SearchExpr, from, to int64, limit int) (int, error) {
	var n int
	var err error
	if q.Dialect() == sqldb.SQLite {
		err = q.QueryRow(ctx, `SELECT count(*) FROM (SELECT rowid FROM search_words
			WHERE search_words MATCH $1 AND rowid >= $2 AND rowid < $3 LIMIT $4)`, e.fts5(), from, to, limit).Scan(&n)
	} else {
		err = q.QueryRow(ctx, `SELECT count(*) FROM (SELECT 1 FROM search_doc
			WHERE words @@ $1::tsquery AND key >= $2 AND key < $3 LIMIT $4) x`, e.tsquery(), from, to, limit).Scan(&n)
	}
	return n, err
}

// SearchRowsOf returns what is indexed of the messages at some positions: they themselves and their edits.
func SearchRowsOf(ctx context.Context, q sqldb.Queryer, positions []int64) ([]SearchRow, error) {
	own, err := searchRows(q.Query(ctx, `SELECT key, pos, item, scope, captured FROM search_doc WHERE `+among(q, "pos"), list(q, positions)))
	if err != nil {
		return nil, err
	}
	edits, err := searchRows(q.Query(ctx, `SELECT key, pos, item, scope, captured FROM search_doc WHERE item <> pos AND `+among(q, "item"), list(q, positions)))
	return append(own, edits...), err
}

// SearchKey returns the key and scope of an indexed entry, or [ErrNotFound].
func SearchKey(ctx context.Context, q sqldb.Queryer, pos int64) (key, scope int64, err error) {
	err = q.QueryRow(ctx, `SELECT key, scope FROM search_doc WHERE pos = $1`, pos).Scan(&key, &scope)
	return key, scope, notFound(err)
}

// DeleteSearchDoc removes an entry from the index. Its words are gone from the file after [PurgeSearch].
func DeleteSearchDoc(ctx context.Context, tx *sqldb.Tx, key int64) error {
	if tx.Dialect() == sqldb.SQLite {
		if _, err := tx.Exec(ctx, `DELETE FROM search_words WHERE rowid = $1`, key); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `DELETE FROM search_doc WHERE key = $1`, key)
	return err
}

// PurgeSearch removes from an SQLite index what deleted entries have left in it: a table without contents only marks
// them until their segments are merged.
func PurgeSearch(ctx context.Context, tx *sqldb.Tx) error {
	if tx.Dialect() == sqldb.Postgres {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO search_words (search_words) VALUES ('optimize')`)
	return err
}

// EraseSearch has deletions in this transaction overwrite what they delete.
func EraseSearch(ctx context.Context, tx *sqldb.Tx) error {
	if tx.Dialect() == sqldb.Postgres {
		return nil
	}
	_, err := tx.Exec(ctx, `PRAGMA secure_delete = ON`)
	return err
}

// SweepSearch removes the last copies of what was deleted: from SQLite's write-ahead log, or from PostgreSQL's pages.
func SweepSearch(ctx context.Context, q sqldb.Queryer) error {
	if q.Dialect() == sqldb.Postgres {
		_, err := q.Exec(ctx, `VACUUM search_doc`)
		return err
	}
	var busy, pages, moved int64
	err := q.QueryRow(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
	if err == nil && busy != 0 {
		err = errors.New("the search index is being read; its write-ahead log could not be emptied")
	}
	return err
}

// SearchConversation is what the index knows of a scope.
type SearchConversation struct {
	Scope    int64
	Name     string
	System   string
	Title    string
	TitlePos int64
	Words    string // of the title, each with a space before and after it
	Messages int64
	First    int64
	Last     int64
}

// AddSearchConversation adds to what the index knows of a scope: messages are added, times widened, a newer title
// taken over.
func AddSearchConversation(ctx context.Context, tx *sqldb.Tx, c SearchConversation) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO search_conversation (scope, name, system, title, title_pos, words, messages, first, last)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (scope) DO UPDATE SET
			title = CASE WHEN excluded.title_pos > search_conversation.title_pos THEN excluded.title ELSE search_conversation.title END,
			words = CASE WHEN excluded.title_pos > search_conversation.title_pos THEN excluded.words ELSE search_conversation.words END,
			title_pos = CASE WHEN excluded.title_pos > search_conversation.title_pos THEN excluded.title_pos ELSE search_conversation.title_pos END,
			system = CASE WHEN excluded.system <> '' THEN excluded.system ELSE search_conversation.system END,
			first = CASE WHEN excluded.messages = 0 OR search_conversation.messages > 0 AND search_conversation.first < excluded.first
				THEN search_conversation.first ELSE excluded.first END,
			last = CASE WHEN excluded.messages = 0 OR search_conversation.messages > 0 AND search_conversation.last > excluded.last
				THEN search_conversation.last ELSE excluded.last END,
			messages = search_conversation.messages + excluded.messages`,
		c.Scope, c.Name, c.System, c.Title, c.TitlePos, c.Words, c.Messages, c.First, c.Last)
	if err != nil {
		return fmt.Errorf("index scope %s: %w", c.Name, err)
	}
	return nil
}

// SearchParty is somebody who said something in a scope.
type SearchParty struct {
	Scope    int64
	ID       string
	Name     string
	Words    string
	Messages int64
}

// AddSearchParties adds to what the index knows of people in scopes. Nobody is named twice in one scope.
func AddSearchParties(ctx context.Context, tx *sqldb.Tx, parties []SearchParty) error {
	const update = ` ON CONFLICT (scope, id) DO UPDATE SET name = excluded.name, words = excluded.words, messages = search_party.messages + excluded.messages`
	if tx.Dialect() == sqldb.Postgres {
		n := len(parties)
		scope, messages := make([]int64, n), make([]int64, n)
		id, name, words := make([]string, n), make([]string, n), make([]string, n)
		for i, p := range parties {
			scope[i], id[i], name[i], words[i], messages[i] = p.Scope, p.ID, p.Name, p.Words, p.Messages
		}
		_, err := tx.Exec(ctx, `INSERT INTO search_party (scope, id, name, words, messages)
			SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[])`+update, scope, id, name, words, messages)
		if err != nil {
			return fmt.Errorf("index who speaks: %w", err)
		}
		return nil
	}
	for _, p := range parties {
		_, err := tx.Exec(ctx, `INSERT INTO search_party (scope, id, name, words, messages) VALUES ($1, $2, $3, $4, $5)`+update,
			p.Scope, p.ID, p.Name, p.Words, p.Messages)
		if err != nil {
			return fmt.Errorf("index who speaks in scope %d: %w", p.Scope, err)
		}
	}
	return nil
}

const conversationColumns = `c.scope, c.name, c.system, c.title, c.title_pos, c.words, c.messages, c.first, c.last`

func scanConversation(scan func(...any) error) (SearchConversation, error) {
	var c SearchConversation
	err := scan(&c.Scope, &c.Name, &c.System, &c.Title, &c.TitlePos, &c.Words, &c.Messages, &c.First, &c.Last)
	return c, err
}

// SearchConversationOf returns what the index knows of a scope, or [ErrNotFound].
func SearchConversationOf(ctx context.Context, q sqldb.Queryer, scope int64) (SearchConversation, error) {
	c, err := scanConversation(q.QueryRow(ctx, `SELECT `+conversationColumns+` FROM search_conversation c WHERE c.scope = $1`, scope).Scan)
	return c, notFound(err)
}

// SearchConversations returns at most limit conversations that come after (last, scope) when those with the newest
// message come first, in whose title or one of whose people's names a word begins with word.
func SearchConversations(ctx context.Context, q sqldb.Queryer, word string, last, scope int64, limit int) ([]SearchConversation, error) {
	var out []SearchConversation
	r, err := q.Query(ctx, `
		SELECT `+conversationColumns+` FROM search_conversation c
		WHERE (c.last < $2 OR c.last = $2 AND c.scope < $3) AND (c.messages > 0 OR c.title <> '')
		AND ($1 = '% %' OR c.words LIKE $1 OR c.scope IN (SELECT p.scope FROM search_party p WHERE p.words LIKE $1))
		ORDER BY c.last DESC, c.scope DESC LIMIT $4`, "% "+word+"%", last, scope, limit)
	return out, rows(r, err, func(r *sql.Rows) error {
		c, err := scanConversation(r.Scan)
		out = append(out, c)
		return err
	})
}

// ScopesTitled returns the scopes whose title has the words one after the other.
func ScopesTitled(ctx context.Context, q sqldb.Queryer, words string, limit int) ([]int64, error) {
	return int64s(q.Query(ctx, `SELECT scope FROM search_conversation WHERE words LIKE $1 ORDER BY last DESC LIMIT $2`, "% "+words+" %", limit))
}

// ScopesOfParty returns the scopes in which somebody of this id has said something.
func ScopesOfParty(ctx context.Context, q sqldb.Queryer, id string) ([]int64, error) {
	return int64s(q.Query(ctx, `SELECT scope FROM search_party WHERE id = $1 ORDER BY scope`, id))
}

func int64s(r *sql.Rows, err error) ([]int64, error) {
	var out []int64
	return out, rows(r, err, func(r *sql.Rows) error {
		var n int64
		err := r.Scan(&n)
		out = append(out, n)
		return err
	})
}

// SearchParties returns who has said something in a scope, those with most messages first, and how many there are.
func SearchParties(ctx context.Context, q sqldb.Queryer, scope int64, limit int) (found []SearchParty, total int, err error) {
	if err := q.QueryRow(ctx, `SELECT count(*) FROM search_party WHERE scope = $1`, scope).Scan(&total); err != nil {
		return nil, 0, err
	}
	r, err := q.Query(ctx, `
		SELECT scope, id, name, words, messages FROM search_party WHERE scope = $1 ORDER BY messages DESC, id LIMIT $2`, scope, limit)
	return found, total, rows(r, err, func(r *sql.Rows) error {
		var p SearchParty
		err := r.Scan(&p.Scope, &p.ID, &p.Name, &p.Words, &p.Messages)
		found = append(found, p)
		return err
	})
}

// RecountSearch brings what the index knows of a scope in line with the entries that are left of it. gone are
// positions that were removed.
func RecountSearch(ctx context.Context, tx *sqldb.Tx, scope int64, gone map[int64]bool) error {
	c, err := SearchConversationOf(ctx, tx, scope)
	if errors.Is(err, ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	var first, last sql.NullInt64
	err = tx.QueryRow(ctx, `SELECT count(*), min(key), max(key) FROM search_doc WHERE scope = $1 AND message = 1`, scope).Scan(&c.Messages, &first, &last)
	if err != nil {
		return err
	}
	if gone[c.TitlePos] {
		c.Title, c.Words = "", ""
	}
	if c.Messages == 0 {
		c.First, c.Last = 0, 0
		if _, err := tx.Exec(ctx, `DELETE FROM search_party WHERE scope = $1`, scope); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `UPDATE search_conversation SET title = $1, words = $2, messages = $3, first = $4, last = $5 WHERE scope = $6`,
		c.Title, c.Words, c.Messages, c.First, c.Last, scope)
	return err
}

// PrunedAmong returns which of the positions participants are no longer shown.
func PrunedAmong(ctx context.Context, q sqldb.Queryer, positions []int64) (map[int64]bool, error) {
	out := make(map[int64]bool)
	for _, p := range positions {
		var n int
		if err := q.QueryRow(ctx, `SELECT count(*) FROM pruned WHERE pos = $1`, p).Scan(&n); err != nil {
			return nil, err
		}
		if n > 0 {
			out[p] = true
		}
	}
	return out, nil
}
