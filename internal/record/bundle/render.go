package bundle

import (
	"fmt"
	"html"
	"strconv"
	"strings"
	"time"
)

// renderer makes the readable files from what is in items.json. It is told the header, then each conversation and its
// items in order, then the end. The writer stores what it emits; the verifier compares it with what is there.
type renderer struct {
	// emit is called with the next bytes of a file, and with nil when the file is at its end. Item is the number of
	// the item they are about, 0 if none.
	emit func(file string, item int, b []byte) error

	// emitBase64 is the same for bytes that stand in the file as base64; they have to be encoded together until a call
	// with nil, which ends them.
	emitBase64 func(file string, item int, b []byte) error

	// skip says that a file has something here that is not known, because an item could not be read. The writer never
	// needs it.
	skip func(file string)

	// media copies a disclosed file to emitBase64.
	media func(file string, item int, a *Attachment) error
	crc   func(a *Attachment) (crc uint32, size int64, err error)

	header  Header
	vkey    string
	conv    Conversation
	page    int // number of the page at hand; 0 means that items stand in index.html
	onPage  int
	open    bool // a conversation's section is open on the page
	slice   slice
	slices  int
	unknown bool // an item could not be read, so what RSMF files there are cannot be told any more
	scratch []byte
}

// itemsPerPage is how many items stand on one HTML page; more would make browsers slow.
const itemsPerPage = 2000

func (h *Header) pages() int {
	if h.Totals.Items <= itemsPerPage {
		return 0
	}
	return (h.Totals.Items + itemsPerPage - 1) / itemsPerPage
}

func (r *renderer) begin(h Header, vkey string) error {
	r.header, r.vkey = h, vkey
	if err := r.emit(readmeFile, 0, readme(&h, vkey)); err != nil {
		return err
	}
	if err := r.emit(readmeFile, 0, nil); err != nil {
		return err
	}
	if err := r.emit(csvFile, 0, []byte(csvHead)); err != nil {
		return err
	}
	return r.emit(indexFile, 0, htmlIndex(&h, vkey))
}

func (r *renderer) conversation(c Conversation) error {
	if err := r.flushSlice(); err != nil {
		return err
	}
	if err := r.closeSection(); err != nil {
		return err
	}
	r.conv = c
	return nil
}

func (r *renderer) htmlFile() string {
	if r.page == 0 {
		return indexFile
	}
	return pageFile(r.page)
}

func (r *renderer) closeSection() error {
	if !r.open {
		return nil
	}
	r.open = false
	return r.emit(r.htmlFile(), 0, []byte("</section>\n"))
}

func (r *renderer) item(it *Item) error {
	if err := r.place(); err != nil {
		return err
	}
	r.scratch = htmlItem(r.scratch[:0], it, r.page > 0)
	if err := r.emit(r.htmlFile(), it.Number, r.scratch); err != nil {
		return err
	}
	r.scratch = csvItem(r.scratch[:0], &r.conv, it)
	if err := r.emit(csvFile, it.Number, r.scratch); err != nil {
		return err
	}
	return r.sliceItem(it)
}

// unreadable stands for an item that could not be read.
func (r *renderer) unreadable() error {
	if err := r.place(); err != nil {
		return err
	}
	r.skip(r.htmlFile())
	r.skip(csvFile)
	r.unknown = true
	return nil
}

// place makes room for an item on the page at hand or the next.
func (r *renderer) place() error {
	if r.header.pages() > 0 && (r.page == 0 || r.onPage == itemsPerPage) {
		if err := r.turnPage(); err != nil {
			return err
		}
	}
	if !r.open {
		r.open = true
		if err := r.emit(r.htmlFile(), 0, htmlConversation(&r.conv)); err != nil {
			return err
		}
	}
	r.onPage++
	return nil
}

func (r *renderer) turnPage() error {
	if err := r.closeSection(); err != nil {
		return err
	}
	if err := r.endPage(); err != nil {
		return err
	}
	r.page++
	r.onPage = 0
	return r.emit(pageFile(r.page), 0, htmlPage(&r.header, r.page, r.header.pages()))
}

func (r *renderer) end() error {
	if err := r.flushSlice(); err != nil {
		return err
	}
	if err := r.closeSection(); err != nil {
		return err
	}
	if err := r.endPage(); err != nil {
		return err
	}
	if err := r.emit(csvFile, 0, nil); err != nil {
		return err
	}
	if err := r.emit(indexFile, 0, []byte(htmlEnd)); err != nil {
		return err
	}
	return r.emit(indexFile, 0, nil)
}

func (r *renderer) endPage() error {
	if r.page == 0 {
		return nil
	}
	if err := r.emit(pageFile(r.page), 0, htmlPageEnd(r.page, r.header.pages())); err != nil {
		return err
	}
	return r.emit(pageFile(r.page), 0, nil)
}

func readme(h *Header, vkey string) []byte {
	return fmt.Appendf(nil, `%[1]s
%[2]s

This is a disclosure of messages by %[3]s.
Reference: %[4]s
Regime:    %[5]s
Made:      %[6]s
Items:     %[7]d: %[8]d released, %[9]d redacted, %[10]d withheld

TO READ IT

Open index.html in any browser; it needs no network. It prints well. messages.csv has the same for a
spreadsheet (a cell that begins with = + - or @ has an apostrophe put before it, so that no spreadsheet takes it
for a formula). rsmf/ has the same for e-discovery tools, as Relativity Short Message Format 2.0. All times are
in UTC.

TO CHECK IT

Every message of the department goes on a record to which entries can only be added. This bundle was made from
its first %[11]d entries. Run

    despatch-verify BUNDLE.zip

which needs no network and no trust in the department's own computers. It says for each item what holds:

released   The item is genuine: its text, sender and times are what was recorded.
redacted   The item exists on the record at this place and time. What is left of its text is stated and signed
           by the department; it is not proven by the record, because proving it would show what was redacted.
withheld   The item exists on the record at this place and time. The reasons are stated and signed by the
           department.

The key of this record is

    %[12]s

Compare it with the key that the department publishes, and give that one: despatch-verify --key KEY BUNDLE.zip.
If you have a signed checkpoint of the record from somebody else, give it with --checkpoint FILE. Without either,
the check shows that the bundle fits together and was signed by this key, but not whose key it is.

Somebody who may see the whole of a redacted or withheld item, such as a regulator or a court, can be shown its
recorded body and salt, and check them against the commitment in proof/entries.jsonl.

The format is described in the documentation of package bundle, of the programs that made and check this.
`, h.Title, strings.Repeat("=", min(max(len([]rune(h.Title)), 3), 100)), h.Department, h.Reference, h.Regime, h.Made,
		h.Totals.Items, h.Totals.Released, h.Totals.Redacted, h.Totals.Withheld, h.Size, vkey)
}

const htmlHead = `<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src 'self'">
`

const htmlStyle = `<style>
:root{color-scheme:light}
body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:0 auto;padding:1rem;color:#0b0c0c;background:#fff}
h1{font-size:1.8rem;line-height:1.2}h2{font-size:1.35rem;margin-top:2.5rem;border-bottom:3px solid #0b5c63}
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.5rem}dl.facts dt{font-weight:600}dl.facts dd{margin:0;overflow-wrap:anywhere}
article{border-top:1px solid #b1b4b6;padding:.6rem 0;break-inside:avoid}
article header{display:flex;flex-wrap:wrap;gap:.25rem .9rem;color:#484b4e;font-size:.9rem}
article header b{color:#0b0c0c;font-size:1rem}
article p{margin:.3rem 0;white-space:pre-wrap;overflow-wrap:anywhere}
.tag{border:1px solid;border-radius:3px;padding:0 .4rem}
mark{background:#0b0c0c;color:#fff;padding:0 .3rem}
.extra{color:#484b4e;font-size:.9rem;margin-left:1rem}
@media(max-width:30rem){dl.facts{grid-template-columns:1fr}dl.facts dd{margin-bottom:.5rem}}
nav{display:flex;gap:1rem;margin:1rem 0}a{color:#0b5c63}
@media print{body{max-width:none;font-size:11pt}nav{display:none}}
</style>
</head>
<body>
<main>
`

const htmlEnd = "</main>\n</body>\n</html>\n"

func htmlIndex(h *Header, vkey string) []byte {
	e := html.EscapeString
	b := []byte(htmlHead)
	b = fmt.Appendf(b, "<title>%s: %s</title>\n", e(h.Reference), e(h.Title))
	b = append(b, htmlStyle...)
	b = fmt.Appendf(b, `<h1 dir="auto">%s</h1>
<dl class="facts">
<dt>Disclosed by</dt><dd>%s</dd>
<dt>Reference</dt><dd>%s</dd>
<dt>Regime</dt><dd>%s</dd>
<dt>Made</dt><dd>%s</dd>
<dt>Items</dt><dd>%d: %d released, %d redacted, %d withheld</dd>
<dt>Record</dt><dd>%s, first %d entries</dd>
<dt>Key of the record</dt><dd><code>%s</code></dd>
</dl>
<p>How to check that nothing here was altered is in README.txt. All times are in UTC.</p>
`, e(h.Title), e(h.Department), e(h.Reference), e(h.Regime), htmlTime(nil, h.Made), h.Totals.Items, h.Totals.Released,
		h.Totals.Redacted, h.Totals.Withheld, e(h.Origin), h.Size, e(vkey))
	if n := h.pages(); n > 0 {
		b = append(b, "<h2>Pages</h2>\n<ol>\n"...)
		for p := 1; p <= n; p++ {
			b = fmt.Appendf(b, "<li><a href=\"%s\">Items %d to %d</a></li>\n", pageFile(p), (p-1)*itemsPerPage+1, min(p*itemsPerPage, h.Totals.Items))
		}
		b = append(b, "</ol>\n"...)
	}
	return b
}

func htmlPage(h *Header, page, pages int) []byte {
	e := html.EscapeString
	b := []byte(htmlHead)
	b = fmt.Appendf(b, "<title>%s: page %d of %d</title>\n", e(h.Reference), page, pages)
	b = append(b, htmlStyle...)
	b = append(b, htmlNav(page, pages)...)
	return fmt.Appendf(b, "<h1 dir=\"auto\">%s</h1>\n<p>%s, page %d of %d</p>\n", e(h.Title), e(h.Reference), page, pages)
}

func htmlPageEnd(page, pages int) []byte {
	return append(htmlNav(page, pages), htmlEnd...)
}

func htmlNav(page, pages int) []byte {
	b := []byte(`<nav aria-label="Pages"><a href="../index.html">Contents</a>`)
	if page > 1 {
		b = fmt.Appendf(b, ` <a rel="prev" href="%04d.html">Page %d</a>`, page-1, page-1)
	}
	if page < pages {
		b = fmt.Appendf(b, ` <a rel="next" href="%04d.html">Page %d</a>`, page+1, page+1)
	}
	return append(b, "</nav>\n"...)
}

func htmlConversation(c *Conversation) []byte {
	b := fmt.Appendf(nil, "<section aria-labelledby=\"conversation-%d\">\n<h2 id=\"conversation-%d\" dir=\"auto\">%s</h2>\n<p>%s conversation %s", c.Number, c.Number,
		html.EscapeString(c.Title), html.EscapeString(systemName(c.System)), html.EscapeString(c.Scope))
	if c.Complete {
		b = fmt.Appendf(b, ". Complete from its entry %d to its entry %d", c.From, c.To)
		if c.Period != "" {
			b = fmt.Appendf(b, " (%s)", html.EscapeString(c.Period))
		}
	}
	return append(b, ".</p>\n"...)
}

// systemName is how a system is called in running text.
func systemName(s string) string {
	switch s {
	case "despatch":
		return "Despatch"
	case "whatsapp":
		return "WhatsApp"
	case "sms":
		return "SMS"
	case "email":
		return "E-mail"
	case "":
		return "Captured"
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func htmlItem(b []byte, it *Item, onPage bool) []byte {
	b = append(b, `<article id="item-`...)
	b = strconv.AppendInt(b, int64(it.Number), 10)
	b = append(b, `"><header><a href="#item-`...)
	b = strconv.AppendInt(b, int64(it.Number), 10)
	b = append(b, `">Item `...)
	b = strconv.AppendInt(b, int64(it.Number), 10)
	b = append(b, `</a> <b dir="auto">`...)
	b = append(b, html.EscapeString(it.from())...)
	b = append(b, `</b> `...)
	b = htmlTime(b, it.when())
	b = append(b, ` <span>recorded `...)
	b = htmlTime(b, it.Recorded)
	b = append(b, ` as no. `...)
	b = strconv.AppendInt(b, it.Position, 10)
	b = append(b, `</span>`...)
	if it.Status != Released {
		b = append(b, ` <span class="tag">`...)
		b = append(b, html.EscapeString(string(it.Status))...)
		b = append(b, `</span>`...)
	}
	b = append(b, "</header>\n"...)
	if it.Text != "" {
		b = append(b, `<p dir="auto">`...)
		b = it.htmlText(b, it.Text)
		b = append(b, "</p>\n"...)
	}
	for i := range it.Edits {
		e := &it.Edits[i]
		b = append(b, `<div class="extra">Edited`...)
		if e.Recorded != "" {
			b = append(b, ' ')
			b = htmlTime(b, e.Recorded)
		}
		b = append(b, `: <p dir="auto">`...)
		b = it.htmlText(b, e.Text)
		b = append(b, "</p></div>\n"...)
	}
	if d := it.Deleted; d != nil {
		b = append(b, `<div class="extra" dir="auto">Deleted `...)
		b = htmlTime(b, d.Recorded)
		b = fmt.Appendf(b, " by %s", html.EscapeString(d.By))
		if d.Reason != "" {
			b = fmt.Appendf(b, ": %s", html.EscapeString(d.Reason))
		}
		b = append(b, "</div>\n"...)
	}
	for i := range it.Attachments {
		b = htmlAttachment(b, &it.Attachments[i], onPage)
	}
	for i := range it.Reactions {
		r := &it.Reactions[i]
		b = fmt.Appendf(b, `<div class="extra" dir="auto">%s by %s`, html.EscapeString(r.Value), html.EscapeString(r.By))
		if r.Removed {
			b = append(b, ", taken back later"...)
		}
		b = append(b, "</div>\n"...)
	}
	for i := range it.Reasons {
		r := &it.Reasons[i]
		b = fmt.Appendf(b, `<div class="extra">%s %s`, html.EscapeString(r.Code), html.EscapeString(r.Name))
		if r.Test != "" {
			b = fmt.Appendf(b, " (%s)", html.EscapeString(r.Test))
		}
		b = append(b, "</div>\n"...)
	}
	if it.Note != "" {
		b = fmt.Appendf(b, "<div class=\"extra\" dir=\"auto\">%s</div>\n", html.EscapeString(it.Note))
	}
	return append(b, "</article>\n"...)
}

// htmlTime writes a time as people say it. One that is not known to the second stands as it is.
func htmlTime(b []byte, s string) []byte {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return append(b, html.EscapeString(s)...)
	}
	b = append(b, `<time datetime="`...)
	b = append(b, html.EscapeString(s)...)
	b = append(b, `">`...)
	b = t.UTC().AppendFormat(b, "2 January 2006, 15:04:05")
	return append(b, `</time>`...)
}

// htmlText writes a text; in a redacted item what was taken out stands as a mark.
func (it *Item) htmlText(b []byte, text string) []byte {
	if it.Status == Redacted {
		const begin, end = "[REDACTED: ", "]"
		for {
			i := strings.Index(text, begin)
			if i < 0 {
				break
			}
			j := strings.Index(text[i:], end)
			if j < 0 {
				break
			}
			b = append(b, html.EscapeString(text[:i])...)
			b = append(b, "<mark>"...)
			b = append(b, html.EscapeString(text[i:i+j+1])...)
			b = append(b, "</mark>"...)
			text = text[i+j+1:]
		}
	}
	return append(b, html.EscapeString(text)...)
}

func htmlAttachment(b []byte, a *Attachment, onPage bool) []byte {
	b = append(b, `<div class="extra" dir="auto">Attachment: `...)
	if a.File != "" {
		href := a.File
		if onPage {
			href = "../" + href
		}
		b = fmt.Appendf(b, `<a href="%s">%s</a>`, html.EscapeString(href), html.EscapeString(a.Name))
	} else {
		b = append(b, html.EscapeString(a.Name)...)
	}
	var facts []string
	if a.Type != "" {
		facts = append(facts, a.Type)
	}
	if a.Size > 0 {
		facts = append(facts, strconv.FormatInt(a.Size, 10)+" bytes")
	}
	if a.State != "" {
		facts = append(facts, a.State)
	}
	if len(facts) > 0 {
		b = fmt.Appendf(b, " (%s)", html.EscapeString(strings.Join(facts, ", ")))
	}
	return append(b, "</div>\n"...)
}

// from is who sent the item, as a reader is shown it.
func (it *Item) from() string {
	switch {
	case it.SenderName != "" && it.Sender != "" && it.SenderName != it.Sender:
		return it.SenderName + " (" + it.Sender + ")"
	case it.SenderName != "":
		return it.SenderName
	case it.Sender != "":
		return it.Sender
	case it.Status == Withheld:
		return "Withheld"
	}
	return "No sender"
}

// when is the time a reader is shown first: when it was sent, or else when it was recorded.
func (it *Item) when() string {
	if it.Sent != "" {
		return it.Sent
	}
	return it.Recorded
}

const csvHead = "item,status,position,conversation,conversation title,sequence,recorded,sent,sender,sender name,type,text,edits,deleted,reactions,attachments,reasons,note,id\r\n"

func csvItem(b []byte, c *Conversation, it *Item) []byte {
	b = strconv.AppendInt(b, int64(it.Number), 10)
	b = csvCell(b, string(it.Status))
	b = append(b, ',')
	b = strconv.AppendInt(b, it.Position, 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, int64(c.Number), 10)
	b = csvCell(b, c.Title)
	b = append(b, ',')
	b = strconv.AppendUint(b, it.Sequence, 10)
	b = csvCell(b, it.Recorded)
	b = csvCell(b, it.Sent)
	b = csvCell(b, it.Sender)
	b = csvCell(b, it.SenderName)
	b = csvCell(b, it.Type)
	b = csvCell(b, it.Text)
	b = csvList(b, it.Edits, func(e *Edit) string { return strings.TrimSpace(e.Recorded + " " + e.Text) })
	deleted := ""
	if d := it.Deleted; d != nil {
		deleted = strings.TrimSpace(d.Recorded + " by " + d.By + " " + d.Reason)
	}
	b = csvCell(b, deleted)
	b = csvList(b, it.Reactions, func(r *Reaction) string {
		s := r.Value + " " + r.By
		if r.Removed {
			s += " (taken back)"
		}
		return s
	})
	b = csvList(b, it.Attachments, func(a *Attachment) string {
		if a.File != "" {
			return a.Name + " " + a.File
		}
		return a.Name + " (" + a.State + ")"
	})
	b = csvList(b, it.Reasons, func(r *Reason) string { return r.Code + " " + r.Name })
	b = csvCell(b, it.Note)
	b = csvCell(b, it.ID)
	return append(b, "\r\n"...)
}

func csvList[T any](b []byte, vs []T, text func(*T) string) []byte {
	if len(vs) == 0 {
		return append(b, ',')
	}
	parts := make([]string, len(vs))
	for i := range vs {
		parts[i] = text(&vs[i])
	}
	return csvCell(b, strings.Join(parts, "\n"))
}

// csvCell writes a comma and a cell as RFC 4180 has it, and keeps a spreadsheet from taking it for a formula.
func csvCell(b []byte, s string) []byte {
	b = append(b, ',')
	if s == "" {
		return b
	}
	formula := strings.IndexByte("=+-@\t\r", s[0]) >= 0
	if !formula && !strings.ContainsAny(s, ",\"\r\n") {
		return append(b, s...)
	}
	b = append(b, '"')
	if formula {
		b = append(b, '\'')
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}
