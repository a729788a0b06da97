package whatsappdb

import (
	"context"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/sqlfile"
	"despatch/internal/capture/tally"
)

// owner stands for the person whose phone it was, as long as nothing tells the name.
const owner = "(owner of the phone)"

// maxAddresses bounds the addresses of a database. A phone that saw more is none.
const maxAddresses = 3_000_000

// people are the addresses that a database knows, and what is known of them. An address is
// USER@SERVER: a telephone number at s.whatsapp.net, a hidden one at lid, a group at g.us, a channel at
// newsletter.
type people struct {
	raw   map[int64]string  // Android's rows of addresses
	real  map[string]string // the telephone number's address, by the hidden one
	names map[string]string // by address
	self  string            // the owner's name
}

// canonical returns an address without the device that it may name.
func canonical(jid string) string {
	user, server, ok := strings.Cut(strings.ToValidUTF8(jid, "\uFFFD"), "@")
	if !ok {
		return strings.TrimSpace(user)
	}
	if i := strings.IndexAny(user, ":"); i > 0 {
		user = user[:i]
	}
	if server == "s.whatsapp.net" || server == "lid" {
		if i := strings.IndexByte(user, '.'); i > 0 {
			user = user[:i]
		}
	}
	return user + "@" + server
}

// id returns the address that somebody is known by: the telephone number's, where it is known.
func (p *people) id(jid string) string {
	jid = canonical(jid)
	if real, ok := p.real[jid]; ok {
		return real
	}
	return jid
}

// phone returns an address's telephone number, or "".
func phone(jid string) string {
	user, server, _ := strings.Cut(jid, "@")
	if server != "s.whatsapp.net" || len(user) < 5 || len(user) > 15 || strings.Trim(user, "0123456789") != "" {
		return ""
	}
	return "+" + user
}

// name returns what to call the person at an address.
func (p *people) name(jid string) string {
	id := p.id(jid)
	name := p.names[id]
	if name == "" {
		name = p.names[canonical(jid)]
	}
	number := phone(id)
	switch {
	case name == "" && number != "":
		return number
	case name == "":
		return id
	case name == p.self && number != "":
		return name + " (" + number + ")"
	}
	return name
}

// person lists somebody in a conversation, and returns the name there.
func (r *reader) person(c *tally.Chat, jid string) string {
	if canonical(jid) == "" {
		return ""
	}
	id := r.people.id(jid)
	name := c.Person(r.people.name(jid), "whatsapp", id)
	c.Also(name, "phone", phone(id))
	if hidden := canonical(jid); hidden != id {
		c.Also(name, "whatsapp", hidden)
	}
	return name
}

// conversation returns the conversation at an address. Title is its subject, if it has one.
func (r *reader) conversation(jid, title string) (*tally.Chat, error) {
	id := r.people.id(jid)
	if c := r.chats[id]; c != nil {
		return c, nil
	}
	v := capture.Conversation{ID: id, Title: title, Kind: "unknown", Path: sqlfile.Table(r.member, r.table())}
	switch _, server, _ := strings.Cut(id, "@"); server {
	case "s.whatsapp.net", "lid", "c.us":
		v.Kind = "dm"
		if title == "" {
			v.Title = r.people.name(jid)
		}
	case "g.us":
		v.Kind = "group"
	case "newsletter":
		v.Kind = "channel"
	case "broadcast", "status", "lid.status":
		v.Kind = "channel"
		if title == "" {
			v.Title = "Status updates"
			if id != "status@broadcast" && server == "broadcast" {
				v.Title = "Broadcast list"
			}
		}
	}
	c, err := r.book.Chat(v)
	if err != nil {
		return nil, err
	}
	c.Person(r.people.self, "", "")
	c.Self(r.people.self)
	if v.Kind == "dm" {
		r.person(c, jid)
	}
	r.chats[id] = c
	return c, nil
}

// table is where the messages stand.
func (r *reader) table() string {
	for _, t := range []string{"ZWAMESSAGE", "message", "messages"} {
		if r.db.HasTable(t) {
			return t
		}
	}
	return ""
}

// readContacts learns names from wa.db.
func readContacts(ctx context.Context, db *sqlfile.DB, names map[string]string) error {
	return db.Scan(ctx, "wa_contacts", func(r *sqlfile.Row) error {
		jid := canonical(r.Text("jid"))
		for _, column := range []string{"display_name", "wa_name", "given_name", "nickname"} {
			if name := tally.Name(r.Text(column)); name != "" && jid != "" && len(names) < maxAddresses {
				if names[jid] == "" {
					names[jid] = name
				}
			}
		}
		return nil
	})
}

// readAddresses learns Android's addresses, and the names that people chose for themselves.
func (r *reader) readAddresses(ctx context.Context) error {
	p := r.people
	tooMany := func() error {
		return r.db.FileError("has more addresses than any phone", "Hand in an export of the chat itself.")
	}
	if r.db.HasTable("jid") {
		err := r.db.Scan(ctx, "jid", func(row *sqlfile.Row) error {
			if len(p.raw) >= maxAddresses {
				return tooMany()
			}
			raw := row.Text("raw_string")
			if raw == "" && row.Text("user") != "" {
				raw = row.Text("user") + "@" + row.Text("server")
			}
			p.raw[row.Key()] = canonical(raw)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if r.db.HasColumn("jid_map", "lid_row_id", "jid_row_id") {
		err := r.db.Query(ctx, "SELECT +lid_row_id AS lid, +jid_row_id AS jid FROM jid_map", func(row *sqlfile.Row) error {
			if hidden, real := p.raw[row.Int("lid")], p.raw[row.Int("jid")]; hidden != "" && phone(real) != "" && len(p.real) < maxAddresses {
				p.real[hidden] = real
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if r.db.HasColumn("lid_display_name", "lid_row_id", "display_name") {
		err := r.db.Query(ctx, "SELECT +lid_row_id AS lid, +display_name AS name FROM lid_display_name", func(row *sqlfile.Row) error {
			id, name := p.id(p.raw[row.Int("lid")]), tally.Name(row.Text("name"))
			if id != "" && name != "" && p.names[id] == "" && len(p.names) < maxAddresses {
				p.names[id] = name
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if p.self == "" && r.db.HasColumn("props", "key", "value") {
		err := r.db.Query(ctx, "SELECT +value AS name FROM props WHERE key = 'user_push_name'", func(row *sqlfile.Row) error {
			p.self = tally.Name(row.Text("name"))
			return nil
		})
		if err != nil {
			return err
		}
	}
	if p.self == "" {
		p.self = owner
	}
	return nil
}
