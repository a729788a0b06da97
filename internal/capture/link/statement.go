package link

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"despatch/internal/capture"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// What goes on the record about copies of one chat. Statements belong to a scope of their own beside the
// conversations, whose entries stay what they are.

// Scope is the scope of the statements about a conversation and those that were there before it.
func Scope(conversation string) string { return "links:" + conversation }

// Types of statements.
const (
	typeCompared = "link.compared" // how two conversations stand to one another
	typeMessages = "link.messages" // which of their observations are one message, or may be
	typeChecked  = "link.checked"  // that a conversation was compared with all that it might be a copy of
	typeSaid     = "link.said"     // what a person says about a pair
	typeUndone   = "link.undone"   // that a person takes that back
)

// statement is the body of an entry of the kind link. Conversations are A and B; positions are those of
// the observations' entries.
type statement struct {
	Type string `json:"type"`
	A    string `json:"a,omitzero"`
	B    string `json:"b,omitzero"`

	// of link.compared
	Relation Relation   `json:"relation,omitzero"`
	Reasons  []string   `json:"reasons,omitempty"`
	Clock    *Clock     `json:"clock,omitzero"`
	Names    []NamePair `json:"names,omitempty"`
	Anchors  int        `json:"anchors,omitzero"`
	Shared   int        `json:"shared,omitzero"`
	Overlap  int        `json:"overlap,omitzero"`
	Linked   int        `json:"linked,omitzero"`
	Doubts   int        `json:"doubts,omitzero"`
	Alike    int        `json:"alike,omitzero"`

	// of link.messages: the columns of a table
	Found  string  `json:"found,omitzero"` // linked or doubt
	OfA    []int64 `json:"of_a,omitempty"`
	OfB    []int64 `json:"of_b,omitempty"`
	Scores []int64 `json:"scores,omitempty"` // ten-thousandths
	Rules  []Rule  `json:"rules,omitempty"`

	// of link.checked
	Conversation string       `json:"conversation,omitzero"`
	Run          int64        `json:"run,omitzero"` // position of the run that brought it
	Looked       []lookedInto `json:"looked_into,omitempty"`

	// of link.said and link.undone
	By    matrix.UserID `json:"by,omitzero"`
	About string        `json:"about,omitzero"` // messages or conversations
	One   int64         `json:"one,omitzero"`   // position of an observation
	Other int64         `json:"other,omitzero"`
	Same  *bool         `json:"same,omitzero"`
	Of    *int64        `json:"of,omitzero"` // position of what is taken back
}

// lookedInto is a conversation that was compared.
type lookedInto struct {
	Conversation string   `json:"conversation"`
	Keys         int      `json:"keys"` // that both have
	Relation     Relation `json:"relation"`
}

// States of pairs.
const (
	stateLinked = "linked"
	stateDoubt  = "doubt"
	stateApart  = "apart"
	saidSame    = "same"

	aboutMessages      = "messages"
	aboutConversations = "conversations"
)

func (s *statement) entry(scope string, once bool) (recorder.Entry, error) {
	b, err := json.Marshal(s)
	if err == nil {
		b, err = matrix.Canonical(make([]byte, 0, len(b)), b)
	}
	if err != nil {
		return recorder.Entry{}, fmt.Errorf("encode %s: %w", s.Type, err)
	}
	e := recorder.Entry{Scope: Scope(scope), Kind: record.KindLink, Body: b}
	if once { // a program that was killed and finds the same again says it once
		sum := sha256.Sum256(append([]byte("despatch/link/1\x00"), b...))
		e.Ref = sum[:]
	}
	return e, nil
}

// MessageID is the id of a message, minted from the reference of the observation that it was first
// linked by, and never from what it says.
func MessageID(ref []byte) string {
	sum := sha256.Sum256(append([]byte("despatch/msg/1\x00"), ref...))
	return "msg_" + idEncoding.EncodeToString(sum[:])
}

var idEncoding = base32.NewEncoding(strings.ToLower("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")).WithPadding(base32.NoPadding)

// Project brings the tables of links up to new entries, of which it passes over those that are not its
// own. It is part of what the recorder projects, after [capture.Project], and depends on nothing but the
// entries, so that the tables can be made again.
func Project(ctx context.Context, tx *sqldb.Tx, entries []recorder.Committed) error {
	var keys []store.MatchKey
	for i := range entries {
		e := &entries[i]
		if e.Kind != record.KindObservation {
			continue
		}
		o, err := observation(e)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Pos, err)
		}
		for _, k := range MatchKeys(o) {
			keys = append(keys, store.MatchKey{Key: int64(k), Scope: e.ScopeID, Pos: e.Pos})
		}
	}
	if err := store.InsertMatchKeys(ctx, tx, keys); err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		var err error
		switch e.Kind {
		case record.KindParse:
			err = projectRun(ctx, tx, e)
		case record.KindLink:
			err = projectStatement(ctx, tx, e)
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Pos, err)
		}
	}
	return nil
}

func observation(e *recorder.Committed) (*capture.Observation, error) {
	if live, ok := e.Live.(interface {
		Observation() *capture.Observation
	}); ok {
		return live.Observation(), nil
	}
	return capture.DecodeObservation(e.Body)
}

// projectRun notes that the conversations which a run brought are to be compared.
func projectRun(ctx context.Context, tx *sqldb.Tx, e *recorder.Committed) error {
	var run struct {
		Type          string `json:"type"`
		Conversations []struct {
			ID    string `json:"id"`
			Items int64  `json:"items"`
			New   int64  `json:"new"`
		} `json:"conversations"`
	}
	if err := json.Unmarshal(e.Body, &run); err != nil || run.Type != "parse_run" {
		return err
	}
	for _, c := range run.Conversations {
		if c.New == 0 {
			continue
		}
		row, err := store.CapturedConversationByID(ctx, tx, c.ID)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := store.SetLinkDue(ctx, tx, store.LinkDue{Scope: row.Scope, Run: e.Pos}); err != nil {
			return err
		}
	}
	return nil
}

func projectStatement(ctx context.Context, tx *sqldb.Tx, e *recorder.Committed) error {
	var s statement
	if err := json.Unmarshal(e.Body, &s); err != nil {
		return err
	}
	p := &projection{ctx: ctx, tx: tx, entry: e}
	switch s.Type {
	case typeCompared:
		return p.compared(&s)
	case typeMessages:
		return p.messages(&s)
	case typeChecked:
		row, err := store.CapturedConversationByID(ctx, tx, s.Conversation)
		if err != nil {
			return err
		}
		return store.ClearLinkDue(ctx, tx, store.LinkDue{Scope: row.Scope, Run: s.Run})
	case typeSaid:
		return p.said(&s)
	case typeUndone:
		return p.undone(&s)
	}
	return nil
}

// projection brings the tables up to one statement.
type projection struct {
	ctx   context.Context
	tx    *sqldb.Tx
	entry *recorder.Committed
}

// scopes returns the scopes of a statement's conversations, the lower first.
func (p *projection) scopes(a, b string) (int64, int64, error) {
	x, err := store.CapturedConversationByID(p.ctx, p.tx, a)
	if err != nil {
		return 0, 0, fmt.Errorf("conversation %s: %w", a, err)
	}
	y, err := store.CapturedConversationByID(p.ctx, p.tx, b)
	if err != nil {
		return 0, 0, fmt.Errorf("conversation %s: %w", b, err)
	}
	return min(x.Scope, y.Scope), max(x.Scope, y.Scope), nil
}

func (p *projection) conversations(a, b int64) (store.LinkedPair, error) {
	row, err := store.LinkedPairOf(p.ctx, p.tx, a, b)
	if errors.Is(err, store.ErrNotFound) {
		return store.LinkedPair{A: a, B: b, Entry: p.entry.Pos}, nil
	}
	return row, err
}

func (p *projection) compared(s *statement) error {
	a, b, err := p.scopes(s.A, s.B)
	if err != nil {
		return err
	}
	row, err := p.conversations(a, b)
	if err != nil {
		return err
	}
	row.Found, row.Entry = string(s.Relation), p.entry.Pos
	return p.setConversations(row)
}

// setConversations stores how two conversations stand, and which are then copies of one chat.
func (p *projection) setConversations(row store.LinkedPair) error {
	switch {
	case row.Said != "":
		row.State = row.Said
	case row.Found == "":
		row.State = stateApart
	default:
		row.State = row.Found
	}
	if err := store.SetLinkedPair(p.ctx, p.tx, row); err != nil {
		return err
	}
	_, one, err := store.GroupOf(p.ctx, p.tx, row.A)
	if err != nil {
		return err
	}
	_, other, err := store.GroupOf(p.ctx, p.tx, row.B)
	if err != nil {
		return err
	}
	all := append(one, other...)
	slices.Sort(all)
	all = slices.Compact(all)
	next := func(scope int64) ([]int64, error) {
		pairs, err := store.LinkedPairsOf(p.ctx, p.tx, scope)
		var out []int64
		for _, x := range pairs {
			if x.State == string(SameChat) || x.State == string(MadeAgain) {
				out = append(out, x.A+x.B-scope)
			}
		}
		return out, err
	}
	for len(all) > 0 {
		part, err := reach(all[0], next)
		if err != nil {
			return err
		}
		if err := store.SetGroup(p.ctx, p.tx, part[0], part); err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(s int64) bool { return slices.Contains(part, s) })
	}
	return nil
}

// reach returns all that can be reached from one, in order.
func reach(from int64, next func(int64) ([]int64, error)) ([]int64, error) {
	seen := map[int64]bool{from: true}
	list := []int64{from}
	for i := 0; i < len(list); i++ {
		more, err := next(list[i])
		if err != nil {
			return nil, err
		}
		for _, x := range more {
			if !seen[x] {
				seen[x] = true
				list = append(list, x)
			}
		}
	}
	slices.Sort(list)
	return list, nil
}

// messages stores a table of pairs. Those that are linked become one message.
func (p *projection) messages(s *statement) error {
	if len(s.OfB) != len(s.OfA) || len(s.Scores) != len(s.OfA) || len(s.Rules) != len(s.OfA) {
		return errors.New("a table of links has columns of different lengths")
	}
	firsts := make([]int64, len(s.OfA))
	positions := make([]int64, 0, 2*len(s.OfA))
	for i := range s.OfA {
		firsts[i] = min(s.OfA[i], s.OfB[i])
		positions = append(positions, s.OfA[i], s.OfB[i])
	}
	known := map[[2]int64]store.ObservationPair{}
	have, err := store.ObservationPairsFrom(p.ctx, p.tx, firsts)
	if err != nil {
		return err
	}
	for _, x := range have {
		known[[2]int64{x.A, x.B}] = x
	}
	var fresh []store.ObservationPair
	var linked [][2]int64
	for i := range s.OfA {
		a, b := min(s.OfA[i], s.OfB[i]), max(s.OfA[i], s.OfB[i])
		row, ok := known[[2]int64{a, b}]
		if ok && (row.Found == stateLinked || row.Found == s.Found) {
			continue
		}
		was := row.State
		if !ok {
			row = store.ObservationPair{A: a, B: b, Entry: p.entry.Pos}
		}
		row.Rule, row.Score, row.Found = string(s.Rules[i]), s.Scores[i], s.Found
		row.State = state(row)
		known[[2]int64{a, b}] = row
		if ok {
			if err := store.SetObservationPair(p.ctx, p.tx, row); err != nil {
				return err
			}
		} else {
			fresh = append(fresh, row)
		}
		if row.State == stateLinked && was != stateLinked {
			linked = append(linked, [2]int64{a, b})
		}
	}
	if err := store.InsertObservationPairs(p.ctx, p.tx, fresh); err != nil {
		return err
	}
	return p.join(linked, positions)
}

// state is what counts of what is stated about a pair.
func state(row store.ObservationPair) string {
	switch {
	case row.Said == saidSame:
		return stateLinked
	case row.Said != "" || row.Cut || row.Found == "":
		return stateApart
	}
	return row.Found
}

// join makes one message of each pair. A message keeps the name that it was first linked by; of two that
// turn out to be one, the later is called as the earlier from then on.
func (p *projection) join(pairs [][2]int64, positions []int64) error {
	if len(pairs) == 0 {
		return nil
	}
	roots, err := store.MessagesOf(p.ctx, p.tx, positions)
	if err != nil {
		return err
	}
	changed := map[int64]bool{}
	for _, x := range pairs {
		ra, oka := roots[x[0]]
		rb, okb := roots[x[1]]
		root := ra
		switch {
		case oka && okb && ra == rb:
			continue
		case oka && okb:
			root = min(ra, rb)
			gone := max(ra, rb)
			if err := p.flush(roots, changed); err != nil {
				return err
			}
			if err := store.RenameMessage(p.ctx, p.tx, gone, root); err != nil {
				return err
			}
			if err := store.SetMessageAlias(p.ctx, p.tx, gone, root, p.entry.Pos); err != nil {
				return err
			}
			for k, v := range roots {
				if v == gone {
					roots[k] = root
				}
			}
			continue
		case okb:
			root = rb
		case !oka:
			root = min(x[0], x[1])
		}
		for _, pos := range x {
			if r, ok := roots[pos]; !ok || r != root {
				roots[pos] = root
				changed[pos] = true
			}
		}
	}
	return p.flush(roots, changed)
}

func (p *projection) flush(roots map[int64]int64, changed map[int64]bool) error {
	positions := make([]int64, 0, len(changed))
	for pos := range changed {
		positions = append(positions, pos)
	}
	slices.Sort(positions)
	named := make([]int64, len(positions))
	for i, pos := range positions {
		named[i] = roots[pos]
	}
	clear(changed)
	return store.SetMessages(p.ctx, p.tx, positions, named)
}

// regroup brings the messages of some observations to what is stated about them now: what is linked is
// one message, unless that would put together what a person keeps apart; then the less certain link gives
// way. A message keeps its name while the observation that it is named after is of it.
func (p *projection) regroup(seeds ...int64) error {
	var edges []store.ObservationPair
	apart := map[[2]int64]bool{}
	members := slices.Clone(seeds)
	seen := map[int64]bool{}
	for _, pos := range seeds {
		seen[pos] = true
	}
	for i := 0; i < len(members); i++ {
		pairs, err := store.ObservationPairsOf(p.ctx, p.tx, members[i])
		if err != nil {
			return err
		}
		for _, x := range pairs {
			if x.State == stateApart && (x.Said != "" || x.Cut) {
				apart[[2]int64{x.A, x.B}] = true
			}
			if x.State != stateLinked {
				continue
			}
			if x.A == members[i] || !seen[x.A] {
				edges = append(edges, x)
			}
			if other := x.A + x.B - members[i]; !seen[other] {
				seen[other] = true
				members = append(members, other)
			}
		}
	}
	roots, err := store.MessagesOf(p.ctx, p.tx, members)
	if err != nil {
		return err
	}
	for _, group := range partition(members, edges, apart) {
		if err := p.rename(group, roots); err != nil {
			return err
		}
	}
	return nil
}

// partition puts observations together by the links between them, those that people state first and then
// the most certain, where nothing that is kept apart would come together.
func partition(members []int64, edges []store.ObservationPair, apart map[[2]int64]bool) [][]int64 {
	worth := func(x store.ObservationPair) int64 {
		if x.Said == saidSame {
			return 20_000
		}
		return x.Score
	}
	slices.SortFunc(edges, func(x, y store.ObservationPair) int {
		return cmp.Or(cmp.Compare(worth(y), worth(x)), cmp.Compare(x.A, y.A), cmp.Compare(x.B, y.B))
	})
	group := map[int64][]int64{}
	for _, m := range members {
		group[m] = []int64{m}
	}
	for _, e := range edges {
		x, y := group[e.A], group[e.B]
		if len(x) == 0 || len(y) == 0 || slices.Contains(x, e.B) {
			continue
		}
		kept := slices.ContainsFunc(x, func(a int64) bool {
			return slices.ContainsFunc(y, func(b int64) bool { return apart[[2]int64{min(a, b), max(a, b)}] })
		})
		if kept {
			continue
		}
		all := append(slices.Clone(x), y...)
		for _, m := range all {
			group[m] = all
		}
	}
	var out [][]int64
	slices.Sort(members)
	done := map[int64]bool{}
	for _, m := range members {
		if !done[m] {
			for _, o := range group[m] {
				done[o] = true
			}
			slices.Sort(group[m])
			out = append(out, group[m])
		}
	}
	return out
}

// rename stores that some observations are one message. Roots are the names that they have had.
func (p *projection) rename(group []int64, roots map[int64]int64) error {
	name := int64(-1)
	for _, pos := range group { // in order
		if r, ok := roots[pos]; ok && slices.Contains(group, r) && (name < 0 || r < name) {
			name = r
		}
	}
	if name < 0 {
		name = group[0]
	}
	for _, pos := range group {
		r, had := roots[pos]
		var err error
		switch {
		case len(group) == 1 && had:
			err = store.ClearMessage(p.ctx, p.tx, pos)
		case len(group) > 1 && (!had || r != name):
			err = store.SetMessage(p.ctx, p.tx, pos, name)
		}
		if err == nil && had && r == pos && r != name {
			err = store.SetMessageAlias(p.ctx, p.tx, r, name, p.entry.Pos)
		}
		if err != nil {
			return err
		}
	}
	return store.SetMessageAlias(p.ctx, p.tx, name, name, p.entry.Pos)
}

// change stores what is stated about a pair, and what follows for their messages.
func (p *projection) change(row store.ObservationPair) error {
	row.State = state(row)
	if err := store.SetObservationPair(p.ctx, p.tx, row); err != nil {
		return err
	}
	return p.regroup(row.A, row.B)
}

func (p *projection) said(s *statement) error {
	if s.Same == nil {
		return errors.New("a statement about a pair does not say what it is")
	}
	x := store.LinkSaid{Entry: p.entry.Pos, Person: string(s.By), Time: p.entry.Time, About: s.About, Same: *s.Same, Undone: -1}
	if s.About == aboutConversations {
		a, b, err := p.scopes(s.A, s.B)
		if err != nil {
			return err
		}
		x.A, x.B = a, b
	} else {
		x.A, x.B = min(s.One, s.Other), max(s.One, s.Other)
	}
	if err := store.InsertLinkSaid(p.ctx, p.tx, x); err != nil {
		return err
	}
	return p.settle(x.About, x.A, x.B)
}

func (p *projection) undone(s *statement) error {
	if s.Of == nil {
		return errors.New("a statement takes back nothing")
	}
	x, err := store.LinkSaidAt(p.ctx, p.tx, *s.Of)
	if err != nil {
		return err
	}
	if err := store.UndoLinkSaid(p.ctx, p.tx, x.Entry, p.entry.Pos); err != nil {
		return err
	}
	return p.settle(x.About, x.A, x.B)
}

// settle brings a pair to what people say of it that they have not taken back; the latest counts.
func (p *projection) settle(about string, a, b int64) error {
	list, err := store.LinksSaidAbout(p.ctx, p.tx, about, a, b)
	if err != nil {
		return err
	}
	said := ""
	if len(list) > 0 {
		said = stateApart
		if list[0].Same {
			said = saidSame
		}
	}
	if about == aboutMessages {
		row, err := store.ObservationPairOf(p.ctx, p.tx, a, b)
		if errors.Is(err, store.ErrNotFound) {
			row, err = store.ObservationPair{A: a, B: b, Rule: string(ByPerson), Entry: p.entry.Pos}, nil
		}
		if err != nil {
			return err
		}
		row.Said = said
		return p.change(row)
	}
	row, err := p.conversations(a, b)
	if err != nil {
		return err
	}
	row.Said = said
	if err := p.setConversations(row); err != nil {
		return err
	}
	if said == saidSame { // their messages are to be linked now
		if err := store.SetLinkDue(p.ctx, p.tx, store.LinkDue{Scope: b, Run: p.entry.Pos}); err != nil {
			return err
		}
	}
	// Only a person's word may have linked their messages: without it they are two chats again.
	return p.cut(a, b, said == stateApart || said == "" && (row.Found == "" || row.Found == string(PerhapsSame)))
}

// cut keeps all pairs of two conversations apart, or no longer.
func (p *projection) cut(a, b int64, apart bool) error {
	pairs, err := store.ObservationPairsBetween(p.ctx, p.tx, a, b)
	if err != nil {
		return err
	}
	for _, row := range pairs {
		if row.Cut == apart {
			continue
		}
		row.Cut = apart
		if err := p.change(row); err != nil {
			return err
		}
	}
	return nil
}
