package bundle

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// itemAt says which item a byte of a readable file is about, 0 if none.
func itemAt(name string, content []byte, at int) int {
	switch {
	case strings.HasSuffix(name, ".html"):
		return between(content, at, `<article id="item-(\d+)"`, "</article>\n")
	case name == csvFile:
		return between(content, at, `(?m)^(\d+),(?:released|redacted|withheld),`, "\x00") // rows follow one another
	case name == itemsFile:
		return between(content, at, `(?m)^\{"number":(\d+)`, "\n")
	case name == entriesFile:
		start := bytes.LastIndexByte(content[:at], '\n') + 1
		return itemOf(content[start:])
	}
	return 0
}

func between(content []byte, at int, begin, end string) int {
	all := regexp.MustCompile(begin).FindAllSubmatchIndex(content, -1)
	i := sort.Search(len(all), func(i int) bool { return all[i][0] > at })
	if i == 0 {
		return 0
	}
	m := all[i-1]
	stop := bytes.Index(content[m[0]:], []byte(end))
	if stop >= 0 && at >= m[0]+stop+len(end) {
		return 0
	}
	n, _ := strconv.Atoi(string(content[m[2]:m[3]]))
	return n
}

func names(r *Report, item int) bool {
	for _, p := range r.Problems {
		if p.Item == item {
			return true
		}
	}
	return false
}

func namesOthers(r *Report, item int) (others []int) {
	for _, p := range r.Problems {
		if p.Item != item && p.Item != 0 {
			others = append(others, p.Item)
		}
	}
	return others
}

// One changed byte anywhere in the files that a reader sees, and the item it belongs to is named and no other; whether
// or not the manifest was made to fit.
func TestOneByte(t *testing.T) {
	l, data := sample(t)
	rnd := rand.New(rand.NewPCG(11, 12))
	names0 := []string{}
	files := unzip(t, data)
	for name := range files {
		names0 = append(names0, name)
	}
	sort.Strings(names0)
	for _, name := range names0 {
		content := files[name]
		tries := 20
		if strings.HasSuffix(name, ".html") || name == itemsFile || name == csvFile || name == entriesFile {
			tries = 90
		}
		if testing.Short() {
			tries /= 10
		}
		for range tries {
			at := rnd.IntN(len(content))
			forge := rnd.IntN(2) == 0
			changed := unzip(t, data)
			bit := byte(1) << rnd.IntN(7)
			changed[name][at] ^= bit
			forged := rezip(t, data, changed, forge && name != manifestFile && name != noteFile)
			r, err := Verify(context.Background(), bytes.NewReader(forged), int64(len(forged)), Check{Key: l.key})
			if err != nil {
				t.Fatalf("%s byte %d: %v", name, at, err)
			}
			if r.Genuine() {
				t.Errorf("%s: byte %d (%q→%q) changed and nothing found", name, at, content[at], content[at]^bit)
				continue
			}
			item := itemAt(name, content, at)
			if item == 0 && strings.HasPrefix(name, "media/") {
				item = 5
			}
			if content[at] == '\n' || content[at]^bit == '\n' || content[at]^bit == '\r' {
				continue // whose a line's end is can be disputed
			}
			if item != 0 && (!names(r, item) || len(namesOthers(r, item)) > 0) {
				t.Errorf("%s: byte %d (%q→%q, forged %v) of item %d changed; problems %v", name, at, content[at], content[at]^bit, forge, item, r.Problems)
			}
		}
	}
}

// The same inside rsmf.zip, which stands in its file as base64.
func TestOneByteInRSMF(t *testing.T) {
	l, data := sample(t)
	files := unzip(t, data)
	for _, name := range []string{"rsmf/0001.rsmf", "rsmf/0002.rsmf"} {
		raw := rsmfZip(t, files[name])
		for n := 1; n <= 8; n++ {
			i := bytes.Index(raw, fmt.Appendf(nil, `"id":"item-%d"`, n))
			if i < 0 {
				continue
			}
			for d := 0; d < 100; d += 7 {
				changed := bytes.Clone(raw)
				changed[i+d] ^= 4
				if !bytes.Contains(raw[i:i+d+1], []byte("},\n")) && !check(t, l.key, data, name, changed, n) {
					t.Errorf("%s: byte %d of item %d (%q) changed and the item is not named", name, i+d, n, raw[i+d])
				}
			}
		}
	}
}

func check(t *testing.T, key string, data []byte, name string, raw []byte, item int) bool {
	files := unzip(t, data)
	mail := files[name]
	head, rest, _ := bytes.Cut(mail, []byte("filename=\"rsmf.zip\"\r\n\r\n"))
	end := rest[bytes.Index(rest, []byte("--despatch-")):]
	var b bytes.Buffer
	b.Write(head)
	b.WriteString("filename=\"rsmf.zip\"\r\n\r\n")
	enc := base64.StdEncoding.EncodeToString(raw)
	for len(enc) > 0 {
		n := min(76, len(enc))
		b.WriteString(enc[:n] + "\r\n")
		enc = enc[n:]
	}
	b.Write(end)
	files[name] = b.Bytes()
	r := verify(t, rezip(t, data, files, true), Check{Key: key})
	return names(r, item) && len(namesOthers(r, item)) == 0
}

// Larger changes that somebody might make who understands the format, and what is said about them.
func TestForgeries(t *testing.T) {
	l, data := sample(t)
	replace := func(old, new string, names ...string) func(map[string][]byte) {
		return func(files map[string][]byte) {
			for name := range files {
				if len(names) == 0 || strings.Contains(strings.Join(names, " "), name) {
					files[name] = bytes.ReplaceAll(files[name], []byte(old), []byte(new))
				}
			}
		}
	}
	line := func(name string, change func([]string) []string) func(map[string][]byte) {
		return func(files map[string][]byte) {
			files[name] = []byte(strings.Join(change(strings.Split(string(files[name]), "\n")), "\n"))
		}
	}
	for _, c := range []struct {
		name   string
		change func(map[string][]byte)
		item   int
		want   string
	}{
		{"a released text everywhere", replace("delete this please", "keep this, please!"), 6, "not the one that was recorded"},
		{"a longer text in the page only", replace("Are we still on?", "Are we still on for the donation?", indexFile), 7, "not shown"},
		{"a redacted text everywhere", replace("about it", "with love"), 3, "sealed"},
		{"a sender's name everywhere", replace("Ben Lee", "Ben Low"), 3, "sealed"},
		{"a reason everywhere", replace("Legal professional privilege", "Lack of professional privileges"), 4, "sealed"},
		{"an item withheld that was released", replace(`"number":2,"status":"released"`, `"number":2,"status":"withheld"`), 2, ""},
		{"an item taken out of items.json", line(itemsFile, func(l []string) []string { return append(l[:3:3], l[4:]...) }), 2, ""},
		{"an entry taken out", line(entriesFile, func(l []string) []string { return append(l[:6:6], l[7:]...) }), 4, ""},
		{"an entry that says it is another item's", replace(`"item":2,`, `"item":5,`, entriesFile), 2, ""},
		{"two items changed about", line(itemsFile, func(l []string) []string { l[3], l[4] = l[4], l[3]; return l }), 2, ""},
		{"an article put into the page", replace("<article id=\"item-4\"", "<article><p>I confess.</p></article>\n<article id=\"item-4\"", indexFile), 0, "put in before item 4"},
		{"an article taken out of the page", func(f map[string][]byte) {
			b := f[indexFile]
			i, j := bytes.Index(b, []byte(`<article id="item-2"`)), bytes.Index(b, []byte(`<article id="item-3"`))
			f[indexFile] = append(b[:i:i], b[j:]...)
		}, 2, "not shown"},
		{"a hidden member", replace(`"number":2,`, `"number":2,"text":"forged",`, itemsFile), 2, "form"},
		{"a key of one's own", func(f map[string][]byte) { f[keyFile] = []byte("example.gov.uk/despatch+00000000+AAAA\n") }, 0, "key"},
		{"no note", func(f map[string][]byte) { f[noteFile] = nil }, 0, "signature"},
		{"the attached file", func(f map[string][]byte) {
			for name := range f {
				if strings.HasPrefix(name, "media/") {
					f[name] = []byte("another contract")
				}
			}
		}, 5, "attached file"},
		{"the proof", func(f map[string][]byte) { f[inclusionFile][5] ^= 1 }, 0, "proof"},
		{"a context entry taken out", line(entriesFile, func(l []string) []string {
			for i := range l {
				if strings.Contains(l[i], `"context"`) {
					return append(l[:i:i], l[i+1:]...)
				}
			}
			return l
		}), 0, ""},
	} {
		files := unzip(t, data)
		c.change(files)
		for _, forge := range []bool{false, true} {
			r := verify(t, rezip(t, data, files, forge), Check{Key: l.key})
			said := fmt.Sprint(r.Problems)
			if r.Genuine() || c.item != 0 && !names(r, c.item) || !strings.Contains(said, c.want) {
				t.Errorf("%s (forged %v): want item %d and %q, got %v", c.name, forge, c.item, c.want, r.Problems)
			}
		}
	}
}

// Files that are no bundles, or made to do harm, are refused.
func TestHostile(t *testing.T) {
	_, data := sample(t)
	for name, bad := range map[string][]byte{"nothing": nil, "text": []byte("hello"), "half": data[:len(data)/2], "an empty zip": append([]byte("PK\x05\x06"), make([]byte, 18)...)} {
		if _, err := Verify(context.Background(), bytes.NewReader(bad), int64(len(bad)), Check{}); err == nil {
			t.Errorf("%s was checked as a bundle", name)
		}
	}
	if _, err := Verify(context.Background(), bytes.NewReader(data), int64(len(data)), Check{Key: "rubbish"}); err == nil {
		t.Error("a key that is none was accepted")
	}
	if _, err := Verify(context.Background(), bytes.NewReader(data), int64(len(data)), Check{Checkpoint: []byte("rubbish")}); err == nil {
		t.Error("a checkpoint that is none was accepted")
	}
	for _, name := range []string{"../../etc/passwd", "/index.html", "media/../index.html", "media/x", "pages/x.html", "INDEX.HTML", "rsmf/1.rsmf", "media/" + strings.Repeat("0", 64) + "/x", "media/" + strings.Repeat("0", 64) + ".a/b"} {
		if allowed(name) {
			t.Errorf("%q is allowed in a bundle", name)
		}
	}
}

// An archive that would unpack to far more than it is long is refused before anything is unpacked.
func TestZipBomb(t *testing.T) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create(itemsFile)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 200 {
		if _, err := f.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Verify(context.Background(), bytes.NewReader(out.Bytes()), int64(out.Len()), Check{})
	if err == nil || !strings.Contains(err.Error(), "times its size") {
		t.Errorf("an archive of %d bytes that unpacks to 200 MiB: %v", out.Len(), err)
	}
}

// FuzzVerify changes the two files that are parsed most.
func FuzzVerify(f *testing.F) {
	l, data := sample(f)
	files := unzip(f, data)
	f.Add(files[itemsFile], files[entriesFile])
	f.Fuzz(func(t *testing.T, items, entries []byte) {
		same := bytes.Equal(items, files[itemsFile]) && bytes.Equal(entries, files[entriesFile])
		changed := unzip(t, data)
		changed[itemsFile], changed[entriesFile] = items, entries
		forged := rezip(t, data, changed, true)
		r, err := Verify(context.Background(), bytes.NewReader(forged), int64(len(forged)), Check{Key: l.key})
		if err == nil && r.Genuine() && !same {
			t.Error("a changed bundle held")
		}
	})
}

func FuzzEntryLine(f *testing.F) {
	_, data := sample(f)
	for _, line := range bytes.Split(unzip(f, data)[entriesFile], []byte("\n")) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if l, _, err := parseEntryLine(line, nil); err == nil && !bytes.Equal(l.append(nil), line) {
			t.Errorf("%q is not what is written again", line)
		}
	})
}

func TestItemForm(t *testing.T) {
	it := Item{Number: 1, Status: Released, Position: 5, Sequence: 2, Recorded: "r", Entries: []int64{5, 6}, Content: Content{ID: "$a", Type: "m.text", Sent: "s", Sender: "a", SenderName: "b",
		ReplyTo: "$b", Text: "t <&> \u2028 \"", Edits: []Edit{{1, "r", "x"}}, Deleted: &Deletion{1, "r", "b", "why"}, Reactions: []Reaction{{1, "b", "v", true}},
		Attachments: []Attachment{{"n", "t", 1, "s", "f", "st"}}}, Redactions: 1, Reasons: []Reason{{"c", "n", "t"}}, Note: "n", Seal: "s"}
	line := it.append(nil, true)
	// Every field is written: the standard encoder, which knows them all, reads the same back.
	var got Item
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(it)
	b, _ := json.Marshal(got)
	if !bytes.Equal(a, b) {
		t.Errorf("written and read:\n%s\nwant\n%s", b, a)
	}
	if read, _, err := parseItem(line, nil); err != nil {
		t.Error(err)
	} else if c, _ := json.Marshal(read); !bytes.Equal(a, c) {
		t.Errorf("read by hand:\n%s\nwant\n%s", c, a)
	}
	if _, _, err := parseItem(append([]byte(" "), line...), nil); err == nil {
		t.Error("an item in another form was read")
	}
}
