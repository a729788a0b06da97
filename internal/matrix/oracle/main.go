// Oracle writes what another implementation of Matrix, gomatrixserverlib, makes of events and rooms: the test
// data of packages matrix and eventauth. It shares no code with them and is a module of its own, so that
// Despatch does not depend on the library.
//
//	cd internal/matrix/oracle && go run .
//
// Its choices are random but always the same.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"math/rand/v2"
	"os"

	gmsl "github.com/matrix-org/gomatrixserverlib"
)

func main() {
	log.SetFlags(0)
	if err := writeLines("../testdata/events.jsonl", events()); err != nil {
		log.Fatal(err)
	}
	if err := writeLines("../../eventauth/testdata/rooms.jsonl", rooms()); err != nil {
		log.Fatal(err)
	}
}

func writeLines[T any](name string, values []T) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for _, v := range values {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	fmt.Println(name, len(values), "lines", out.Len(), "bytes")
	return os.WriteFile(name, out.Bytes(), 0o644)
}

// object is a JSON object that is being made up.
type object = map[string]any

// vector is an event and what is known about it.
type vector struct {
	Version     string          `json:"version"`
	Event       string          `json:"event"`        // as another server might send it
	ContentHash string          `json:"content_hash"` // unpadded base64
	ID          string          `json:"id"`
	Redacted    json.RawMessage `json:"redacted"`
}

// finish gives an event its content hash and has the library read it.
func finish(v gmsl.RoomVersion, event object) (gmsl.PDU, string, error) {
	delete(event, "hashes")
	canonical, err := gmsl.EnforcedCanonicalJSON(marshal(event), v)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(canonical)
	hash := base64.RawStdEncoding.EncodeToString(sum[:])
	event["hashes"] = object{"sha256": hash}
	pdu, err := gmsl.MustGetRoomVersion(v).NewEventFromUntrustedJSON(marshal(event))
	if err == nil && pdu.Redacted() {
		err = fmt.Errorf("the library computes another content hash: %s", canonical)
	}
	return pdu, hash, err
}

func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		log.Fatal(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// events makes events of all types that the redaction rules speak of, and of some others.
func events() (vectors []vector) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, v := range []gmsl.RoomVersion{gmsl.RoomVersionV10, gmsl.RoomVersionV11, gmsl.RoomVersionV12} {
		impl := gmsl.MustGetRoomVersion(v)
		for i := range 60 {
			event := randomEvent(r, v, i)
			pdu, hash, err := finish(v, event)
			if err != nil {
				log.Fatalf("version %s, event %d: %v", v, i, err)
			}
			redacted, err := impl.RedactEventJSON(pdu.JSON())
			if err != nil {
				log.Fatal(err)
			}
			if redacted, err = gmsl.CanonicalJSON(redacted); err != nil {
				log.Fatal(err)
			}
			sent := marshal(event)
			if r.IntN(2) == 0 {
				var indented bytes.Buffer
				json.Indent(&indented, sent, " ", "\t")
				sent = indented.Bytes()
			}
			vectors = append(vectors, vector{string(v), string(sent), hash, pdu.EventID(), redacted})
		}
	}
	return vectors
}

var eventTypes = []string{"m.room.message", "m.room.member", "m.room.create", "m.room.join_rules", "m.room.power_levels",
	"m.room.history_visibility", "m.room.redaction", "m.room.aliases", "m.room.topic", "org.example.\"odd\"\\type/é"}

func randomEvent(r *rand.Rand, v gmsl.RoomVersion, i int) object {
	typ := eventTypes[i%len(eventTypes)]
	event := object{
		"type": typ, "sender": pick(r, users), "depth": r.IntN(1 << 20), "origin_server_ts": 1700000000000 + r.Int64N(1e11),
		"prev_events": randomIDs(r, r.IntN(3)), "auth_events": randomIDs(r, r.IntN(5)),
		"room_id": "!room:despatch.example", "content": randomContent(r, typ),
	}
	if v == gmsl.RoomVersionV12 {
		event["room_id"] = "!" + randomIDs(r, 1)[0][1:]
	}
	if typ != "m.room.message" && typ != "m.room.redaction" {
		event["state_key"] = pick(r, []string{"", "@someone:despatch.example", "quote\" slash\\ tab\t"})
	}
	if typ == "m.room.create" {
		event["state_key"] = ""
		event["prev_events"], event["auth_events"] = []string{}, []string{}
		if v == gmsl.RoomVersionV12 {
			delete(event, "room_id")
		}
	}
	more := []struct {
		key   string
		value any
	}{
		{"org.despatch.salt", "c2FsdHNhbHRzYWx0c2FsdA"}, {"origin", "despatch.example"}, {"prev_state", []string{}},
		{"membership", "join"}, {"redacts", randomIDs(r, 1)[0]}, {"org.example.more", randomValue(r, 2)},
	}
	for _, m := range more {
		if r.IntN(3) == 0 {
			event[m.key] = m.value
		}
	}
	return event
}

func randomIDs(r *rand.Rand, n int) []string {
	ids := []string{}
	for range n {
		var hash [32]byte
		for i := range hash {
			hash[i] = byte(r.Uint32())
		}
		ids = append(ids, "$"+base64.RawURLEncoding.EncodeToString(hash[:]))
	}
	return ids
}

// randomContent has the members that redaction may keep, and others.
func randomContent(r *rand.Rand, typ string) object {
	content := object{}
	keys := []string{"body", "membership", "creator", "join_rule", "allow", "ban", "events", "events_default", "invite", "kick",
		"redact", "state_default", "users", "users_default", "history_visibility", "redacts", "aliases", "reason", "m.relates_to",
		"join_authorised_via_users_server", "room_version", "additional_creators", "Ünïcode", "\u2028", "\U0010ffff", "\uffff", "a", "aa", "A"}
	for _, key := range keys {
		if r.IntN(2) == 0 {
			content[key] = randomValue(r, 2)
		}
	}
	if typ == "m.room.create" {
		content["room_version"] = "11"
	}
	return content
}

var texts = []string{"", "text", "“quoted”", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "日本語 🏛️ \U0010ffff", "<b>&amp;</b>\u2028\u2029", "é", "e\u0301", "\uffff"}

// names have nothing that would have to be escaped: the library damages such names.
var names = []string{"", "a", "b", "日本語", "🏛️", "é", "e\u0301", "\uffff", "\U0010ffff"}

func randomValue(r *rand.Rand, depth int) any {
	kind := r.IntN(7)
	if depth == 0 {
		kind = r.IntN(5)
	}
	switch kind {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return []int64{0, 1, -1, 50, 100, 1<<53 - 1, -(1<<53 - 1), 1234567890123}[r.IntN(8)]
	case 3, 4:
		return pick(r, texts)
	case 5:
		list := []any{}
		for range r.IntN(4) {
			list = append(list, randomValue(r, depth-1))
		}
		return list
	}
	o := object{}
	for range r.IntN(5) {
		o[pick(r, names)+pick(r, names)] = randomValue(r, depth-1)
	}
	return o
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }
