package webclient_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"despatch/despatchtest"
	"despatch/internal/capture/office"
	"despatch/internal/identity"
	"despatch/internal/store"
)

// chooser is there once files can be chosen.
const chooser = `document.querySelector("dialog[open] input[type=file]")`

// write makes a file to choose.
func write(t *testing.T, name, data string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// walkCapture shows every screen on which something is put on the record.
func walkCapture(t *testing.T, p *person, look func(name string)) {
	t.Helper()
	p.taps("Put on the record")
	p.until("it can be chosen", chooser)
	p.taps("How do I export a chat?")
	look("capture")
	p.chooses(write(t, "WhatsApp Chat with قسم 7 and a very long name without end.txt", "03/04/2021, 10:15 - Asha Rao: Bed 4 is free.\n03/04/2021, 10:17 - ليلى حسن: شكرا\n"))
	p.until("it asks", `document.querySelector("dialog fieldset.asked")`)
	p.taps("Another reason")
	look("capture asks")
	p.taps("Keep it, and answer later")
	p.sees("A question is open.")
	look("receipt with a question")
	p.taps("Done")
	p.taps("Put on the record")
	p.taps("Write a note of a call or talk")
	look("note")
	p.presses(kb.Escape)
	p.taps("My record")
	p.sees("Answers wanted")
	look("my record")
	p.taps("Hand in")
	look("hand in")
	p.presses(kb.Escape)
	p.taps("I have nothing")
	look("nothing")
	p.presses(kb.Escape)
	p.taps("It is lost")
	look("lost")
	p.presses(kb.Escape)
	p.until("the row is there", `document.querySelector("dialog .rows .row-button")`)
	p.taps("WhatsApp Chat with")
	p.until("it asks", `document.querySelectorAll("dialog[open]").length === 2 && document.querySelector("dialog fieldset.asked")`)
	look("kept with a question")
	p.presses(kb.Escape)
	p.presses(kb.Escape)
}

// TestCapture puts a chat on the record whose dates could be read two ways: it is asked, previewed,
// stated what it is about, receipted, and found again in My record.
func TestCapture(t *testing.T) {
	d := open(t)
	alice := d.sitsDown(t, "alice", laptop)
	alice.taps("Put on the record")
	alice.until("it can be chosen", chooser)
	alice.keepPicture("choose")
	alice.chooses(write(t, "WhatsApp Chat with Ward 7.txt", "03/04/2021, 10:15 - Asha Rao: Bed 4 is free.\n03/04/2021, 10:17 - Ben Carter: Thanks.\n"))
	alice.until("it asks", `document.querySelector("dialog fieldset.asked legend")`)
	alice.keepPicture("asks")
	ask[bool](alice, `(document.querySelector("dialog fieldset.asked input").click(), true)`)
	alice.sees("Nothing was lost: all 2 lines of the file are accounted for.")
	alice.types("1. What is it about?", "Beds in ward 7")
	alice.taps("Significant")
	alice.taps("They are not on Despatch")
	alice.keepPicture("understood")
	alice.taps("Put it on the record")
	alice.sees("is on the record.")
	alice.sees("no. ")
	alice.keepPicture("receipt")
	medium := func(name string) {
		alice.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: name})
			return err
		}))
	}
	medium("print")
	if !ask[bool](alice, `document.querySelector(".slip").getClientRects().length > 0 && document.querySelector(".reference").getClientRects().length > 0 &&
		document.querySelector(".window").getClientRects().length === 0 && [...document.querySelectorAll("dialog button")].every((b) => b.getClientRects().length === 0)`) {
		t.Error("on paper there is something else than the receipt")
	}
	alice.keepPicture("paper")
	medium("screen")
	alice.taps("Done")
	alice.taps("My record")
	alice.sees("Beds in ward 7")
	alice.seesNoMore("Answers wanted")
	alice.keepPicture("mine")
	alice.taps("Beds in ward 7")
	alice.sees("Record no.")
	alice.seesNoMore("Three short questions")
	d.CheckRecord(t)
}

// TestCaptureKeepsAll keeps a file that nobody can read, and answers a question days later.
func TestCaptureKeepsAll(t *testing.T) {
	d := open(t)
	alice := d.sitsDown(t, "alice", phone)
	alice.taps("Put on the record")
	alice.until("it can be chosen", chooser)
	alice.chooses(write(t, "WhatsApp Chat with Ward 7.txt", "03/04/2021, 10:15 - Asha Rao: Bed 4 is free.\n"))
	alice.until("it asks", `document.querySelector("dialog fieldset.asked")`)
	alice.taps("Keep it, and answer later")
	alice.sees("A question is open.")
	alice.taps("Done")
	alice.until("the number is there", `document.querySelector(".list-foot .badge")?.textContent.startsWith("1")`)
	alice.taps("My record")
	alice.sees("Answers wanted")
	alice.taps("WhatsApp Chat with")
	alice.until("it asks", `document.querySelector("dialog fieldset.asked")`)
	ask[bool](alice, `(document.querySelector("dialog fieldset.asked input").click(), true)`)
	alice.sees("Three short questions")
	alice.presses(kb.Escape)
	alice.seesNoMore("Answers wanted")
	alice.presses(kb.Escape)
	alice.until("the number is gone", `!document.querySelector(".list-foot .badge")`)

	alice.taps("Put on the record")
	alice.until("it can be chosen", chooser)
	alice.chooses(write(t, "broken.zip", "PK\x03\x04"+strings.Repeat("broken", 50)))
	alice.until("it can be kept", `document.querySelector("dialog .preview")`)
	alice.keepPicture("broken")
	alice.taps("Put it on the record")
	alice.sees("is on the record.")
	d.CheckRecord(t)
}

// TestUploadGoesOn loses the connection in the middle of a file, and sends each byte once.
func TestUploadGoesOn(t *testing.T) {
	d := open(t)
	alice := d.sitsDown(t, "alice", laptop)
	line := "13/04/2021, 10:15 - Asha Rao: " + strings.Repeat("What people say on an ordinary working day. ", 5) + "\n"
	big := strings.Repeat(line, 8000)
	ask[bool](alice, `(() => {
		const real = fetch;
		window.parts = 0;
		window.fetch = (url, init) => {
			if (init?.method !== "PUT") return real(url, init);
			window.parts++;
			if (window.parts === 2) return Promise.reject(new TypeError("the tunnel"));
			if (window.parts === 3) return real(url, init).then(() => { throw new TypeError("the tunnel again, after it arrived"); });
			return real(url, init);
		};
		return true;
	})()`)
	alice.taps("Put on the record")
	alice.until("it can be chosen", chooser)
	alice.chooses(write(t, "WhatsApp Chat with Ward 7.txt", big))
	alice.sees("all 8\u202f000 lines of the file are accounted for.")
	if got := ask[int](alice, "window.parts"); got < 4 {
		t.Errorf("the file went in %d parts, want more", got)
	}
	alice.taps("Put it on the record")
	alice.sees("is on the record.")
}

// TestNote writes a note of a call in four steps.
func TestNote(t *testing.T) {
	d := open(t)
	alice := d.sitsDown(t, "alice", phone)
	alice.do(chromedp.Navigate(d.URL+"/#/note"), chromedp.Reload())
	alice.until("the note is there", `document.querySelector("dialog textarea")`)
	before := alice.steps
	alice.types("With whom?", "Dr Ash, Ben Carter")
	alice.taps("Phone")
	alice.types("What was said, and decided?", "Bed 4 goes to Mrs H. Ben tells the ward.")
	alice.keepPicture("note")
	alice.taps("Put it on the record")
	alice.sees("Record no.")
	if got := alice.steps - before; got > 4 {
		t.Errorf("the note took %d steps, want at most 4", got)
	}
	alice.keepPicture("receipt")
	alice.taps("Done")
	alice.taps("My record")
	alice.sees("A note")

	alice.presses(kb.Escape)
	alice.taps("Put on the record")
	alice.taps("Write a note of a call or talk")
	alice.taps("Put it on the record")
	alice.sees("Say with whom you spoke")
	alice.until("the field is asked for", `document.activeElement.type === "text"`)
	d.CheckRecord(t)
}

// TestShared hands chats over as a phone's share sheet does, by a form that the worker takes.
func TestShared(t *testing.T) {
	d := open(t)
	p := d.sitsDown(t, "alice", phone)
	p.until("the worker is ready", `navigator.serviceWorker.ready.then((r) => r.active?.state === "activated")`)
	p.do(chromedp.Reload()) // from now on the worker has the page
	p.until("the worker has the page", `document.querySelector(".list") && navigator.serviceWorker.controller`)
	share := func(files, text string) {
		t.Helper()
		ask[bool](p, `(() => {
			const form = Object.assign(document.createElement("form"), { method: "POST", action: "/share", enctype: "multipart/form-data" });
			const field = Object.assign(document.createElement("input"), { type: "file", name: "file", multiple: true });
			const files = new DataTransfer();
			for (const [name, data] of `+files+`) files.items.add(new File([data], name, { type: "text/plain" }));
			field.files = files.files;
			form.append(field, Object.assign(document.createElement("input"), { name: "text", value: `+quote(text)+` }));
			document.body.append(form);
			setTimeout(() => form.submit());
			return true;
		})()`)
	}
	share(`[["WhatsApp Chat with Ward 7.txt", `+quote(chat)+`], ["WhatsApp Chat with Ward 8.txt", `+quote(strings.ReplaceAll(chat, "keys", "rota"))+`]]`, "WhatsApp chat with Ward 7")
	p.until("both are there", `document.querySelectorAll("dialog .found").length === 2`)
	p.keepPicture("two")
	p.taps("Put all 2 on the record")
	p.sees("2 submissions are on the record.")
	p.taps("Done")

	share(`[]`, "Bed 4 goes to Mrs H.") // a text that was shared is a note to be
	p.until("the text is there", `document.querySelector("dialog textarea")?.value === "Bed 4 goes to Mrs H."`)
	p.presses(kb.Escape)

	// Somebody whose session is over signs in first, and what they shared waits for them.
	p.taps("You: Alice")
	p.taps("Sign out here")
	p.until("signed out", `document.querySelector("form [name=password]")`)
	share(`[["WhatsApp Chat with Ward 9.txt", `+quote(strings.ReplaceAll(chat, "keys", "list"))+`]]`, "")
	p.until("the sign-in is there", `document.querySelector("form [name=password]")`)
	p.types("Name", "alice")
	p.types("Password", despatchtest.Password)
	p.presses(kb.Enter)
	p.sees("Nothing was lost")
	p.taps("Put it on the record")
	p.sees("is on the record.")
}

// TestManifest asks the browser what it makes of the manifest: one bad word there, and the phone's share
// sheet does not offer the app.
func TestManifest(t *testing.T) {
	d := open(t)
	p := visit(t, d.browser, d.URL, phone)
	p.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		m, err := cdp.Call(ctx, target, cdppage.GetAppManifest, cdppage.GetAppManifestParams{})
		if err != nil {
			return err
		}
		for _, e := range m.Errors {
			t.Errorf("the manifest: %s (line %d)", e.Message, e.Line)
		}
		if m.Manifest.ShareTarget == nil || !strings.HasSuffix(m.Manifest.ShareTarget.Action, "/share") {
			t.Errorf("the share target is %+v", m.Manifest.ShareTarget)
		}
		return nil
	}))
}

// TestRequest goes from the officer to the person and back: the officer asks at the console, the person
// is reminded in the messenger and answers, by a file and by a signed declaration, and the officer sees it.
func TestRequest(t *testing.T) {
	d := open(t)
	d.User(t, "ruth", identity.Staff, identity.Records)
	ruth := visit(t, d.browser, d.URL, laptop)
	console := func() {
		ruth.do(chromedp.Navigate(d.URL + "/console/sign-in"))
		ruth.types("User name", "ruth")
		ruth.types("Password", despatchtest.Password)
		ruth.presses(kb.Enter)
		ruth.sees("What would you like to do?")
	}
	console()
	due := d.Office.Now().Add(48 * time.Hour)
	for _, what := range []string{"Your copies of the WhatsApp group Ward 7", "Your text messages with Dr Ash"} {
		ruth.do(chromedp.Navigate(d.URL + "/console/requests/ask"))
		ruth.types("Whom do you ask?", "alice")
		ruth.types("What for?", what)
		ruth.taps("Before your phone is replaced")
		ruth.types("Day", due.Format("2"))
		ruth.types("Month", due.Format("1"))
		ruth.types("Year", due.Format("2006"))
		ruth.keepPicture("ask")
		ruth.taps("Ask")
		ruth.sees("and is reminded of it.")
	}
	d.Advance(4 * 24 * time.Hour)
	if n, err := d.Office.Remind(t.Context()); err != nil || n > 2 {
		t.Fatalf("%d reminders (%v)", n, err)
	}
	alice := d.sitsDown(t, "alice", phone)
	alice.until("the number is there", `document.querySelector(".list-foot .badge.late")?.textContent.startsWith("2")`)
	alice.keepPicture("list")
	alice.taps("My record")
	alice.sees("Overdue: it was due")
	alice.sees("You were reminded")
	alice.keepPicture("asked")
	alice.taps("Hand in")
	alice.until("it can be chosen", chooser)
	alice.sees("Your copies of the WhatsApp group Ward 7")
	alice.chooses(write(t, "WhatsApp Chat with Ward 7.txt", chat))
	alice.sees("Nothing was lost")
	alice.taps("Put it on the record")
	alice.sees("is on the record.")
	alice.taps("Done")
	alice.until("one is left", `document.querySelectorAll("dialog .card").length === 1`)
	alice.taps("I have nothing")
	alice.types("Your password, as your signature", "not my password")
	alice.taps("Sign and declare")
	alice.sees("That is not your password.")
	alice.keepPicture("unsigned")
	ask[bool](alice, `(document.querySelector("dialog input[type=password]").select(), true)`)
	alice.do(insert(despatchtest.Password))
	alice.taps("Sign and declare")
	alice.sees("The records office asks nothing of you.")
	alice.until("the number is gone", `!document.querySelector(".list-foot .badge")`)
	console() // the earlier session has ended meanwhile
	ruth.do(chromedp.Navigate(d.URL + "/console/requests?show=all"))
	ruth.sees("Handed in (1)")
	ruth.sees("Declared nothing (1)")
	ruth.taps("R1")
	ruth.sees("WhatsApp Chat with Ward 7.txt")
	ruth.keepPicture("answered")
	r, subs, err := d.Office.Request(t.Context(), "R1")
	if err != nil || r.State != office.HandedIn || len(subs) != 1 {
		t.Errorf("R1 is %+v with %d submissions (%v)", r, len(subs), err)
	}
	if r, _, err = d.Office.Request(t.Context(), "R2"); err != nil || r.State != office.Nothing {
		t.Errorf("R2 is %+v (%v)", r, err)
	}
	d.CheckRecord(t)
}

// TestSecret opens an encrypted file by its key: a wrong one can be followed by the right one, at once or
// when the file has been kept, and neither is on the record.
func TestSecret(t *testing.T) {
	samples := os.Getenv("DESPATCH_SAMPLES")
	if samples == "" {
		t.Skip("DESPATCH_SAMPLES names no folder of samples")
	}
	file := filepath.Join(samples, "tox/made-here/qtox-schema11-sqlcipher-v4.db")
	key := strings.Repeat("00112233445566778899aabbccddeeff", 2)
	d := open(t)
	alice := d.sitsDown(t, "alice", phone)
	give := func(secret string) {
		t.Helper()
		alice.until("a key is asked for", `document.querySelector("dialog .asked input[type=password]")?.getClientRects().length && !document.querySelector("dialog [aria-busy=true]")`)
		ask[bool](alice, `(document.querySelector("dialog .asked input[type=password]").focus(), true)`)
		alice.do(insert(secret))
		alice.presses(kb.Enter)
	}
	alice.taps("Put on the record")
	alice.until("it can be chosen", chooser)
	alice.chooses(file)
	alice.sees("Keep it, and answer later")
	alice.keepPicture("asks")
	give("open sesame 4711")
	alice.sees("The one you gave did not open it.")
	alice.keepPicture("wrong")
	alice.taps("Put it on the record") // with nothing but the wrong one
	alice.sees("Kept whole, not read.")
	alice.taps("Done")
	alice.taps("My record")
	alice.taps("qtox-schema11")
	alice.sees("Kept whole, not read.")
	alice.taps("It has a password or a key")
	give(key)
	alice.sees("Tox")
	alice.until("it has been read", `document.querySelector("dialog[open]:last-of-type .slip") && !document.body.innerText.includes("Kept whole, not read.")`)
	alice.keepPicture("read")
	err := store.Entries(t.Context(), d.DB.Reader(), 0, d.Rec.Head().Edge.Size, func(e *store.Entry) error {
		if strings.Contains(string(e.Body), "sesame") || strings.Contains(strings.ToLower(string(e.Body)), key[:40]) {
			t.Errorf("entry %d has a secret", e.Pos)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	d.CheckRecord(t)
}
