package email

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"despatch/internal/capture"
)

// TestMSG reads the mail that testdata/makemsg.py makes.
func TestMSG(t *testing.T) {
	data := testdata(t, "mail.msg")
	p, err := parse(t, file(t, "mail.msg", data))
	if err != nil || len(p.Messages) != 1 {
		t.Fatalf("%d mails, %v", len(p.Messages), err)
	}
	check(t, p, data)
	o := p.Messages[0]
	if o.NativeID != "msg1@dept.example" || o.Subject != "Water – the figures" || o.Body != "Dear Tom,\r\n\r\nsee attached 😀\r\n" || o.ReplyTo == nil || o.ReplyTo.NativeID != "before@dept.example" {
		t.Errorf("the mail is %q, %q, %q, %+v", o.NativeID, o.Subject, o.Body, o.ReplyTo)
	}
	if o.Sender != "Asha Rao" || addressOf(p, o.Sender) != "asha@dept.example" || o.Sent.Min != 1717406130500 || o.Sent.Max != 1717406130500 {
		t.Errorf("sent by %q <%s> at %+v", o.Sender, addressOf(p, o.Sender), o.Sent)
	}
	if want := []capture.Recipient{{Name: "Tom Field", Role: "to"}, {Name: "Records", Role: "cc"}}; !slices.Equal(o.To, want) || addressOf(p, "Records") != "records@dept.example" {
		t.Errorf("sent to %+v", o.To)
	}
	var files []string
	for _, a := range o.Attachments {
		files = append(files, a.Name)
	}
	if want := []string{"figures.csv", "long.bin", "the first mail.txt", "inner.txt"}; !slices.Equal(files, want) {
		t.Fatalf("attachments are %q, want %q", files, want)
	}
	long := make([]byte, 0, 102400)
	for range 400 {
		for i := range 256 {
			long = append(long, byte(i))
		}
	}
	for i, want := range []string{"a,b\n1,2\n", string(long), "", "inner"} {
		if got := content(t, &o.Attachments[i]); want != "" && string(got) != want {
			t.Errorf("%s has %d bytes, want %d", files[i], len(got), len(want))
		}
	}
	if text := string(content(t, &o.Attachments[2])); !strings.Contains(text, "words of the first mail") || !strings.Contains(text, "tom@example.org") {
		t.Errorf("the mail in the mail says %q", text)
	}
	if f := o.Forward; f == nil || f.NativeID != "first@example.org" || f.Author != "Tom Field" || f.Sent.Min != 1717300000000 {
		t.Errorf("the mail in the mail is %+v", o.Forward)
	}
	if doubts(o) != "reconstructed" {
		t.Errorf("doubts are %q", doubts(o))
	}
	// Wherever it is cut, it is read or said to be damaged.
	for n := 600; n < len(data); n += 701 {
		_, err := parse(t, file(t, "mail.msg", data[:n]))
		if fault := (*capture.FileError)(nil); err != nil && !errors.As(err, &fault) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

// TestRichText unpacks the examples of MS-OXRTFCP, 4.1 and 4.2.
func TestRichText(t *testing.T) {
	for packed, want := range map[string]string{
		"2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0": "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n",
		"1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0":                                       "{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}",
	} {
		b, err := hex.DecodeString(packed)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := unpackRTF(b); !ok || string(got) != want {
			t.Errorf("unpacked to %q, %t, want %q", got, ok, want)
		}
	}
	for rtf, want := range map[string]string{
		`{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\*\generator x;}\pard caf\'e9\par \u8364?5 \u-10179?\u-8704? {\b bold}\tab\{x\}}`: "café\n€5 😀 bold\t{x}",
		`{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}caf\'e9\htmlrtf\par\htmlrtf0 {\*\htmltag72 </p>}}`:                                      "<p>café</p>",
	} {
		if got, isHTML := readRTF([]byte(rtf)); got != want || isHTML != strings.Contains(rtf, "fromhtml") {
			t.Errorf("%s reads %q, %t, want %q", rtf, got, isHTML, want)
		}
	}
}

// TestTNEF lists what is in an attachment of Outlook's, made after MS-OXTNEF.
func TestTNEF(t *testing.T) {
	attribute := func(level byte, id uint32, data string) []byte {
		n := len(data)
		b := []byte{level, byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24), byte(n), byte(n >> 8), 0, 0}
		sum := 0
		for i := range n {
			sum += int(data[i])
		}
		return append(append(b, data...), byte(sum), byte(sum>>8))
	}
	b := []byte{0x78, 0x9F, 0x3E, 0x22, 1, 0}
	b = append(b, attribute(1, 0x00089006, "\x00\x00\x01\x00")...)
	b = append(b, attribute(2, 0x00069002, strings.Repeat("\x00", 14))...)
	b = append(b, attribute(2, 0x00018010, "REPORT~1.TXT\x00")...)
	b = append(b, attribute(2, 0x0006800F, "the report")...)
	b = append(b, attribute(2, 0x00069005, "\x01\x00\x00\x00\x1f\x00\x07\x37\x01\x00\x00\x00\x10\x00\x00\x00r\x00e\x00p\x00o\x00r\x00t\x00é\x00\x00"[:32])...)
	l := &letter{doubts: map[string]bool{}, obs: &capture.Observation{}}
	l.tnef(b, "winmail.dat")
	if len(l.obs.Attachments) != 1 || !bytes.Equal(content(t, &l.obs.Attachments[0]), []byte("the report")) {
		t.Fatalf("attachments are %+v", l.obs.Attachments)
	}
	if name := l.obs.Attachments[0].Name; !strings.HasPrefix(name, "report") {
		t.Errorf("it is called %q", name)
	}
}
