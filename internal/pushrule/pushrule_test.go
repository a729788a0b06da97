package pushrule

import (
	"fmt"
	"strings"
	"testing"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func event(content string) []byte {
	return []byte(`{"content":` + content + `,"room_id":"!r:x","sender":"@bob:x","type":"m.room.message"}`)
}

func TestPredefined(t *testing.T) {
	alice := Compile("@alice:x", Predefined("@alice:x"))
	facts := &Facts{User: "@alice:x", DisplayName: "Alice Liddell", Joined: 3, SenderPower: 0, NotifyPower: 50}
	for _, test := range []struct {
		event  string
		joined int
		power  int64
		want   Result
	}{
		{string(event(`{"body":"hello","msgtype":"m.text"}`)), 3, 0, Result{Notify: true}},
		{string(event(`{"body":"hello","msgtype":"m.text"}`)), 2, 0, Result{Notify: true, Sound: "default"}},
		{string(event(`{"body":"hello","msgtype":"m.notice"}`)), 2, 0, Result{}},
		{string(event(`{"body":"hello Alice, are you there","msgtype":"m.text"}`)), 3, 0, Result{true, true, "default"}},
		{string(event(`{"body":"hello malice","msgtype":"m.text"}`)), 3, 0, Result{Notify: true}},
		{string(event(`{"body":"ALICE LIDDELL!","msgtype":"m.text"}`)), 3, 0, Result{true, true, "default"}},
		{string(event(`{"body":"Alice","m.mentions":{},"msgtype":"m.text"}`)), 3, 0, Result{Notify: true}},
		{string(event(`{"body":"you","m.mentions":{"user_ids":["@x:x","@alice:x"]},"msgtype":"m.text"}`)), 3, 0, Result{true, true, "default"}},
		{string(event(`{"body":"all","m.mentions":{"room":true},"msgtype":"m.text"}`)), 3, 0, Result{Notify: true}},
		{string(event(`{"body":"all","m.mentions":{"room":true},"msgtype":"m.text"}`)), 3, 50, Result{Notify: true, Highlight: true}},
		{string(event(`{"body":"* new","m.relates_to":{"rel_type":"m.replace"},"msgtype":"m.text"}`)), 3, 0, Result{}},
		{`{"content":{"membership":"invite"},"sender":"@bob:x","state_key":"@alice:x","type":"m.room.member"}`, 3, 0, Result{Notify: true, Sound: "default"}},
		{`{"content":{"membership":"join"},"sender":"@bob:x","state_key":"@bob:x","type":"m.room.member"}`, 3, 0, Result{}},
		{`{"content":{"body":"mine","msgtype":"m.text"},"sender":"@alice:x","type":"m.room.message"}`, 3, 0, Result{}},
	} {
		facts.Joined, facts.SenderPower = test.joined, test.power
		if got := alice.Evaluate([]byte(test.event), facts); got != test.want {
			t.Errorf("%s (%d people, power %d): %+v, want %+v", test.event, test.joined, test.power, got, test.want)
		}
	}
}

func TestOwnRules(t *testing.T) {
	rules := Predefined("@alice:x")
	notify, quiet := jsontext.Value(`["notify",{"set_tweak":"highlight"}]`), jsontext.Value(`[]`)
	rules.Room = []Rule{{RuleID: "!quiet:x", Enabled: true, Actions: quiet}}
	rules.Sender = []Rule{{RuleID: "@boss:x", Enabled: true, Actions: notify}}
	rules.Content = append([]Rule{{RuleID: "w", Enabled: true, Pattern: "budg?t*", Actions: notify}}, rules.Content...)
	set := Compile("@alice:x", rules)
	f := &Facts{User: "@alice:x", Joined: 9}
	for text, want := range map[string]Result{
		`{"content":{"body":"the budgets are in"},"room_id":"!r:x","sender":"@bob:x","type":"m.room.message"}`:          {Notify: true, Highlight: true},
		`{"content":{"body":"the nobudgets"},"room_id":"!r:x","sender":"@bob:x","type":"m.room.message"}`:               {Notify: true},
		`{"content":{"body":"nothing"},"room_id":"!quiet:x","sender":"@bob:x","type":"m.room.message"}`:                 {},
		`{"content":{"body":"nothing"},"room_id":"!r:x","sender":"@boss:x","type":"m.room.message"}`:                    {Notify: true, Highlight: true},
		`{"content":{"body":"budget"},"room_id":"!quiet:x","sender":"@bob:x","type":"m.room.message"}`:                  {Notify: true, Highlight: true},
		`{"content":{"body":["budget"]},"room_id":"!quiet:x","sender":"@bob:x","type":"m.room.message"}`:                {},
		`{"content":{"body":"budget","msgtype":"m.notice"},"room_id":"!r:x","sender":"@bob:x","type":"m.room.message"}`: {},
	} {
		if got := set.Evaluate([]byte(text), f); got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
	rules.Override[0].Enabled = true // .m.rule.master
	if got := Compile("@alice:x", rules).Evaluate(event(`{"body":"budget"}`), f); got.Notify {
		t.Errorf("with everything switched off: %+v", got)
	}
}

func TestConditions(t *testing.T) {
	f := &Facts{User: "@alice:x", Joined: 5}
	ev := []byte(`{"content":{"a.b":{"c":"x"},"list":["one",2],"n":7},"sender":"@bob:x","type":"t"}`)
	for condition, want := range map[string]bool{
		`{"kind":"event_match","key":"content.a\\.b.c","pattern":"X"}`:        true,
		`{"kind":"event_match","key":"content.a.b.c","pattern":"x"}`:          false,
		`{"kind":"event_match","key":"content.n","pattern":"7"}`:              false,
		`{"kind":"event_property_is","key":"content.n","value":7}`:            true,
		`{"kind":"event_property_is","key":"content.list","value":["one",2]}`: false,
		`{"kind":"event_property_contains","key":"content.list","value":2}`:   true,
		`{"kind":"event_property_contains","key":"content.list","value":"2"}`: false,
		`{"kind":"room_member_count","is":">=5"}`:                             true,
		`{"kind":"room_member_count","is":"<5"}`:                              false,
		`{"kind":"room_member_count","is":"5"}`:                               true,
		`{"kind":"room_member_count","is":"many"}`:                            false,
		`{"kind":"org.example.unknown"}`:                                      false,
		`{"kind":"event_match","key":"type"}`:                                 false,
	} {
		rules := &Rules{Override: []Rule{{RuleID: "r", Enabled: true, Conditions: jsontext.Value("[" + condition + "]"), Actions: jsontext.Value(`["notify"]`)}}}
		if got := Compile("@alice:x", rules).Evaluate(ev, f).Notify; got != want {
			t.Errorf("%s holds: %v, want %v", condition, got, want)
		}
	}
}

func TestComplete(t *testing.T) {
	r := Predefined("@alice:x")
	r.Override = r.Override[2:5]
	r.Override[0].Enabled = false
	r.Content = nil
	r.Complete("@alice:x")
	got, _ := json.Marshal(names(r))
	want, _ := json.Marshal(names(Predefined("@alice:x")))
	if string(got) != string(want) {
		t.Errorf("completed: %s, want %s", got, want)
	}
	if r.Override[2].Enabled {
		t.Error("a rule that was switched off is on again")
	}
}

func names(r *Rules) (out []string) {
	for _, kind := range []string{"override", "content", "underride"} {
		for _, x := range *r.Kind(kind) {
			out = append(out, x.RuleID)
		}
	}
	return out
}

// Patterns that backtrack are bounded.
func TestGlobIsBounded(t *testing.T) {
	if glob(strings.Repeat("*a", 200)+"b", strings.Repeat("a", 5000)) {
		t.Error("a pattern that ends in b matched a text without one")
	}
}

func FuzzEvaluate(f *testing.F) {
	f.Add(`[{"kind":"event_match","key":"content.body","pattern":"a*b?"}]`, `{"body":"a b c"}`)
	f.Add(`[{"kind":"room_member_count","is":"=="}]`, `{}`)
	f.Fuzz(func(t *testing.T, conditions, content string) {
		if !jsontext.Value(conditions).IsValid() {
			return
		}
		set := Compile("@alice:x", &Rules{Override: []Rule{{RuleID: "r", Enabled: true, Conditions: jsontext.Value(conditions), Actions: jsontext.Value(`["notify"]`)}}})
		if len(set.rules) > 1 {
			t.Error(fmt.Sprint("one rule became ", len(set.rules)))
		}
		if jsontext.Value(content).IsValid() {
			set.Evaluate([]byte(`{"content":`+content+`,"sender":"@b:x"}`), &Facts{})
		}
	})
}
