package eventauth

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"despatch/internal/matrix"
)

// step is a line of testdata/rooms.jsonl: an event that somebody tries to send into a room, and whether
// gomatrixserverlib lets them (see matrix/oracle).
type step struct {
	Room    int
	Version matrix.RoomVersion
	Event   json.RawMessage
	ID      matrix.EventID
	Needs   [][2]string
	Allowed bool
}

func steps(t testing.TB) (all []step) {
	f, err := os.Open("testdata/rooms.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s step
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := lines.Err(); err != nil || len(all) == 0 {
		t.Fatalf("%d steps, %v", len(all), err)
	}
	return all
}

// departures are where the library departs from the specification, by the rule of version 11 that it does not
// follow. Each has to occur, so that none outlives its reason.
var departures = map[string]string{
	"1.3":     "in version 11 it recognises any room version",
	"4.3.7":   "it lets an invited user in whatever the join rule, and counts on nothing but public to let others in",
	"4.4.1.1": "it does not ask whether the user that an invitation has found is banned",
	"4.5.1":   "it lets users leave who have left, as it says itself (NOTSPEC)",
	"allowed": "in version 12 it takes creators for users with level 0 where notifications are changed",
}

// departure returns which of them explains that we and the library differ.
func departure(ev *matrix.Event, rejected *Rejection) string {
	if rejected == nil {
		if ev.Version == matrix.V12 && ev.Type == matrix.TypePowerLevels {
			return "allowed"
		}
		return ""
	}
	if ev.Version == matrix.V12 {
		if rest, ok := strings.CutPrefix(rejected.Rule, "5."); ok {
			return "4." + rest
		}
	}
	return rejected.Rule
}

func TestRooms(t *testing.T) {
	var state *Snapshot
	departed := make(map[string]int)
	for i, s := range steps(t) {
		ev, err := matrix.Parse(s.Version, s.Event)
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if ev.ID != s.ID && s.ID != "" {
			t.Errorf("step %d: ID %s, want %s", i, ev.ID, s.ID)
		}
		if ev.Type == matrix.TypeCreate {
			state = NewSnapshot()
		}
		err = Allowed(ev, state)
		var rejected *Rejection
		if err != nil && !errors.As(err, &rejected) {
			t.Errorf("step %d: %v, which is no rejection", i, err)
		}
		if (err == nil) != s.Allowed {
			if d := departure(ev, rejected); departures[d] != "" {
				departed[d]++
			} else {
				t.Errorf("step %d, version %s: %v, want allowed = %t\n%s", i, s.Version, err, s.Allowed, s.Event)
			}
		}
		if s.Allowed {
			state.Set(ev)
		}
		var needs [][2]string
		for _, k := range AuthTypes(ev) {
			if k.Type != matrix.TypeCreate {
				needs = append(needs, [2]string{k.Type, k.StateKey})
			}
		}
		for _, n := range needs {
			if !slices.Contains(s.Needs, n) {
				t.Errorf("step %d: auth types %q, want %q\n%s", i, needs, s.Needs, s.Event)
			}
		}
		if len(needs) != len(s.Needs) {
			t.Errorf("step %d: auth types %q, want %q\n%s", i, needs, s.Needs, s.Event)
		}
	}
	for d, why := range departures {
		if departed[d] == 0 {
			t.Errorf("the library does not depart from rule %s any more: %s", d, why)
		}
	}
}
