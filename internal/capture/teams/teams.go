// Package teams reads what can be got out of Microsoft Teams: messages as the Graph API gives them (as
// arrays, pages or lines, in the spelling of the API or of tools that write it in capitals), and the
// export of a personal account, which has the shape of Skype's.
//
// The e-mails that Purview makes of chats are e-mails and are read as such. What no export has: files,
// which lie in OneDrive and SharePoint, pictures in messages, and earlier versions of edited messages.
package teams

import (
	"context"
	"crypto/sha256"
	"path"
	"strings"
	"unicode"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// Parser reads exports of Teams and of Skype. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "teams-export" }
func (Parser) Version() string { return "1" }

// What the two sorts of export leave out.
var (
	filteredGraph    = []string{"files", "earlier_versions", "receipts", "recordings"}
	filteredPersonal = []string{"reactions_by_age", "earlier_versions", "receipts", "media_by_age"}
)

// fold writes a key as the Graph API does: Id, as some tools write, is id.
func fold(key string) string {
	if key == "" || key[0] < 'A' || key[0] > 'Z' {
		return key
	}
	return string(unicode.ToLower(rune(key[0]))) + key[1:]
}

// part is a file with messages and where in it they stand.
type part struct {
	member *capture.Member
	path   string // of [jsonfile.Reader.Each]
	skype  bool
}

// source is an export, sorted.
type source struct {
	parts []part
	lists []part // of people, teams, channels and chats
}

// maxProbes bounds the JSON files that are looked into.
const maxProbes = 20_000

// sorted finds the messages of an export, and with all set the lists too.
func sorted(ctx context.Context, x *tally.Export, all bool) (*source, error) {
	s := &source{}
	probes := 0
	for _, m := range x.Members {
		ext := strings.ToLower(path.Ext(tally.Base(m)))
		if ext != ".json" && ext != ".jsonl" && ext != ".ndjson" && len(x.Members) > 1 || strings.HasPrefix(tally.Dir(m), "media") && strings.HasPrefix(tally.Base(m), "0-") {
			continue
		}
		if probes++; probes > maxProbes || !all && probes > 50 {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := m.Open()
		if err != nil {
			return nil, err
		}
		paths := jsonfile.Paths(r, 256<<10, fold)
		r.Close()
		p := part{member: m}
		var ok bool
		if p.path, ok = jsonfile.Where(paths, "originalarrivaltime", "messagetype"); ok && strings.HasSuffix(p.path, "messageList[]") || paths["conversations[].messageList"] {
			p.skype = true
			s.parts = append(s.parts, p)
		} else if p.path, ok = jsonfile.Where(paths, "createdDateTime", "body", "from"); ok && graphLike(paths, p.path) {
			s.parts = append(s.parts, p)
		} else if all && len(x.Members) > 1 {
			for _, keys := range [][]string{{"userPrincipalName", "displayName"}, {"groupsId", "name"}, {"membershipType", "displayName"}, {"chatType", "id"}} {
				if p.path, ok = jsonfile.Where(paths, keys...); ok {
					s.lists = append(s.lists, p)
					break
				}
			}
		}
		if !all && len(s.parts) > 0 {
			break
		}
	}
	return s, nil
}

// graphLike says whether what stands at a path has more of a chatMessage than any record has.
func graphLike(paths map[string]bool, at string) bool {
	if at != "" {
		at += "."
	}
	n := 0
	for _, k := range []string{"messageType", "chatId", "channelIdentity", "replyToId", "lastModifiedDateTime", "mentions", "reactions", "body.contentType", "eventDetail"} {
		if paths[at+k] {
			n++
		}
	}
	return n >= 3 && (paths[at+"messageType"] || paths[at+"chatId"] || paths[at+"channelIdentity"])
}

// Recognise says whether the source holds messages of Teams.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	x, err := tally.Open(src)
	if err != nil {
		return false, err
	}
	s, err := sorted(ctx, x, false)
	return err == nil && len(s.parts) > 0, err
}

// reading is a run over an export.
type reading struct {
	*tally.Book
	ctx    context.Context
	limits capture.Limits
	opt    capture.Options
	many   bool // messages stand in several files, in which one may occur twice

	chats  map[string]*tally.Chat
	people map[string]person // by id
	titles map[string]string // of teams, channels and chats, by id
	seen   map[[16]byte]uint64
	assets map[string]*capture.Member // of a personal export, by id
	self   string
}

type person struct{ name, email string }

// Bounds of what is remembered.
const (
	maxPeople = 500_000
	maxSeen   = 4_000_000
)

// Parse reads the messages of an export in the order of its files.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	r := &reading{Book: tally.New(ctx, p, "teams", "records", nil, emit), ctx: ctx, limits: src.Bounds(), opt: opt,
		chats: map[string]*tally.Chat{}, people: map[string]person{}, titles: map[string]string{}, seen: map[[16]byte]uint64{}}
	var err error
	if r.Export, err = tally.Open(src); err != nil {
		return r.Close(err)
	}
	s, err := sorted(ctx, r.Export, true)
	if err != nil {
		return r.Close(err)
	}
	if len(s.parts) == 0 {
		return r.Close(&capture.FileError{File: src.Files[0].Name, Reason: "holds no messages of Teams",
			Remedy: "Hand in the JSON of the Graph export, or the tar of your personal account's export, as it comes."})
	}
	r.many = len(s.parts) > 1
	for _, l := range s.lists {
		r.Export.Named(l.member)
		if err := r.list(l); err != nil {
			return r.Close(err)
		}
	}
	for _, p := range s.parts {
		r.Export.Chat(p.member)
		variant, filtered := "graph", filteredGraph
		if p.skype {
			variant, filtered = "personal", filteredPersonal
		}
		if r.Run.Variant == "" {
			r.Run.Coverage.FilteredKinds = filtered
		}
		if !strings.Contains(r.Run.Variant, variant) {
			r.Run.Variant = strings.TrimPrefix(r.Run.Variant+"+"+variant, "+")
		}
	}
	if len(r.people) == 0 {
		for _, p := range s.parts {
			if err := r.meet(p); err != nil {
				return r.Close(err)
			}
		}
	}
	for _, p := range s.parts {
		again, err := r.Again(p.member)
		if err == nil && !again {
			read := r.graph
			if p.skype {
				read = r.personal
			}
			err = r.Read(p.member, func(in *tally.Input) (int64, error) { return read(p, in) })
		}
		if err != nil {
			return r.Close(err)
		}
	}
	return r.Close(nil)
}

// meet goes over the messages for the names of people: reactions often have ids only.
func (r *reading) meet(p part) error {
	if p.skype {
		return nil
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
	j.Fold = fold
	for j.More() {
		err := j.Each(p.path, nil, func(v *jsonfile.Record) error {
			u := v.At("from", "user")
			id, name := u.Str("id"), tally.Name(u.Str("displayName"))
			if id != "" && name != "" && r.people[id].name == "" && len(r.people) < maxPeople {
				r.people[id] = person{name: name}
			}
			return r.ctx.Err()
		})
		if _, fault := err.(*capture.FileError); fault {
			return nil // it is said when the messages are read
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// list reads names out of a list of people, teams, channels or chats.
func (r *reading) list(p part) error {
	f, err := p.member.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	j, err := jsonfile.NewReader(f, p.member.Label(), r.limits)
	if err != nil {
		return err
	}
	j.Fold = fold
	for j.More() {
		err := j.Each(p.path, nil, func(v *jsonfile.Record) error {
			id := v.Str("id")
			if len(r.people)+len(r.titles) > maxPeople {
				return nil
			}
			switch {
			case v.Has("userPrincipalName"):
				mail := v.Str("mail")
				if mail == "" {
					mail = v.Str("userPrincipalName")
				}
				r.people[id] = person{tally.Name(v.Str("displayName")), mail}
			case v.Has("groupsId"):
				r.titles[v.Str("groupsId")] = tally.Name(v.Str("name"))
			case v.Has("chatType"):
				r.titles[id] = tally.Name(v.Str("topic"))
				for _, m := range v.List("members") {
					r.people[m.Str("userId")] = person{tally.Name(m.Str("displayName")), m.Str("email")}
				}
			default:
				r.titles[id] = tally.Name(v.Str("displayName"))
			}
			return nil
		})
		if _, fault := err.(*capture.FileError); fault {
			r.Warn("list_damaged", "A list of names in the export is damaged. The messages are read without it.")
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// repeated says whether a message was read before from another file of the export, and as it stands
// now. Another version of it is a message of its own.
func (r *reading) repeated(chat, id string, raw []byte) (same, version bool) {
	if !r.many || id == "" || len(r.seen) >= maxSeen {
		return false, false
	}
	sum := sha256.Sum256([]byte(chat + "\x00" + id))
	key := [16]byte(sum[:16])
	body := sha256.Sum256(raw)
	mark := uint64(body[0])<<56 | uint64(body[1])<<48 | uint64(body[2])<<40 | uint64(body[3])<<32 | uint64(body[4])<<24 | uint64(body[5])<<16 | uint64(body[6])<<8 | uint64(body[7])
	before, known := r.seen[key]
	r.seen[key] = mark
	return known && before == mark, known && before != mark
}
