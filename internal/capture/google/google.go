// Package google reads what Google gives out of its messengers: Google Chat from Takeout, and from
// Google Meet the chat of a recorded meeting and its attendance report.
//
// What Vault exports of Google Chat are e-mails in a mailbox, and are read as such.
package google

import (
	"context"
	"io"
	"path"
	"regexp"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// Parser reads Takeout's Google Chat and the files of Google Meet. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "google-takeout" }
func (Parser) Version() string { return "1" }

// What these files leave out.
var (
	filteredChat = []string{"history_off", "receipts", "reaction_times"}
	filteredMeet = []string{"unrecorded_meetings", "private_messages", "reactions"}
)

type sort int

const (
	sortNone sort = iota
	sortChat
	sortMeetChat
	sortAttendance
)

// part is a file that messages are read from.
type part struct {
	member *capture.Member
	sort   sort
}

// maxProbes bounds the files without a telling name that are looked into.
const maxProbes = 100

// parts finds the files to read. With first set it stops at the first.
func parts(x *tally.Export, first bool) ([]part, error) {
	var list []part
	probes := 0
	for _, m := range x.Members {
		base := strings.ToLower(tally.Base(m))
		ext := path.Ext(base)
		switch {
		case base == "messages.json":
		case ext == ".json", ext == ".txt", ext == ".sbv", ext == ".csv":
			if probes++; probes > maxProbes {
				continue
			}
		default:
			continue
		}
		s, err := probe(m, ext)
		if err != nil {
			return nil, err
		}
		if s != sortNone {
			list = append(list, part{m, s})
			if first {
				break
			}
		}
	}
	return list, nil
}

// probe says by its content what a file is.
func probe(m *capture.Member, ext string) (sort, error) {
	r, err := m.Open()
	if err != nil {
		return sortNone, err
	}
	defer r.Close()
	if ext == ".json" {
		k := jsonfile.Paths(r, 256<<10, nil)
		if k["messages[].created_date"] && (k["messages[].message_id"] || k["messages[].topic_id"] || k["messages[].creator.email"]) {
			return sortChat, nil
		}
		if k["messages"] && strings.Contains(tally.Where(m), "Google Chat") {
			return sortChat, nil
		}
		return sortNone, nil
	}
	b, err := io.ReadAll(io.LimitReader(r, 64<<10))
	if err != nil {
		return sortNone, err
	}
	if ext == ".csv" {
		head, _, _ := strings.Cut(strings.TrimPrefix(string(b), "\uFEFF"), "\n")
		if attendanceOf(tally.Columns(strings.Split(head, string(tally.Separator(head))))) != nil {
			return sortAttendance, nil
		}
		return sortNone, nil
	}
	if meetChat(string(b)) {
		return sortMeetChat, nil
	}
	return sortNone, nil
}

// Recognise says whether the source holds something of Google's messengers.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	x, err := tally.Open(src)
	if err != nil {
		return false, err
	}
	list, err := parts(x, true)
	return len(list) > 0, err
}

// reading is a run over an export.
type reading struct {
	*tally.Book
	ctx    context.Context
	limits capture.Limits
	opt    capture.Options
	owner  person
	people map[string]string // names by e-mail address
}

type person struct{ name, email string }

// Parse reads the conversations and meetings of an export, one after the other.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	r := &reading{Book: tally.New(ctx, p, "gchat", "records", filteredChat, emit), ctx: ctx, limits: src.Bounds(), opt: opt, people: map[string]string{}}
	var err error
	if r.Export, err = tally.Open(src); err != nil {
		return r.Close(err)
	}
	list, err := parts(r.Export, false)
	if err != nil {
		return r.Close(err)
	}
	if len(list) == 0 {
		return r.Close(&capture.FileError{File: src.Files[0].Name, Reason: "holds no conversation of Google Chat or Meet",
			Remedy: "At takeout.google.com choose Google Chat only, and hand in the zip as it comes."})
	}
	seen := map[sort]bool{}
	for _, q := range list {
		r.Export.Chat(q.member)
		if name := []string{"", "takeout", "meet_chat", "meet_attendance"}[q.sort]; !seen[q.sort] {
			seen[q.sort] = true
			r.Run.Variant = strings.TrimPrefix(r.Run.Variant+"+"+name, "+")
		}
	}
	if !seen[sortChat] {
		r.Run.System, r.Run.Coverage.FilteredKinds = "gmeet", filteredMeet
	}
	for _, m := range r.Export.Members {
		if tally.Base(m) == "user_info.json" {
			r.user(m)
		}
	}
	for _, q := range list {
		var err error
		switch q.sort {
		case sortChat:
			err = r.group(q.member)
		case sortMeetChat:
			err = r.meeting(q.member)
		case sortAttendance:
			err = r.attendance(q.member)
		}
		if err != nil {
			return r.Close(err)
		}
	}
	return r.Close(nil)
}

// json reads a small file whole; nil if it is damaged.
func (r *reading) json(m *capture.Member) *jsonfile.Value {
	f, err := m.Open()
	if err != nil {
		return nil
	}
	defer f.Close()
	j, err := jsonfile.NewReader(f, m.Label(), r.limits)
	if err != nil {
		return nil
	}
	v, err := j.Value()
	if err != nil {
		return nil
	}
	return v
}

// user takes from a profile whose Takeout it is.
func (r *reading) user(m *capture.Member) {
	v := r.json(m)
	if v == nil {
		return
	}
	r.Export.Named(m)
	r.owner = person{tally.Name(v.Str("user", "name")), v.Str("user", "email")}
	r.people[r.owner.email] = r.owner.name
}

var folderName = regexp.MustCompile(`^(DM|Space|Group) (.+)$`)

// about describes a conversation from its folder and from group_info.json in it.
func (r *reading) about(m *capture.Member) (v capture.Conversation, members []person) {
	v = capture.Conversation{Kind: "unknown", Path: m.Path}
	if f := folderName.FindStringSubmatch(path.Base(tally.Dir(m))); f != nil {
		v.ID = f[2]
		v.Kind = map[string]string{"DM": "dm", "Space": "group", "Group": "group"}[f[1]]
	}
	for _, o := range r.Export.Members {
		if o.File != m.File && m.Path != "" || tally.Dir(o) != tally.Dir(m) || tally.Base(o) != "group_info.json" {
			continue
		}
		info := r.json(o)
		r.Export.Named(o)
		v.Title = info.Str("name")
		for _, x := range info.List("members") {
			members = append(members, person{tally.Name(x.Str("name")), x.Str("email")})
		}
	}
	if v.Kind == "dm" && len(members) > 2 {
		v.Kind = "group"
	}
	if v.Title == "" {
		var names []string
		for _, p := range members {
			if p.email != r.owner.email {
				names = append(names, p.name)
			}
		}
		v.Title = strings.Join(names, ", ")
	}
	return v, members
}
