package console

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"despatch/internal/disclosure"
	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/record/bundle"
	"despatch/internal/store"
)

// gallery has each page as somebody would see it, with long words, other scripts and problems in forms.
func gallery() map[string]framed {
	now := time.Date(2026, 11, 20, 15, 4, 0, 0, time.UTC).UnixMilli()
	ruth := somebody{identity.Person{ID: "@ruth:coasts.example", Name: "Ruth Bennett", Created: now}}
	long := somebody{identity.Person{ID: matrix.UserID("@" + strings.Repeat("verylongname", 8) + ":coasts.example"), Name: strings.Repeat("Wolfeschlegelsteinhausen", 4), Created: now, Disabled: now}}
	arab := somebody{identity.Person{ID: "@layla:coasts.example", Name: "ليلى حسن", Created: now}}
	today := disclosure.Date{Year: 2026, Month: 11, Day: 22}
	c := caseView{&disclosure.Case{ID: "c1", Kind: disclosure.FOI, Reference: "FOI-2026-0014", Title: "Messages about the 2027 mackerel quota",
		Request:  "Please send me all messages between the Minister and officials about the mackerel quota.\n\nYours, A. Reader",
		Received: disclosure.Date{Year: 2026, Month: 11, Day: 2}, Due: disclosure.Date{Year: 2026, Month: 12, Day: 1},
		DueBasis: "20 working days after receipt: Freedom of Information Act 2000, s.10(1)", Status: disclosure.Open,
		Bounds:   disclosure.Bounds{People: []string{"@margaret:coasts.example"}, From: disclosure.Date{Year: 2026, Month: 9, Day: 1}, To: today},
		Officers: []matrix.UserID{"@ruth:coasts.example"}, OpenedAt: now, OpenedBy: "@ruth:coasts.example",
		Totals: disclosure.Totals{Items: 12, Undecided: 3, Released: 5, Redacted: 2, Withheld: 2}}, today}
	late := *c.Case
	late.Due, late.Status, late.Reference, late.SentBack = disclosure.Date{Year: 2026, Month: 11, Day: 18}, disclosure.Waiting, "SAR-2026-0003", &disclosure.SentBack{By: "@samuel:coasts.example", At: now, Note: "Item 48 213 names a member of the public: section 40(2)."}
	within := func(title string, recorded bool) caseFrame {
		return caseFrame{frame{Title: title, Back: link{c.Path(), c.Reference}}, c, recorded}
	}
	item := func(pos int64, who, text string, d *disclosure.Decision) itemView {
		return viewItem(c, &disclosure.Item{Position: pos, Scope: "!a:b", Conversation: "Quota decision", System: "despatch", Recorded: now, Said: now,
			Content: bundle.Content{Sender: "@x:coasts.example", SenderName: who, Text: text}, Decision: d})
	}
	plainItem := item(48213, "Priya Nair", "The scientists recommend a cut of 18%. Industry say they can live with 10%. Three options in the paper.", nil)
	redacted := item(48220, "Margaret Ashworth", "Give Jane Smith twenty minutes tomorrow, with Priya in the room.",
		&disclosure.Decision{Outcome: disclosure.Redact, Codes: []string{"40(2)"}, Spans: []disclosure.Span{{Start: 5, End: 15}}, Note: "A member of the public", By: "@ruth:coasts.example", At: now, Entry: 50001})
	captured := item(48300, "ليلى حسن", "هذا نص من اليمين إلى اليسار mixed with English 🐟🐟 "+strings.Repeat("unbroken", 40), &disclosure.Decision{Outcome: disclosure.Withhold, Codes: []string{"35(1)(a)", "36"}})
	captured.System, captured.Conversation = "whatsapp", "Fish group"
	captured.Edits = []bundle.Edit{{Text: "A later version of it", Position: 48301}}
	captured.Deleted = &bundle.Deletion{Position: 48302, By: "@x:coasts.example"}
	captured.Attachments = []bundle.Attachment{{Name: "IMG-20261120-WA0001.jpg", Size: 248123, State: "not in the export"}}
	captured.Reactions = []bundle.Reaction{{By: "Daniel", Value: "👍"}}
	items := []itemView{plainItem, redacted, captured}
	decide := func(f *field, reasonsOf *[reasons]field, note *field, redact bool) {
		*f, *reasonsOf, *note = newDecision(disclosure.FOI, redact)
	}
	scope := scopeView{People: []string{"Margaret Ashworth (@margaret:coasts.example)"}, Period: "1 September 2026 to 22 November 2026", Conversations: []string{"!a:b"}}
	check := &checkView{By: "Chloe Evans", Began: now, Ended: now, Took: 3 * time.Second, Size: 48213, Entries: 48213, Bodies: 48200, Disposed: 13, Scopes: 214}
	running, found := *check, *check
	running.Running = true
	found.Total, found.Findings = 1, []record.Finding{{Positions: record.Span{From: 4711, To: 4712}, Problem: "its body is not the one that was recorded"}}

	out := map[string]framed{}
	signIn := newSignInPage("/console/")
	signIn.wrong("The user name or the password is wrong.", &signIn.Name)
	out["signin"] = newSignInPage("/console/")
	out["signin-wrong"] = signIn
	out["signedout"] = &signedOutPage{frame{Title: "You are signed out"}}
	out["setup"] = newSetUpPage("token")
	out["choosepassword"] = &choosePasswordPage{frame: frame{Title: "Choose a password"}, For: "ruth", Password: newPassword("New password")}
	out["passworddone"] = &passwordDonePage{frame: frame{Title: "Password chosen"}, Account: "@ruth:coasts.example", Next: "Sign in with your user name and the new password."}
	out["account"] = &accountPage{frame: frame{Title: "Your account"}, ID: "@ruth:coasts.example", Roles: []string{"member of staff", "records officer"}, SetBy: true, Changed: true,
		Old: field{Name: "old", Label: "Password now", Kind: "password"}, Password: newPassword("New password")}
	out["home"] = &homePage{frame: frame{Title: "What would you like to do?"}, IT: true, Auditor: true, Security: true, Records: true, Approver: true, Size: 48213, Waiting: 1, Cases: []caseChoice{{"mine", "Mine", 2, false}, {"late", "Late", 1, false}}}
	out["error"] = &errorPage{frame: frame{Title: "Page not found"}, Message: "There is no page at this address."}
	out["people"] = &peoplePage{frame: frame{Title: "People", Wide: true}, People: []somebody{ruth, long, arab}, MayAdd: true, Next: "/console/people?after=x"}
	p := &personPage{frame: frame{Title: "Ruth Bennett", Back: link{"/console/people", "People"}, Wide: true}, Person: ruth, IT: true,
		Devices: []store.Device{{ID: "ABCDEFGHIJ", Name: "Firefox on Windows", CreatedAt: now, SeenAt: now, SeenFrom: "10.0.0.7"}, {ID: "KLMNOPQRST", CreatedAt: now, SeenAt: now}}}
	for _, r := range identity.AllRoles {
		p.Roles = append(p.Roles, roleRow{r, r == identity.Records, about(r)})
	}
	out["person"] = p
	add := newAddPersonPage()
	add.wrong("Enter a user name.", &add.Name)
	add.wrong("Nobody can be an auditor and a records officer at once. An auditor would then be checking their own work.", &add.Roles)
	out["addperson"] = add
	out["link"] = &linkPage{frame: frame{Title: "Person added"}, Person: ruth, Link: "https://despatch.coasts.example/console/password?token=" + strings.Repeat("aB3", 14)}
	out["confirm"] = &confirmPage{frame: frame{Title: "Disable the account of Ruth Bennett", Back: link{ruth.Path(), ruth.Name}}, Person: ruth, Text: []string{"They are signed out everywhere at once."}, Button: "Disable the account", Warning: true}
	out["lost"] = &lostPage{frame: frame{Title: "Report a lost device of Ruth Bennett", Back: link{ruth.Path(), ruth.Name}}, Person: ruth,
		Which: field{Name: "which", Label: "Which device was lost?", Kind: "radios", Answer: []answer{{Value: "a", Text: "Firefox on Windows", Hint: "Last seen today"}, {Value: "all", Text: "All of them, or nobody knows"}}}}
	out["persondone"] = &personDonePage{frame: frame{Title: "Signed out"}, Person: ruth, Number: "48 213", Next: []string{"If the device may be in somebody else’s hands, tell your security officer."}}
	out["health"] = &healthPage{frame: frame{Title: "The record’s health"}, Size: 48213, Last: now, Bytes: 81234567, Storage: "SQLite, on this machine", Open: true, Check: check,
		Checkpoint: "coasts.example/despatch\n48213\n" + strings.Repeat("Qm9", 14) + "\n\n— coasts.example/despatch " + strings.Repeat("x7B", 30), Key: "coasts.example/despatch+aabbccdd+" + strings.Repeat("AZ9", 15)}
	out["check"] = &checkPage{frame{Title: "The record is whole", Back: link{"/console/health", "The record’s health"}}, check}
	out["check-running"] = &checkPage{frame{Title: "Checking the record"}, &running}
	out["check-found"] = &checkPage{frame{Title: "Something is wrong with the record"}, &found}
	out["audit"] = &auditPage{frame: frame{Title: "What was done", Wide: true}, Acts: []act{{48213, now, "Chloe Evans (@chloe:coasts.example) gave Ruth Bennett (@ruth:coasts.example) the role of records officer"}}, Older: "/console/audit?before=3"}
	out["cases"] = &casesPage{frame: frame{Title: "Cases", Wide: true}, Show: "mine", Cases: []caseView{{&late, today}, c}, MayOpen: true,
		Choice: []caseChoice{{"mine", "Mine", 2, true}, {"late", "Late", 1, false}, {"week", "Due this week", 0, false}, {"waiting", "Waiting for approval", 1, false}, {"all", "All that are open", 2, false}, {"closed", "Closed", 0, false}}}
	for step := stepKind; step <= stepCheck; step++ {
		o := newOpenCasePage()
		o.Step, o.Title = step, stepTitles[step]
		o.Kind.choose("foi")
		o.Line.Value, o.Request.Value = c.Title, c.Request
		o.Received.set(c.Received)
		if step == stepReceived {
			o.wrongDate("Enter the day it was received, with day, month and year.", &o.Received)
		}
		name := fmt.Sprintf("opencase-%d", step)
		out[name] = o.summed(c.Received, disclosure.Date{})
	}
	out["case"] = &casePage{caseFrame: caseFrame{frame: frame{Title: c.Title, Back: link{"/console/cases", "Cases"}}, Case: c}, Officers: []string{"Ruth Bennett"}, OpenedBy: "Ruth Bennett", Mine: true, Scope: scope}
	out["case-late"] = &casePage{caseFrame: caseFrame{frame: frame{Title: c.Title, Back: link{"/console/cases", "Cases"}}, Case: caseView{&late, today}}, Officers: []string{"Ruth Bennett"}, OpenedBy: "Ruth Bennett", Approver: true, Scope: scope}
	out["casedone"] = &caseDonePage{caseFrame: within("Case opened", false), Next: []string{"It is due on 1 December 2026."}, More: link{c.Path() + "/scope", "Declare the scope"}}
	out["history"] = &historyPage{caseFrame: within("History of the case", false), Days: []historyDay{{"20 November 2026", []disclosure.Event{
		{Position: 50001, Time: now, Name: "Ruth Bennett", Words: "decided to redact no. 48 220: 40(2)"}, {Position: 49999, Time: now, Name: "Ruth Bennett", Words: "searched for “quota”: 12 found"}}}}}
	sp := &scopePage{caseFrame: within("Declare the scope", false), From: dateField{Name: "from", Label: "From which day?", Hint: "Leave it empty for the beginning."}, To: dateField{Name: "to", Label: "Until which day?"},
		People: field{Name: "people", Label: "Which people?", Kind: "area", Hint: "A user ID or a name, one to a line."}, Chosen: []chosenConversation{{"!a:b", "!NPdWKRdpDYyZwWhoyr:coasts.example"}}}
	sp.wrongDate("The last day must not be before the first.", &sp.To)
	out["scope"] = sp
	out["conversations"] = &conversationsPage{caseFrame: within("Choose conversations", false), Asked: true, Found: []conversationRow{{disclosure.Conversation{Name: "!a:b", Title: "Quota decision", System: "despatch", Messages: 1204, First: now, Last: now, Parties: 4}, true}, {disclosure.Conversation{Name: "capture:x", System: "whatsapp", Messages: 20, First: now, Last: now}, false}}}
	query := field{Name: "q", Label: "What are you looking for?", Kind: "text", Hint: "Words that the message must have.", Value: "quota"}
	out["search"] = &searchPage{caseFrame: within("Search: quota", true), Query: query, Asked: true, Items: items, Results: &disclosure.Results{Total: 12, Entry: 50000}, Next: "/console/x", Added: "2 messages were taken into the case."}
	out["around"] = &aroundPage{caseFrame: within("What was said before and after", true), Items: items}
	ip := &itemsPage{caseFrame: within("Items of the case", true), Items: items, May: true, Choice: []caseChoice{{"", "All", 12, true}, {"undecided", "Undecided", 3, false}}}
	decide(&ip.Outcome, &ip.Reasons, &ip.Note, false)
	ip.wrong("Choose a reason.", &ip.Reasons[0])
	ip.Wide = true
	out["items"] = ip
	one := &itemPage{caseFrame: within("Item no. 48 220", true), Item: redacted, May: true, Versions: versions(redacted.Item, redacted.Decision.Spans),
		Exact: field{Name: "exact", Label: "Or enter the exact words to take out", Kind: "area", Hint: "One passage to a line."}, Public: field{Name: "public", Label: "Note to the reader", Kind: "area"},
		Earlier: []earlierDecision{{"Release", "Ruth Bennett", disclosure.Decision{At: now, Entry: 49990}}}}
	decide(&one.Outcome, &one.Reasons, &one.Note, true)
	one.Outcome.choose("redact")
	out["item"] = one
	out["submit"] = &submitPage{within("Check your answers before sending the case for approval", false), scope, true}
	out["approval"] = &approvalPage{caseFrame: within("Approve this disclosure or send it back", false), By: "Ruth Bennett", Scope: scope,
		Answer: field{Name: "answer", Label: "What is your answer?", Kind: "radios", Answer: []answer{{Value: "approve", Text: "Approve"}, {Value: "back", Text: "Send back"}}}, Note: field{Name: "note", Label: "Note", Kind: "area"}}
	out["close"] = &closePage{within("Close the case", false), field{Name: "outcome", Label: "How did it end?", Kind: "area"}}
	out["due"] = &duePage{within("Change when the case is due", false), dateField{Name: "due", Label: "When is it due now?"}, field{Name: "reason", Label: "Why?", Kind: "area"}}
	out["officers"] = &officersPage{within("Officers of the case", false), []somebody{ruth, long}, true, field{Name: "officer", Label: "Who else is to work on it?", Kind: "select", Answer: []answer{{Text: "Choose"}}}}
	out["bundles"] = &bundlesPage{caseFrame: within("Bundles", false), May: true, Key: "coasts.example/despatch+aabbccdd+AZ9", Bundles: []bundleView{{&disclosure.Bundle{ID: "b", File: "FOI-2026-0014.zip", Size: 1234567, SHA256: strings.Repeat("0a1b", 16), MadeAt: now, Entry: 50010, Kept: true, Totals: bundle.Totals{Items: 12, Released: 8, Redacted: 2, Withheld: 2}}, "/console/x", "Ruth Bennett"}}}
	out["bundles-making"] = &bundlesPage{caseFrame: within("The bundle is being made", false), Making: &makingView{Running: true, Done: 4000, Total: 12000, Took: 3 * time.Second}}
	maps.Copy(out, officeGallery())
	maps.Copy(out, linkedGallery())
	maps.Copy(out, sealedGallery())
	for _, f := range out {
		f.common().Service, f.common().CSRF = "Records office and IT desk", "token"
		f.common().User = "Ruth Bennett"
		f.common().Nav = nav(identity.Roles(0xff), "/console/cases/x")
	}
	for _, name := range []string{"signin", "signin-wrong", "signedout", "setup", "choosepassword", "passworddone"} {
		out[name].common().User, out[name].common().Nav = "", nil
	}
	return out
}

// templateOf is the name of the template of a page of the gallery.
func templateOf(name string) string { base, _, _ := strings.Cut(name, "-"); return base }

func testServer(t *testing.T) *Server {
	t.Helper()
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{}
	if s.assets, err = httpd.NewAssets(root+"assets/", assets); err != nil {
		t.Fatal(err)
	}
	if s.pages, err = parsePages(s.assets); err != nil {
		t.Fatal(err)
	}
	return s
}

// Every template has a page in the gallery, and every page of the gallery can be made, with one heading
// of the first level, no id twice, and every problem at the top leading to something.
func TestGallery(t *testing.T) {
	s := testServer(t)
	shown := map[string]bool{}
	for name, p := range gallery() {
		shown[templateOf(name)] = true
		var b bytes.Buffer
		if err := s.pages[templateOf(name)].ExecuteTemplate(&b, "layout.html", p); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		html := b.String()
		if n := strings.Count(html, "<h1"); n != 1 {
			t.Errorf("%s has %d headings of the first level, want 1", name, n)
		}
		for _, problem := range p.common().Problems {
			if problem.Field != "" && strings.Count(html, `id="`+problem.Field+`"`) != 1 {
				t.Errorf("%s: a problem leads to #%s, of which there are %d", name, problem.Field, strings.Count(html, `id="`+problem.Field+`"`))
			}
		}
		for _, bad := range []string{"ZgotmplZ", "%!", "<no value>", " style=", " onclick="} {
			if strings.Contains(html, bad) {
				t.Errorf("%s holds %q", name, bad)
			}
		}
	}
	for name := range s.pages {
		if !shown[name] {
			t.Errorf("the gallery has no page of the template %s", name)
		}
	}
}

// In a real browser no page of the gallery breaks a rule of WCAG 2.2 AA that axe knows or the policy for
// content, and none needs to be scrolled sideways on a screen of 320 pixels. With DESPATCH_SCREENSHOTS,
// pictures are kept there.
func TestBrowser(t *testing.T) {
	path, axe := findChromium(t), findAxe(t)
	s := testServer(t)
	pages := gallery()
	mux := http.NewServeMux()
	mux.Handle(root+"assets/", s.assets)
	mux.HandleFunc("GET /{name}", func(w http.ResponseWriter, r *http.Request) {
		p, ok := pages[r.PathValue("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		p.common().Refresh = 0
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		s.pages[templateOf(r.PathValue("name"))].ExecuteTemplate(w, "layout.html", p)
	})
	web := httptest.NewServer(httpd.Secure(mux, httpd.PagePolicy, false))
	defer web.Close()

	alloc, stop := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox,
		chromedp.Flag("headless", "new"), chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("no-first-run", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("hide-scrollbars", true))
	defer stop()
	ctx, cancel := chromedp.NewContext(alloc)
	defer cancel()
	do := func(actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatalf("browser: %v", err)
		}
	}
	do(chromedp.Navigate("about:blank"))
	pictures := os.Getenv("DESPATCH_SCREENSHOTS")
	for name := range pages {
		do(chromedp.EmulateViewport(320, 740), chromedp.Navigate(web.URL+"/"+name))
		if w := evaluate[int](t, ctx, `document.documentElement.scrollWidth`); w > 320 {
			t.Errorf("%s is %d pixels wide on a screen of 320: %s", name, w, evaluate[string](t, ctx, widest))
		}
		if small := evaluate[string](t, ctx, smallTargets); small != "" {
			t.Errorf("%s has targets under 24 pixels: %s", name, small)
		}
		evaluate[bool](t, ctx, axe+";true")
		found := evaluate[string](t, ctx, `axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}).then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120)).join(' | ')).join('\n'))`)
		if found != "" {
			t.Errorf("%s: %s", name, found)
		}
		for _, v := range []struct {
			what          string
			width, height int64
		}{{"phone", 360, 740}, {"laptop", 1440, 900}} {
			if pictures == "" {
				break
			}
			do(chromedp.EmulateViewport(v.width, v.height), chromedp.Navigate(web.URL+"/"+name))
			picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(80))
			if err == nil {
				err = os.WriteFile(filepath.Join(pictures, name+"-"+v.what+".jpg"), picture, 0o600)
			}
			if err != nil {
				t.Errorf("picture of %s: %v", name, err)
			}
		}
	}
}

// widest names the elements that reach beyond the screen.
const widest = `[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 321).map(e => e.tagName + '.' + e.className).slice(0, 5).join(', ')`

// smallTargets names links and buttons that stand by themselves and are under 24 pixels high.
const smallTargets = `[...document.querySelectorAll('a[href], button, select, input:not([type=hidden])')].filter(e => {
	const r = e.getBoundingClientRect(), inText = e.closest('p, li, dd, td, th, label, .d-words')
	return r.width && r.height < 24 && !inText && !e.closest('.govuk-skip-link') && !e.matches('.govuk-skip-link')
}).map(e => e.outerHTML.slice(0, 80)).join(', ')`

func evaluate[T any](t *testing.T, ctx context.Context, js string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("evaluate %.100s: %v", js, err)
	}
	return v
}

func findChromium(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("DESPATCH_CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("DESPATCH_REQUIRE_CHROMIUM") != "" {
		t.Fatal("Chromium is required here and was not found")
	}
	t.Skip("no Chromium: install the package chromium, or set DESPATCH_CHROMIUM")
	return ""
}

func findAxe(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{os.Getenv("DESPATCH_NODE_MODULES"), "../webclient/node_modules"} {
		if b, err := os.ReadFile(filepath.Join(dir, "axe-core/axe.min.js")); dir != "" && err == nil {
			return string(b)
		}
	}
	t.Skip("no axe-core: put it into internal/webclient/node_modules, or set DESPATCH_NODE_MODULES")
	return ""
}
