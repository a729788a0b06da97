// Package slack reads the export of a Slack workspace: a zip with lists of the people and the
// conversations, and for each conversation a folder with a file for each day.
//
// A standard export has public channels only; which others there are depends on the plan. Files are
// named and not included, unless the tool that made the export put them in. Earlier texts of edited
// messages and deleted messages are there only if the workspace keeps them.
package slack

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// Parser reads exports of Slack workspaces. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "slack-export" }
func (Parser) Version() string { return "1" }

// filtered is what a standard export of Slack leaves out.
var filtered = []string{"files", "receipts", "reaction_times", "private_conversations_by_plan", "earlier_versions_by_setting"}

var dayName = regexp.MustCompile(`^\d{4}-\d\d-\d\d\.json$`)

// lists are the files at the top of an export that describe people and conversations.
var lists = map[string]string{"channels.json": "channel", "groups.json": "channel", "mpims.json": "group", "dms.json": "dm", "users.json": "", "org_users.json": ""}

// source is an export, sorted.
type source struct {
	lists   []*capture.Member
	folders []*folder
}

// folder is a conversation's files, a day each, in order.
type folder struct {
	name string
	days []*capture.Member
	path string // where in a file its messages stand, as [jsonfile.Reader.Each] takes it
}

// sorted sorts the files of an export by their names and, where these could be anybody's, by a look
// into one of them.
func sorted(x *tally.Export) (*source, error) {
	s := &source{}
	byDir := map[string]*folder{}
	looked, others, slack := 0, 0, false
	for _, m := range x.Members {
		base := tally.Base(m)
		if _, is := lists[base]; is {
			keys, err := paths(m)
			if err != nil {
				return nil, err
			}
			if keys["[].id"] || strings.Contains(base, "users") && keys["[].profile"] {
				s.lists = append(s.lists, m)
				slack = slack || keys["[].members"] || keys["[].profile"]
			}
			continue
		}
		day := dayName.MatchString(base)
		if path.Ext(base) != ".json" || !day && others >= maxProbes {
			continue
		}
		dir, at := tally.Dir(m), "[]"
		if looked < 20 && !slack || !day {
			keys, err := paths(m)
			if err != nil {
				return nil, err
			}
			looked++
			is := false
			if at, is = messagesAt(keys); !is && !day {
				others++
				continue
			}
			slack = slack || is
			if !day { // a file for itself, as some tools make them
				dir = tally.Where(m)
			}
		}
		f := byDir[dir]
		if f == nil {
			f = &folder{name: path.Base(dir), path: at}
			if dir == "." || !day {
				f.name = strings.TrimSuffix(base, ".json")
			}
			byDir[dir] = f
			s.folders = append(s.folders, f)
		}
		f.days = append(f.days, m)
	}
	if !slack {
		return &source{}, nil
	}
	for _, f := range s.folders {
		slices.SortStableFunc(f.days, func(a, b *capture.Member) int { return strings.Compare(tally.Base(a), tally.Base(b)) })
	}
	return s, nil
}

// maxProbes bounds the files without a telling name that are looked into.
const maxProbes = 200

// messagesAt says where in a file messages stand: in an array, in the dump of a conversation that some
// tools make, or as the lines of the file.
func messagesAt(keys map[string]bool) (at string, ok bool) {
	for _, at := range []string{"[]", "messages[]", ""} {
		prefix := strings.TrimPrefix(at+".", ".")
		if keys[prefix+"ts"] && keys[prefix+"type"] && (keys[prefix+"user"] || keys[prefix+"bot_id"]) && (at != "messages[]" || keys["channel_id"]) {
			return at, true
		}
	}
	return "[]", false
}

func paths(m *capture.Member) (map[string]bool, error) {
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return jsonfile.Paths(r, 128<<10, nil), nil
}

func (s *source) none() bool { return len(s.folders) == 0 && len(s.lists) < 2 }

// Recognise says whether the source is an export of Slack.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	x, err := tally.Open(src)
	if err != nil {
		return false, err
	}
	s, err := sorted(x)
	return err == nil && !s.none(), err
}

// reading is a run over an export.
type reading struct {
	*tally.Book
	ctx    context.Context
	limits capture.Limits
	people map[string]*user
	rooms  map[string]*room // by the name of their folder
	team   string
}

type user struct{ id, name, handle, email string }

type room struct {
	id, title, kind string
	members         []string
}

// maxPeople bounds the people and the conversations that are remembered.
const maxPeople = 500_000

// Parse reads the conversations of an export, each day by day.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	r := &reading{Book: tally.New(ctx, p, "slack", "records", filtered, emit), ctx: ctx, limits: src.Bounds(), people: map[string]*user{}, rooms: map[string]*room{}}
	r.Run.Variant = "export"
	var err error
	if r.Export, err = tally.Open(src); err != nil {
		return r.Close(err)
	}
	s, err := sorted(r.Export)
	if err != nil {
		return r.Close(err)
	}
	if s.none() {
		return r.Close(&capture.FileError{File: src.Files[0].Name, Reason: "holds no conversation of Slack",
			Remedy: "Ask an owner of the workspace for an export (Settings, Security, Import & export data) and hand in the zip as it comes."})
	}
	for _, m := range s.lists {
		r.Export.Named(m)
		err := r.list(m)
		if f, fault := err.(*capture.FileError); fault {
			r.Warn("list_damaged", "A list of names in the export is damaged. The messages are read without it. "+f.Error())
		} else if err != nil {
			return r.Close(err)
		}
	}
	for _, f := range s.folders {
		for _, m := range f.days {
			r.Export.Chat(m)
		}
	}
	for _, f := range s.folders {
		if err := r.folder(f); err != nil {
			return r.Close(err)
		}
	}
	return r.Close(nil)
}

// list reads a list of people or of conversations.
func (r *reading) list(m *capture.Member) error {
	f, err := m.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	j, err := jsonfile.NewReader(f, m.Label(), r.limits)
	if err != nil {
		return err
	}
	kind := lists[tally.Base(m)]
	return j.Array(func() error {
		v, err := j.Value()
		if err != nil || v.Kind != '{' || len(r.people)+len(r.rooms) > maxPeople {
			return err
		}
		if kind == "" {
			r.people[v.Str("id")] = userOf(v)
			return nil
		}
		c := &room{id: v.Str("id"), title: v.Str("name"), kind: kind}
		for _, id := range v.List("members") {
			c.members = append(c.members, id.Str())
		}
		if kind == "dm" {
			var names []string
			for _, id := range c.members {
				names = append(names, r.name(id))
			}
			c.title = strings.Join(names, ", ")
		}
		for _, key := range []string{c.id, v.Str("name")} {
			if key != "" && r.rooms[key] == nil {
				r.rooms[key] = c
			}
		}
		return nil
	})
}

func userOf(v *jsonfile.Value) *user {
	u := &user{id: v.Str("id"), handle: v.Str("name"), email: v.Str("profile", "email")}
	for _, s := range []string{v.Str("profile", "display_name"), v.Str("profile", "real_name"), v.Str("real_name"), u.handle} {
		if u.name == "" {
			u.name = tally.Name(s)
		}
	}
	return u
}

// name returns the name of somebody, or the id of somebody unknown.
func (r *reading) name(id string) string {
	if u := r.people[id]; u != nil && u.name != "" {
		return u.name
	}
	return id
}

// folder reads one conversation.
func (r *reading) folder(f *folder) error {
	about := r.rooms[f.name]
	if about == nil {
		about = &room{title: f.name, kind: "unknown"}
		if len(r.rooms) > 0 {
			r.Warn("conversation_not_listed", "The export has a folder for a conversation that its lists do not name.")
		}
	}
	chat, err := r.Chat(capture.Conversation{Title: about.title, Kind: about.kind, ID: about.id, Path: f.days[0].Path})
	if err != nil {
		return err
	}
	c := &conversation{reading: r, chat: chat, folder: f, key: about.id}
	if c.key == "" {
		c.key = f.name
	}
	for _, id := range about.members {
		c.person(id, nil)
	}
	if err := c.events(); err != nil {
		return err
	}
	for _, m := range f.days {
		again, err := c.again(m)
		if err != nil {
			return err
		}
		if again {
			continue
		}
		if err := r.Read(m, func(in *tally.Input) (int64, error) { return c.day(m, in) }); err != nil {
			return err
		}
	}
	if chat.Conversation().Tenant == "" {
		chat.Conversation().Tenant = r.team
	}
	return nil
}

// again says whether a day of the conversation was read already, from another zip of one export.
func (c *conversation) again(m *capture.Member) (bool, error) {
	n := 0
	for _, d := range c.folder.days {
		if tally.Base(d) == tally.Base(m) {
			n++
		}
	}
	if n < 2 {
		return false, nil
	}
	return c.Again(m)
}
