package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"despatch/internal/sqldb"
)

// MatchKey is a key by which another copy of a captured message is found.
type MatchKey struct {
	Key   int64
	Scope int64
	Pos   int64
}

// InsertMatchKeys stores keys, of which each conversation keeps the first.
func InsertMatchKeys(ctx context.Context, tx *sqldb.Tx, keys []MatchKey) error {
	if tx.Dialect() == sqldb.Postgres && len(keys) > 0 {
		n := len(keys)
		key, scope, pos := make([]int64, n), make([]int64, n), make([]int64, n)
		for i, k := range keys {
			key[i], scope[i], pos[i] = k.Key, k.Scope, k.Pos
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO match_key (key, scope, pos) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
			ON CONFLICT (key, scope) DO NOTHING`, key, scope, pos)
		if err != nil {
			return fmt.Errorf("insert %d match keys: %w", n, err)
		}
		return nil
	}
	for _, k := range keys {
		_, err := tx.Exec(ctx, `INSERT INTO match_key (key, scope, pos) VALUES ($1, $2, $3) ON CONFLICT (key, scope) DO NOTHING`, k.Key, k.Scope, k.Pos)
		if err != nil {
			return fmt.Errorf("insert a match key of entry %d: %w", k.Pos, err)
		}
	}
	return nil
}

// ScopeKeys returns up to limit keys of a conversation, the smallest first: of two copies of one chat the
// smallest keys are mostly the same.
func ScopeKeys(ctx context.Context, q sqldb.Queryer, scope int64, limit int) ([]int64, error) {
	return int64s(q.Query(ctx, `SELECT key FROM match_key WHERE scope = $1 ORDER BY key LIMIT $2`, scope, limit))
}

// SharedKeys calls fn with each of some keys that stands in several conversations, but at most in most of
// them, and with each of those.
func SharedKeys(ctx context.Context, q sqldb.Queryer, keys []int64, most int, fn func(key, scope int64)) error {
	for chunk := range slices.Chunk(keys, 2000) {
		shared, err := int64s(q.Query(ctx, `SELECT key FROM match_key WHERE `+among(q, "key")+` GROUP BY key HAVING count(*) BETWEEN 2 AND `+fmt.Sprint(most), list(q, chunk)))
		if err != nil {
			return err
		}
		if len(shared) == 0 {
			continue
		}
		r, err := q.Query(ctx, `SELECT key, scope FROM match_key WHERE `+among(q, "key"), list(q, shared))
		err = rows(r, err, func(r *sql.Rows) error {
			var key, scope int64
			err := r.Scan(&key, &scope)
			fn(key, scope)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ForgetMatchKeys removes the keys of messages of a conversation whose contents are destroyed: a key could
// confirm what somebody guesses that a message said.
func ForgetMatchKeys(ctx context.Context, tx *sqldb.Tx, scope int64, positions []int64) error {
	for _, pos := range positions {
		if _, err := tx.Exec(ctx, `DELETE FROM match_key WHERE scope = $1 AND pos = $2`, scope, pos); err != nil {
			return fmt.Errorf("forget the match keys of entry %d: %w", pos, err)
		}
	}
	return nil
}

// LinkDue is a conversation that is to be compared with others.
type LinkDue struct {
	Scope int64
	Run   int64 // position of the entry of the run that brought it
}

// SetLinkDue stores that a conversation is to be compared.
func SetLinkDue(ctx context.Context, tx *sqldb.Tx, d LinkDue) error {
	_, err := tx.Exec(ctx, `INSERT INTO link_due (scope, run) VALUES ($1, $2) ON CONFLICT (scope) DO UPDATE SET run = excluded.run`, d.Scope, d.Run)
	return err
}

// ClearLinkDue stores that a conversation was compared as it stood after a run.
func ClearLinkDue(ctx context.Context, tx *sqldb.Tx, d LinkDue) error {
	_, err := tx.Exec(ctx, `DELETE FROM link_due WHERE scope = $1 AND run <= $2`, d.Scope, d.Run)
	return err
}

// LinksDue returns the conversations that are to be compared, the longest waiting first.
func LinksDue(ctx context.Context, q sqldb.Queryer, limit int) ([]LinkDue, error) {
	r, err := q.Query(ctx, `SELECT scope, run FROM link_due ORDER BY run, scope LIMIT $1`, limit)
	var list []LinkDue
	err = rows(r, err, func(r *sql.Rows) error {
		var d LinkDue
		err := r.Scan(&d.Scope, &d.Run)
		list = append(list, d)
		return err
	})
	return list, err
}

// CapturedConversationByScope returns a conversation, or [ErrNotFound].
func CapturedConversationByScope(ctx context.Context, q sqldb.Queryer, scope int64) (CapturedConversation, error) {
	c, err := scanCapturedConversation(q.QueryRow(ctx, `SELECT `+capturedConversationColumns+` FROM captured_conversation WHERE scope = $1`, scope).Scan)
	return c, notFound(err)
}

// CapturedItemAt returns a captured message's row, or [ErrNotFound].
func CapturedItemAt(ctx context.Context, q sqldb.Queryer, pos int64) (CapturedItem, error) {
	var m CapturedItem
	err := q.QueryRow(ctx, `SELECT pos, scope, ordinal, sent_min, sent_max, sender, kind FROM captured_item WHERE pos = $1`, pos).
		Scan(&m.Pos, &m.Scope, &m.Ordinal, &m.SentMin, &m.SentMax, &m.Sender, &m.Kind)
	return m, notFound(err)
}

// LinkedPair is two conversations that were compared, A < B.
type LinkedPair struct {
	A, B  int64  // scopes
	Found string // same, reexport, messages, possible; empty if only a person speaks
	Said  string // same, apart, or empty
	State string // what counts: same, reexport, messages, possible or apart
	Entry int64  // of the comparison
}

// SetLinkedPair stores how two conversations stand to one another.
func SetLinkedPair(ctx context.Context, tx *sqldb.Tx, p LinkedPair) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO link_conversation (a, b, found, said, state, entry) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (a, b) DO UPDATE SET found = excluded.found, said = excluded.said, state = excluded.state, entry = excluded.entry`,
		p.A, p.B, p.Found, p.Said, p.State, p.Entry)
	return err
}

const linkedPairColumns = `a, b, found, said, state, entry`

func linkedPairs(r *sql.Rows, err error) ([]LinkedPair, error) {
	var list []LinkedPair
	err = rows(r, err, func(r *sql.Rows) error {
		var p LinkedPair
		err := r.Scan(&p.A, &p.B, &p.Found, &p.Said, &p.State, &p.Entry)
		list = append(list, p)
		return err
	})
	return list, err
}

// LinkedPairOf returns how two conversations stand to one another, or [ErrNotFound]; a < b.
func LinkedPairOf(ctx context.Context, q sqldb.Queryer, a, b int64) (LinkedPair, error) {
	list, err := linkedPairs(q.Query(ctx, `SELECT `+linkedPairColumns+` FROM link_conversation WHERE a = $1 AND b = $2`, a, b))
	if err != nil || len(list) == 0 {
		return LinkedPair{}, notFound(orNoRows(err))
	}
	return list[0], nil
}

func orNoRows(err error) error {
	if err == nil {
		return sql.ErrNoRows
	}
	return err
}

// LinkedPairsOf returns how a conversation stands to others.
func LinkedPairsOf(ctx context.Context, q sqldb.Queryer, scope int64) ([]LinkedPair, error) {
	return linkedPairs(q.Query(ctx, `
		SELECT `+linkedPairColumns+` FROM link_conversation WHERE a = $1
		UNION ALL SELECT `+linkedPairColumns+` FROM link_conversation WHERE b = $1 ORDER BY 1, 2`, scope))
}

// LinkedPairsIn returns up to limit pairs of conversations of a state after the pair (a, b).
func LinkedPairsIn(ctx context.Context, q sqldb.Queryer, state string, a, b int64, limit int) ([]LinkedPair, error) {
	return linkedPairs(q.Query(ctx, `
		SELECT `+linkedPairColumns+` FROM link_conversation WHERE state = $1 AND (a, b) > ($2, $3) ORDER BY a, b LIMIT $4`, state, a, b, limit))
}

// LinkGroup is a chat that several conversations are copies of.
type LinkGroup struct {
	Root   int64 // the scope it is known by
	Copies int
}

// LinkGroups returns up to limit chats with several copies, after the one with a root.
func LinkGroups(ctx context.Context, q sqldb.Queryer, after int64, limit int) ([]LinkGroup, error) {
	r, err := q.Query(ctx, `SELECT root, count(*) FROM link_group WHERE root > $1 GROUP BY root ORDER BY root LIMIT $2`, after, limit)
	var list []LinkGroup
	err = rows(r, err, func(r *sql.Rows) error {
		var g LinkGroup
		err := r.Scan(&g.Root, &g.Copies)
		list = append(list, g)
		return err
	})
	return list, err
}

// GroupOf returns the scopes of all copies of the chat that a conversation is a copy of, in order: itself
// alone if there is no other. root is the one that the chat is known by.
func GroupOf(ctx context.Context, q sqldb.Queryer, scope int64) (root int64, scopes []int64, err error) {
	err = notFound(q.QueryRow(ctx, `SELECT root FROM link_group WHERE scope = $1`, scope).Scan(&root))
	if err == ErrNotFound {
		return scope, []int64{scope}, nil
	}
	if err != nil {
		return 0, nil, err
	}
	scopes, err = int64s(q.Query(ctx, `SELECT scope FROM link_group WHERE root = $1 ORDER BY scope`, root))
	return root, scopes, err
}

// SetGroup stores that conversations are copies of one chat; alone, that one has no other copy.
func SetGroup(ctx context.Context, tx *sqldb.Tx, root int64, scopes []int64) error {
	for _, s := range scopes {
		var err error
		if len(scopes) == 1 {
			_, err = tx.Exec(ctx, `DELETE FROM link_group WHERE scope = $1`, s)
		} else {
			_, err = tx.Exec(ctx, `INSERT INTO link_group (scope, root) VALUES ($1, $2) ON CONFLICT (scope) DO UPDATE SET root = excluded.root`, s, root)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ObservationPair is two observations that may be one message, A < B.
type ObservationPair struct {
	A, B  int64 // positions
	Rule  string
	Score int64  // the probability in ten-thousandths
	Found string // linked, doubt, or empty if only a person speaks
	Said  string // same, apart, or empty
	Cut   bool   // their conversations are said not to be the same
	State string // what counts: linked, doubt or apart
	Entry int64  // of the first statement about it
}

const observationPairColumns = `a, b, rule, score, found, said, cut, state, entry`

func observationPairs(r *sql.Rows, err error) ([]ObservationPair, error) {
	var list []ObservationPair
	err = rows(r, err, func(r *sql.Rows) error {
		var p ObservationPair
		var cut int64
		err := r.Scan(&p.A, &p.B, &p.Rule, &p.Score, &p.Found, &p.Said, &cut, &p.State, &p.Entry)
		p.Cut = cut != 0
		list = append(list, p)
		return err
	})
	return list, err
}

// SetObservationPair stores what is stated about two observations.
func SetObservationPair(ctx context.Context, tx *sqldb.Tx, p ObservationPair) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO link_pair (a, b, rule, score, found, said, cut, state, entry) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (a, b) DO UPDATE SET rule = excluded.rule, score = excluded.score, found = excluded.found, said = excluded.said,
			cut = excluded.cut, state = excluded.state`,
		p.A, p.B, p.Rule, p.Score, p.Found, p.Said, bit(p.Cut), p.State, p.Entry)
	if err != nil {
		return fmt.Errorf("store the link of %d and %d: %w", p.A, p.B, err)
	}
	return nil
}

// InsertObservationPairs stores new pairs.
func InsertObservationPairs(ctx context.Context, tx *sqldb.Tx, pairs []ObservationPair) error {
	if tx.Dialect() != sqldb.Postgres {
		for _, p := range pairs {
			if err := SetObservationPair(ctx, tx, p); err != nil {
				return err
			}
		}
		return nil
	}
	n := len(pairs)
	if n == 0 {
		return nil
	}
	a, b, score, cut, entry := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	rule, found, said, state := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, p := range pairs {
		a[i], b[i], score[i], cut[i], entry[i] = p.A, p.B, p.Score, bit(p.Cut), p.Entry
		rule[i], found[i], said[i], state[i] = p.Rule, p.Found, p.Said, p.State
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO link_pair (a, b, rule, score, found, said, cut, state, entry)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::bigint[])`,
		a, b, rule, score, found, said, cut, state, entry)
	if err != nil {
		return fmt.Errorf("store %d links: %w", n, err)
	}
	return nil
}

// ObservationPairsFrom returns what is stated about pairs whose first observation is one of some.
func ObservationPairsFrom(ctx context.Context, q sqldb.Queryer, positions []int64) ([]ObservationPair, error) {
	return observationPairs(q.Query(ctx, `SELECT `+observationPairColumns+` FROM link_pair WHERE `+among(q, "a"), list(q, positions)))
}

// ObservationPairOf returns what is stated about two observations, or [ErrNotFound]; a < b.
func ObservationPairOf(ctx context.Context, q sqldb.Queryer, a, b int64) (ObservationPair, error) {
	list, err := observationPairs(q.Query(ctx, `SELECT `+observationPairColumns+` FROM link_pair WHERE a = $1 AND b = $2`, a, b))
	if err != nil || len(list) == 0 {
		return ObservationPair{}, notFound(orNoRows(err))
	}
	return list[0], nil
}

// ObservationPairsOf returns what is stated about an observation and others.
func ObservationPairsOf(ctx context.Context, q sqldb.Queryer, pos int64) ([]ObservationPair, error) {
	return observationPairs(q.Query(ctx, `
		SELECT `+observationPairColumns+` FROM link_pair WHERE a = $1
		UNION ALL SELECT `+observationPairColumns+` FROM link_pair WHERE b = $1 ORDER BY 1, 2`, pos))
}

// ObservationPairsBetween returns what is stated about observations of two conversations.
func ObservationPairsBetween(ctx context.Context, q sqldb.Queryer, one, other int64) ([]ObservationPair, error) {
	const columns = `p.a, p.b, p.rule, p.score, p.found, p.said, p.cut, p.state, p.entry`
	const from = ` FROM captured_item i JOIN link_pair p ON p.a = i.pos JOIN captured_item j ON j.pos = p.b WHERE `
	return observationPairs(q.Query(ctx, `SELECT `+columns+from+`i.scope = $1 AND j.scope = $2
		UNION ALL SELECT `+columns+from+`i.scope = $2 AND j.scope = $1 ORDER BY 1, 2`, one, other))
}

// Doubts returns up to limit pairs of observations that a person should look at, after the pair (a, b).
func Doubts(ctx context.Context, q sqldb.Queryer, a, b int64, limit int) ([]ObservationPair, error) {
	return observationPairs(q.Query(ctx, `
		SELECT `+observationPairColumns+` FROM link_pair WHERE state = 'doubt' AND (a, b) > ($1, $2) ORDER BY a, b LIMIT $3`, a, b, limit))
}

// CountDoubts returns how many pairs of observations and of conversations a person should look at.
func CountDoubts(ctx context.Context, q sqldb.Queryer) (messages, conversations int64, err error) {
	err = q.QueryRow(ctx, `SELECT (SELECT count(*) FROM link_pair WHERE state = 'doubt'), (SELECT count(*) FROM link_conversation WHERE state = 'possible')`).
		Scan(&messages, &conversations)
	return messages, conversations, err
}

// MessageOf returns the position that names the message which an observation is of: its own unless it
// is linked to others.
func MessageOf(ctx context.Context, q sqldb.Queryer, pos int64) (root int64, err error) {
	err = notFound(q.QueryRow(ctx, `SELECT root FROM link_message WHERE pos = $1`, pos).Scan(&root))
	if err == ErrNotFound {
		return pos, nil
	}
	return root, err
}

// ObservationsOf returns the positions of all observations of the message that is named after root, in
// order. A message that turned out to be one with another is looked for there.
func ObservationsOf(ctx context.Context, q sqldb.Queryer, root int64) ([]int64, error) {
	for range 100 {
		list, err := int64s(q.Query(ctx, `SELECT pos FROM link_message WHERE root = $1 ORDER BY pos`, root))
		if err != nil || len(list) > 0 {
			return list, err
		}
		next, err := MessageOf(ctx, q, root)
		if err == nil && next == root {
			err = notFound(q.QueryRow(ctx, `SELECT new FROM link_alias WHERE old = $1`, root).Scan(&next))
			if err == ErrNotFound {
				return []int64{root}, nil
			}
		}
		if err != nil {
			return nil, err
		}
		root = next
	}
	return nil, fmt.Errorf("message %d has been merged too often", root)
}

// MessagesOf returns for each of some observations that is linked to others the position that names its
// message.
func MessagesOf(ctx context.Context, q sqldb.Queryer, positions []int64) (map[int64]int64, error) {
	out := make(map[int64]int64, len(positions))
	for chunk := range slices.Chunk(positions, 5000) {
		r, err := q.Query(ctx, `SELECT pos, root FROM link_message WHERE `+among(q, "pos"), list(q, chunk))
		err = rows(r, err, func(r *sql.Rows) error {
			var pos, root int64
			err := r.Scan(&pos, &root)
			out[pos] = root
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// MessagesIn calls fn for every observation of a conversation that is linked to others, with the position
// that names its message.
func MessagesIn(ctx context.Context, q sqldb.Queryer, scope int64, fn func(pos, root int64)) error {
	r, err := q.Query(ctx, `SELECT m.pos, m.root FROM captured_item i JOIN link_message m ON m.pos = i.pos WHERE i.scope = $1`, scope)
	return rows(r, err, func(r *sql.Rows) error {
		var pos, root int64
		err := r.Scan(&pos, &root)
		fn(pos, root)
		return err
	})
}

// SetMessage stores that an observation is of the message named after root.
func SetMessage(ctx context.Context, tx *sqldb.Tx, pos, root int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO link_message (pos, root) VALUES ($1, $2) ON CONFLICT (pos) DO UPDATE SET root = excluded.root`, pos, root)
	return err
}

// SetMessages stores for each of some observations the position that names its message.
func SetMessages(ctx context.Context, tx *sqldb.Tx, positions, roots []int64) error {
	if tx.Dialect() == sqldb.Postgres && len(positions) > 0 {
		_, err := tx.Exec(ctx, `
			INSERT INTO link_message (pos, root) SELECT * FROM unnest($1::bigint[], $2::bigint[])
			ON CONFLICT (pos) DO UPDATE SET root = excluded.root`, positions, roots)
		return err
	}
	for i, pos := range positions {
		if err := SetMessage(ctx, tx, pos, roots[i]); err != nil {
			return err
		}
	}
	return nil
}

// RenameMessage stores that all observations of a message are of another.
func RenameMessage(ctx context.Context, tx *sqldb.Tx, old, root int64) error {
	_, err := tx.Exec(ctx, `UPDATE link_message SET root = $1 WHERE root = $2`, root, old)
	return err
}

// ClearMessage stores that an observation is the only one of its message.
func ClearMessage(ctx context.Context, tx *sqldb.Tx, pos int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM link_message WHERE pos = $1`, pos)
	return err
}

// SetMessageAlias stores that the message named after old is called after another; if that is old itself, that
// it is again one of its own.
func SetMessageAlias(ctx context.Context, tx *sqldb.Tx, old, new, entry int64) error {
	if old == new {
		_, err := tx.Exec(ctx, `DELETE FROM link_alias WHERE old = $1`, old)
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO link_alias (old, new, entry) VALUES ($1, $2, $3) ON CONFLICT (old) DO UPDATE SET new = excluded.new, entry = excluded.entry`, old, new, entry)
	return err
}

// LinkSaid is what a person said about a pair.
type LinkSaid struct {
	Entry  int64
	Person string
	Time   int64
	About  string // messages or conversations
	A, B   int64  // positions or scopes, A < B
	Same   bool
	Undone int64 // position of the entry that took it back, or -1
}

// InsertLinkSaid stores what a person said.
func InsertLinkSaid(ctx context.Context, tx *sqldb.Tx, s LinkSaid) error {
	_, err := tx.Exec(ctx, `INSERT INTO link_said (entry, person, time, about, a, b, same, undone) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		s.Entry, s.Person, s.Time, s.About, s.A, s.B, bit(s.Same), s.Undone)
	return err
}

// UndoLinkSaid stores that a person took back what was said.
func UndoLinkSaid(ctx context.Context, tx *sqldb.Tx, entry, by int64) error {
	_, err := tx.Exec(ctx, `UPDATE link_said SET undone = $1 WHERE entry = $2`, by, entry)
	return err
}

func linksSaid(r *sql.Rows, err error) ([]LinkSaid, error) {
	var list []LinkSaid
	err = rows(r, err, func(r *sql.Rows) error {
		var s LinkSaid
		var same int64
		err := r.Scan(&s.Entry, &s.Person, &s.Time, &s.About, &s.A, &s.B, &same, &s.Undone)
		s.Same = same != 0
		list = append(list, s)
		return err
	})
	return list, err
}

const linkSaidColumns = `entry, person, time, about, a, b, same, undone`

// LinkSaidAt returns what a person said in an entry, or [ErrNotFound].
func LinkSaidAt(ctx context.Context, q sqldb.Queryer, entry int64) (LinkSaid, error) {
	list, err := linksSaid(q.Query(ctx, `SELECT `+linkSaidColumns+` FROM link_said WHERE entry = $1`, entry))
	if err != nil || len(list) == 0 {
		return LinkSaid{}, notFound(orNoRows(err))
	}
	return list[0], nil
}

// LinksSaid returns up to limit of the latest things that people said, before an entry.
func LinksSaid(ctx context.Context, q sqldb.Queryer, before int64, limit int) ([]LinkSaid, error) {
	return linksSaid(q.Query(ctx, `SELECT `+linkSaidColumns+` FROM link_said WHERE entry < $1 ORDER BY entry DESC LIMIT $2`, before, limit))
}

// KeptApart calls fn with every pair of which the latest that a person said, and has not taken back, is
// that the two are not the same.
func KeptApart(ctx context.Context, q sqldb.Queryer, fn func(about string, a, b int64) error) error {
	list, err := linksSaid(q.Query(ctx, `
		SELECT `+linkSaidColumns+` FROM link_said s WHERE same = 0 AND undone < 0
			AND NOT EXISTS (SELECT 1 FROM link_said l WHERE l.about = s.about AND l.a = s.a AND l.b = s.b AND l.undone < 0 AND l.entry > s.entry)
		ORDER BY entry`))
	for _, s := range list {
		if err == nil {
			err = fn(s.About, s.A, s.B)
		}
	}
	return err
}

// LinksSaidAbout returns what people said about a pair and have not taken back, the latest first.
func LinksSaidAbout(ctx context.Context, q sqldb.Queryer, about string, a, b int64) ([]LinkSaid, error) {
	return linksSaid(q.Query(ctx, `SELECT `+linkSaidColumns+` FROM link_said WHERE about = $1 AND a = $2 AND b = $3 AND undone < 0 ORDER BY entry DESC`, about, a, b))
}
