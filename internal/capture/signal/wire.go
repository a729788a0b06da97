package signal

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/protowire"
)

// schema says what of Signal's backup format (backup.proto in libsignal) is read: for each message the
// numbers, names and types of its fields, an asterisk where a field is repeated. The types are s a
// text, u and n whole numbers, b yes or no, y bytes, an enumeration in lower case, or a message.
//
// A plaintext export is the same in JSON; reading both into one form lets one reader take either.
const schema = `
Frame 1 account Account 2 recipient Recipient 3 chat Chat 4 chatItem ChatItem 5 stickerPack Empty 6 adHocCall AdHocCall 7 notificationProfile Empty 8 chatFolder Empty
BackupInfo 1 version u 2 backupTimeMs u 4 currentAppVersion s
Account 2 username s 4 givenName s 5 familyName s
Recipient 1 id u 2 contact Contact 3 group Group 4 distributionList ListItem 5 self Empty 6 releaseNotes Empty 7 callLink CallLink
Contact 1 aci y 2 pni y 3 username s 4 e164 u 11 profileGivenName s 12 profileFamilyName s 16 nickname PersonName 18 systemGivenName s 19 systemFamilyName s 20 systemNickname s
PersonName 1 given s 2 family s
Group 1 masterKey y 5 snapshot Snapshot
Snapshot 2 title Blob 4 disappearingMessagesTimer Blob 7 members *Member
Blob 1 title s 3 disappearingMessagesDuration n 4 descriptionText s
Member 1 userId y
ListItem 3 distributionList List
List 1 name s
CallLink 3 name s
Chat 1 id u 2 recipientId u 5 expirationTimerMs u
AdHocCall 1 callId u 2 recipientId u 4 callTimestamp u
ChatItem 1 chatId u 2 authorId u 3 dateSent u 4 expireStartDate u 5 expiresInMs u 6 revisions *ChatItem 7 sms b 8 incoming Incoming 9 outgoing Outgoing 10 directionless Empty 11 standardMessage Standard 12 contactMessage ContactMessage 13 stickerMessage StickerMessage 14 remoteDeletedMessage Empty 15 updateMessage Update 16 paymentNotification Payment 17 giftBadge Empty 18 viewOnceMessage ViewOnce 19 directStoryReplyMessage StoryReply 20 poll Poll 21 pinDetails Empty 22 adminDeletedMessage AdminDeleted
Incoming 1 dateReceived u 2 dateServerSent u 3 read b
Outgoing 1 sendStatus *SendStatus 2 dateReceived u
SendStatus 1 recipientId u 2 timestamp u 3 pending Empty 4 sent Empty 5 delivered Empty 6 read Empty 7 viewed Empty 8 skipped Empty 9 failed Empty
Standard 1 quote Quote 2 text Text 3 attachments *Attachment 4 linkPreview *Preview 5 longText File 6 reactions *Reaction
Text 1 body s
Preview 1 url s 2 title s 3 image File 4 description s
ContactMessage 1 contact Card 2 reactions *Reaction
Card 1 name CardName 3 number *CardValue 4 email *CardValue 7 organization s
CardName 1 givenName s 2 familyName s 3 prefix s 4 suffix s 5 middleName s 6 nickname s
CardValue 1 value s 3 label s
StickerMessage 1 sticker Sticker 2 reactions *Reaction
Sticker 1 packId y 3 stickerId n 4 emoji s 5 data File
ViewOnce 1 attachment Attachment 2 reactions *Reaction
StoryReply 1 textReply StoryText 2 emoji s 3 reactions *Reaction
StoryText 1 text Text 2 longText File
Payment 1 amountMob s 2 feeMob s 3 note s
AdminDeleted 1 adminId u
Poll 1 question s 3 options *PollOption 5 reactions *Reaction
PollOption 1 option s 2 votes *PollVote
PollVote 1 voterId u 2 voteCount n
Attachment 1 pointer File 2 flag flag 3 wasDownloaded b
File 4 contentType s 7 fileName s 10 caption s 13 locatorInfo Locator
Locator 3 size n 9 localKey y 10 plaintextHash y
Quote 1 targetSentTimestamp u 2 authorId u 3 text Text 4 attachments *QuotedFile
QuotedFile 1 contentType s 2 fileName s
Reaction 1 emoji s 2 authorId u 3 sentTimestamp u
Update 1 simpleUpdate Simple 2 groupChange GroupChange 3 expirationTimerChange Timer 4 profileChange Profile 5 threadMerge Merge 6 sessionSwitchover Switch 7 individualCall Call 8 groupCall GroupCall 9 learnedProfileChange Learned 10 pollTerminate PollEnd 11 pinMessage Pin
Simple 1 type simple
Timer 1 expiresInMs u 2 updaterAci y
Profile 1 previousName s 2 newName s
Merge 1 previousE164 u
Switch 1 e164 u
Learned 1 e164 u 2 username s
PollEnd 1 targetSentTimestamp u 2 question s
Pin 1 targetSentTimestamp u 2 authorId u
Call 1 callId u 2 type calltype 3 direction direction 4 state callstate 5 startedCallTimestamp u
GroupCall 1 callId u 2 state groupcall 3 ringerRecipientId u 4 startedCallRecipientId u 5 startedCallTimestamp u 6 endedCallTimestamp u
GroupChange 1 updates *GroupUpdate
GroupUpdate 1 genericGroupUpdate Who 2 groupCreationUpdate Who 3 groupNameUpdate WhoName 4 groupAvatarUpdate Who 5 groupDescriptionUpdate WhoDescription 6 groupMembershipAccessLevelChangeUpdate Who 7 groupAttributesAccessLevelChangeUpdate Who 8 groupAnnouncementOnlyChangeUpdate Who 9 groupAdminStatusUpdate WhoAdmin 10 groupMemberLeftUpdate Aci 11 groupMemberRemovedUpdate Removed 12 selfInvitedToGroupUpdate Inviter 13 selfInvitedOtherUserToGroupUpdate Invitee 14 groupUnknownInviteeUpdate Inviter 15 groupInvitationAcceptedUpdate Accepted 16 groupInvitationDeclinedUpdate Declined 17 groupMemberJoinedUpdate Joined 18 groupMemberAddedUpdate Added 19 groupSelfInvitationRevokedUpdate Revoker 20 groupInvitationRevokedUpdate Who 21 groupJoinRequestUpdate Requestor 22 groupJoinRequestApprovalUpdate Requestor2 23 groupJoinRequestCanceledUpdate Requestor 24 groupInviteLinkResetUpdate Who 25 groupInviteLinkEnabledUpdate Who 26 groupInviteLinkAdminApprovalUpdate Who 27 groupInviteLinkDisabledUpdate Who 28 groupMemberJoinedByLinkUpdate Joined 29 groupV2MigrationUpdate Empty 30 groupV2MigrationSelfInvitedUpdate Empty 31 groupV2MigrationInvitedMembersUpdate Empty 32 groupV2MigrationDroppedMembersUpdate Empty 33 groupSequenceOfRequestsAndCancelsUpdate Requestor 34 groupExpirationTimerUpdate Timer 35 groupMemberLabelAccessLevelChangeUpdate Who 36 groupTerminateChangeUpdate Who
Who 1 updaterAci y
WhoName 1 updaterAci y 2 newGroupName s
WhoDescription 1 updaterAci y 2 newDescription s
WhoAdmin 1 updaterAci y 2 memberAci y 3 wasAdminStatusGranted b
Aci 1 aci y
Removed 1 removerAci y 2 removedAci y
Inviter 1 inviterAci y
Invitee 1 inviteeServiceId y
Accepted 1 inviterAci y 2 newMemberAci y
Declined 1 inviterAci y 2 inviteeAci y
Joined 1 newMemberAci y
Added 1 updaterAci y 2 newMemberAci y
Revoker 1 revokerAci y
Requestor 1 requestorAci y
Requestor2 1 requestorAci y 2 updaterAci y 3 wasApproved b
Empty`

// enums are the names that JSON gives to numbers.
var enums = map[string][]string{
	"flag":      {"NONE", "VOICE_MESSAGE", "BORDERLESS", "GIF"},
	"calltype":  {"UNKNOWN_TYPE", "AUDIO_CALL", "VIDEO_CALL"},
	"direction": {"UNKNOWN_DIRECTION", "INCOMING", "OUTGOING"},
	"callstate": {"UNKNOWN_STATE", "ACCEPTED", "NOT_ACCEPTED", "MISSED", "MISSED_NOTIFICATION_PROFILE"},
	"groupcall": {"UNKNOWN_STATE", "GENERIC", "JOINED", "RINGING", "ACCEPTED", "DECLINED", "MISSED", "MISSED_NOTIFICATION_PROFILE", "OUTGOING_RING"},
	"simple": {"UNKNOWN", "JOINED_SIGNAL", "IDENTITY_UPDATE", "IDENTITY_VERIFIED", "IDENTITY_DEFAULT", "CHANGE_NUMBER", "RELEASE_CHANNEL_DONATION_REQUEST", "END_SESSION",
		"CHAT_SESSION_REFRESH", "BAD_DECRYPT", "PAYMENTS_ACTIVATED", "PAYMENT_ACTIVATION_REQUEST", "UNSUPPORTED_PROTOCOL_MESSAGE", "REPORTED_SPAM", "BLOCKED", "UNBLOCKED", "MESSAGE_REQUEST_ACCEPTED"},
}

type wireField struct {
	name, kind string
	repeated   bool
}

var messages = func() map[string]map[int]wireField {
	all := map[string]map[int]wireField{}
	for line := range strings.SplitSeq(strings.TrimSpace(schema), "\n") {
		words := strings.Fields(line)
		m := map[int]wireField{}
		for i := 1; i+2 < len(words); i += 3 {
			n, err := strconv.Atoi(words[i])
			if err != nil {
				panic("signal: schema: " + line)
			}
			kind, repeated := strings.CutPrefix(words[i+2], "*")
			m[n] = wireField{words[i+1], kind, repeated}
		}
		all[words[0]] = m
	}
	return all
}()

// Bounds of what one frame may unfold to.
const (
	maxDepth = 12
	maxNodes = 500_000
)

var errTooDeep = errors.New("a frame within frames within frames")

// decode reads a message into the form that its JSON has. Fields that the schema does not have are
// left out; their numbers are returned of the outermost message.
func decode(name string, b []byte) (*jsonfile.Value, []int, error) {
	d := decoder{}
	v, err := d.message(name, b, 0)
	return v, d.unknown, err
}

type decoder struct {
	nodes   int
	unknown []int
}

func (d *decoder) message(name string, b []byte, depth int) (*jsonfile.Value, error) {
	if depth > maxDepth || d.nodes > maxNodes {
		return nil, errTooDeep
	}
	fields := messages[name]
	v := &jsonfile.Value{Kind: '{'}
	err := protowire.Each(b, func(w protowire.Field) error {
		f, known := fields[w.Number]
		if !known {
			if (name == "Frame" || name == "ChatItem") && len(d.unknown) < 100 {
				d.unknown = append(d.unknown, w.Number)
			}
			return nil
		}
		d.nodes++
		value, err := d.value(f.kind, w, depth)
		if err != nil {
			return err
		}
		if !f.repeated {
			v.Members = append(v.Members, jsonfile.Member{Key: f.name, Value: value})
			return nil
		}
		list := v.At(f.name)
		if list == nil {
			list = &jsonfile.Value{Kind: '['}
			v.Members = append(v.Members, jsonfile.Member{Key: f.name, Value: list})
		}
		list.Items = append(list.Items, value)
		return nil
	})
	return v, err
}

func (d *decoder) value(kind string, w protowire.Field, depth int) (*jsonfile.Value, error) {
	switch kind {
	case "s":
		return &jsonfile.Value{Kind: '"', Text: strings.ToValidUTF8(w.Text(), "\uFFFD")}, nil
	case "y":
		return &jsonfile.Value{Kind: '"', Text: base64.StdEncoding.EncodeToString(w.Bytes)}, nil
	case "u":
		return &jsonfile.Value{Kind: '"', Text: strconv.FormatUint(w.Varint, 10)}, nil
	case "n":
		return &jsonfile.Value{Kind: '0', Text: strconv.FormatUint(w.Varint&0xFFFFFFFF, 10)}, nil
	case "b":
		if w.Varint != 0 {
			return &jsonfile.Value{Kind: 't', Text: "true"}, nil
		}
		return &jsonfile.Value{Kind: 'f', Text: "false"}, nil
	}
	if names, ok := enums[kind]; ok {
		if w.Varint < uint64(len(names)) {
			return &jsonfile.Value{Kind: '"', Text: names[w.Varint]}, nil
		}
		return &jsonfile.Value{Kind: '0', Text: strconv.FormatUint(w.Varint, 10)}, nil
	}
	return d.message(kind, w.Bytes, depth+1)
}
