package demo

import "time"

// conversation is one of the made-up conversations. Days are counted from the start of the week.
type conversation struct {
	name    string // "" for one between two people
	topic   string
	people  []string // the first makes it
	day     int
	clock   string
	timer   time.Duration
	marking string
	lines   []line
}

// line is something that somebody does in it.
type line struct {
	day                        int // after the conversation's
	clock                      string
	who                        string
	text                       string
	name                       string // by which others refer to it
	reply, react, edit, delete string
	photo                      string // the name of a picture
}

var script = []conversation{
	{
		name: "Quota decision", topic: "2027 mackerel quota: advice, decision, announcement", marking: "OFFICIAL-SENSITIVE",
		people: []string{"daniel", "margaret", "priya", "eleanor"}, day: 0, clock: "09:05",
		lines: []line{
			{clock: "09:06", who: "daniel", text: "Minister, this is where we will take the quota decision this week. Priya's advice follows."},
			{clock: "09:31", who: "priya", text: "The scientists recommend a cut of 18%. Industry say they can live with 10%. Three options in the paper:\n\n1. 18% at once\n2. 10% now and 8% next year\n3. hold, with a review in June", name: "options"},
			{clock: "09:40", who: "margaret", text: "Thank you. What does option 2 do to the small boats?", reply: "options"},
			{clock: "09:47", who: "priya", text: "Under-10-metre vessels would be exempt in year one. About 140 boats, most of them in the south-west."},
			{clock: "10:12", who: "eleanor", text: "Option 2 is the one we can defend in the House."},
			{clock: "10:13", who: "margaret", text: "👍", react: "options"},
			{clock: "16:20", who: "daniel", text: "The Chief Scientist is content with option 2 if the review is written into the announcement."},
			{day: 1, clock: "09:02", who: "margaret", text: "Decision: option 2, with the exemption for small boats and a review in June. Please draft the statement.", name: "decision"},
			{day: 1, clock: "09:03", who: "priya", text: "✅", react: "decision"},
			{day: 1, clock: "09:04", who: "daniel", text: "✅", react: "decision"},
			{day: 1, clock: "09:10", who: "daniel", text: "Noted. Statement to you by four, announcement on Thursday at 09:30."},
			{day: 1, clock: "15:52", who: "priya", text: "Draft statment is in the box.", name: "typo"},
			{day: 1, clock: "15:53", who: "priya", text: "Draft statement is in the box.", edit: "typo"},
			{day: 3, clock: "09:35", who: "daniel", text: "Announced. First reactions are calm."},
		},
	},
	{
		name: "Press lines: harbour fund", topic: "Lines to take and who says what when",
		people: []string{"tom", "eleanor", "daniel", "priya"}, day: 1, clock: "11:00",
		lines: []line{
			{clock: "11:01", who: "tom", text: "The Herald has the harbour fund for tomorrow. They ask whether Saltmouth was moved up the list after a phone call."},
			{clock: "11:04", who: "eleanor", text: "It was not. The order was the engineers'.", name: "denial"},
			{clock: "11:09", who: "priya", text: "The ranking of 3 March has Saltmouth second. I can share the sheet.", reply: "denial"},
			{clock: "11:15", who: "tom", text: "Line: “The order of works follows the independent engineers' ranking of 3 March, which we are publishing today.” Content?", name: "line"},
			{clock: "11:16", who: "daniel", text: "👍", react: "line"},
			{clock: "11:18", who: "eleanor", text: "Can we leave out “independent”? Two of them used to work for the port.", name: "regret"},
			{clock: "11:21", who: "eleanor", delete: "regret"},
			{clock: "11:25", who: "tom", text: "Going with it as it stands. Sent at 11:24."},
			{day: 1, clock: "08:10", who: "tom", text: "Page 7, four paragraphs, our line in full."},
		},
	},
	{
		people: []string{"priya", "daniel"}, day: 2, clock: "08:45",
		lines: []line{
			{clock: "08:46", who: "priya", text: "Morning. Is the Minister reading the small-boats annex today or tomorrow?"},
			{clock: "08:52", who: "daniel", text: "Tonight's box, so have it with me by five please."},
			{clock: "08:53", who: "priya", text: "Will do."},
			{clock: "16:41", who: "priya", text: "Annex sent. Two numbers changed since yesterday, marked in yellow."},
			{clock: "16:44", who: "daniel", text: "Got it, thank you. In the box."},
		},
	},
	{
		people: []string{"margaret", "eleanor"}, day: 2, clock: "19:30", timer: 24 * time.Hour,
		lines: []line{
			{clock: "19:31", who: "margaret", text: "How did the backbenchers take it?"},
			{clock: "19:34", who: "eleanor", text: "Better than feared. Two from the south-west want a meeting before Thursday."},
			{clock: "19:36", who: "margaret", text: "Give them twenty minutes tomorrow, with Priya in the room."},
			{clock: "19:37", who: "eleanor", text: "Will set it up with Daniel."},
		},
	},
	{
		name: "Saltmouth breakwater", topic: "Works contract HC-2214", marking: "OFFICIAL-SENSITIVE COMMERCIAL",
		people: []string{"priya", "marek", "daniel"}, day: 3, clock: "14:00",
		lines: []line{
			{clock: "14:02", who: "marek", text: "Survey is done. The north arm needs 40 m more rock armour than in the tender."},
			{clock: "14:03", who: "marek", photo: "north-arm.jpg"},
			{clock: "14:05", who: "priya", text: "What does that do to the price?"},
			{clock: "14:11", who: "marek", text: "About £310,000. I will send the measured quantities tonight."},
			{clock: "14:20", who: "priya", text: "Please do not order anything before we have approved the change in writing.", name: "order"},
			{clock: "14:22", who: "marek", text: "Understood.", reply: "order"},
			{day: 1, clock: "10:30", who: "daniel", text: "The Minister would like one page on this before the visit."},
			{day: 1, clock: "10:41", who: "priya", text: "By noon."},
		},
	},
	{
		people: []string{"ruth", "priya"}, day: 4, clock: "11:00",
		lines: []line{
			{clock: "11:01", who: "ruth", text: "Hello Priya. We have a freedom of information request about the mackerel quota. If anything was said on WhatsApp, please put the export on the record: it takes two minutes."},
			{clock: "11:09", who: "priya", text: "There was a group before the advice was written. I will export it today."},
			{clock: "11:10", who: "ruth", text: "Thank you!"},
		},
	},
}
