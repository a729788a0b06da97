package webclient_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"despatch/despatchtest"
	"despatch/internal/capture/office"
	"despatch/internal/identity"
)

// furnish fills a department with what the screens can show: long words, two directions of writing,
// a reply, reactions, a deletion, a marking, an invitation.
func furnish(t *testing.T, d *department) {
	t.Helper()
	group := d.alice.CreateRoomWith(t, map[string]any{"preset": "private_chat", "name": "Flood response, north: gauges, pumps and rest centres"}, d.bob)
	d.alice.SetState(t, group, "org.despatch.classification", "", map[string]any{"marking": "OFFICIAL-SENSITIVE"})
	d.bob.Send(t, group, "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft")
	id := d.bob.Send(t, group, "Levels: https://flood.example.gov.uk/aire/levels?"+strings.Repeat("station=3&", 20))
	d.bob.SendContent(t, group, "m.reaction", map[string]any{"m.relates_to": map[string]any{"rel_type": "m.annotation", "event_id": id, "key": "👍"}})
	d.bob.Send(t, group, "مرحبا، هل وصل التقرير؟ 👏")
	d.bob.SendContent(t, group, "m.room.message", map[string]any{"msgtype": "m.text", "body": "It has.",
		"m.relates_to": map[string]any{"m.in_reply_to": map[string]any{"event_id": id}}})
	gone := d.alice.Send(t, group, "wrong window")
	d.alice.Redact(t, group, gone)
	d.alice.Send(t, group, "Mine")
	d.bob.Send(t, d.direct, "🎉")
	ruth := d.User(t, "ruth", identity.Staff, identity.Records)
	due := d.Office.Now().Add(72 * time.Hour)
	if _, err := d.Office.Ask(t.Context(), ruth.ID, office.Ask{Person: d.alice.ID, Why: "case", Ref: "FOI-2026-0014", What: "Your copies of the WhatsApp group قسم 7, and of " + strings.Repeat("unbroken", 12), Due: due}); err != nil {
		t.Fatal(err)
	}
	status, raw := d.bob.Do(t, "POST", "/_matrix/client/v3/createRoom", map[string]any{"preset": "private_chat", "name": "Procurement board", "invite": []any{d.alice.ID}})
	if status != 200 {
		t.Fatalf("createRoom = %d %s", status, raw)
	}
}

// walk shows every screen and sheet, one after the other, to look.
func walk(t *testing.T, p *person, look func(name string)) {
	t.Helper()
	narrow := ask[bool](p, "innerWidth < 700")
	look("list")
	p.types("Find people, conversations, messages", "levels")
	p.until("something is found", `document.querySelector(".hit")`)
	look("found")
	p.taps("Clear")
	p.taps("New conversation")
	p.until("colleagues are there", `document.querySelector("dialog .people-list li")`)
	look("new conversation")
	p.taps("New group")
	p.taps("Bob")
	look("new group")
	p.presses(kb.Escape)
	p.taps("You: Alice")
	look("you")
	p.taps("I have lost a phone")
	look("lost phone")
	p.presses(kb.Escape)
	p.presses(kb.Escape)
	walkCapture(t, p, look)
	p.opens("Flood response")
	p.sees("Mine")
	look("conversation")
	p.taps("2 people")
	p.until("people are there", `document.querySelector("dialog .people-list li")`)
	look("people")
	p.presses(kb.Escape)
	p.taps("Disappearing messages")
	look("timer")
	p.presses(kb.Escape)
	p.taps("Find in this conversation")
	p.types("Words to find", "levels")
	p.until("something is found", `document.querySelector("dialog .hit")`)
	look("search")
	p.presses(kb.Escape)
	p.types("Message", "UK SECRET")
	p.taps("Send")
	p.sees("It has not been sent.")
	look("refusal")
	p.presses(kb.Escape)
	ask[bool](p, `([...document.querySelectorAll("[data-event]")].at(-1).focus(), true)`)
	p.presses(kb.Enter)
	p.until("the menu is there", `document.querySelector("dialog.menu")`)
	look("menu")
	p.taps("Receipt")
	p.sees("On the record as no.")
	look("receipt")
	p.presses(kb.Escape)
	ask[bool](p, `([...document.querySelectorAll("[data-event]")].at(-1).focus(), true)`)
	p.presses(kb.Delete)
	p.sees("Delete this message?")
	look("delete")
	p.presses(kb.Escape)
	if narrow {
		p.taps("Back to the list")
	}
}

// TestAccessible asks axe about every screen, in the light and in the dark.
func TestAccessible(t *testing.T) {
	axe, err := os.ReadFile(filepath.Join(nodeModules(t), "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	d := open(t)
	furnish(t, d)
	for _, s := range []screen{phone, {width: 360, height: 740, touch: true, dark: true}, laptop, {width: 1440, height: 900, dark: true}} {
		name := fmt.Sprintf("%dx%d", s.width, s.height)
		if s.dark {
			name += "-dark"
		}
		t.Run(name, func(t *testing.T) {
			p := visit(t, d.browser, d.URL, s)
			p.until("the page is there", `document.querySelector("form")`)
			ask[bool](p, string(axe)+";true")
			look := func(screen string) {
				t.Helper()
				p.until("nothing moves", `document.getAnimations().every((a) => a.effect.getTiming().iterations === Infinity || a.playState !== "running")`)
				found := ask[[]string](p, `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
					.then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.target.join(" ") + " " + n.failureSummary)))`)
				for _, f := range found {
					t.Errorf("%s: %s", screen, f)
				}
				p.keepPicture(strings.ReplaceAll(screen, " ", "-"))
			}
			look("sign in")
			p.signsIn("alice", despatchtest.Password)
			walk(t, p, look)
		})
	}
}

// TestNarrow looks for anything wider than a screen of 320 pixels, which is also a laptop at 400 %.
func TestNarrow(t *testing.T) {
	d := open(t)
	furnish(t, d)
	p := d.sitsDown(t, "alice", screen{width: 320, height: 640, touch: true})
	walk(t, p, func(name string) {
		t.Helper()
		wide := ask[[]string](p, `[...document.querySelectorAll("body, body *")].filter((e) => {
			const r = e.getBoundingClientRect(), s = getComputedStyle(e);
			return r.width > 0 && s.clipPath === "none" && (r.right > innerWidth + 1 || r.left < -1) && !e.closest("svg, .row-last, .hidden");
		}).map((e) => e.tagName + "." + e.className + " " + Math.round(e.getBoundingClientRect().right)).slice(0, 5)`)
		if ask[bool](p, `document.documentElement.scrollWidth > innerWidth`) || len(wide) > 0 {
			t.Errorf("%s is wider than the screen: %q", name, wide)
		}
		p.keepPicture(strings.ReplaceAll(name, " ", "-"))
	})
	small := ask[[]string](p, `[...document.querySelectorAll("button, a[href], input")].filter((e) => {
		const r = e.getBoundingClientRect();
		return r.width > 0 && e.getClientRects().length && (r.width < 24 || r.height < 24);
	}).map((e) => e.outerHTML.slice(0, 100))`)
	if len(small) > 0 {
		t.Errorf("too small to be tapped: %q", small)
	}
}

// TestInvitation accepts an invitation by one tap.
func TestInvitation(t *testing.T) {
	d := open(t)
	alice := d.sitsDown(t, "alice", phone)
	if status, raw := d.bob.Do(t, "POST", "/_matrix/client/v3/createRoom", map[string]any{"preset": "private_chat", "name": "Procurement board", "invite": []any{d.alice.ID}}); status != 200 {
		t.Fatalf("createRoom = %d %s", status, raw)
	}
	alice.sees("Bob invites you")
	before := alice.steps
	alice.taps("Procurement board")
	alice.until("it is open", `document.querySelector(".composer textarea")`)
	if got := alice.steps - before; got != 1 {
		t.Errorf("took %d steps, want 1", got)
	}
	alice.sees("2 people")
	alice.writes("Thank you")
	alice.until("it is sent", tick+` === "On the record" || `+tick+` === "Delivered"`)
}
