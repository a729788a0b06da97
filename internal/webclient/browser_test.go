package webclient_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/go-json-experiment/json"
)

// patience is how long something may take to appear before a test fails.
const patience = 10 * time.Second

// chromium starts a browser for a test. Each person gets a profile of their own in it.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path := os.Getenv("DESPATCH_CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path == "" {
			path, _ = exec.LookPath(name)
		}
	}
	if path == "" {
		if os.Getenv("DESPATCH_REQUIRE_CHROMIUM") != "" {
			t.Fatal("Chromium is required here and was not found")
		}
		t.Skip("no Chromium: install the package chromium, or set DESPATCH_CHROMIUM")
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.Flag("headless", "new"),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("no-first-run", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true))
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

// A screen is what somebody holds or sits at.
type screen struct {
	width, height int64
	touch, dark   bool
}

var (
	phone  = screen{width: 360, height: 740, touch: true}
	laptop = screen{width: 1440, height: 900}
)

// person is somebody at a browser. Steps counts what they did: a tap, a key chord, a field typed.
type person struct {
	t     *testing.T
	ctx   context.Context
	url   string
	steps int

	mu       sync.Mutex
	problems []string // guarded by mu: what the browser complained about
}

// visit opens the messenger in a profile of its own.
func visit(t *testing.T, browser context.Context, url string, s screen) *person {
	t.Helper()
	p := &person{t: t, url: url}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.hear))
	t.Cleanup(cancel)
	p.ctx = ctx
	p.look(s)
	p.do(chromedp.Navigate(url + "/"))
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.problems {
			t.Errorf("the browser complains: %s", c)
		}
	})
	return p
}

// look gives the person a screen.
func (p *person) look(s screen) {
	opts := []chromedp.EmulateViewportOption{}
	if s.touch {
		opts = append(opts, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	p.do(chromedp.EmulateViewport(s.width, s.height, opts...),
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			return err
		}))
}

// hear keeps errors, exceptions and breaches of the policy. That the server said no is not among them.
func (p *person) hear(ev any) {
	var what string
	switch e := ev.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level != "error" && e.Entry.Level != "warning" || e.Entry.Source == "network" && strings.Contains(e.Entry.URL, "/_") {
			return
		}
		what = fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
	case *runtime.EventExceptionThrown:
		what = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			what += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type != "error" && e.Type != "warning" && e.Type != "assert" {
			return
		}
		for _, a := range e.Args {
			what += string(a.Value) + a.Description
		}
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, what)
}

func (p *person) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 2*patience)
	defer cancel()
	if p.steps == 0 { // the first use of a context must not have a deadline
		ctx = p.ctx
	}
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("browser: %v", err)
	}
}

// ask evaluates an expression in the page; a promise is waited for.
func ask[T any](p *person, js string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("evaluate %.200s: %v", js, err)
	}
	return v
}

// until waits for a condition in the page.
func (p *person) until(what, js string) {
	p.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		// While one page gives way to another there may be nothing to ask.
		ok, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("(async () => Boolean(await ("+js+")))()", chromedp.EvalAwaitPromise))
		if err == nil && ok {
			return
		}
		if time.Now().After(end) {
			p.keepPicture("failed")
			p.t.Fatalf("after %v still not: %s (%v)\n%s", patience, what, err, ask[string](p, "document.body.innerText.slice(0, 2000)"))
		}
	}
}

// sees waits until a text can be read.
func (p *person) sees(text string) {
	p.t.Helper()
	p.until("sees "+text, "document.body.innerText.includes("+quote(text)+")")
}

// seesNoMore waits until a text can no longer be read, nor found in what a screen reader is given.
func (p *person) seesNoMore(text string) {
	p.t.Helper()
	p.until("sees no more "+text, "!document.body.outerHTML.includes("+quote(text)+")")
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// find is a function that finds something to tap by what it is called, in the topmost sheet if there is
// one, and returns its middle.
const find = `((name) => {
	const scope = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document;
	const words = (n) => n.nodeType === 3 ? n.data : n.nodeType !== 1 || n.ariaHidden === "true" ? "" : [...n.childNodes].map(words).join(" ");
	const called = (e) => {
		const label = e.getAttribute("aria-label") ?? words(e.labels?.[0] ?? e);
		return label.replace(/\s+/g, " ").trim() || e.placeholder || "";
	};
	const all = [...scope.querySelectorAll("button, a[href], input, textarea, summary, [data-event]")]
		.filter((e) => e.getClientRects().length > 0 && !e.disabled && getComputedStyle(e).visibility !== "hidden");
	const e = all.find((e) => called(e) === name) ?? all.find((e) => called(e).startsWith(name)) ?? all.findLast((e) => called(e).includes(name));
	if (!e) return null;
	const bubble = e.querySelector(":scope .bubble") ?? e;
	const r0 = bubble.getBoundingClientRect();
	const at = document.elementFromPoint(r0.left + r0.width / 2, r0.top + Math.min(r0.height / 2, 20));
	const covered = at && !bubble.contains(at) && !at.contains(bubble) && e.labels?.[0] !== at && at.closest(".sheet-foot");
	if (r0.top < 0 || r0.bottom > innerHeight || covered) bubble.scrollIntoView({ block: "center" });
	const r = bubble.getBoundingClientRect();
	return { x: r.left + r.width / 2, y: r.top + Math.min(r.height / 2, 20) };
})`

type point struct{ X, Y float64 }

// where waits for something to tap and returns its middle, once it stands still.
func (p *person) where(name string) point {
	p.t.Helper()
	p.until("can tap "+name, find+"("+quote(name)+")")
	var last *point
	for range 100 {
		now := ask[*point](p, find+"("+quote(name)+")") // nil while one sheet gives way to another
		if now != nil && last != nil && *now == *last {
			return *now
		}
		last = now
		time.Sleep(30 * time.Millisecond)
	}
	if last == nil {
		p.t.Fatalf("%s was there and went away", name)
	}
	return *last
}

// taps taps what is called so.
func (p *person) taps(name string) {
	p.t.Helper()
	at := p.where(name)
	p.do(chromedp.MouseClickXY(at.X, at.Y))
	p.steps++
}

// presses types a key or a chord. A letter goes with its key, as on a real keyboard: one that the page
// has taken for itself is not typed as well.
func (p *person) presses(key string, opts ...chromedp.KeyOption) {
	p.t.Helper()
	if len(key) == 1 && len(opts) == 0 && (key >= " " && key <= "~" || key == kb.Enter) {
		name := key
		if key == kb.Enter {
			name = "Enter"
		}
		p.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: "keyDown", Key: name, Text: key}); err != nil {
				return err
			}
			_, err := cdp.Call(ctx, t, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: "keyUp", Key: name})
			return err
		}))
	} else {
		p.do(chromedp.KeyEvent(key, opts...))
	}
	p.steps++
}

// types goes to a field and fills it.
func (p *person) types(field, text string) {
	p.t.Helper()
	at := p.where(field)
	p.do(chromedp.MouseClickXY(at.X, at.Y), insert(text))
	p.steps++
}

func insert(text string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
		return err
	})
}

// chooses gives a file to the chooser that was asked for last.
func (p *person) chooses(file string) {
	p.t.Helper()
	p.do(chromedp.SetUploadFiles(chromedp.CSS("dialog[open] input[type=file], :root:not(:has(dialog[open])) input[type=file]"), []string{file}, chromedp.NodeReady))
	p.steps++
}

func (p *person) touch(kind string, at ...point) {
	p.t.Helper()
	points := make([]*input.TouchPoint, len(at))
	for i, a := range at {
		points[i] = &input.TouchPoint{X: a.X, Y: a.Y}
	}
	p.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: input.DispatchTouchEventType(kind), TouchPoints: points})
		return err
	}))
}

// holds keeps a finger on a message until its menu opens.
func (p *person) holds(message string) {
	p.t.Helper()
	at := p.where(message)
	p.touch("touchStart", at)
	p.until("the menu opens", `document.querySelector("dialog.menu[open]")`)
	p.touch("touchEnd")
	p.steps++
}

// pulls draws a message to the side.
func (p *person) pulls(message string) {
	p.t.Helper()
	at := p.where(message)
	p.touch("touchStart", at)
	for dx := 10.0; dx <= 80; dx += 10 {
		p.touch("touchMove", point{at.X + dx, at.Y})
	}
	p.touch("touchEnd")
	p.steps++
}

// signsIn signs in by name and password.
func (p *person) signsIn(name, password string) {
	p.t.Helper()
	p.types("Name", name)
	p.types("Password", password)
	p.presses(kb.Enter)
	p.until("the list is there", `document.querySelector(".list-body .row, .list-body .nothing")`)
}

// opens opens a conversation from the list.
func (p *person) opens(title string) {
	p.t.Helper()
	p.taps(title)
	p.until("the conversation is open", `document.querySelector(".composer textarea")`)
}

// writes sends a text in the open conversation.
func (p *person) writes(text string) {
	p.t.Helper()
	p.types("Message", text)
	p.taps("Send")
}

// keepPicture takes a picture of the screen into the folder DESPATCH_SCREENSHOTS, if there is one.
func (p *person) keepPicture(name string) {
	dir := os.Getenv("DESPATCH_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Logf("picture: %v", err)
		return
	}
	file := filepath.Join(dir, strings.ReplaceAll(p.t.Name(), "/", "-")+"-"+name+".png")
	if err := os.WriteFile(file, picture, 0o600); err != nil {
		p.t.Logf("picture: %v", err)
	}
}
