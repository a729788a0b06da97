// Package telegram reads what Telegram Desktop exports: one chat or a whole account, as JSON or as
// HTML pages.
//
// An export has the latest text of an edited message and when that was, but not the texts before, and
// nothing at all of a message that was deleted. Ids of messages in private chats and small groups are
// the exporting account's own; in channels and large groups everybody sees the same ones.
package telegram

import (
	"context"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// Parser reads exports of Telegram Desktop. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "telegram-export" }
func (Parser) Version() string { return "1" }

// filtered is what no export of Telegram holds.
var filtered = []string{"deleted", "earlier_versions", "receipts", "secret_chats"}

// files are the exports that a source holds.
type files struct {
	json  []*capture.Member
	pages [][]*capture.Member // of each chat, in order
}

func (f *files) none() bool { return len(f.json)+len(f.pages) == 0 }

var pageName = regexp.MustCompile(`^messages(\d*)\.html$`)

// maxProbes bounds the files without a telling name that are looked into.
const maxProbes = 100

func find(x *tally.Export) (*files, error) {
	f := &files{}
	pages := map[string][]*capture.Member{}
	var dirs []string
	probes := 0
	for _, m := range x.Members {
		base := tally.Base(m)
		ext := strings.ToLower(path.Ext(base))
		switch {
		case pageName.MatchString(base):
			is, err := contains(m, `class="message `, `class="history"`)
			if err != nil {
				return nil, err
			}
			if is {
				key := string(m.File.SHA256[:]) + tally.Dir(m)
				if m.Path == "" {
					key = tally.Dir(m)
				}
				if pages[key] == nil {
					dirs = append(dirs, key)
				}
				pages[key] = append(pages[key], m)
			}
		case ext == ".json" && (base == "result.json" || probes < maxProbes), ext == "" && len(x.Members) == 1:
			probes++
			is, err := probe(m)
			if err != nil {
				return nil, err
			}
			if is {
				f.json = append(f.json, m)
			}
		}
	}
	for _, d := range dirs {
		list := pages[d]
		slices.SortStableFunc(list, func(a, b *capture.Member) int { return pageNumber(a) - pageNumber(b) })
		f.pages = append(f.pages, list)
	}
	return f, nil
}

func pageNumber(m *capture.Member) int {
	n, _ := strconv.Atoi(pageName.FindStringSubmatch(tally.Base(m))[1])
	return n
}

func contains(m *capture.Member, all ...string) (bool, error) {
	r, err := m.Open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, 64<<10))
	if err != nil {
		return false, err
	}
	for _, s := range all {
		if strings.Contains(string(b), s) {
			return true, nil
		}
	}
	return false, nil
}

// probe says by its content whether a JSON file is an export of Telegram.
func probe(m *capture.Member) (bool, error) {
	r, err := m.Open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	k := jsonfile.Paths(r, 256<<10, nil)
	for _, at := range []string{"messages[].", "chats.list[].messages[].", "left_chats.list[].messages[]."} {
		if k[at+"date_unixtime"] || k[at+"from_id"] && k[at+"date"] || k[at+"text"] && k[at+"type"] && k[at+"date"] && k[at+"from"] {
			return true, nil
		}
	}
	for p := range k {
		if strings.HasPrefix(p, "messages[]") {
			return false, nil // messages of something else
		}
	}
	return k["about"] && k["personal_information"] || k["chats.list[].messages"] || k["name"] && k["type"] && k["id"] && k["messages"], nil
}

// Recognise says whether the source holds an export of Telegram.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	x, err := tally.Open(src)
	if err != nil {
		return false, err
	}
	f, err := find(x)
	return err == nil && !f.none(), err
}

// reading is a run over an export.
type reading struct {
	*tally.Book
	ctx    context.Context
	opt    capture.Options
	limits capture.Limits
	owner  person // whose account it is, if the export says
	zones  map[int64]int64
}

type person struct{ id, name string }

// Parse reads the chats of an export in the order of its files.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	r := &reading{Book: tally.New(ctx, p, "telegram", "records", filtered, emit), ctx: ctx, opt: opt, limits: src.Bounds(), zones: map[int64]int64{}}
	var err error
	if r.Export, err = tally.Open(src); err != nil {
		return r.Close(err)
	}
	f, err := find(r.Export)
	if err != nil {
		return r.Close(err)
	}
	if f.none() {
		return r.Close(&capture.FileError{File: src.Files[0].Name, Reason: "holds no chat of Telegram",
			Remedy: "In Telegram Desktop open the chat, choose Export chat history, format JSON, and hand in the folder as a zip."})
	}
	for _, m := range f.json {
		r.Export.Chat(m)
	}
	for _, list := range f.pages {
		for _, m := range list {
			r.Export.Chat(m)
		}
	}
	if len(f.json) > 0 {
		r.Run.Variant = "json"
	}
	for _, m := range f.json {
		again, err := r.Again(m)
		if err == nil && !again {
			err = r.Read(m, func(in *tally.Input) (int64, error) { return r.account(m, in) })
		}
		if err != nil {
			return r.Close(err)
		}
	}
	r.zone()
	if len(f.pages) > 0 {
		if r.Run.Variant != "" {
			r.Run.Variant += "+"
		}
		r.Run.Variant += "html"
	}
	for _, list := range f.pages {
		if err := r.pages(list); err != nil {
			return r.Close(err)
		}
	}
	return r.Close(nil)
}

// account reads a JSON file: one chat, or the whole account.
func (r *reading) account(m *capture.Member, in *tally.Input) (int64, error) {
	j, err := jsonfile.NewReader(in, m.Label(), r.limits)
	if err != nil {
		return 0, err
	}
	single := &chat{reading: r, member: m}
	err = j.Object(func(key string) error {
		switch key {
		case "personal_information":
			v, err := j.Value()
			if err != nil {
				return err
			}
			r.owner = person{id: "user" + v.Str("user_id"), name: tally.Name(v.Str("first_name") + " " + v.Str("last_name"))}
			return nil
		case "chats", "left_chats":
			return r.list(m, j, key)
		}
		return single.field(j, key)
	})
	if err == nil {
		err = single.end()
	}
	j.Warn(r.Run)
	if err == nil && j.More() {
		r.Warn("after_the_end", "Something stands behind the end of a file.")
		_, err = io.Copy(io.Discard, in)
		return m.Size, err
	}
	return j.Offset(), err
}

// list reads the chats of an account.
func (r *reading) list(m *capture.Member, j *jsonfile.Reader, key string) error {
	if j.Kind() != '{' {
		return j.Skip()
	}
	n := 0
	return j.Object(func(k string) error {
		if k != "list" {
			return j.Skip()
		}
		return j.Array(func() error {
			if j.Kind() != '{' {
				return j.Skip()
			}
			n++
			c := &chat{reading: r, member: m, place: fmt.Sprintf("%s/%d", key, n)}
			if err := j.Object(func(k string) error { return c.field(j, k) }); err != nil {
				return err
			}
			return c.end()
		})
	})
}

// chat is one conversation while it is read. Telegram writes its name, type and id before its messages.
type chat struct {
	*reading
	*tally.Chat
	member        *capture.Member
	place         string // in the account, for a chat without an id
	name, typ, id string
	lastID        int64
	backward      int64

	untimed []*capture.Observation // of a page, waiting for the next message that has a time
	after   int64                  // the time of the message before
}

func (c *chat) field(j *jsonfile.Reader, key string) error {
	switch key {
	case "name", "type", "id":
		v, err := j.Value()
		if err != nil {
			return err
		}
		switch key {
		case "name":
			c.name = v.Str()
		case "type":
			c.typ = v.Str()
		case "id":
			c.id = v.Str()
		}
		if c.Chat != nil {
			c.describe(c.Conversation())
		}
		return nil
	case "messages":
		if j.Kind() != '[' {
			return j.Skip()
		}
		if err := c.open(); err != nil {
			return err
		}
		return j.Array(func() error {
			rec, err := j.Record()
			if err != nil {
				return err
			}
			return c.record(rec)
		})
	}
	return j.Skip()
}

func (c *chat) open() error {
	if c.Chat != nil {
		return nil
	}
	v := capture.Conversation{Path: c.member.Path}
	c.describe(&v)
	var err error
	c.Chat, err = c.reading.Chat(v)
	return err
}

var kinds = map[string]string{
	"personal_chat": "dm", "bot_chat": "dm", "saved_messages": "dm", "private_group": "group", "private_supergroup": "group",
	"public_supergroup": "group", "private_channel": "channel", "public_channel": "channel",
}

func (c *chat) describe(v *capture.Conversation) {
	v.Title, v.Kind, v.ID = tally.Name(c.name), kinds[c.typ], c.id
	if c.typ == "saved_messages" && v.Title == "" {
		v.Title = "Saved messages"
	}
	if v.Kind == "" {
		v.Kind = "unknown"
	}
}

// key is what the chat is known by within its file.
func (c *chat) key() string {
	switch {
	case c.id != "":
		return c.id
	case c.place != "":
		return c.place
	}
	return ""
}

// end settles whose copy the chat is.
func (c *chat) end() error {
	if c.Chat == nil {
		return nil
	}
	switch {
	case c.opt.Self != "":
		c.Self(c.opt.Self)
	case c.owner.id != "user" && c.owner.id != "":
		c.Self(c.Person(c.owner.name, "telegram", c.owner.id))
	case c.Conversation().Kind == "dm" && c.typ != "saved_messages":
		c.Self(c.Other(c.Conversation().Title))
	}
	if c.backward > 0 {
		c.Warn("ids_go_back", "The ids of messages do not rise in the order of the file.")
	}
	return nil
}

// zone derives how far the exporting machine's clock was from UTC: the export gives each time twice,
// as its clock showed it and counted from 1970.
func (r *reading) zone() {
	var total, most, best int64
	for offset, n := range r.zones {
		if total += n; n > most || n == most && offset < best {
			most, best = n, offset
		}
	}
	if total == 0 {
		return
	}
	name := "UTC" + time.Unix(0, 0).In(time.FixedZone("", int(best))).Format("-07:00")
	d := capture.Decision{About: "zone", Value: name, Rule: "local_time_against_unix_time", Support: most, Conflicts: total - most, By: "file"}
	if len(r.zones) > 1 {
		d.Detail = "The clock's distance from UTC changes within the export, as it does where clocks are changed in summer."
	}
	r.Run.Decide(d)
}
