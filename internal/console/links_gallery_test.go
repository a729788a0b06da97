package console

import (
	"strings"

	chatlink "despatch/internal/capture/link"
	"despatch/internal/disclosure"
	"despatch/internal/matrix"
)

// linkedGallery has the pages about chats of which several people handed in their copies.
func linkedGallery() map[string]framed {
	c := caseView{&disclosure.Case{ID: "c1", Kind: disclosure.FOI, Reference: "FOI-2026-0014", Title: "Messages about the quota", Officers: []matrix.UserID{"@ruth:coasts.example"}}, disclosure.Date{}}
	choice := field{Name: "case", Label: "In which case do you read what was said?", Kind: "select", Hint: "Without a case you see who wrote and when.", Answer: []answer{{Text: "In none"}, {Value: "c1", Text: "FOI-2026-0014: Messages about the quota"}}}
	within := &reading{Case: c, Recorded: true, Choice: choice}
	outside := &reading{Choice: choice}
	back := link{root + "chats", "Chats that several people handed in"}
	long := strings.Repeat("unbroken", 40)
	frameOf := func(title string) frame { return frame{Title: title, Back: back, Wide: true} }
	shown := chatMessage{Number: 48213, Who: "Asha Rao", When: "27 October 2023 at 10:00:05", ISO: "2023-10-27T10:00:05+01:00", Text: "Tell them we never discussed a price. " + long, Shown: true,
		Sources: []string{"A", "B"}, Conflict: []string{conflict(chatlink.DeletedHere)}, Href: "/console/chats/x/messages/48213"}
	hidden := chatMessage{Number: 48214, Who: "ليلى حسن", When: "27 October 2023 at 10:01:05", ISO: "2023-10-27T10:01:05+01:00", What: "Text of 24 characters", Sources: []string{"A"}, Missing: []string{"B"}, Href: "/console/chats/x/messages/48214"}
	page := func(x *reading) *chatPage {
		return &chatPage{frame: frameOf("A chat from 2 copies"), reading: x, Path: "/console/chats/x", Zone: "Times are this server’s.", Total: 2,
			Copies: []copyRow{{Letter: "A", By: "Asha", Taken: "1 November 2023", Title: "Fish group", Clock: "The clock that times are shown by", First: "27 October 2023 at 10:00:05", Last: "28 October 2023 at 10:00:05", Messages: 20000, Lacks: 12, Only: 3},
				{Letter: "B", By: "Tom", Taken: "2 November 2023", Clock: "UTC+2:00, then UTC+3:00", Messages: 10000, Notes: []string{"Cut off at its old end: others have 10 000 messages earlier."}}},
			People: []personRow{{"Asha Rao", []string{"A: Asha Rao", "B: +44 7700 900123"}}}, Missing: []string{"Copy A lacks 11 messages from 27 October 2023 at 10:00:05 to 27 October 2023 at 11:00:05."},
			Shows: []chatShow{{"", "All", 2, true, "/x"}, {"conflicts", "The copies disagree", 1, false, "/y"}}, Messages: []chatMessage{shown, hidden}, Next: "/console/x"}
	}
	message := &sourcesPage{frame: frameOf("One message, as each copy has it"), reading: within, Path: "/console/chats/x/messages/1", ID: "msg_" + strings.Repeat("ab2", 17), Who: "Asha Rao", When: "27 October 2023 at 10:00:05", Conflict: []string{"Edited"},
		Seen: []seenRow{{Letter: "A", By: "Asha", File: strings.Repeat("0a1b", 16), Place: "line 12, bytes 120 to 260", Sender: "Asha Rao", Written: "27/10/2023, 10:00:05", What: "Text of 75 characters", Text: "Good morning", Position: 48213, Shown: true, Best: []string{"words", "time"}},
			{Letter: "B", By: "Tom", File: strings.Repeat("0a1b", 16), Place: "line 12", Sender: "+44 7700 900123", Written: "27/10/2023, 12:00", What: "The note that a message was deleted", Position: 58213}},
		Links: []linkRow{{"A", "B", 48213, 58213, "The same words from the same person in the same minute. Probability 99.9 %.", 60000, true}}}
	doubts := &doubtsPage{frame: frame{Title: "Possible doubles", Back: back}, reading: within, Done: "It is on the record that they are the same.",
		Chats: []chatDoubt{{copyWords{"conv_a", "Fish group", "Asha", "1 November 2023"}, copyWords{"conv_b", "", "Tom", "2 November 2023"}, []string{"3 messages can be told by their content alone"}, 60001}},
		Messages: []messageDoubt{{"The words differ, from the same person at the same moment. Probability 84.0 %.", [2]seenWords{{Position: 1, By: "Asha", Sender: "Asha Rao", Written: "27/10/2023, 10:00:05", Text: "Yes " + long, Shown: true},
			{Position: 2, By: "Tom", Sender: "+44 7700 900123", Written: "27/10/2023, 12:00", What: "Text of 3 characters"}}}},
		Next: "/console/x", Said: []saidRow{{"Ruth Bennett said that messages no. 1 and no. 2 are the same", "1 November 2023 at 10:00", 60002, true}, {"Ruth Bennett said that messages no. 3 and no. 4 are not the same, and that was taken back", "1 November 2023 at 10:00", 60003, false}}}
	return map[string]framed{
		"chats": &chatsPage{frame: frameOf("Chats that several people handed in"), Messages: 3, Possible: 1, Next: "/console/x",
			Chats: []chatRow{{"Fish group", "WhatsApp", "/console/chats/x", []string{"Asha, 1 November 2023", "Tom, 2 November 2023"}}, {long, "WhatsApp", "/console/chats/y", []string{"ليلى حسن, 1 November 2023"}}}},
		"chat": page(within), "chat-outside": page(outside), "chatmessage": message, "doubts": doubts,
		"doubts-none": &doubtsPage{frame: frame{Title: "Possible doubles", Back: back}, reading: outside},
	}
}
