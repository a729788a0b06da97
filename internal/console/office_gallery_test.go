package console

import (
	"strings"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/office"
	"despatch/internal/store"
)

// officeGallery has the pages of what was said elsewhere.
func officeGallery() map[string]framed {
	now := time.Date(2026, 11, 20, 15, 4, 0, 0, time.UTC).UnixMilli()
	long := "Your copies of the WhatsApp group قسم 7 and of " + strings.Repeat("unbroken", 12)
	submission := func(id, name string, status capture.Status, n int64) store.Submission {
		return store.Submission{ID: id, Name: name, Time: now, Pos: 48213, Status: string(status), Messages: n}
	}
	out := map[string]framed{}
	list := newCapturesPage()
	list.Name, list.Waiting, list.Filtered, list.Next = "Ruth Bennett", 2, true, "/console/captures?before=1"
	list.Submissions = []submissionRow{
		{store.OfficeSubmission{Submission: submission("s1", "WhatsApp Chat with Fish group.zip", capture.StatusRead, 1204), System: "whatsapp", Subject: "Quota", Weight: "significant"}, "Priya Nair (@priya:coasts.example)"},
		{store.OfficeSubmission{Submission: submission("s2", strings.Repeat("unbroken", 10)+".txt", capture.StatusNeedsAnswer, 0)}, "ليلى حسن (@layla:coasts.example)"},
		{store.OfficeSubmission{Submission: submission("s3", "letter.bin", capture.StatusUnknown, 0), Subject: "مسودة", Weight: "routine"}, "Ruth Bennett"}}
	out["captures"] = list
	empty := newCapturesPage()
	empty.wrong("There is nobody called @x:coasts.example here.", &empty.Whose)
	out["captures-wrong"] = empty

	rc := &capture.Receipt{Position: 48213, ReceivedAt: now, Files: []capture.SubmittedFile{{Name: "WhatsApp Chat with Fish group.zip", Size: 12345, SHA256: strings.Repeat("0a1b", 16)}}}
	story := []storyRow{{office.Step{Position: 48213, Time: now, Words: "handed it in, declaring time zone Europe/London"}, "Priya Nair"}, {office.Step{Position: 48214, Time: now, Words: "Read by whatsapp-export 1: a question is open"}, ""}}
	out["capture"] = &capturePage{frame: frame{Title: "What was handed in", Back: link{"/console/captures", "Captured chats"}}, Receipt: rc, Path: "/console/captures/s1", Outcome: "Read", Colour: "green", By: "Ruth Bennett", Own: true, New: true,
		From: "WhatsApp", About: office.About{Subject: "Quota", Weight: "significant", Note: "They had no account."}, Reason: "They are not on Despatch", Story: story,
		Lines: []string{"Fish group: 1 204 entries on the record, as no. 47 009 to no. 48 212.", "Who: Priya, Daniel, Marek."}}
	out["capture-asked"] = &capturePage{frame: frame{Title: "What was handed in", Back: link{"/console/captures", "Captured chats"}}, Receipt: rc, Path: "/console/captures/s1", Outcome: "Needs an answer", Colour: "yellow", By: "Priya Nair", Answers: true, Story: story}
	ask := &answerPage{frame: frame{Title: "Answer what the file leaves open", Back: link{"/console/captures/s1", "What was handed in"}}, Path: "/console/captures/s1", By: "Priya Nair", Zone: zoneField(),
		Questions: []field{{Name: "about-date_order", Label: "Does the telephone write the day or the month first?", Kind: "radios", Answer: []answer{{Value: "dmy", Text: "3 April 2026"}, {Value: "mdy", Text: "4 March 2026"}}},
			{Name: "about-secret", Label: "What is the passphrase?", Kind: "password"}}, Reason: field{Name: "reason", Label: "How do you know?", Kind: "area", Rows: 3}}
	ask.wrong("Choose an answer.", &ask.Questions[0])
	out["answer"] = ask
	up := newUploadPage()
	up.wrong("Choose the file of the exported chat.", &up.File)
	out["upload"] = up

	request := requestRow{CaptureRequest: store.CaptureRequest{ID: "R12", Number: 12, Pos: 48000, AskedAt: now, Why: "case", What: long, Reference: "FOI-2026-0014", Due: now, State: office.Asked, StateAt: now, RemindedAt: now},
		Name: "ليلى حسن (@layla:coasts.example)", By: "Ruth Bennett", Late: true, WhyOf: "Because of a request for information or a case"}
	lost, handed := request, request
	lost.State, lost.Late, lost.Answer, lost.Words = office.Lost, false, "L3", "My phone was stolen."
	handed.State, handed.Late, handed.Handed = office.HandedIn, false, list.Submissions[:2]
	out["requests"] = &requestsPage{frame: frame{Title: "Requests to hand in", Wide: true}, Tabs: tabs("requests"), Whose: whoseField("The user name of who was asked."), Requests: []requestRow{request, lost, handed},
		Choice: []requestChoice{{"open", "Waiting", 1, true}, {"overdue", "Overdue", 1, false}, {"handed_in", "Handed in", 1, false}, {"nothing", "Declared nothing", 0, false}, {"lost", "Declared lost", 1, false}, {"all", "All", 3, false}}}
	out["request"] = &requestPage{frame: frame{Title: "Request R12", Back: link{"/console/requests", "Requests"}}, Request: request, New: true}
	out["request-handed"] = &requestPage{frame: frame{Title: "Request R12", Back: link{"/console/requests", "Requests"}}, Request: handed}
	out["request-lost"] = &requestPage{frame: frame{Title: "Request R12", Back: link{"/console/requests", "Requests"}}, Request: lost}
	a := newAskPage()
	a.wrong("There is nobody called “nobody” here.", &a.Who)
	a.wrong("Choose why you ask.", &a.Why)
	a.wrongDate("Enter the day by which you want an answer, with day, month and year.", &a.Due)
	out["ask"] = a
	reason := field{Name: "reason", Label: "Why?", Kind: "area", Rows: 3, Hint: "They see it, and it stands on the record."}
	out["again"] = &againPage{frame: frame{Title: "Ask again, or change the day", Back: link{request.Path(), "Request R12"}}, Request: request, Due: dateField{Name: "due", Label: "By when?"}, Reason: reason}
	out["again-withdraw"] = &againPage{frame: frame{Title: "Withdraw request R12", Back: link{request.Path(), "Request R12"}}, Request: request, Withdraw: true, Reason: reason}

	out["losses"] = &lossesPage{frame: frame{Title: "Declared losses", Wide: true}, Tabs: tabs("losses"), Whose: whoseField("The user name of who declared them."), Losses: []lossRow{
		{store.DeclaredLoss{ID: "L3", Pos: 48300, Time: now, Device: "My own phone, an iPhone 12", Held: long, LostOn: "about 3 June 2026", Note: "In the train.", Request: "R12"}, "ليلى حسن", "The device was stolen"}}}
	register := &registerPage{frame: frame{Title: "Why it was said elsewhere", Wide: true}, Tabs: tabs("register"), Query: "months=3",
		Month: choose("months", "Period", answer{Text: "All", Chosen: true}), Channel: choose("channel", "System", answer{Text: "Any", Chosen: true}), Reason: choose("reason", "Reason", answer{Text: "Any", Chosen: true}, answer{Value: "x", Text: "Despatch lacks something"}),
		Months: []string{"2026-06", "2026-07", "2026-08", "2026-09", "2026-10", "2026-11"},
		Rows:   []registerRow{{store.OffChannel{Submission: "s1", Subject: "Quota", Weight: "significant", Note: long, Time: now}, "Priya Nair", "WhatsApp", "Despatch lacks something"}, {store.OffChannel{Submission: "s2", Time: now}, "Tom", "Signal", "No reason given"}}}
	counts := func(n ...int64) (list []office.Count) {
		for i, x := range n {
			list = append(list, office.Count{Name: register.Months[i], N: x})
		}
		return list
	}
	register.rank([]office.Roadblock{{Reason: "not_here", Submissions: 21, Channels: []office.Count{{Name: "whatsapp", N: 19}, {Name: "signal", N: 2}}, Months: counts(1, 2, 3, 4, 5, 6)},
		{Reason: "urgent", Submissions: 8, Channels: []office.Count{{Name: "whatsapp", N: 8}}, Months: counts(0, 8)}, {Submissions: 3, Channels: []office.Count{{Name: "sms", N: 3}}, Months: counts(0, 0, 3)}})
	out["register"] = register
	out["office"] = &officePage{frame: frame{Title: "What the records office did and looked at", Wide: true}, Tabs: tabs("office"), Acts: []act{{48213, now, "Ruth Bennett (@ruth:coasts.example) asked ليلى حسن in request R12 for: " + long}, {48214, now, "Despatch reminded ليلى حسن of request R12"}}, Older: "/console/office?before=3"}
	return out
}
