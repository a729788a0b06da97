package whatsapp

import (
	"context"
	"io"
	"path"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"despatch/internal/capture"
)

// export is what was handed in, sorted into chats and the media they may name.
type export struct {
	chats   []*capture.Member
	media   map[string][]*capture.Member // by name, in several spellings
	files   int64                        // in containers
	skipped []capture.Skip
	zipped  bool
	named   map[*capture.Member]bool // media that a message names
	hashes  map[*capture.Member]string
}

// openExport sorts the files of a source. It returns no chats if there are none.
func openExport(ctx context.Context, src *capture.Source) (*export, error) {
	x := &export{media: map[string][]*capture.Member{}, named: map[*capture.Member]bool{}, hashes: map[*capture.Member]string{}}
	var members []*capture.Member
	for _, f := range src.Files {
		if !capture.IsZip(f) {
			members = append(members, f.Member())
			x.files++
			continue
		}
		a, err := capture.OpenZip(f, src.Bounds())
		if err != nil {
			return nil, err
		}
		x.zipped = true
		members = append(members, a.Members...)
		x.files += a.Total
		for _, s := range a.Skipped {
			x.skipped = capture.AddSkip(x.skipped, s.Reason, s.Count, s.Detail)
		}
	}
	var nested string
	for _, m := range members {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		is, err := isChat(m, src.Bounds(), len(members) == 1)
		if err != nil {
			return nil, err
		}
		if is {
			if err := x.addChat(m); err != nil {
				return nil, err
			}
			continue
		}
		if strings.EqualFold(path.Ext(m.Name), ".zip") && nested == "" {
			nested = m.Label()
		}
		x.addMedia(m)
	}
	if len(x.chats) == 0 && nested != "" {
		return nil, &capture.FileError{File: src.Files[0].Name, Reason: "holds no chat, but another zip file, “" + nested + "”",
			Remedy: "Unpack it once, and hand in each export as a file of its own."}
	}
	return x, nil
}

// addChat adds a chat's text. The same name twice in one archive is somebody's attempt to show one
// thing to one reader and another thing to another.
func (x *export) addChat(m *capture.Member) error {
	for _, other := range x.chats {
		if other.File == m.File && other.Path == m.Path {
			return &capture.FileError{File: m.File.Name, Reason: "holds two files called “" + m.Path + "”", Remedy: "Export the chat again and hand in the file as it comes."}
		}
	}
	x.chats = append(x.chats, m)
	return nil
}

func (x *export) addMedia(m *capture.Member) {
	for _, key := range spellings(m.Name) {
		if n := len(x.media[key]); n == 0 || x.media[key][n-1] != m {
			x.media[key] = append(x.media[key], m)
		}
	}
}

// spellings returns the ways in which a name may be written elsewhere, the exact one first. Computers
// store accents composed or apart, forget case, and replace what they do not allow.
func spellings(name string) []string {
	nfc := norm.NFC.String(name)
	folded := strings.ToLower(strings.Map(func(r rune) rune {
		switch {
		case ignorable(r):
			return -1
		case strings.ContainsRune(`\/:*?"<>|`, r):
			return '_'
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, nfc))
	return []string{name, nfc, folded}
}

// find returns the media file of a name in the folder of a chat, or else anywhere. twin is another
// file of the same name, where there is one.
func (x *export) find(name string, chat *capture.Member) (m, twin *capture.Member) {
	for _, key := range spellings(name) {
		list := x.media[key]
		if len(list) == 0 {
			continue
		}
		m = list[0]
		for _, c := range list {
			if c.File == chat.File && path.Dir(c.Path) == path.Dir(chat.Path) {
				m = c
				break
			}
		}
		for _, c := range list {
			if c != m && path.Dir(c.Path) == path.Dir(m.Path) && c.Name == m.Name {
				return m, c
			}
		}
		return m, nil
	}
	return nil, nil
}

// members accounts for every file of the containers.
func (x *export) members() *capture.Members {
	if x.files <= 1 && !x.zipped {
		return nil
	}
	all := map[*capture.Member]bool{}
	for _, list := range x.media {
		for _, m := range list {
			all[m] = true
		}
	}
	r := &capture.Members{Total: x.files, Chats: int64(len(x.chats)), Named: int64(len(x.named)), Skipped: x.skipped}
	if r.Skipped == nil {
		r.Skipped = []capture.Skip{}
	}
	r.Unnamed = int64(len(all) - len(x.named))
	r.Balance()
	return r
}

// isChat says by its content whether a file is a chat: one of its first lines is a header, or two
// are. A text without a single header is a chat only if nothing else could be meant: it has the name
// that WhatsApp gives to a chat.
func isChat(m *capture.Member, limits capture.Limits, alone bool) (bool, error) {
	named := m.Name == "_chat.txt" || strings.EqualFold(path.Ext(m.Name), ".txt") && titleOf(m.Name) != ""
	if m.Path != "" && !strings.EqualFold(path.Ext(m.Name), ".txt") {
		return false, nil
	}
	if m.Size > limits.Text {
		return false, nil
	}
	r, err := m.Open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	limits.Line = 1 << 20
	lines, err := newLineReader(io.LimitReader(r, 256<<10), limits, m.Label())
	if err != nil {
		return false, err
	}
	var scanner stampScanner
	seen := map[shape]int{}
	for n := 0; n < 400; n++ {
		l, err := lines.next()
		if err != nil {
			if _, fault := err.(*capture.FileError); fault && m.Path != "" {
				return false, err
			}
			break
		}
		if n < 40 && strings.ContainsRune(string(l.text), 0) {
			return false, nil // not a text
		}
		st, ok := scanner.scan(l.text)
		if !ok {
			continue
		}
		seen[st.shape]++
		if n < 3 || named || seen[st.shape] >= 2 {
			return true, nil
		}
	}
	return named && m.Size <= 1<<20, nil
}

// titleOf returns the chat's name from the name of its file, in the languages we know.
func titleOf(file string) string {
	s := norm.NFC.String(strings.TrimSuffix(file, path.Ext(file)))
	if i := strings.LastIndex(s, " ("); i > 0 && strings.HasSuffix(s, ")") && strings.Trim(s[i+2:len(s)-1], "0123456789") == "" {
		s = s[:i] // a second download
	}
	if _, _, title, ok := titleWords.find(s); ok {
		return title
	}
	return ""
}
