// Package mattermost reads what an administrator of Mattermost can get out of it: the bulk export, a
// file of one JSON object a line, with its attachments, and the compliance export as CSV.
//
// The bulk export has no ids of messages and people, no deleted messages and no earlier versions. The
// compliance export has ids, and edits and deletions as rows of their own.
package mattermost

import (
	"context"
	"io"
	"path"
	"slices"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// Parser reads exports of Mattermost. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "mattermost-export" }
func (Parser) Version() string { return "1" }

// What the two exports leave out.
var (
	filteredBulk = []string{"message_ids", "deleted", "earlier_versions", "receipts"}
	filteredCSV  = []string{"reactions", "receipts"}
)

// maxProbes bounds the files that are looked into.
const maxProbes = 50

// find returns the files that messages stand in.
func find(x *tally.Export) (bulk, rows []*capture.Member, err error) {
	probes := 0
	for _, m := range x.Members {
		ext := strings.ToLower(path.Ext(tally.Base(m)))
		if ext != ".jsonl" && ext != ".json" && ext != ".csv" && ext != ".ndjson" && len(x.Members) > 1 || probes >= maxProbes {
			continue
		}
		probes++
		r, err := m.Open()
		if err != nil {
			return nil, nil, err
		}
		b, err := io.ReadAll(io.LimitReader(r, 64<<10))
		r.Close()
		if err != nil {
			return nil, nil, err
		}
		switch {
		case isBulk(b):
			bulk = append(bulk, m)
		case isCompliance(string(b)):
			rows = append(rows, m)
		}
	}
	return bulk, rows, nil
}

// isBulk says whether a file begins as a bulk export does: with its version, or with one of its lines.
func isBulk(b []byte) bool {
	j, err := jsonfile.NewReader(strings.NewReader(string(b)), "", capture.DefaultLimits)
	if err != nil || j.Kind() != '{' {
		return false
	}
	v, err := j.Value()
	if err != nil {
		return false
	}
	kind := v.Str("type")
	body := v.At(kind)
	switch kind {
	case "version":
		return body != nil
	case "post":
		return body.Has("team") && body.Has("channel") && body.Has("create_at")
	case "direct_post":
		return (body.Has("channel_members") || body.Has("participants")) && body.Has("create_at")
	}
	return false
}

func isCompliance(s string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(s, "\uFEFF"), "\n")
	c := tally.Columns(strings.Split(first, string(tally.Separator(first))))
	return layoutOf(c) != nil
}

// Recognise says whether the source holds an export of Mattermost.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	x, err := tally.Open(src)
	if err != nil {
		return false, err
	}
	bulk, rows, err := find(x)
	return len(bulk)+len(rows) > 0, err
}

// reading is a run over an export.
type reading struct {
	*tally.Book
	ctx    context.Context
	limits capture.Limits
	member *capture.Member

	titles map[string]*channel
	people map[string]*user // by username
	rooms  map[string]*tally.Chat
}

type channel struct{ title, kind string }

type user struct{ name, email string }

// maxKnown bounds the people and channels that are remembered.
const maxKnown = 500_000

// Parse reads the messages of an export in the order of its lines.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	r := &reading{Book: tally.New(ctx, p, "mattermost", "records", nil, emit), ctx: ctx, limits: src.Bounds(),
		titles: map[string]*channel{}, people: map[string]*user{}}
	var err error
	if r.Export, err = tally.Open(src); err != nil {
		return r.Close(err)
	}
	bulk, rows, err := find(r.Export)
	if err != nil {
		return r.Close(err)
	}
	switch {
	case len(bulk)+len(rows) == 0:
		return r.Close(&capture.FileError{File: src.Files[0].Name, Reason: "holds no export of Mattermost",
			Remedy: "Ask the administrator for “mmctl export create --attachments”, and hand in the zip as it comes."})
	case len(bulk) > 0:
		r.Run.Variant, r.Run.Coverage.FilteredKinds = "bulk", filteredBulk
	default:
		r.Run.Variant, r.Run.Coverage.FilteredKinds = "compliance_csv", filteredCSV
	}
	for _, m := range slices.Concat(bulk, rows) {
		r.Export.Chat(m)
	}
	for _, m := range bulk {
		if err := r.one(m, r.bulk); err != nil {
			return r.Close(err)
		}
	}
	for _, m := range rows {
		if err := r.one(m, r.compliance); err != nil {
			return r.Close(err)
		}
	}
	return r.Close(nil)
}

func (r *reading) one(m *capture.Member, read func(*tally.Input) (int64, error)) error {
	again, err := r.Again(m)
	if err != nil || again {
		return err
	}
	r.member, r.rooms = m, map[string]*tally.Chat{}
	return r.Read(m, read)
}

// room returns a conversation by its key, and opens it the first time.
func (r *reading) room(key string, v capture.Conversation) (*tally.Chat, error) {
	if c := r.rooms[key]; c != nil {
		return c, nil
	}
	v.Path = r.member.Path
	c, err := r.Chat(v)
	if err == nil {
		r.rooms[key] = c
	}
	return c, err
}

// person returns the name of a user in a conversation, and lists them.
func (r *reading) person(c *tally.Chat, username string) string {
	if username == "" {
		return ""
	}
	u := r.people[username]
	if u == nil {
		u = &user{name: username}
	}
	name := c.Person(u.name, "mattermost", username)
	c.Also(name, "email", u.email)
	return name
}
