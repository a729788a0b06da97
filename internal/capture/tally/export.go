package tally

import (
	"context"
	"encoding/hex"
	"path"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"despatch/internal/capture"
)

// Export is what was handed in: the files, and those in its containers, of which some are read for
// messages, some are named by messages, and the rest is accounted for.
type Export struct {
	Members []*capture.Member

	skipped []capture.Skip
	extra   int64 // members that were left aside when the containers were opened
	zipped  bool
	byName  [depths + 1]map[string][]*capture.Member // by the last 1, 2, … elements of where they stand
	chats   map[*capture.Member]bool
	named   map[*capture.Member]bool
	aside   map[*capture.Member]bool
	hashes  map[*capture.Member]string
	inTar   map[*capture.File]bool
}

// Open opens the containers of a source.
func Open(src *capture.Source) (*Export, error) {
	x := &Export{chats: map[*capture.Member]bool{}, named: map[*capture.Member]bool{}, aside: map[*capture.Member]bool{}, hashes: map[*capture.Member]string{}, inTar: map[*capture.File]bool{}}
	for _, f := range src.Files {
		if IsTar(f) {
			members, skipped, err := Tar(f, src.Bounds())
			if err != nil {
				return nil, err
			}
			x.zipped, x.inTar[f] = true, true
			x.Members = append(x.Members, members...)
			for _, s := range skipped {
				x.extra += s.Count
				x.skipped = capture.AddSkip(x.skipped, s.Reason, s.Count, s.Detail)
			}
			continue
		}
		if !capture.IsZip(f) {
			x.Members = append(x.Members, f.Member())
			continue
		}
		a, err := capture.OpenZip(f, src.Bounds())
		if err != nil {
			return nil, err
		}
		x.zipped = true
		x.Members = append(x.Members, a.Members...)
		x.extra += a.Total - int64(len(a.Members))
		for _, s := range a.Skipped {
			x.skipped = capture.AddSkip(x.skipped, s.Reason, s.Count, s.Detail)
		}
	}
	return x, nil
}

// Where returns where a member stands: its path inside its container, or the name it was handed in by.
func Where(m *capture.Member) string {
	if m.Path != "" {
		return m.Path
	}
	return strings.ReplaceAll(m.File.Name, `\`, "/")
}

// Base returns the last element of where a member stands.
func Base(m *capture.Member) string { return path.Base(Where(m)) }

// Dir returns the folder that a member stands in.
func Dir(m *capture.Member) string { return path.Dir(Where(m)) }

// spellings returns the ways in which a name may be written elsewhere, the exact one first. Computers
// store accents composed or apart, forget case, and replace what they do not allow.
func spellings(name string) [3]string {
	nfc := norm.NFC.String(name)
	folded := strings.ToLower(strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`\/:*?"<>|=&`, r):
			return '_'
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, nfc))
	return [3]string{name, nfc, folded}
}

// Find returns the member that a message names by a path, or nil. The path may begin anywhere above
// or below where the export was unpacked; of several members that fit, the one whose folders agree
// most is meant, and then the one nearest to the chat. A name without a folder means a member in the
// folder of the chat, or below it.
func (x *Export) Find(uri string, chat *capture.Member) *capture.Member {
	uri = strings.TrimPrefix(strings.ReplaceAll(uri, `\`, "/"), "./")
	if uri == "" || strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "https://") {
		return nil
	}
	if x.byName[1] == nil {
		x.index()
	}
	want := strings.Split(path.Clean(uri), "/")
	for d := min(depths, len(want)); d > 0; d-- {
		for _, key := range spellings(strings.Join(want[len(want)-d:], "\x00")) {
			list := x.byName[d][key]
			if best := x.best(list[:min(len(list), maxNamesakes)], want, chat); best != nil {
				return best
			}
		}
	}
	return nil
}

// depths is how many elements of a path are looked up at once, and maxNamesakes how many members of
// one name are compared.
const (
	depths       = 3
	maxNamesakes = 1000
)

func (x *Export) index() {
	for d := range x.byName {
		x.byName[d] = map[string][]*capture.Member{}
	}
	for _, m := range x.Members {
		have := strings.Split(Where(m), "/")
		for d := 1; d <= min(depths, len(have)); d++ {
			keys := spellings(strings.Join(have[len(have)-d:], "\x00"))
			for i, k := range keys {
				if i == 0 || k != keys[i-1] {
					x.byName[d][k] = append(x.byName[d][k], m)
				}
			}
		}
	}
}

// best returns the member of a list that a path means, seen from a chat.
func (x *Export) best(list []*capture.Member, want []string, chat *capture.Member) *capture.Member {
	var best *capture.Member
	most := -1
	for _, m := range list {
		if x.chats[m] {
			continue
		}
		have := strings.Split(Where(m), "/")
		n := 1
		for n < len(want) && n < len(have) && spellings(want[len(want)-1-n])[2] == spellings(have[len(have)-1-n])[2] {
			n++
		}
		// The folders agree as far as both go, or the member stands below the chat by that path.
		whole := n == len(want) || n == len(have)
		below := chat != nil && (strings.HasPrefix(Where(m), Dir(chat)+"/") || Dir(chat) == ".")
		if len(want) == 1 {
			whole = chat == nil || below
		}
		if !whole && !(below && n >= 2) {
			continue
		}
		score := 4 * n
		if chat != nil && m.File == chat.File {
			score++
		}
		if below {
			score += 2
		}
		if score > most {
			best, most = m, score
		}
	}
	return best
}

// Chat marks a member as one that messages are read from.
func (x *Export) Chat(m *capture.Member) { x.chats[m] = true }

// Named marks a member as one that belongs to a message or a conversation.
func (x *Export) Named(m *capture.Member) { x.named[m] = true }

// Aside marks a member as left aside for a reason.
func (x *Export) Aside(m *capture.Member, reason string) {
	if !x.aside[m] {
		x.aside[m] = true
		x.skipped = capture.AddSkip(x.skipped, reason, 1, m.Label())
	}
}

// Attach fills in an attachment from the member that it is.
func (x *Export) Attach(ctx context.Context, a *capture.Attachment, m *capture.Member) error {
	sum, ok := x.hashes[m]
	if !ok {
		h, err := m.Hash(ctx)
		if err != nil {
			return err
		}
		sum = hex.EncodeToString(h[:])
		x.hashes[m] = sum
	}
	x.named[m] = true
	a.Presence, a.Path, a.Size, a.SHA256, a.Within = capture.Present, m.Path, m.Size, sum, hex.EncodeToString(m.File.SHA256[:])
	if x.inTar[m.File] {
		a.Path, a.Within, a.Open = "", "", m.Open
	}
	return nil
}

// Name attaches what a message names by a path: the member if it came with the export, and else the
// name of what is absent.
func (x *Export) Name(ctx context.Context, o *capture.Observation, class, uri string, chat *capture.Member) error {
	a := capture.Attachment{Name: path.Base(strings.ReplaceAll(uri, `\`, "/")), Class: class, Presence: capture.NamedAbsent}
	if uri == "" {
		a.Name = ""
	}
	if strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "https://") {
		a.Detail = uri
		if i := strings.IndexAny(a.Name, "?#"); i >= 0 {
			a.Name = a.Name[:i]
		}
	}
	if m := x.Find(uri, chat); m != nil {
		if err := x.Attach(ctx, &a, m); err != nil {
			return err
		}
	}
	o.Attachments = append(o.Attachments, a)
	return nil
}

// account says what became of every member, or nil if a file was handed in alone.
func (x *Export) account() *capture.Members {
	if len(x.Members) <= 1 && !x.zipped {
		return nil
	}
	r := &capture.Members{Total: int64(len(x.Members)) + x.extra, Skipped: x.skipped}
	if r.Skipped == nil {
		r.Skipped = []capture.Skip{}
	}
	for _, m := range x.Members {
		switch {
		case x.aside[m]: // counted with its reason
		case x.chats[m]:
			r.Chats++
		case x.named[m]:
			r.Named++
		default:
			r.Unnamed++
		}
	}
	r.Balance()
	return r
}
