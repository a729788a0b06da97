package signal

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// owner stands for the person whose copy it is, as long as nothing tells the name.
const owner = "(owner of the account)"

const conversationDeleted = "The conversation that this message belongs to was deleted; the message remained."

// party is somebody, a group, or something else that a conversation can be with.
type party struct {
	kind    string // self, contact, group, list, call, notes
	name    string
	aci     string
	pni     string
	phone   string
	user    string
	id      string // of a group
	members []string
}

// uuid writes 16 bytes as an ACI is written. Of a service id only the last 16 bytes are one.
func uuid(b []byte) string {
	if len(b) == 17 {
		b = b[1:]
	}
	if len(b) != 16 {
		return ""
	}
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// uuidAt reads an ACI out of JSON, where bytes are in base64.
func uuidAt(v *jsonfile.Value, keys ...string) string { return uuid(bytesAt(v, keys...)) }

func bytesAt(v *jsonfile.Value, keys ...string) []byte {
	b, err := base64.StdEncoding.DecodeString(v.Str(keys...))
	if err != nil {
		return nil
	}
	return b
}

// isUUID says whether a text is written as an ACI is.
func isUUID(s string) bool {
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' && strings.Trim(s, "0123456789abcdefABCDEF-") == ""
}

// number writes a telephone number that is stored as a whole number.
func number(s string) string {
	s = strings.TrimPrefix(s, "+")
	if len(s) < 5 || len(s) > 15 || strings.Trim(s, "0123456789") != "" {
		return ""
	}
	return "+" + s
}

// join puts the parts of a name together.
func join(parts ...string) string {
	return tally.Name(strings.Join(strings.Fields(strings.Join(parts, " ")), " "))
}

// first returns the first text that is not empty.
func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// key is what the party is known by, whatever it is called.
func (p *party) key() string { return first(p.id, p.aci, p.pni, p.phone, p.user) }

// label is what to call the party.
func (p *party) label() string {
	return first(p.name, p.phone, p.user, p.aci, p.pni, p.id)
}

// person lists the party in a conversation and returns the name there.
func (p *party) person(c *tally.Chat) string {
	if p == nil {
		return ""
	}
	sort := "username"
	switch {
	case p.id != "":
		sort = "signal"
	case p.aci != "":
		sort = "aci"
	case p.pni != "":
		sort = "pni"
	case p.phone != "":
		sort = "phone"
	}
	name := c.Person(p.label(), sort, p.key())
	if p.aci != "" || p.pni != "" {
		c.Also(name, "pni", p.pni)
		c.Also(name, "phone", p.phone)
		c.Also(name, "username", p.user)
	}
	return name
}

// nativeID is what a message is known by at every party's: who wrote it and when. Where the writer's
// ACI is not known there is none.
func nativeID(p *party, sent int64) string {
	if p == nil || p.aci == "" || sent <= 0 {
		return ""
	}
	return strings.ToLower(p.aci) + ":" + strconv.FormatInt(sent, 10)
}

// groupID names a group by its key without giving the key away.
func groupID(masterKey []byte) string {
	sum := sha256.Sum256(append([]byte("despatch signal group "), masterKey...))
	return "group:" + hex.EncodeToString(sum[:16])
}

// at returns the instant of a count of milliseconds.
func at(ms int64, clock string) capture.Instant {
	raw := strconv.FormatInt(ms, 10)
	if ms <= 0 || ms >= 253402300800000 {
		return capture.Undated(raw)
	}
	return capture.At(raw, ms, "ms", clock)
}

// maybe is at, or nil if there is no time.
func maybe(ms int64, clock string) *capture.Instant {
	if ms <= 0 || ms >= 253402300800000 {
		return nil
	}
	i := at(ms, clock)
	return &i
}

// ms returns the whole number under the keys, which JSON has as a text.
func ms(v *jsonfile.Value, keys ...string) int64 {
	n, _ := v.Int(keys...)
	return n
}
