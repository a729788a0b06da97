package console_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"despatch/despatchtest"
	"despatch/internal/capture"
	desk "despatch/internal/capture/office"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/store"
)

// handsIn puts a chat on the record for somebody.
func (o *office) handsIn(t testing.TB, who matrix.UserID, name, chat string, about desk.About) *capture.Receipt {
	t.Helper()
	f, err := capture.NewFile(t.Context(), name, strings.NewReader(chat), int64(len(chat)), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	rc, err := o.Capture.Submit(t.Context(), capture.Upload{Person: string(who), Files: []*capture.File{f}})
	if err == nil && about != (desk.About{}) {
		err = o.Office.State(t.Context(), who, rc.Submission, about)
	}
	if err != nil {
		t.Fatal(err)
	}
	return rc
}

// looks returns how many times officers have looked, by what the record says.
func (o *office) looks(t testing.TB) []string {
	t.Helper()
	var out []string
	scope, err := store.ScopeByName(context.Background(), o.DB.Reader(), desk.Scope)
	if err != nil {
		return nil
	}
	err = store.ScopeEntries(context.Background(), o.DB.Reader(), scope.ID, 0, o.Rec.Head().Edge.Size, 1000, func(e *store.Entry) error {
		if e.Kind == record.KindView {
			out = append(out, string(e.Body))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// An officer finds what was handed in, settles a doubt with a reason, and each look is on the record.
// What was said is on no page.
func TestSubmissions(t *testing.T) {
	o := start(t)
	ruth := o.signIn(t, "ruth", identity.Records)
	o.add(t, "priya", identity.Staff)
	priya := matrix.UserID("@priya:example.org")
	o.handsIn(t, priya, "WhatsApp Chat with Fish.txt", "13/04/2021, 10:15 - Asha: The herring letter is out\n", desk.About{Subject: "Quota letter", Weight: "significant", Reason: "not_here"})
	asked := o.handsIn(t, priya, "WhatsApp Chat with Nets.txt", "03/04/2021, 10:15 - Asha: The secret herring\n", desk.About{})

	ruth.get(t, "/console/captures").want(t, 200, "WhatsApp Chat with Fish.txt", "WhatsApp: Quota letter", "Significant", "WhatsApp Chat with Nets.txt", "This look-up is recorded.")
	ruth.get(t, "/console/captures?weight=significant&system=whatsapp&whose=priya&period=7").want(t, 200, "Handed in by Priya", "Fish.txt")
	if strings.Contains(ruth.page.text(), "Nets.txt") {
		t.Error("the filter shows what it should not")
	}
	ruth.get(t, "/console/captures?state=needs_answer")
	if strings.Contains(ruth.page.text(), "Fish.txt") {
		t.Error("the filter by state shows what has been read")
	}
	ruth.follow(t, "WhatsApp Chat with Nets.txt").want(t, 200, "Needs an answer", "a question is open", "Answer what it leaves open")
	ruth.follow(t, "Answer what it leaves open").want(t, 200, "those are read only within a case", "3 April 2021", "4 March 2021")
	if strings.Contains(ruth.page.body, "herring") || strings.Contains(ruth.page.body, "10:15") {
		t.Error("the question shows an officer what was said")
	}
	at := "/console/captures/" + asked.Submission
	ruth.submit(t, at+"/answer", "about-date_order", "dmy", "zone", "Europe/London").want(t, 422, "Say how you know.")
	ruth.submit(t, at+"/answer", "about-date_order", "dmy", "zone", "Nowhere", "reason", "She said so").want(t, 422, "There is no time zone of that name.")
	ruth.submit(t, at+"/answer", "about-date_order", "dmy", "zone", "Europe/London", "reason", "Priya said so by telephone.").want(t, 200, "Read", "answered: time zone Europe/London, dates dmy. Reason: Priya said so by telephone.", "Read by whatsapp-export")
	ruth.get(t, at+"/answer")
	if ruth.page.path != at {
		t.Errorf("a file without questions asks at %s", ruth.page.path)
	}
	looks := o.looks(t)
	if len(looks) < 6 || !strings.Contains(strings.Join(looks, ""), `"filter":"those of Priya, system WhatsApp, significance Significant, handed in In the last 7 days"`) {
		t.Errorf("%d looks on the record: %s", len(looks), looks)
	}
	harriet := o.signIn(t, "harriet", identity.Auditor)
	harriet.get(t, "/console/office").want(t, 200, "looked at the list of submissions, only those of Priya")
	o.CheckRecord(t)
}

// An officer asks two people, is answered, asks again and withdraws.
func TestRequests(t *testing.T) {
	o := start(t)
	ruth := o.signIn(t, "ruth", identity.Records)
	o.add(t, "priya", identity.Staff)
	o.add(t, "tom", identity.Staff)
	priya, tom := matrix.UserID("@priya:example.org"), matrix.UserID("@tom:example.org")
	due := o.Office.Now().AddDate(0, 0, 20)
	form := []string{"who", "priya\nTom", "why", "phone", "what", "Your copies of Ward 7", "due-day", fmt.Sprint(due.Day()), "due-month", fmt.Sprint(int(due.Month())), "due-year", fmt.Sprint(due.Year())}
	ruth.get(t, "/console/requests/ask")
	ruth.submit(t, "/console/requests/ask").want(t, 422, "Enter whom you ask.", "Choose why you ask.", "Say what you ask for.", "Enter the day by which you want an answer")
	ruth.submit(t, "/console/requests/ask", append([]string{"who", "priya, nobody"}, form[2:]...)...).want(t, 422, "There is nobody called “nobody” here.")
	ruth.submit(t, "/console/requests/ask", append(form[:6:6], "due-day", "1", "due-month", "1", "due-year", "2020")...).want(t, 422, "That day is over.")
	ruth.submit(t, "/console/requests/ask", form...).want(t, 200, "Waiting (2)", "R1", "R2", "Your copies of Ward 7", "Asked")
	ruth.get(t, "/console/").want(t, 200, "Requests that wait: 2")

	rc := o.handsIn(t, priya, "WhatsApp Chat with Ward 7.txt", "13/04/2021, 10:15 - Asha: Bed 4\n", desk.About{})
	if err := o.Office.HandIn(t.Context(), priya, "R1", rc.Submission); err != nil {
		t.Fatal(err)
	}
	ruth.get(t, "/console/requests/R1").want(t, 200, "Handed in", "WhatsApp Chat with Ward 7.txt", "Before your phone is replaced")
	ruth.follow(t, "Ask again")
	again := []string{"reason", "The first half is missing.", "due-day", fmt.Sprint(due.Day()), "due-month", fmt.Sprint(int(due.Month())), "due-year", fmt.Sprint(due.Year())}
	ruth.submit(t, "/console/requests/R1/again").want(t, 422, "Say why.")
	ruth.submit(t, "/console/requests/R1/again", again...).want(t, 200, "Asked", "The first half is missing.")

	if _, err := o.Office.DeclareLoss(t.Context(), tom, desk.Loss{Device: "My own phone", Held: "Ward 7", LostOn: "June 2026", Reason: "stolen", Request: "R2"}); err != nil {
		t.Fatal(err)
	}
	ruth.get(t, "/console/requests/R2").want(t, 200, "Declared lost", "L1")
	ruth.follow(t, "L1").want(t, 200, "My own phone", "The device was stolen, June 2026", "by password", "Request R2")
	ruth.get(t, "/console/losses?whose=priya").want(t, 200, "Nobody has declared a loss.")

	o.Advance(30 * 24 * time.Hour)
	ruth = o.browser(t) // the officer's session has ended meanwhile
	ruth.get(t, "/console/sign-in")
	ruth.submit(t, "/console/sign-in", "name", "ruth", "password", despatchtest.Password)
	ruth.get(t, "/console/").want(t, 200, "Requests overdue: 1")
	ruth.follow(t, "Requests overdue: 1").want(t, 200, "R1", "Overdue")
	ruth.follow(t, "R1")
	ruth.follow(t, "Withdraw it").want(t, 200, "Withdraw request R1")
	ruth.submit(t, "/console/requests/R1/withdraw", "reason", "No longer wanted.").want(t, 200, "Withdrawn", "No longer wanted.")
	ruth.get(t, "/console/requests?show=withdrawn").want(t, 200, "R1")
	ruth.get(t, "/console/requests/R9").want(t, 404, "There is no request R9.")
	o.CheckRecord(t)
}

// The register ranks the reasons, and can be downloaded.
func TestRegister(t *testing.T) {
	o := start(t)
	ruth := o.signIn(t, "ruth", identity.Records)
	o.add(t, "priya", identity.Staff)
	priya := matrix.UserID("@priya:example.org")
	for i, reason := range []string{"urgent", "not_here", "not_here", ""} {
		o.handsIn(t, priya, fmt.Sprintf("chat %d.txt", i), fmt.Sprintf("13/04/2021, 10:15 - Asha: Bed %d\n", i), desk.About{Subject: fmt.Sprintf("Bed %d", i), Reason: reason})
	}
	ruth.get(t, "/console/register").want(t, 200, "They are not on Despatch 2 50 % 50 % WhatsApp 2", "No reason given", "Bed 3")
	text := ruth.page.text()
	first, second, last := strings.Index(text, "They are not on Despatch 2"), strings.Index(text, "It was urgent 1"), strings.Index(text, "No reason given 1")
	if first < 0 || second < first || last < second {
		t.Errorf("the reasons are not in their order: %d, %d, %d in %s", first, second, last, text)
	}
	if ruth.get(t, "/console/register?reason=urgent&months=1").want(t, 200, "Bed 0"); strings.Contains(ruth.page.text(), "Bed 1") {
		t.Error("the filter shows what it should not")
	}
	ruth.get(t, "/console/register/roadblocks.csv?reason=not_here")
	rows, err := csv.NewReader(bytes.NewBufferString(ruth.page.body)).ReadAll()
	month := o.Office.Now().In(o.Office.Zone).Format("2006-01")
	if err != nil || len(rows) != 2 || strings.Join(rows[1], "|") != "They are not on Despatch|whatsapp|"+month+"|2|1" {
		t.Errorf("the counts are %q (%v)", rows, err)
	}
	ruth.get(t, "/console/register/register.csv")
	if rows, err = csv.NewReader(bytes.NewBufferString(ruth.page.body)).ReadAll(); err != nil || len(rows) != 5 || ruth.page.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("the register is %q (%v)", rows, err)
	}
	ruth.get(t, "/console/register/other.csv").want(t, 404)
	if looks := o.looks(t); !strings.Contains(strings.Join(looks, ""), "the download register.csv") {
		t.Errorf("the download is not on the record: %s", looks)
	}
}
