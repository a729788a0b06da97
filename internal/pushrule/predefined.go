package pushrule

import (
	"slices"
	"strings"

	json "github.com/go-json-experiment/json"

	"despatch/internal/matrix"
)

// Predefined returns the rules that everybody has until they change them.
func Predefined(user matrix.UserID) *Rules {
	text := strings.NewReplacer("@USER", string(matrix.AppendString(nil, user)), "@LOCAL", string(matrix.AppendString(nil, user.Localpart()))).Replace(predefined)
	r := new(Rules)
	if err := json.Unmarshal([]byte(text), r); err != nil {
		panic("predefined push rules: " + err.Error())
	}
	return r
}

// Complete adds predefined rules that somebody's stored ones do not have yet, each after the one that it follows
// among the predefined.
func (r *Rules) Complete(user matrix.UserID) {
	all := Predefined(user)
	for _, kind := range []string{"override", "content", "underride"} {
		have := r.Kind(kind)
		after := ""
		for _, rule := range *all.Kind(kind) {
			if !slices.ContainsFunc(*have, func(x Rule) bool { return x.RuleID == rule.RuleID }) {
				at := len(*have)
				if i := slices.IndexFunc(*have, func(x Rule) bool { return x.RuleID == after }); i >= 0 {
					at = i + 1
				} else if after == "" && kind == "override" {
					at = 0
				}
				*have = slices.Insert(*have, at, rule)
			}
			after = rule.RuleID
		}
	}
}

// predefined are those of "Predefined Rules" that concern conversations without encryption, and the older ones by
// which clients are found mentioned that do not say whom they mention.
const predefined = `{"override":[` +
	`{"rule_id":".m.rule.master","default":true,"enabled":false,"conditions":[],"actions":[]},` +
	`{"rule_id":".m.rule.suppress_notices","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"content.msgtype","pattern":"m.notice"}],"actions":[]},` +
	`{"rule_id":".m.rule.invite_for_me","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"type","pattern":"m.room.member"},{"kind":"event_match","key":"content.membership","pattern":"invite"},{"kind":"event_match","key":"state_key","pattern":@USER}],"actions":["notify",{"set_tweak":"sound","value":"default"}]},` +
	`{"rule_id":".m.rule.member_event","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"type","pattern":"m.room.member"}],"actions":[]},` +
	`{"rule_id":".m.rule.is_user_mention","default":true,"enabled":true,"conditions":[{"kind":"event_property_contains","key":"content.m\\.mentions.user_ids","value":@USER}],"actions":["notify",{"set_tweak":"sound","value":"default"},{"set_tweak":"highlight"}]},` +
	`{"rule_id":".m.rule.contains_display_name","default":true,"enabled":true,"conditions":[{"kind":"contains_display_name"}],"actions":["notify",{"set_tweak":"sound","value":"default"},{"set_tweak":"highlight"}]},` +
	`{"rule_id":".m.rule.is_room_mention","default":true,"enabled":true,"conditions":[{"kind":"event_property_is","key":"content.m\\.mentions.room","value":true},{"kind":"sender_notification_permission","key":"room"}],"actions":["notify",{"set_tweak":"highlight"}]},` +
	`{"rule_id":".m.rule.roomnotif","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"content.body","pattern":"@room"},{"kind":"sender_notification_permission","key":"room"}],"actions":["notify",{"set_tweak":"highlight"}]},` +
	`{"rule_id":".m.rule.tombstone","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"type","pattern":"m.room.tombstone"},{"kind":"event_match","key":"state_key","pattern":""}],"actions":["notify",{"set_tweak":"highlight"}]},` +
	`{"rule_id":".m.rule.reaction","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"type","pattern":"m.reaction"}],"actions":[]},` +
	`{"rule_id":".m.rule.room.server_acl","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"type","pattern":"m.room.server_acl"},{"kind":"event_match","key":"state_key","pattern":""}],"actions":[]},` +
	`{"rule_id":".m.rule.suppress_edits","default":true,"enabled":true,"conditions":[{"kind":"event_property_is","key":"content.m\\.relates_to.rel_type","value":"m.replace"}],"actions":[]}],` +
	`"content":[{"rule_id":".m.rule.contains_user_name","default":true,"enabled":true,"pattern":@LOCAL,"actions":["notify",{"set_tweak":"sound","value":"default"},{"set_tweak":"highlight"}]}],` +
	`"room":[],"sender":[],"underride":[` +
	`{"rule_id":".m.rule.call","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"type","pattern":"m.call.invite"}],"actions":["notify",{"set_tweak":"sound","value":"ring"}]},` +
	`{"rule_id":".m.rule.room_one_to_one","default":true,"enabled":true,"conditions":[{"kind":"room_member_count","is":"2"},{"kind":"event_match","key":"type","pattern":"m.room.message"}],"actions":["notify",{"set_tweak":"sound","value":"default"}]},` +
	`{"rule_id":".m.rule.message","default":true,"enabled":true,"conditions":[{"kind":"event_match","key":"type","pattern":"m.room.message"}],"actions":["notify"]}]}`
