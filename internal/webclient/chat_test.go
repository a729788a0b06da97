package webclient_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"despatch/despatchtest"
	"despatch/internal/matrix"
)

// department is a server with some people, and a browser.
type department struct {
	*despatchtest.Server
	browser    context.Context
	alice, bob *despatchtest.User
	direct     matrix.RoomID // of Alice and Bob
}

func open(t *testing.T) *department {
	t.Helper()
	browser := chromium(t) // first, because without one there is nothing to do
	d := &department{Server: despatchtest.Start(t), browser: browser}
	d.alice, d.bob = d.User(t, "alice"), d.User(t, "bob")
	d.direct = d.alice.CreateRoomWith(t, map[string]any{"preset": "trusted_private_chat", "is_direct": true}, d.bob)
	return d
}

// sitsDown has somebody sign in at a screen.
func (d *department) sitsDown(t *testing.T, name string, s screen) *person {
	t.Helper()
	p := visit(t, d.browser, d.URL, s)
	p.signsIn(name, despatchtest.Password)
	return p
}

// tick is the state of the last own message, as it is read out.
const tick = `[...document.querySelectorAll(".timeline .mine .ticks")].at(-1)?.getAttribute("aria-label")`

func TestTwoPeopleChat(t *testing.T) {
	d := open(t)
	alice := d.sitsDown(t, "alice", laptop)
	bob := d.sitsDown(t, "bob", phone)
	alice.opens("Bob")

	alice.writes("Are you still at your desk?")
	alice.until("it is on the record", tick+` === "On the record" || `+tick+` === "Delivered"`)
	bob.sees("Are you still at your desk?") // in the list
	bob.until("it counts as unread", `document.querySelector(".badge")`)
	bob.opens("Alice")
	alice.until("it has been read", tick+` === "Read"`)

	bob.types("Message", "Until six")
	alice.sees("Bob is typing")
	bob.taps("Send")
	alice.sees("Until six")
	alice.until("it is read out", `document.querySelector("[role=log]").textContent.includes("Bob: Until six")`)

	bob.pulls("Are you still at your desk?")
	bob.sees("Replying to Alice")
	bob.writes("Yes, and the box is here")
	alice.until("the reply quotes", `[...document.querySelectorAll(".quote")].some((q) => q.textContent.includes("Are you still at your desk?"))`)

	// On the laptop everything goes by the keyboard.
	alice.writes("Teh box?")
	bob.sees("Teh box?")
	alice.until("it is on the record", tick+` !== "Waiting to be sent"`)
	alice.presses(kb.ArrowUp)
	alice.presses("e")
	alice.until("it can be edited", `document.querySelector(".composer textarea").value === "Teh box?"`)
	ask[bool](alice, `(document.querySelector(".composer textarea").select(), true)`)
	alice.do(insert("The red box?"))
	alice.presses(kb.Enter)
	bob.sees("The red box?")
	bob.seesNoMore("Teh box?")

	bob.holds("The red box?")
	bob.taps("React 👍")
	alice.until("the reaction is there", `document.querySelector(".reaction")?.textContent.includes("👍")`)

	alice.presses(kb.ArrowUp)
	alice.presses(kb.Delete)
	alice.taps("Delete for everyone")
	bob.sees("Deleted. It stays on the official record.")
	bob.seesNoMore("The red box?")
	alice.seesNoMore("The red box?")
	alice.keepPicture("end")
	bob.keepPicture("end")
	d.CheckRecord(t)
}

// TestPhoto sends a photo with a place in it, and looks for the place in what arrives.
func TestPhoto(t *testing.T) {
	d := open(t)
	alice := d.sitsDown(t, "alice", phone)
	bob := d.sitsDown(t, "bob", laptop)
	alice.opens("Bob")
	bob.opens("Alice")

	file := filepath.Join(t.TempDir(), "IMG_0001.jpg")
	if err := os.WriteFile(file, photoWithPlace(t, 1200, 800), 0o600); err != nil {
		t.Fatal(err)
	}
	alice.taps("Attach a photo or file")
	alice.chooses(file)
	alice.until("the photo is to be sent", `document.querySelector(".attached img")`)
	alice.taps("Send")
	bob.until("the frame of the photo has its size", `(() => { const r = document.querySelector(".picture")?.getBoundingClientRect(); return r && Math.abs(r.width / r.height - 1.5) < 0.02; })()`)
	bob.until("the photo is there", `document.querySelector(".picture img")?.naturalWidth > 0`)
	bob.taps("Photo from Alice")
	bob.until("the photo is shown large", `document.querySelector(".viewer img")?.naturalWidth === 1200`)
	photo := d.bob.Messages(t, d.direct, 1)[0]
	uri, _ := photo.Content["url"].(string)
	status, raw := d.bob.Do(t, "GET", "/_matrix/client/v1/media/download/"+strings.TrimPrefix(uri, "mxc://"), nil)
	if status != http.StatusOK || len(raw) < 1000 {
		t.Errorf("download of %q = %d with %d bytes", uri, status, len(raw))
	}
	if bytes.Contains(raw, []byte("Exif")) || bytes.Contains(raw, []byte("53.7N")) {
		t.Error("the photo still has in it where it was taken")
	}
	bob.keepPicture("viewer")
	bob.presses(kb.Escape)

	notes := filepath.Join(t.TempDir(), "notes.csv")
	if err := os.WriteFile(notes, []byte("a,b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	alice.taps("Attach a photo or file")
	alice.chooses(notes)
	alice.taps("Send")
	bob.sees("notes.csv")
}

// photoWithPlace is a JPEG with an Exif block.
func photoWithPlace(t *testing.T, w, h int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.RGBA{uint8(40 + 80*y/h), uint8(120 + 60*x/w), uint8(150 + 80*y/h), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	exif := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00 53.7N 1.7W")
	head := append([]byte{0xff, 0xd8, 0xff, 0xe1, byte((len(exif) + 2) >> 8), byte(len(exif) + 2)}, exif...)
	return append(head, b.Bytes()[2:]...)
}

func TestDisappears(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for half a minute")
	}
	d := open(t)
	alice := d.sitsDown(t, "alice", laptop)
	bob := d.sitsDown(t, "bob", phone)
	alice.opens("Bob")
	bob.opens("Alice")
	alice.taps("Disappearing messages: off")
	alice.taps("30 seconds")
	bob.sees("Disappears from devices after 30 seconds. The record keeps it.")
	alice.writes("For your eyes, now")
	bob.sees("For your eyes, now")
	id := ask[string](bob, `[...document.querySelectorAll("[data-event]")].at(-1).dataset.event`)
	for end := time.Now().Add(45 * time.Second); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if ask[bool](bob, `document.body.innerText.includes("Disappeared.")`) {
			break
		}
	}
	for _, p := range []*person{alice, bob} {
		p.sees("Disappeared. It stays on the official record.")
		p.seesNoMore("For your eyes, now")
	}
	alice.keepPicture("gone")
	if d.Entry(t, matrix.EventID(id)).Pos < 0 {
		t.Error("the message is not on the record")
	}
	d.CheckRecord(t)
}

func TestReceiptIsChecked(t *testing.T) {
	d := open(t)
	d.alice.Send(t, d.direct, "Agreed, with the second option.")
	alice := d.sitsDown(t, "alice", phone)
	alice.opens("Bob")
	alice.holds("Agreed, with the second option.")
	alice.taps("Receipt")
	alice.sees("On the record as no.")
	alice.taps("Check it yourself")
	alice.sees("Checked in this browser: this message is no.")
	alice.keepPicture("receipt")
}

// TestForgedReceipts changes one thing after the other in a receipt: the browser must find each.
func TestForgedReceipts(t *testing.T) {
	d := open(t)
	id := d.alice.Send(t, d.direct, "Agreed, with the second option.")
	for i := range 20 {
		d.bob.Send(t, d.direct, fmt.Sprintf("more, so that the tree has some height: %d", i))
	}
	p := d.sitsDown(t, "alice", laptop)
	status, receipt := d.alice.Do(t, "GET", "/_despatch/v1/receipt/"+url.PathEscape(string(d.direct))+"/"+url.PathEscape(string(id)), nil)
	if status != http.StatusOK {
		t.Fatalf("receipt = %d %s", status, receipt)
	}
	const words = "Agreed, with the second option."
	check := func(change, words string) string {
		return ask[string](p, `(async () => {
			const { check } = await import(document.querySelector("script[type=module]").src.replace("main.js", "proof.js"));
			const r = `+string(receipt)+`;
			const flip = (s, at) => { const b = Uint8Array.from(atob(s), (c) => c.charCodeAt(0)); b[at] ^= 1; return btoa(String.fromCharCode(...b)); };
			const lines = r.proof.split("\n");
			`+change+`;
			try { const c = await check(r, `+quote(words)+`); return "holds " + c.signature + " " + c.message; } catch (e) { return "refused: " + e.message; }
		})()`)
	}
	if got := check("", words); got != "holds true true" {
		t.Errorf("the receipt as it came: %s, want that it holds, with its signature and its message", got)
	}
	for name, change := range map[string]string{
		"another position":          `r.position++`,
		"a bit of the entry":        `r.entry = flip(r.entry, 5)`,
		"a bit of the body":         `r.body = flip(r.body, 20)`,
		"a bit of the salt":         `r.salt = flip(r.salt, 0)`,
		"the index in the proof":    `lines[1] = "index " + (r.position + 1); r.position++; r.proof = lines.join("\n")`,
		"a hash in the proof":       `lines[2] = flip(lines[2], 0); r.proof = lines.join("\n")`,
		"a hash less":               `lines.splice(2, 1); r.proof = lines.join("\n")`,
		"a hash more":               `lines.splice(2, 0, lines[2]); r.proof = lines.join("\n")`,
		"the size of the record":    `{ const i = lines.indexOf("") + 2; lines[i] = String(+lines[i] + 1); r.proof = lines.join("\n"); }`,
		"the root":                  `{ const i = lines.indexOf("") + 3; lines[i] = flip(lines[i], 0); r.proof = lines.join("\n"); }`,
		"the signature":             `{ const i = lines.findLastIndex((l) => l.startsWith("— ")); const [dash, who, sig] = lines[i].split(" "); lines[i] = [dash, who, flip(sig, 20)].join(" "); r.proof = lines.join("\n"); }`,
		"the name of the record":    `{ const i = lines.indexOf("") + 1; lines[i] = "other.example"; r.proof = lines.join("\n"); }`,
		"a key of somebody else":    `{ const at = r.vkey.lastIndexOf("+", r.vkey.indexOf("+") + 9); r.vkey = r.vkey.slice(0, at + 1) + flip(r.vkey.slice(at + 1), 7); }`,
		"no signature at all":       `r.proof = lines.slice(0, lines.findLastIndex((l) => l.startsWith("— "))).join("\n") + "\n"`,
		"another sort of proof":     `lines[0] = "c2sp.org/tlog-proof@v2"; r.proof = lines.join("\n")`,
		"what is not a proof":       `r.proof = "yes, it is on the record"`,
		"an entry that is too long": `r.entry = btoa(atob(r.entry) + "x")`,
	} {
		if got := check(change, words); !strings.HasPrefix(got, "refused: ") {
			t.Errorf("with %s changed: %s, want that it is refused", name, got)
		}
	}
	if got := check("", "Agreed, with the first option."); !strings.HasPrefix(got, "refused: ") {
		t.Errorf("for other words: %s, want that it is refused", got)
	}
}

// TestStrangeContent shows what no decent client would send: everything is text, and nothing breaks.
func TestStrangeContent(t *testing.T) {
	d := open(t)
	id := d.bob.Send(t, d.direct, `<img src=x onerror="document.title='broken'"><script>document.title='broken'</script> javascript:alert(1)`)
	type m = map[string]any
	for _, content := range []m{
		{"msgtype": "m.text", "body": 5},
		{"msgtype": nil, "body": nil},
		{"msgtype": "m.text"},
		{"body": "no kind at all"},
		{"msgtype": "m.image", "body": "x", "url": "javascript:alert(1)", "info": m{"w": "wide", "h": -1}},
		{"msgtype": "m.image", "body": "x", "url": "mxc://elsewhere.example/../../x", "info": 7},
		{"msgtype": "m.file", "body": "../../etc/passwd\u202etxt.exe", "url": 3, "info": m{"size": "big"}},
		{"msgtype": "m.text", "body": "to nothing", "m.relates_to": "x"},
		{"msgtype": "m.text", "body": "to a number", "m.relates_to": m{"m.in_reply_to": 7}},
		{"msgtype": "m.text", "body": "in reply to what is not there", "m.relates_to": m{"m.in_reply_to": m{"event_id": "$nothing"}}},
		{"msgtype": "m.text", "body": "* forged", "m.new_content": m{"msgtype": "m.text", "body": "forged by Bob"}, "m.relates_to": m{"rel_type": "m.replace", "event_id": string(d.alice.Send(t, d.direct, "Alice said this"))}},
		{"msgtype": "m.text", "body": "mentions", "m.mentions": m{"user_ids": []any{1, nil, "@nobody:x"}}},
		{"msgtype": "m.text", "body": strings.Repeat("a\u0301", 2000) + strings.Repeat("\n", 200)},
		{"msgtype": "m.text", "body": "\u202eevil \u2066\u2067 \u0000"},
		{"msgtype": "org.example.game", "body": "of a kind nobody knows"},
	} {
		d.bob.SendContent(t, d.direct, "m.room.message", content)
	}
	d.bob.SendContent(t, d.direct, "m.reaction", m{"m.relates_to": m{"rel_type": "m.annotation", "event_id": string(id), "key": strings.Repeat("x", 300)}})
	d.bob.SendContent(t, d.direct, "m.reaction", m{"m.relates_to": 3})
	d.bob.SendContent(t, d.direct, "org.example.unknown", m{"a": 1})
	d.bob.Send(t, d.direct, "The end")
	for _, s := range []screen{laptop, phone} {
		alice := d.sitsDown(t, "alice", s)
		alice.opens("Bob")
		alice.sees("The end")
		alice.sees("<script>document.title='broken'</script>")
		alice.sees("Alice said this")
		alice.seesNoMore("forged by Bob")
		alice.sees("of a kind nobody knows")
		if got := ask[string](alice, "document.title"); strings.Contains(got, "broken") {
			t.Errorf("the title is %q: something in a message was run", got)
		}
		if n := ask[int](alice, `document.querySelectorAll("a[href^='javascript']").length`); n > 0 {
			t.Errorf("%d links run something", n)
		}
		alice.keepPicture(fmt.Sprint(s.width))
	}
}

// TestRefusesAMarkingTooHigh writes what Despatch is not built for.
func TestRefusesAMarkingTooHigh(t *testing.T) {
	d := open(t)
	alice := d.sitsDown(t, "alice", laptop)
	alice.opens("Bob")
	alice.types("Message", "UK SECRET: the plan")
	alice.sees("This looks like SECRET. Despatch is not built for SECRET: use your department’s system for it.")
	alice.presses(kb.Enter)
	alice.sees("It has not been sent.")
	if got := d.bob.Messages(t, d.direct, 1)[0].Body(); got != "" {
		t.Errorf("%q was sent", got)
	}
}

// TestTwoTabs signs out in one tab and looks at the other.
func TestTwoTabs(t *testing.T) {
	d := open(t)
	d.alice.Send(t, d.direct, "In both tabs")
	first := d.sitsDown(t, "bob", laptop)
	first.opens("Alice")
	second := &person{t: t, url: d.URL}
	ctx, cancel := chromedp.NewContext(first.ctx, chromedp.WithListener(second.hear)) // the same profile
	t.Cleanup(cancel)
	second.ctx = ctx
	second.look(laptop)
	second.do(chromedp.Navigate(d.URL + "/"))
	second.sees("In both tabs")
	first.writes("From the first tab")
	second.sees("From the first tab")
	first.taps("You: Bob")
	first.taps("Sign out here")
	first.until("the form is there", `document.querySelector("form input[type=password]")`)
	second.until("the other tab has the form", `document.querySelector("form input[type=password]")`)
	second.seesNoMore("In both tabs")
	if len(second.problems) > 0 {
		t.Errorf("the browser complains: %q", second.problems)
	}
}

func TestSendsItselfWhenTheNetworkIsBack(t *testing.T) {
	d := open(t)
	alice := d.sitsDown(t, "alice", laptop)
	bob := d.sitsDown(t, "bob", laptop)
	alice.until("the app is kept", `navigator.serviceWorker.ready.then((r) => r.active?.state === "activated")`)
	alice.opens("Bob")
	bob.opens("Alice")
	alice.offline(true)
	alice.writes("From the train")
	alice.writes("Second, from the train")
	alice.until("it waits", tick+` === "Waiting to be sent"`)
	alice.do(chromedp.Reload()) // as a phone does with a tab that it had no room for; the worker has the app
	alice.until("the app is there without a network", `document.querySelector(".list")`)
	alice.offline(false)
	bob.sees("Second, from the train")
	got := ask[[]string](bob, `[...document.querySelectorAll(".message .text")].map((e) => e.textContent)`)
	if want := []string{"From the train", "Second, from the train"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("arrived %q, want %q", got, want)
	}
	alice.forgive("ERR_INTERNET_DISCONNECTED", "Failed to fetch")
}

func (p *person) offline(yes bool) {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		conditions := []*network.Conditions{}
		if yes {
			conditions = append(conditions, &network.Conditions{Offline: true, DownloadThroughput: -1, UploadThroughput: -1})
		}
		worker := yes
		_, err := cdp.Call(ctx, t, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			EmulateOfflineServiceWorker: &worker, MatchedNetworkConditions: conditions})
		return err
	}))
}

// forgive takes back complaints of the browser that a test provoked.
func (p *person) forgive(words ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var left []string
	for _, c := range p.problems {
		provoked := false
		for _, w := range words {
			provoked = provoked || strings.Contains(c, w)
		}
		if !provoked {
			left = append(left, c)
		}
	}
	p.problems = left
}

// TestLongHistory reads back through a long conversation: nothing jumps, and the page does not grow
// without end.
func TestLongHistory(t *testing.T) {
	d := open(t)
	const messages = 1000
	for i := range messages {
		d.alice.Send(t, d.direct, fmt.Sprintf("Message number %d", i))
	}
	bob := d.sitsDown(t, "bob", phone)
	bob.opens("Alice")
	bob.sees(fmt.Sprintf("Message number %d", messages-1))
	bob.until("the newest is in view", `(() => { const t = document.querySelector(".timeline"); return Math.abs(t.scrollTop) < 2; })()`)

	jumped := ask[string](bob, `(async () => {
		const t = document.querySelector(".timeline");
		const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
		let worst = 0, most = 0;
		for (let i = 0; i < 900; i++) {
			const box = t.getBoundingClientRect();
			const el = document.elementsFromPoint(box.left + box.width / 2, box.top + 200).map((e) => e.closest("[data-event]")).find(Boolean);
			const id = el?.dataset.event, before = el?.getBoundingClientRect().top;
			const from = t.scrollTop;
			t.scrollBy(0, -300);
			await frame();
			const again = id && document.querySelector('[data-event="' + CSS.escape(id) + '"]');
			const moved = again ? again.getBoundingClientRect().top - before : 0; // by as much as was asked, or less at the top
			worst = Math.max(worst, moved - 300, -moved);
			most = Math.max(most, document.querySelectorAll(".message").length);
			if (document.body.innerText.includes("Message number 0\n")) return "reached;" + worst + ";" + most;
			if (t.scrollTop === from) await new Promise((done) => setTimeout(done, 30));
		}
		return "not reached;" + worst + ";" + most;
	})()`)
	var reached string
	var worst float64
	var most int
	parts := strings.Split(jumped, ";")
	reached = parts[0]
	fmt.Sscan(parts[1], &worst)
	fmt.Sscan(parts[2], &most)
	if reached != "reached" {
		t.Errorf("the first message was %s", reached)
	}
	if worst > 4 {
		t.Errorf("something jumped by %.0f px", worst)
	}
	if most > 520 {
		t.Errorf("%d messages were in the page at once", most)
	}
	bob.taps("Go to the newest message")
	bob.sees(fmt.Sprintf("Message number %d", messages-1))

	// What is written meanwhile does not move what is being read.
	ask[bool](bob, `(document.querySelector(".timeline").scrollTop = -600, true)`)
	time.Sleep(300 * time.Millisecond)
	id := ask[string](bob, `(() => { const t = document.querySelector(".timeline").getBoundingClientRect(); return document.elementsFromPoint(t.left + 100, t.top + 160).map((e) => e.closest("[data-event]")).find(Boolean).dataset.event; })()`)
	place := `Math.round(document.querySelector('[data-event="` + id + `"]').getBoundingClientRect().top)`
	before := ask[int](bob, place)
	d.alice.Send(t, d.direct, "A new one\nof several\nlines")
	bob.until("it arrived", `document.body.innerText.includes("of several")`)
	time.Sleep(100 * time.Millisecond)
	if after := ask[int](bob, place); after != before {
		t.Errorf("what was read moved from %d to %d", before, after)
	}
}

func TestSignedOutElsewhere(t *testing.T) {
	d := open(t)
	d.alice.Send(t, d.direct, "Not for strangers")
	bob := d.sitsDown(t, "bob", phone)
	bob.opens("Alice")
	bob.sees("Not for strangers")
	if status, raw := d.SignIn(t, "bob").Do(t, "POST", "/_matrix/client/v3/logout/all", map[string]any{}); status != http.StatusOK {
		t.Fatalf("logout/all = %d %s", status, raw)
	}
	bob.sees("You have been signed out.")
	bob.seesNoMore("Not for strangers")
	bob.signsIn("bob", despatchtest.Password)
	bob.sees("Not for strangers")
}

// TestNothingIsLeftBehind looks at what a browser keeps: the token, the app itself, and no content.
func TestNothingIsLeftBehind(t *testing.T) {
	d := open(t)
	d.alice.Send(t, d.direct, "Keep this to yourself")
	bob := d.sitsDown(t, "bob", laptop)
	bob.opens("Alice")
	bob.sees("Keep this to yourself")
	bob.until("the worker is ready", `navigator.serviceWorker.ready.then(() => true)`)
	if got := ask[[]string](bob, `Object.keys(localStorage)`); len(got) != 1 || got[0] != "despatch.token" {
		t.Errorf("local storage has %q, want the token alone", got)
	}
	cached := ask[[]string](bob, `(async () => { const out = []; for (const n of await caches.keys()) for (const r of await (await caches.open(n)).keys()) out.push(new URL(r.url).pathname); return out; })()`)
	for _, c := range cached {
		if c != "/" && c != "/manifest.webmanifest" && c != "/icon.svg" && !strings.HasPrefix(c, "/app/") {
			t.Errorf("the worker keeps %s", c)
		}
	}
	if len(cached) < 10 {
		t.Errorf("the worker keeps %d files, want the whole app", len(cached))
	}
	if got := ask[[]string](bob, `indexedDB.databases().then((l) => l.map((d) => d.name))`); len(got) != 0 {
		t.Errorf("databases %q, want none", got)
	}
	bob.taps("You: Bob")
	bob.taps("Sign out here")
	bob.sees("Sign in")
	bob.seesNoMore("Keep this to yourself")
	if n := ask[int](bob, `localStorage.length + sessionStorage.length`); n != 0 {
		t.Errorf("%d things stored after signing out, want none", n)
	}
}
