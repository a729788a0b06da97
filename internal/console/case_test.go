package console_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"despatch/internal/identity"
)

// indexed waits until everything on the record can be found.
func (o *office) indexed(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := o.Index.Wait(ctx, o.Rec.Head().Edge.Size); err != nil {
		t.Fatalf("wait for the index: %v", err)
	}
}

// openCase goes through the questions and returns the address of the case.
func (b *browser) openCase(t testing.TB, kind, title string) string {
	t.Helper()
	const at = "/console/cases/open"
	now := time.Now()
	b.get(t, at).want(t, 200, "What kind of case is it?")
	b.submit(t, at).want(t, 422, "Choose what kind of case it is.")
	b.submit(t, at, "kind", kind).want(t, 200, "What is its reference?")
	b.submit(t, at, "reference", "").want(t, 200, "What is asked for, in a line?")
	b.submit(t, at).want(t, 422, "Enter what is asked for, in a line.")
	b.submit(t, at, "title", title).want(t, 200, "What does the requester say")
	b.submit(t, at, "request", "Please send me all messages\nabout it.").want(t, 200, "When was it received?")
	b.submit(t, at, "received-day", "31", "received-month", "2", "received-year", "2026").want(t, 422, "Enter the day it was received")
	b.submit(t, at, "received-day", "1", "received-month", "January", "received-year", fmt.Sprint(now.Year()+1)).want(t, 422, "must be today or before")
	b.submit(t, at, "received-day", fmt.Sprint(now.Day()), "received-month", now.Month().String()[:3], "received-year", fmt.Sprint(now.Year())).
		want(t, 200, "Check your answers", title, "about it.")
	b.submit(t, at, "change", "2").want(t, 200, "What is asked for, in a line?")
	if !strings.Contains(b.page.body, title) {
		t.Error("an answer to be changed is lost")
	}
	b.submit(t, at, "title", title, "step", "5").want(t, 200, "Check your answers", title)
	b.submit(t, at).want(t, 200, "Case opened", "Reference")
	return strings.TrimSuffix(b.page.path, "/done/opened")
}

// declare declares a scope of one person.
func (b *browser) declare(t testing.TB, at, person string) {
	t.Helper()
	b.get(t, at+"/scope").want(t, 200, "Declare the scope")
	b.submit(t, at+"/scope").want(t, 422, "a case cannot reach to everything")
	b.submit(t, at+"/scope", "from-day", "2", "from-month", "1", "from-year", "2026", "to-day", "1", "to-month", "1", "to-year", "2026").want(t, 422, "must not be before the first")
	b.submit(t, at+"/scope", "people", person).want(t, 200, "Search and collect 0 collected")
}

var itemPattern = regexp.MustCompile(`<article class="d-message[^"]*"[^>]*aria-label="Record no\. ([^"]*)">`)

// found are the positions of the messages on the page, in its order.
func (p page) found() []string {
	var out []string
	for _, m := range itemPattern.FindAllStringSubmatch(p.body, -1) {
		out = append(out, strings.ReplaceAll(m[1], "\u202f", ""))
	}
	return out
}

// From opening a case to the bundle in hand: search, collect, release, redact by ticked and by entered
// words, withhold, send, be sent back, send again, approve, make, download. Each step is done by whom it
// is for, without JavaScript.
func TestCase(t *testing.T) {
	o := start(t)
	asha, ben := o.User(t, "asha"), o.User(t, "ben")
	room := asha.CreateRoomWith(t, map[string]any{"name": "Quota", "preset": "private_chat"}, ben)
	asha.Send(t, room, "The mackerel quota falls by ten percent.")
	asha.Send(t, room, "Jane Smith called about the mackerel, Jane was angry.")
	gone := ben.Send(t, room, "The mackerel lawyers say we would lose.")
	ben.Redact(t, room, gone)
	asha.Send(t, room, "Nothing about fish.")
	ruth := o.signIn(t, "ruth", identity.Records)
	other := o.signIn(t, "oscar", identity.Records)
	sam := o.signIn(t, "samuel", identity.Approver)
	harriet := o.signIn(t, "harriet", identity.Auditor)
	o.indexed(t)

	at := ruth.openCase(t, "foi", "Messages about mackerel")
	ruth.get(t, at).want(t, 200, "Freedom of Information Act 2000", "20 working days", "Declare the scope To do", "Search and collect Cannot start yet", "about it.")
	ruth.declare(t, at, "@asha:example.org")

	ruth.get(t, at+"/conversations").want(t, 200, "Each look-up is recorded.")
	ruth.get(t, at+"/conversations?q=quota").want(t, 200, "Quota")
	if strings.Contains(ruth.page.text(), "mackerel quota") {
		t.Error("the choice of conversations shows what was said")
	}

	before := o.Rec.Head().Edge.Size
	ruth.get(t, at+"/search?q=mackerel").want(t, 200, "Authority: Freedom of Information Act 2000. This look-up is recorded.", "3 found", "falls by ten percent", "lawyers", "Deleted")
	if o.Rec.Head().Edge.Size == before {
		t.Error("a search left nothing on the record")
	}
	if strings.Contains(ruth.page.text(), "Nothing about fish") {
		t.Error("the search shows what it was not asked for")
	}
	hits := ruth.page.found()
	if len(hits) != 3 {
		t.Fatalf("found %v, want three", hits)
	}
	ruth.submit(t, at+"/search").want(t, 422, "Tick the messages that belong to the case.")
	ruth.submit(t, at+"/search", "do", "all").want(t, 200, "3 messages were taken into the case.")
	ruth.get(t, at+"/search?q="+url.QueryEscape(`"unclosed`)).want(t, 422, "There is a problem")
	ruth.get(t, at+"/around/"+hits[0]).want(t, 200, "What was said before and after", "Nothing about fish.")

	other.get(t, at+"/search?q=mackerel")
	if strings.Contains(other.page.text(), "percent") {
		t.Error("somebody else's case shows messages")
	}
	sam.get(t, at+"/items")
	if strings.Contains(sam.page.text(), "percent") {
		t.Error("an approver is shown messages before they are asked")
	}

	ruth.get(t, at+"/items?show=undecided").want(t, 200, "Undecided (3)")
	var jane, lawyers string
	for _, pos := range hits {
		switch p := ruth.get(t, at+"/items/"+pos); {
		case strings.Contains(p.text(), "percent"):
			// released with the rest of the list
		case strings.Contains(p.text(), "Jane"):
			jane = pos
		default:
			lawyers = pos
		}
	}
	ruth.get(t, at+"/items/"+jane)
	form := at + "/items/" + jane
	ruth.submit(t, form).want(t, 422, "Choose a decision.")
	ruth.submit(t, form, "outcome", "redact").want(t, 422, "Choose a reason.", "Choose the words to take out.")
	ruth.submit(t, form, "outcome", "redact", "reason1", "40(2)", "exact", "Janet").want(t, 422, "The item does not have the words “Janet”.")
	ruth.submit(t, form, "outcome", "redact", "reason1", "40(2)", "word", "0-0-4", "word", "0-5-10", "exact", "Jane").want(t, 200, "Undecided (2)")
	ruth.get(t, at+"/items/"+jane).want(t, 200, "taken out: Jane Smith called", "Redact: 40(2)")
	if n := strings.Count(ruth.page.body, "<del"); n != 2 {
		t.Errorf("%d passages are marked, want 2", n)
	}

	ruth.get(t, at+"/items?show=undecided")
	ruth.submit(t, at+"/items", "outcome", "withhold", "reason1", "42").want(t, 422, "Tick the items that you decide about.")
	ruth.submit(t, at+"/items", "outcome", "withhold", "item", lawyers).want(t, 422, "Choose a reason.")
	ruth.submit(t, at+"/items", "outcome", "withhold", "reason1", "42", "item", lawyers).want(t, 200, "Undecided (1)", "percent")
	ruth.get(t, at+"/submit").want(t, 200, "Every item must be decided first.")
	ruth.get(t, at+"/items?show=undecided")
	ruth.submit(t, at+"/items", "outcome", "release", "which", "all").want(t, 200, "Undecided (0)")

	ruth.get(t, at+"/submit").want(t, 200, "Items 3", "Undecided 0", "To release 1", "To redact 1", "To withhold 1")
	ruth.submit(t, at+"/submit").want(t, 200, "Sent for approval")
	sam.get(t, "/console/").want(t, 200, "1 case waits for approval")
	sam.get(t, "/console/cases").want(t, 200, "Messages about mackerel")
	sam.get(t, at+"/items").want(t, 200, "percent", "Withhold: 42", "Jane Smith")
	sam.get(t, at+"/approval").want(t, 200, "Approve this disclosure or send it back")
	sam.submit(t, at+"/approval").want(t, 422, "Choose whether to approve or to send back.")
	sam.submit(t, at+"/approval", "answer", "back").want(t, 422, "Write what is to be changed.")
	sam.submit(t, at+"/approval", "answer", "back", "note", "Say why section 42 applies.").want(t, 200, "Sent back")
	ruth.get(t, at).want(t, 200, "Say why section 42 applies.")
	ruth.get(t, at+"/items/"+lawyers)
	ruth.submit(t, at+"/items/"+lawyers, "outcome", "withhold", "reason1", "42", "note", "Advice of counsel.").want(t, 200)
	ruth.get(t, at+"/submit")
	ruth.submit(t, at+"/submit").want(t, 200, "Sent for approval")

	// What the approver looked at was changed and sent again meanwhile: that must not be approved.
	sam.get(t, at+"/approval")
	ruth.get(t, at+"/items/"+lawyers)
	ruth.submit(t, at+"/items/"+lawyers, "outcome", "release").want(t, 200)
	ruth.get(t, at+"/submit")
	ruth.submit(t, at+"/submit").want(t, 200, "Sent for approval")
	if sam.submit(t, at+"/approval", "answer", "approve"); sam.page.status != 422 {
		t.Fatalf("an approval of other decisions: status %d: %s", sam.page.status, sam.page.text())
	}
	sam.get(t, at+"/approval")
	sam.submit(t, at+"/approval", "answer", "approve", "note", "Content.").want(t, 200, "Approved", "exactly these decisions")
	o.bundle(t, ruth, at)

	harriet.get(t, at).want(t, 200, "Messages about mackerel", "Approved")
	harriet.get(t, at+"/history").want(t, 200, "Ruth", "Samuel")
	for _, word := range []string{"percent", "angry", "lawyers"} {
		if strings.Contains(harriet.page.body, word) {
			t.Errorf("the history shows the auditor a message: %q", word)
		}
	}
	ruth.get(t, at+"/close")
	ruth.submit(t, at+"/close").want(t, 422, "Write how it ended.")
	ruth.submit(t, at+"/close", "outcome", "Disclosed in part.").want(t, 200, "Case closed")
	ruth.get(t, at+"/items")
	if strings.Contains(ruth.page.text(), "percent") {
		t.Error("a closed case shows messages")
	}
	o.CheckRecord(t)
}

// bundle makes a bundle, leaves its page and finds it again, and downloads it.
func (o *office) bundle(t testing.TB, b *browser, at string) {
	t.Helper()
	b.get(t, at+"/bundles").want(t, 200, "No bundle has been made.", "despatch-verify")
	b.submit(t, at+"/bundles")
	for deadline := time.Now().Add(30 * time.Second); strings.Contains(b.page.text(), "is being made"); b.get(t, at+"/bundles") {
		if time.Now().After(deadline) {
			t.Fatal("the bundle is never made")
		}
		time.Sleep(30 * time.Millisecond)
	}
	b.page.want(t, 200, "3 items: 2 released, 1 redacted, 0 withheld")
	b.follow(t, "Download").want(t, 200)
	h := b.page.header
	if h.Get("Content-Type") != "application/zip" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment; filename=") {
		t.Errorf("headers of a bundle: %v", h)
	}
	z, err := zip.NewReader(strings.NewReader(b.page.body), int64(len(b.page.body)))
	if err != nil {
		t.Fatalf("open the bundle: %v", err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte("Jane")) || bytes.Contains(raw, []byte("Smith")) {
			t.Errorf("%s in the bundle has what was taken out", f.Name)
		}
	}
}

// An officer hands in a chat whose dates could be read in two ways, is asked, answers, and finds it.
func TestUpload(t *testing.T) {
	o := start(t)
	ruth := o.signIn(t, "ruth", identity.Records)
	chat := "01/02/2026, 10:11 - Priya: Morning\n01/02/2026, 10:12 - Daniel: The herring letter is out\n"
	ruth.get(t, "/console/captures/add").want(t, 200, "Put a chat on the record")
	ruth.upload(t, "", "", "zone", "Europe/London").want(t, 422, "Choose the file of the exported chat.")
	ruth.get(t, "/console/captures/add")
	ruth.upload(t, "chat.txt", chat, "zone", "Nowhere/Land").want(t, 422, "There is no time zone of that name.")
	ruth.get(t, "/console/captures/add")
	ruth.upload(t, "WhatsApp Chat with Fish.txt", chat, "zone", "Europe/London").want(t, 200, "Answer what the file leaves open", "01/02/2026, 10:11", "In which time zone")
	at := strings.TrimSuffix(ruth.page.path, "/answer")
	ruth.submit(t, at+"/answer", "zone", "Europe/London").want(t, 422, "Choose an answer.")
	ruth.submit(t, at+"/answer", "zone", "Europe/London", "about-date_order", "dmy")
	ruth.page.want(t, 200, "On the record as no.", "Read", "2 messages", "answered: time zone Europe/London, dates dmy")
	ruth.get(t, "/console/captures").want(t, 200, "WhatsApp Chat with Fish.txt", "Read")
	oscar := o.signIn(t, "oscar", identity.Records)
	oscar.get(t, "/console/captures?whose=ruth").want(t, 200, "WhatsApp Chat with Fish.txt")
	if oscar.follow(t, "WhatsApp Chat"); strings.Contains(oscar.page.body, "herring") {
		t.Error("a receipt shows somebody else what was said")
	}
	oscar.get(t, "/console/captures?whose=nobody").want(t, 422, "There is nobody called")
	o.CheckRecord(t)
}

// upload sends the form of the page with a file; the form's fields come before it, as in the page.
func (b *browser) upload(t testing.TB, name, content string, fields ...string) page {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	form, ok := b.page.form("/console/captures/add")
	if !ok {
		t.Fatalf("%s has no form for a file", b.page.path)
	}
	w.WriteField("csrf", form.Get("csrf"))
	for i := 0; i < len(fields); i += 2 {
		w.WriteField(fields[i], fields[i+1])
	}
	if name != "" {
		part, err := w.CreateFormFile("file", name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(part, content)
	}
	w.Close()
	req, err := http.NewRequest("POST", b.o.url+"/console/captures/add", &body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := b.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	b.page = page{resp.Request.URL.RequestURI(), resp.StatusCode, string(raw), resp.Header}
	return b.page
}

// Nobody reads in a case by being a records officer alone, and nobody assigns themselves.
func TestOfficers(t *testing.T) {
	o := start(t)
	ruth := o.signIn(t, "ruth", identity.Records)
	oscar := o.signIn(t, "oscar", identity.Records)
	at := ruth.openCase(t, "sar", "Everything about A. Reader")
	oscar.get(t, at+"/officers").want(t, 200, "Only they read messages in this case.")
	if _, ok := oscar.page.form(at + "/officers"); ok {
		t.Error("somebody who does not work on the case is offered to change who does")
	}
	p := oscar.do(t, "POST", at+"/officers", url.Values{"csrf": {csrfOf(oscar.get(t, "/console/account"))}, "officer": {"@oscar:example.org"}})
	if p.status == 200 {
		t.Errorf("somebody assigned themselves: %s", p.text())
	}
	ruth.get(t, at+"/officers")
	ruth.submit(t, at+"/officers").want(t, 422, "Choose who else is to work on it.")
	ruth.submit(t, at+"/officers", "officer", "@oscar:example.org").want(t, 200, "Oscar")
	oscar.get(t, at).want(t, 200, "What to do")
	ruth.get(t, at+"/due").want(t, 200, "one calendar month")
}

func csrfOf(p page) string {
	if m := regexp.MustCompile(`name="csrf" value="([^"]*)"`).FindStringSubmatch(p.body); m != nil {
		return m[1]
	}
	return ""
}
