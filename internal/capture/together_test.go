package capture_test

import (
	"fmt"
	"testing"

	"despatch/internal/capture"
	"despatch/internal/capture/whatsapp"
)

// TestChosenAtOnce sorts what somebody chose at once: a chat keeps its pictures, two chats are two, and what
// no parser knows is by itself.
func TestChosenAtOnce(t *testing.T) {
	one := file(t, "WhatsApp Chat with Ward 7.txt", chat(5))
	two := file(t, "WhatsApp Chat with Ward 8.txt", chat(7))
	zip := file(t, "WhatsApp Chat - Ward 9.zip", zipped(t, shortChat, nil))
	picture := file(t, "IMG-20220101-WA0001.jpg", []byte("\xff\xd8\xff\xe0 a picture"))
	other := file(t, "letter.pdf", []byte("%PDF-1.7 a letter"))
	for _, c := range []struct {
		files []*capture.File
		want  string
	}{
		{[]*capture.File{one}, "[[1]]"},
		{[]*capture.File{one, picture, other}, "[[1 4 5]]"},
		{[]*capture.File{picture, other}, "[[4] [5]]"},
		{[]*capture.File{one, two, picture}, "[[1] [2] [4]]"},
		{[]*capture.File{zip, picture}, "[[3] [4]]"},
	} {
		groups, err := capture.Together(t.Context(), []capture.Parser{whatsapp.Parser{}}, c.files)
		if err != nil {
			t.Fatal(err)
		}
		number := map[*capture.File]int{one: 1, two: 2, zip: 3, picture: 4, other: 5}
		got := [][]int{}
		for _, g := range groups {
			ids := []int{}
			for _, f := range g {
				ids = append(ids, number[f])
			}
			got = append(got, ids)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%d files are sorted into %v, want %s", len(c.files), got, c.want)
		}
	}
}
