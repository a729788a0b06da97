// Package meta reads what Facebook Messenger and Instagram let people download: the JSON and the HTML
// of "Download your information", and the separate export of end-to-end encrypted chats.
//
// Facebook writes each byte of a UTF-8 text as a character of its own. The package puts that right,
// says so on every message where it did, and leaves alone what it cannot put right: the way back is
// [Garble].
//
// What these exports leave out is lost before we see it: ids of messages and of people, which message
// a reply answers, earlier versions of edited messages, receipts, who was in a group when, and in the
// ordinary download the messages that are stored end-to-end encrypted.
package meta

import (
	"context"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// Parser reads downloads of Messenger and of Instagram. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "meta-download" }
func (Parser) Version() string { return "1" }

// filtered is what no download of Meta holds.
var filtered = []string{"message_ids", "replies", "earlier_versions", "receipts", "membership_history"}

// form is how a chat's file is written.
type form string

const (
	formJSON form = "json"
	formHTML form = "html"
	formE2EE form = "e2ee"
)

// part is one file of a chat.
type part struct {
	member *capture.Member
	form   form
	number int
	layout layout // of a page
}

// thread is a chat with its files, the newest first.
type thread struct {
	id    string // "inbox/asha_ABC123"
	parts []part
}

var partName = regexp.MustCompile(`^message_(\d+)\.(json|html)$`)

// loose is the id of the chat whose parts were handed in without their folder, until its head tells.
const loose = "."

// has says whether a chat has a part of that number and form already.
func (t *thread) has(p part) bool {
	return slices.ContainsFunc(t.parts, func(q part) bool { return q.number == p.number && q.form == p.form })
}

// maxProbes bounds the files without a telling name that are looked into.
const maxProbes = 200

// threads finds the chats of an export. With first set it stops at the first.
func threads(x *tally.Export, first bool) (list []*thread, bad []*capture.Member, err error) {
	byID := map[string]*thread{}
	probes := 0
	for _, m := range x.Members {
		p := part{member: m, number: 1}
		ext := strings.ToLower(path.Ext(m.Name))
		name := partName.FindStringSubmatch(tally.Base(m))
		switch {
		case name != nil:
			p.number, _ = strconv.Atoi(name[1])
		case ext != ".json" && ext != ".html" && len(x.Members) > 1, probes >= maxProbes:
			continue
		default:
			probes++
		}
		if p.form, p.layout, err = probe(m, ext, name != nil); err != nil {
			return nil, nil, err
		}
		if p.form == "" {
			if name != nil {
				bad = append(bad, m)
			}
			continue
		}
		id := threadID(m, p.form, name != nil)
		if partName.MatchString(id) && byID[id] != nil { // of another chat, perhaps
			id += "?" + strconv.Itoa(len(list))
		}
		if t := byID[id]; id == loose && t != nil && t.has(p) { // chosen from two folders
			id = tally.Where(m)
		}
		t := byID[id]
		if t == nil {
			t = &thread{id: id}
			byID[id] = t
			list = append(list, t)
		}
		t.parts = append(t.parts, p)
		if first {
			break
		}
	}
	for _, t := range list {
		slices.SortStableFunc(t.parts, func(a, b part) int { return a.number - b.number })
	}
	return list, bad, nil
}

// threadID names a chat by its folder, whatever the download puts above it, so that the parts of a
// chat come together from the several zips of one download.
func threadID(m *capture.Member, f form, numbered bool) string {
	where := tally.Where(m)
	if f == formE2EE {
		return "e2ee/" + strings.TrimSuffix(path.Base(where), path.Ext(where))
	}
	if !numbered {
		return where
	}
	dir := path.Dir(where)
	for _, box := range boxes {
		if i := strings.LastIndex("/"+dir, "/"+box+"/"); i >= 0 {
			return dir[i:]
		}
	}
	if dir == "." {
		return loose
	}
	return path.Base(dir)
}

// boxes are the folders that chats stand in.
var boxes = []string{"inbox", "archived_threads", "filtered_threads", "message_requests", "e2ee_cutover", "other", "spam"}

// probe says by its content which form of a chat a file is, or "".
func probe(m *capture.Member, ext string, named bool) (form, layout, error) {
	r, err := m.Open()
	if err != nil {
		return "", 0, err
	}
	defer r.Close()
	if ext == ".html" || ext == ".htm" {
		b, err := io.ReadAll(io.LimitReader(r, 256<<10))
		if err != nil {
			return "", 0, err
		}
		if l, ok := layoutOf(string(b), named); ok {
			return formHTML, l, nil
		}
		return "", 0, nil
	}
	keys := jsonfile.Paths(r, 256<<10, nil)
	switch {
	case keys["messages[].sender_name"] && keys["messages[].timestamp_ms"]:
		return formJSON, 0, nil
	case keys["messages[].senderName"] && keys["messages[].timestamp"]:
		return formE2EE, 0, nil
	case keys["messages"] && keys["participants[].name"] && (keys["thread_path"] || keys["magic_words"]):
		return formJSON, 0, nil // no message in it
	case keys["messages"] && keys["participants"] && keys["threadName"]:
		return formE2EE, 0, nil
	}
	return "", 0, nil
}

// Recognise says whether the source holds a chat of Messenger or Instagram.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	x, err := tally.Open(src)
	if err != nil {
		return false, err
	}
	list, _, err := threads(x, true)
	return len(list) > 0, err
}

// reading is a run over a download.
type reading struct {
	*tally.Book
	ctx    context.Context
	opt    capture.Options
	limits capture.Limits
	owner  string // whose download it is, by the name in its profile
}

// Parse reads the chats of a download, one after the other, each from its newest file to its oldest.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	r := &reading{Book: tally.New(ctx, p, "messenger", "records", filtered, emit), ctx: ctx, opt: opt, limits: src.Bounds()}
	var err error
	if r.Export, err = tally.Open(src); err != nil {
		return r.Close(err)
	}
	list, bad, err := threads(r.Export, false)
	if err != nil {
		return r.Close(err)
	}
	if len(list) == 0 {
		return r.Close(&capture.FileError{File: src.Files[0].Name, Reason: "holds no chat of Messenger or Instagram",
			Remedy: "In the Accounts Centre choose Download your information, messages, format JSON, and hand in the zip as it comes."})
	}
	if list, err = r.join(list); err != nil {
		return r.Close(err)
	}
	r.describe(list)
	// All that messages are read from is marked first: a message may not name it as its attachment.
	for _, t := range list {
		for _, p := range t.parts {
			r.Export.Chat(p.member)
		}
	}
	for _, m := range bad {
		r.Export.Aside(m, "not_readable")
		r.Warn("not_readable", "“"+m.Label()+"” has the name of a part of a chat, but is none that can be read. Download the information again.")
	}
	for _, t := range list {
		r.preferJSON(t)
		if err := r.thread(t); err != nil {
			return r.Close(err)
		}
	}
	return r.Close(nil)
}

// describe settles which system the download is from and whose it is.
func (r *reading) describe(list []*thread) {
	forms := map[form]bool{}
	e2ee := false
	for _, t := range list {
		for _, p := range t.parts {
			forms[p.form] = true
			e2ee = e2ee || p.form == formE2EE
		}
	}
	for _, f := range []form{formJSON, formE2EE, formHTML} {
		if forms[f] {
			if r.Run.Variant != "" {
				r.Run.Variant += "+"
			}
			r.Run.Variant += string(f)
		}
	}
	for _, m := range r.Export.Members {
		where := strings.ToLower(tally.Where(m))
		if strings.Contains(where, "instagram") {
			r.Run.System = "instagram"
		}
		if path.Base(where) == "profile_information.json" || path.Base(where) == "personal_information.json" {
			r.profile(m)
		}
	}
	if !e2ee && r.Run.System == "messenger" {
		r.Run.Coverage.FilteredKinds = append(r.Run.Coverage.FilteredKinds, "end_to_end_encrypted")
	}
	if r.opt.Self != "" {
		r.owner = r.opt.Self
	}
}

// profile takes the name of the download's owner from their profile.
func (r *reading) profile(m *capture.Member) {
	f, err := m.Open()
	if err != nil {
		return
	}
	defer f.Close()
	j, err := jsonfile.NewReader(f, m.Label(), r.limits)
	if err != nil {
		return
	}
	v, err := j.Value()
	if err != nil {
		return
	}
	name := v.Str("profile_v2", "name", "full_name")
	for _, u := range v.List("profile_user") {
		if name == "" {
			name = u.Str("string_map_data", "Name", "value")
		}
	}
	if name != "" {
		r.owner, _ = mend(name)
		r.Export.Named(m)
	}
}

// thread reads one chat.
func (r *reading) thread(t *thread) error {
	h := &head{}
	for _, p := range t.parts {
		if err := r.head(p, h); err != nil {
			return err
		}
	}
	box, _, _ := strings.Cut(t.id, "/")
	if h.path != "" {
		t.id = h.path
	}
	chat, err := r.Chat(capture.Conversation{Title: h.title, Kind: h.kind(), ID: t.id, Path: t.parts[0].member.Path})
	if err != nil {
		return err
	}
	for _, name := range h.people {
		chat.Person(name, "", "")
	}
	if owner := h.owner(r.owner); owner != "" {
		chat.Self(owner)
	}
	if box != "" && slices.Contains(boxes, box) && box != "inbox" {
		r.Warn("folder_"+box, "Chats stand in the folder “"+box+"” of the download, not in the inbox.")
	}
	seen := map[int]*capture.Member{}
	for _, p := range t.parts {
		if t.twice(p.number) {
			again, err := r.Again(p.member)
			if err != nil {
				return err
			}
			if again {
				continue
			}
		}
		if other := seen[p.number]; other != nil && p.form == formJSON {
			r.Warn("two_files_of_this_name", "“"+p.member.Label()+"” is there twice with different contents. Both are read.")
		}
		seen[p.number] = p.member
		c := &chatPart{reading: r, chat: chat, thread: t, part: p}
		read := c.readJSON
		if p.form == formHTML {
			read = c.readHTML
		}
		if err := r.Read(p.member, read); err != nil {
			return err
		}
	}
	var missing []string
	for i := 2; len(seen) > 0 && i < slices.Max(keys(seen)) && len(missing) < 100; i++ {
		if seen[i] == nil {
			missing = append(missing, "message_"+strconv.Itoa(i))
		}
	}
	if len(missing) > 0 {
		r.Warn("part_missing", "Parts of the chat “"+tally.Sample(h.title)+"” are missing: "+strings.Join(missing, ", ")+". They may be in another zip of the same download; hand them in together.")
	}
	return nil
}

// join brings the parts of a chat together that were handed in without their folder, by what they say
// of their chat.
func (r *reading) join(list []*thread) ([]*thread, error) {
	byChat := map[string]*thread{}
	out := list[:0]
	for _, t := range list {
		p := t.parts[0]
		if name, _, _ := strings.Cut(t.id, "?"); len(t.parts) > 1 || !partName.MatchString(name) {
			out = append(out, t)
			continue
		}
		h := &head{}
		if err := r.head(p, h); err != nil {
			return nil, err
		}
		key := h.path
		if key == "" && h.title != "" {
			key = h.title + "\x00" + strings.Join(h.people, "\x00")
		}
		first := byChat[key]
		if key == "" || first == nil {
			byChat[key] = t
			out = append(out, t)
			continue
		}
		first.parts = append(first.parts, p)
		slices.SortStableFunc(first.parts, func(a, b part) int { return a.number - b.number })
	}
	return out, nil
}

// preferJSON leaves the pages of a chat aside that has the same part as JSON.
func (r *reading) preferJSON(t *thread) {
	has := map[int]bool{}
	for _, p := range t.parts {
		has[p.number] = has[p.number] || p.form == formJSON
	}
	t.parts = slices.DeleteFunc(t.parts, func(p part) bool {
		drop := p.form == formHTML && has[p.number]
		if drop {
			r.Export.Aside(p.member, "same_chat_as_json")
			r.Warn("same_chat_as_json", "Chats are there as JSON and as HTML. The JSON, which says more, is read; the HTML is kept with the file.")
		}
		return drop
	})
}

// twice says whether a chat has two files of a number.
func (t *thread) twice(number int) bool {
	n := 0
	for _, p := range t.parts {
		if p.number == number {
			n++
		}
	}
	return n > 1
}

func keys(m map[int]*capture.Member) []int {
	list := make([]int, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	return list
}

// head is what a chat's files say of the chat.
type head struct {
	title, path string
	group       bool
	people      []string
}

func (h *head) kind() string {
	switch {
	case h.group || len(h.people) > 2:
		return "group"
	case len(h.people) > 0:
		return "dm"
	}
	return "unknown"
}

// owner returns whose copy the chat is: the name in the profile, or in a chat of two the one who is not
// its title.
func (h *head) owner(profile string) string {
	if profile != "" {
		return profile
	}
	if h.group || len(h.people) != 2 || h.title == "" || h.people[0] == h.people[1] {
		return ""
	}
	switch h.title {
	case h.people[0]:
		return h.people[1]
	case h.people[1]:
		return h.people[0]
	}
	return ""
}

func (h *head) add(name string) {
	if name = tally.Name(name); name != "" && len(h.people) < 5000 && !slices.Contains(h.people, name) {
		h.people = append(h.people, name)
	}
}

// head reads what a file says of its chat; that may stand behind the messages.
func (r *reading) head(p part, h *head) error {
	if p.form == formHTML {
		return r.headHTML(p, h)
	}
	f, err := p.member.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	j, err := jsonfile.NewReader(f, p.member.Label(), r.limits)
	if err != nil {
		return err
	}
	err = j.Object(func(key string) error {
		if key == "messages" {
			return j.Skip()
		}
		v, err := j.Value()
		if err != nil {
			return err
		}
		switch key {
		case "title", "threadName":
			if h.title == "" {
				h.title, _ = mend(v.Str())
				if key == "threadName" {
					h.title = e2eeTitle(h.title)
				}
			}
		case "thread_path":
			if h.path == "" && v.Str() != "" {
				h.path, _ = mend(v.Str())
			}
		case "thread_type":
			h.group = h.group || v.Str() == "RegularGroup"
		case "joinable_mode":
			h.group = true
		case "participants":
			for _, x := range v.Items {
				name := x.Str()
				if name == "" {
					name = x.Str("name")
				}
				name, _ = mend(name)
				h.add(name)
			}
		case "image":
			if m := r.Export.Find(v.Str("uri"), p.member); m != nil {
				r.Export.Named(m)
			}
		}
		return nil
	})
	if _, fault := err.(*capture.FileError); fault {
		return nil // the messages before the damage are read all the same
	}
	return err
}

// e2eeTitle returns a chat's title from its name in the encrypted export, which ends with a number.
func e2eeTitle(s string) string {
	if i := strings.LastIndexByte(s, '_'); i > 0 && strings.Trim(s[i+1:], "0123456789") == "" {
		return s[:i]
	}
	return s
}
