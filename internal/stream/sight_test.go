package stream

import (
	"fmt"
	"strings"
	"testing"
)

// What the specification says of each event, position by position: + is seen.
func TestSight(t *testing.T) {
	const head = 12
	for _, test := range []struct{ name, visibility, members, want string }{
		// positions                              0         1
		//                                        012345678901
		{"never there", "1 shared", "", "------------"},
		{"world", "1 world_readable", "", "-+++++++++++"},
		{"world for a while", "1 world_readable|5 shared", "", "-+++++------"},
		{"joined", "1 shared", "4 join", "++++++++++++"},
		{"joined and left", "1 shared", "4 join|8 leave", "+++++++++---"},
		{"only while in it", "1 joined", "4 join|8 leave", "++--+++++---"},
		{"twice in it", "1 joined", "3 join|5 leave|8 join", "++-+++--++++"},
		{"since invited", "1 invited", "3 invite|6 join", "++-+++++++++"},
		{"invited, not joined", "1 invited", "3 invite", "---+++++++++"},
		{"invited where joined counts", "1 joined", "3 invite", "------------"},
		{"closed later", "1 shared|6 joined", "9 join", "+++++++--+++"},
		{"declined", "1 joined", "3 invite|5 leave", "------------"},
	} {
		s := &Sight{members: read(test.members)}
		s.look(read(test.visibility), head)
		var got strings.Builder
		for pos := range int64(head) {
			if s.Sees(pos) {
				got.WriteByte('+')
			} else {
				got.WriteByte('-')
			}
		}
		if got.String() != test.want {
			t.Errorf("%s: %s, want %s", test.name, got.String(), test.want)
		}
	}
	s := &Sight{members: read("4 invite|6 join|9 ban")}
	for pos, want := range map[int64]string{0: "leave", 3: "leave", 4: "invite", 5: "invite", 6: "join", 8: "join", 9: "ban", 11: "ban"} {
		if got := s.Membership(pos); got != want {
			t.Errorf("membership at %d = %s, want %s", pos, got, want)
		}
	}
}

func read(text string) (out []turn) {
	for _, part := range strings.Split(text, "|") {
		var x turn
		if n, _ := fmt.Sscan(part, &x.pos, &x.value); n == 2 {
			out = append(out, x)
		}
	}
	return out
}
