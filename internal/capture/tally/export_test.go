package tally

import (
	"fmt"
	"testing"
	"time"

	"despatch/internal/capture"
)

// TestFind looks for what messages name in exports that were unpacked above or below where they began.
func TestFind(t *testing.T) {
	files := func(names ...string) (*Export, map[string]*capture.Member) {
		x := &Export{chats: map[*capture.Member]bool{}}
		by := map[string]*capture.Member{}
		for _, n := range names {
			m := capture.NewMember(&capture.File{}, n, 1, time.Time{}, nil)
			x.Members = append(x.Members, m)
			by[n] = m
		}
		return x, by
	}
	x, by := files("fb/messages/inbox/asha_1/message_1.json", "fb/messages/inbox/asha_1/photos/1.jpg", "fb/messages/inbox/tom_2/photos/1.jpg",
		"fb/messages/inbox/tom_2/message_1.json", "fb/messages/stickers_used/s.png", "photos/Café?.JPG", "deep/a/b/only.txt")
	asha, tom := by["fb/messages/inbox/asha_1/message_1.json"], by["fb/messages/inbox/tom_2/message_1.json"]
	x.Chat(asha)
	for _, c := range []struct {
		uri  string
		chat *capture.Member
		want string
	}{
		{"messages/inbox/asha_1/photos/1.jpg", asha, "fb/messages/inbox/asha_1/photos/1.jpg"},
		{"messages/inbox/asha_1/photos/1.jpg", tom, "fb/messages/inbox/asha_1/photos/1.jpg"},
		{"photos/1.jpg", tom, "fb/messages/inbox/tom_2/photos/1.jpg"},
		{"./photos/1.jpg", asha, "fb/messages/inbox/asha_1/photos/1.jpg"},
		{"elsewhere/photos/1.jpg", asha, "fb/messages/inbox/asha_1/photos/1.jpg"},
		{"x/y/z/messages/stickers_used/s.png", asha, ""},
		{"a/fb/messages/stickers_used/s.png", asha, "fb/messages/stickers_used/s.png"},
		{"photos/Cafe\u0301_.jpg", nil, "photos/Café?.JPG"},
		{"only.txt", asha, ""},
		{"only.txt", nil, "deep/a/b/only.txt"},
		{"https://example.org/only.txt", nil, ""},
		{"messages/inbox/asha_1/message_1.json", tom, ""}, // a chat is no attachment
		{"", nil, ""},
	} {
		got := x.Find(c.uri, c.chat)
		if want := by[c.want]; got != want {
			t.Errorf("%q is %v, want %q", c.uri, got, c.want)
		}
	}
	many := make([]string, 0, 50_000)
	for i := range 50_000 {
		many = append(many, fmt.Sprintf("inbox/t%d/photos/1.jpg", i))
	}
	x, by = files(many...)
	for i := 0; i < 50_000; i += 7 {
		if n := fmt.Sprintf("inbox/t%d/photos/1.jpg", i); x.Find("messages/"+n, nil) != by[n] {
			t.Fatalf("%s is not found among many", n)
		}
	}
}
