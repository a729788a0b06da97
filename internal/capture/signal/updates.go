package signal

import (
	"strconv"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
)

// simple are what Signal says in a conversation without more.
var simple = map[string]struct{ code, text string }{
	"JOINED_SIGNAL":                    {"contact_notice", "{who} joined Signal"},
	"IDENTITY_UPDATE":                  {"security_code_changed", "The safety number with {who} changed"},
	"IDENTITY_VERIFIED":                {"security_code_changed", "The safety number with {who} was marked as verified"},
	"IDENTITY_DEFAULT":                 {"security_code_changed", "The safety number with {who} was marked as not verified"},
	"CHANGE_NUMBER":                    {"number_changed", "{who} changed the telephone number"},
	"RELEASE_CHANNEL_DONATION_REQUEST": {"other", "Signal asked for a donation"},
	"END_SESSION":                      {"security_code_changed", "The secure session was reset"},
	"CHAT_SESSION_REFRESH":             {"security_code_changed", "The chat session was refreshed"},
	"BAD_DECRYPT":                      {"waiting", "A message from {who} could not be delivered"},
	"PAYMENTS_ACTIVATED":               {"settings_changed", "{who} accepts payments"},
	"PAYMENT_ACTIVATION_REQUEST":       {"settings_changed", "{who} was asked to accept payments"},
	"UNSUPPORTED_PROTOCOL_MESSAGE":     {"waiting", "A message from {who} needs a newer version of Signal"},
	"REPORTED_SPAM":                    {"other", "Reported as spam"},
	"BLOCKED":                          {"contact_blocked", "Blocked"},
	"UNBLOCKED":                        {"contact_unblocked", "Unblocked"},
	"MESSAGE_REQUEST_ACCEPTED":         {"contact_notice", "The message request was accepted"},
}

// groupUpdates are what happens to a group: our code, words, and under which keys of the update stand
// who did it and to whom or to what.
var groupUpdates = []struct{ key, code, text, who, what string }{
	{"genericGroupUpdate", "other", "{who} changed the group", "updaterAci", ""},
	{"groupCreationUpdate", "group_created", "{who} created the group", "updaterAci", ""},
	{"groupNameUpdate", "subject_changed", "{who} changed the group’s name to “{what}”", "updaterAci", "newGroupName"},
	{"groupAvatarUpdate", "icon_changed", "{who} changed the group’s picture", "updaterAci", ""},
	{"groupDescriptionUpdate", "description_changed", "{who} changed the group’s description to “{what}”", "updaterAci", "newDescription"},
	{"groupMembershipAccessLevelChangeUpdate", "settings_changed", "{who} changed who can add members", "updaterAci", ""},
	{"groupAttributesAccessLevelChangeUpdate", "settings_changed", "{who} changed who can edit the group", "updaterAci", ""},
	{"groupMemberLabelAccessLevelChangeUpdate", "settings_changed", "{who} changed who can label members", "updaterAci", ""},
	{"groupAnnouncementOnlyChangeUpdate", "settings_changed", "{who} changed who can send messages", "updaterAci", ""},
	{"groupAdminStatusUpdate", "admin_changed", "{who} changed {what}’s role", "updaterAci", "memberAci"},
	{"groupMemberLeftUpdate", "member_left", "{who} left", "aci", ""},
	{"groupMemberRemovedUpdate", "member_removed", "{who} removed {what}", "removerAci", "removedAci"},
	{"selfInvitedToGroupUpdate", "member_added", "{who} invited the owner of this account", "inviterAci", ""},
	{"selfInvitedOtherUserToGroupUpdate", "member_added", "The owner of this account invited {what}", "", "inviteeServiceId"},
	{"groupUnknownInviteeUpdate", "member_added", "{who} invited somebody", "inviterAci", ""},
	{"groupInvitationAcceptedUpdate", "member_joined", "{what} accepted an invitation by {who}", "inviterAci", "newMemberAci"},
	{"groupInvitationDeclinedUpdate", "other", "{what} declined an invitation by {who}", "inviterAci", "inviteeAci"},
	{"groupMemberJoinedUpdate", "member_joined", "{who} joined", "newMemberAci", ""},
	{"groupMemberAddedUpdate", "member_added", "{who} added {what}", "updaterAci", "newMemberAci"},
	{"groupSelfInvitationRevokedUpdate", "other", "{who} took back the invitation", "revokerAci", ""},
	{"groupInvitationRevokedUpdate", "other", "{who} took back invitations", "updaterAci", ""},
	{"groupJoinRequestUpdate", "other", "{who} asked to join", "requestorAci", ""},
	{"groupJoinRequestApprovalUpdate", "member_joined", "{who} decided on {what}’s request to join", "updaterAci", "requestorAci"},
	{"groupJoinRequestCanceledUpdate", "other", "{who} took back the request to join", "requestorAci", ""},
	{"groupInviteLinkResetUpdate", "settings_changed", "{who} reset the group’s link", "updaterAci", ""},
	{"groupInviteLinkEnabledUpdate", "settings_changed", "{who} switched on the group’s link", "updaterAci", ""},
	{"groupInviteLinkAdminApprovalUpdate", "settings_changed", "{who} changed who approves joining by the link", "updaterAci", ""},
	{"groupInviteLinkDisabledUpdate", "settings_changed", "{who} switched off the group’s link", "updaterAci", ""},
	{"groupMemberJoinedByLinkUpdate", "member_joined", "{who} joined by the link", "newMemberAci", ""},
	{"groupV2MigrationUpdate", "other", "The group was moved to a new form", "", ""},
	{"groupV2MigrationSelfInvitedUpdate", "member_added", "The owner of this account was invited when the group was moved", "", ""},
	{"groupV2MigrationInvitedMembersUpdate", "member_added", "Members were invited when the group was moved", "", ""},
	{"groupV2MigrationDroppedMembersUpdate", "member_removed", "Members were dropped when the group was moved", "", ""},
	{"groupSequenceOfRequestsAndCancelsUpdate", "other", "{who} asked to join and took it back, several times", "requestorAci", ""},
	{"groupExpirationTimerUpdate", "disappearing_on", "", "updaterAci", ""},
	{"groupTerminateChangeUpdate", "other", "{who} ended the group", "updaterAci", ""},
}

// update reads what Signal itself says in a conversation, or a call.
func (m *message) update(v *jsonfile.Value) {
	o := m.o
	if v.Has("individualCall") || v.Has("groupCall") {
		m.call(v)
		return
	}
	o.Kind = capture.KindSystem
	e := &capture.SystemEvent{Code: "other", Actor: o.Sender}
	o.System = e
	text := ""
	switch {
	case v.Has("simpleUpdate"):
		sort := v.Str("simpleUpdate", "type")
		if s, ok := simple[sort]; ok {
			e.Code, text = s.code, s.text
		}
	case v.Has("expirationTimerChange"):
		text = timer(e, ms(v, "expirationTimerChange", "expiresInMs"))
	case v.Has("profileChange"):
		e.Value = v.Str("profileChange", "newName")
		text = "{who} changed the name from “" + v.Str("profileChange", "previousName") + "” to “{what}”"
	case v.Has("threadMerge"), v.Has("sessionSwitchover"), v.Has("learnedProfileChange"):
		e.Code = "contact_notice"
		e.Value = first(number(v.Str("threadMerge", "previousE164")), number(v.Str("sessionSwitchover", "e164")), number(v.Str("learnedProfileChange", "e164")), v.Str("learnedProfileChange", "username"))
		text = "{who} is the same person as {what}"
	case v.Has("pollTerminate"):
		e.Value = v.Str("pollTerminate", "question")
		text = "{who} ended the poll “{what}”"
	case v.Has("pinMessage"):
		e.Code = "message_pinned"
		by, when := m.party(v.Str("pinMessage", "authorId")), ms(v, "pinMessage", "targetSentTimestamp")
		o.ReplyTo = &capture.Ref{NativeID: nativeID(by, when), Author: by.person(m.room.Chat), Sent: maybe(when, "sender")}
		text = "{who} pinned a message"
	case v.Has("groupChange"):
		m.groupChange(v.List("groupChange", "updates"), e)
		return
	}
	if text == "" {
		text = "A notice of Signal’s whose meaning is not known"
		o.Doubt("unknown_notice", text+".")
	}
	o.Text = phrase(text, e)
}

// timer notes a change of the timer, and returns words for it.
func timer(e *capture.SystemEvent, ms int64) string {
	e.Code, e.TTL = "disappearing_on", ms/1000
	if ms <= 0 {
		e.Code, e.TTL = "disappearing_off", 0
		return "{who} turned off disappearing messages"
	}
	return "{who} set messages to disappear after " + strconv.FormatInt(e.TTL, 10) + " seconds"
}

func phrase(text string, e *capture.SystemEvent) string {
	return strings.NewReplacer("{who}", first(e.Actor, "Somebody"), "{what}", first(e.Value, "somebody")).Replace(text)
}

// groupChange reads what happened to a group: several things may have happened at once.
func (m *message) groupChange(list []*jsonfile.Value, e *capture.SystemEvent) {
	var texts []string
	for i, u := range list {
		if i >= 1000 {
			break
		}
		one := &capture.SystemEvent{Code: "other"}
		text := ""
		for _, g := range groupUpdates {
			v := u.At(g.key)
			if v == nil {
				continue
			}
			one.Code, text = g.code, g.text
			if g.who != "" {
				one.Actor = m.byACI(uuidAt(v, g.who)).person(m.room.Chat)
			}
			switch {
			case g.what == "newGroupName", g.what == "newDescription":
				one.Value = v.Str(g.what)
				text = strings.ReplaceAll(text, "{what}", one.Value)
			case g.what != "":
				one.Value = m.byACI(uuidAt(v, g.what)).person(m.room.Chat)
			}
			if g.key == "groupExpirationTimerUpdate" {
				text = timer(one, ms(v, "expiresInMs"))
			}
			if g.key == "groupAdminStatusUpdate" {
				text = "{who} made {what} an administrator"
				if !v.True("wasAdminStatusGranted") {
					text = "{who} made {what} an ordinary member"
				}
			}
		}
		if text == "" {
			text = "Something happened to the group that is not known"
			m.o.Doubt("unknown_notice", text+".")
		}
		if len(texts) == 0 {
			*e = *one
		}
		texts = append(texts, phrase(text, one))
	}
	m.o.Text = strings.Join(texts, "; ")
	if len(texts) == 0 {
		m.o.Text = "Something happened to the group that the backup does not tell"
		m.o.Doubt("unknown_notice", m.o.Text+".")
	}
}

// call reads a call.
func (m *message) call(v *jsonfile.Value) {
	o := m.o
	o.Kind = capture.KindCall
	c := &capture.Call{Medium: "voice", Outcome: "answered"}
	o.Call = c
	if i := v.At("individualCall"); i != nil {
		if i.Str("type") == "VIDEO_CALL" {
			c.Medium = "video"
		}
		own := i.Str("direction") == "OUTGOING"
		switch i.Str("state") {
		case "NOT_ACCEPTED":
			c.Outcome = "missed"
			if own {
				c.Outcome = "no_answer"
			}
		case "MISSED", "MISSED_NOTIFICATION_PROFILE":
			c.Outcome = "missed"
		}
		if own {
			o.Sender = m.self.person(m.room.Chat)
		} else if m.room.with.kind == "contact" {
			o.Sender = m.room.with.person(m.room.Chat)
		}
		return
	}
	g := v.At("groupCall")
	c.Medium = "video"
	switch g.Str("state") {
	case "DECLINED", "MISSED", "MISSED_NOTIFICATION_PROFILE", "RINGING", "GENERIC":
		c.Outcome = "missed"
	case "OUTGOING_RING":
		c.Outcome = "no_answer"
	}
	if by := m.party(first(g.Str("startedCallRecipientId"), g.Str("ringerRecipientId"))); by != nil {
		o.Sender = by.person(m.room.Chat)
	}
	if start, end := ms(g, "startedCallTimestamp"), ms(g, "endedCallTimestamp"); end > start && start > 0 {
		c.Duration = strconv.FormatInt((end-start)/1000, 10) + " s"
	}
}
