package whatsappdb

import (
	"context"
	"strconv"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/sqlfile"
)

// actions are what the numbers of Android's system rows mean, as far as known: our code, and words for
// reading, in which {who} did it and {what} is to whom or to what.
var actions = map[int64]struct{ code, text string }{
	1:   {"subject_changed", "{who} changed the group’s name to “{what}”"},
	4:   {"member_added", "{who} added {what}"},
	5:   {"member_left", "{who} left"},
	6:   {"icon_changed", "{who} changed the group’s picture"},
	7:   {"member_removed", "{who} was removed"},
	9:   {"group_created", "{who} created a broadcast list"},
	10:  {"number_changed", "{who} changed the telephone number to {what}"},
	11:  {"group_created", "{who} created the group “{what}”"},
	12:  {"member_added", "{who} added {what}"},
	13:  {"member_left", "{who} left"},
	14:  {"member_removed", "{who} removed {what}"},
	15:  {"admin_changed", "{what} became an administrator"},
	16:  {"admin_changed", "{what} is no longer an administrator"},
	18:  {"security_code_changed", "The security code with {who} changed"},
	19:  {"encryption_notice", "Messages are end-to-end encrypted"},
	20:  {"member_joined", "{what} joined by a link"},
	27:  {"description_changed", "{who} changed the group’s description to “{what}”"},
	28:  {"number_changed", "{who} changed the telephone number to {what}"},
	46:  {"business_notice", "The chat became one with a business"},
	47:  {"business_notice", "This is an official business account"},
	50:  {"business_notice", "The chat is no longer one with a business"},
	56:  {"disappearing_changed", "{who} changed the timer of disappearing messages"},
	57:  {"security_code_changed", "The devices of {who} changed"},
	58:  {"contact_blocked", "The owner blocked this contact"},
	59:  {"disappearing_off", "{who} turned off disappearing messages"},
	67:  {"encryption_notice", "Messages are end-to-end encrypted"},
	69:  {"business_notice", "A notice about a business account"},
	70:  {"call_started", "{who} started a group call"},
	79:  {"member_joined", "{what} joined from the community"},
	118: {"message_pinned", "{who} pinned a message"},
	129: {"contact_notice", "{who} is in the contacts"},
	136: {"contact_notice", "{who} joined WhatsApp"},
}

// notice reads a system row. The tables of details are asked about every message, in step.
func (m *androidMessage) notice(ctx context.Context) error {
	id := m.row.Key()
	e := &capture.SystemEvent{Code: "other", Actor: m.o.Sender}
	action, text := int64(-1), ""
	var targets, values []string
	var joined, blocked, unblocked, timed bool
	for _, step := range []struct {
		side *sqlfile.Side
		fn   func(r *sqlfile.Row)
	}{
		{m.system, func(r *sqlfile.Row) { action = r.Int("action_type") }},
		{m.target, func(r *sqlfile.Row) {
			if jid := m.people.raw[r.Int("user_jid_row_id")]; jid != "" && len(targets) < maxBeside {
				targets = append(targets, m.person(m.chat, jid))
			}
		}},
		{m.value, func(r *sqlfile.Row) { values = append(values, r.Text("old_data")) }},
		{m.number, func(r *sqlfile.Row) {
			old, now := m.people.raw[r.Int("old_jid_row_id")], m.people.raw[r.Int("new_jid_row_id")]
			e.Actor = m.people.name(old)
			targets = append(targets, m.people.name(now))
		}},
		{m.block, func(r *sqlfile.Row) { blocked, unblocked = r.Bool("is_blocked"), !r.Bool("is_blocked") }},
		{m.timer, func(r *sqlfile.Row) { timed, e.TTL = true, max(r.Int("setting_duration"), 0) }},
		{m.joined, func(r *sqlfile.Row) { joined = r.Bool("is_me_joined") }},
	} {
		if err := step.side.Each(ctx, id, func(r *sqlfile.Row) error { step.fn(r); return nil }); err != nil {
			return err
		}
	}
	if m.o.Kind != capture.KindSystem {
		return nil
	}
	if a, ok := actions[action]; ok {
		e.Code, text = a.code, a.text
	}
	e.Value = strings.Join(targets, ", ")
	switch {
	case e.Value == "" && m.o.Body != "":
		e.Value = m.o.Body
	case e.Value == "" && joined:
		e.Value = m.people.self
	}
	switch {
	case m.sort == typeTimer, timed:
		e.Code, text = "disappearing_on", "{who} set messages to disappear after "+strconv.FormatInt(e.TTL, 10)+" seconds"
		if e.TTL == 0 {
			e.Code, text = "disappearing_off", "{who} turned off disappearing messages"
		}
	case m.sort == typeAlbum:
		text = "Several pictures sent together"
	case m.sort == typePrivacy:
		text = "{who} changed advanced chat privacy"
	case blocked:
		e.Code = "contact_blocked"
	case unblocked:
		e.Code, text = "contact_unblocked", "The owner unblocked this contact"
	case text == "":
		text = "A notice of WhatsApp’s whose meaning is not known, number " + strconv.FormatInt(action, 10)
		m.o.Doubt("unknown_notice", text+".")
	}
	if action == 1 && len(values) > 0 {
		text += ", before “" + values[0] + "”"
	}
	m.o.System, m.o.Text = e, phrase(text, e)
	return nil
}

// phrase puts names into the words for a notice.
func phrase(text string, e *capture.SystemEvent) string {
	who, what := e.Actor, e.Value
	if who == "" {
		who = "Somebody"
	}
	if what == "" {
		what = "somebody"
	}
	return strings.NewReplacer("{who}", who, "{what}", what).Replace(text)
}
