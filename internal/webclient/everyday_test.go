package webclient_test

import (
	"os"
	"path/filepath"
	"testing"

	"despatch/despatchtest"
)

// TestTwelveThings does what people do every day, on a phone, and counts their steps: a tap, a key
// chord, or one field typed.
func TestTwelveThings(t *testing.T) {
	d := open(t)
	carol, david, elin := d.User(t, "carol"), d.User(t, "david"), d.User(t, "elin")
	d.alice.CreateRoomWith(t, map[string]any{"preset": "private_chat", "name": "The team"}, d.bob, carol, david, elin)
	group := d.alice.CreateRoomWith(t, map[string]any{"preset": "private_chat", "name": "Flood response"}, d.bob)
	d.bob.Send(t, group, "Pumps are on their way from the depot.")
	d.alice.Send(t, d.direct, "My own words")
	d.bob.Send(t, d.direct, "The newest message")
	p := d.sitsDown(t, "alice", phone)

	thing := func(name string, most int, do func()) {
		t.Helper()
		before := p.steps
		do()
		if got := p.steps - before; got > most {
			t.Errorf("%s took %d steps, want at most %d", name, got, most)
		} else {
			t.Logf("%-48s %d of %d", name, got, most)
		}
		p.keepPicture(name)
	}
	back := func() {
		t.Helper()
		p.taps("Back to the list")
		p.until("the list is there", `document.querySelector(".list").getClientRects().length > 0`)
	}

	thing("read the newest message after opening", 1, func() {
		p.taps("Bob")
		p.until("it is in view", `(() => { const r = [...document.querySelectorAll(".message")].at(-1)?.getBoundingClientRect(); return r && r.bottom <= innerHeight; })()`)
		p.sees("The newest message")
	})
	back()
	thing("send a text in a known conversation", 3, func() {
		p.taps("Bob")
		p.types("Message", "On my way")
		p.taps("Send")
		p.until("it is sent", tick)
	})
	thing("reply to one message", 3, func() {
		p.pulls("The newest message")
		p.types("Message", "Thank you")
		p.taps("Send")
		p.until("it quotes", `document.querySelector(".quote")`)
	})
	thing("react", 2, func() {
		p.holds("The newest message")
		p.taps("React ✅")
		p.until("it is there", `document.querySelector(".reaction")`)
	})
	thing("delete a message everywhere", 3, func() {
		p.until("it is on the record", tick+` !== "Waiting to be sent"`)
		p.holds("On my way")
		p.taps("Delete")
		p.taps("Delete for everyone")
		p.sees("Deleted. It stays on the official record.")
	})
	thing("switch on disappearing messages", 3, func() {
		p.taps("Disappearing messages: off")
		p.taps("24 hours")
		p.sees("Disappears from devices after 24 hours.")
	})
	back()
	thing("start a conversation with a colleague by name", 3, func() {
		p.taps("New conversation")
		p.types("Name of a colleague", "car")
		p.taps("Carol")
		p.until("it is open", `document.querySelector(".composer textarea")`)
	})
	back()
	thing("make a group of five and name it", 8, func() {
		p.taps("New conversation")
		p.taps("New group")
		for _, name := range []string{"Bob", "Carol", "David", "Elin"} {
			p.taps(name)
		}
		p.types("Name of the group", "Sandbags")
		p.taps("Make the group of 5")
		p.until("it is open", `document.querySelector(".head-name")?.textContent === "Sandbags"`)
		p.sees("5 people")
	})
	back()
	thing("find an old message", 2, func() {
		p.types("Find people, conversations, messages", "depot")
		p.until("it is found", `document.querySelector(".hit")`)
		p.taps("Flood response")
		p.sees("Pumps are on their way from the depot.")
	})
	back()

	t.Run("photo", func(t *testing.T) {
		p.t = t
		p.taps("Clear")
		file := filepath.Join(t.TempDir(), "photo.jpg")
		if err := os.WriteFile(file, photoWithPlace(t, 640, 480), 0o600); err != nil {
			t.Fatal(err)
		}
		thing("send a photo", 4, func() {
			p.taps("Bob")
			p.taps("Attach a photo or file")
			p.chooses(file)
			p.until("it is to be sent", `document.querySelector(".attached img")`)
			p.taps("Send")
			p.until("it is there", `document.querySelector(".picture img")`)
		})
		back()
	})
	t.Run("capture", func(t *testing.T) {
		p.t = t
		file := filepath.Join(t.TempDir(), "WhatsApp Chat with Ward 7.txt")
		if err := os.WriteFile(file, []byte(chat), 0o600); err != nil {
			t.Fatal(err)
		}
		thing("put a WhatsApp chat on the record", 3, func() {
			p.taps("Put on the record")
			p.until("it can be chosen", chooser)
			p.chooses(file)
			p.sees("Nothing was lost: all 4 lines of the file are accounted for.")
			p.taps("Put it on the record")
			p.sees("is on the record.")
		})
		p.taps("Done")
	})
	p.t = t
	thing("lock out a lost phone", 3, func() {
		p.taps("You: Alice")
		p.taps("I have lost a phone")
		p.taps("Sign out everywhere")
		p.sees("Every phone and computer has been signed out")
	})
	if status, _ := d.alice.Do(t, "GET", "/_matrix/client/v3/account/whoami", nil); status != 401 {
		t.Errorf("the lost phone is still signed in: %d", status)
	}
	p.signsIn("alice", despatchtest.Password)
}

// chat is an export whose days cannot be taken for months.
const chat = `13/04/2021, 10:15 - Messages and calls are end-to-end encrypted. No one outside of this chat, not even WhatsApp, can read or listen to them. Tap to learn more.
13/04/2021, 10:15 - Asha Rao: Bed 4 is free from noon.
13/04/2021, 10:17 - Ben Carter: Thanks. Taking Mrs H there.
27/04/2021, 08:02 - Asha Rao: Who has the keys?
`
