package email

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"despatch/internal/capture"
)

// msgForm says whether a compound file holds a mail of Outlook (MS-OXMSG).
func msgForm(m *capture.Member) (form, error) {
	data, err := readAll(m)
	if err != nil || data == nil {
		return formNone, err
	}
	root, err := openCFB(data)
	if err != nil {
		if strings.HasSuffix(strings.ToLower(m.Name), ".msg") {
			return formMSG, nil // damaged, which is to be said
		}
		return formNone, nil
	}
	if root.streams["__properties_version1.0"] == nil {
		return formNone, nil
	}
	return formMSG, nil
}

// readAll returns a member's bytes, or nil if they are too many.
func readAll(m *capture.Member) ([]byte, error) {
	if m.Size > maxMail {
		return nil, nil
	}
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxMail))
}

// Ids of MAPI properties (MS-OXPROPS).
const (
	propSubject      = 0x0037
	propSubmitTime   = 0x0039
	propSentName     = 0x0042
	propSentEmail    = 0x0065
	propHeaders      = 0x007D
	propSenderName   = 0x0C1A
	propSenderEmail  = 0x0C1F
	propRecipType    = 0x0C15
	propDelivered    = 0x0E06
	propFlags        = 0x0E07
	propBody         = 0x1000
	propRTF          = 0x1009
	propHTML         = 0x1013
	propMessageID    = 0x1035
	propReferences   = 0x1039
	propInReplyTo    = 0x1042
	propClass        = 0x001A
	propName         = 0x3001
	propEmail        = 0x3003
	propSMTP         = 0x39FE
	propAttachData   = 0x3701
	propAttachShort  = 0x3704
	propAttachMethod = 0x3705
	propAttachLong   = 0x3707
	propAttachMIME   = 0x370E
	propAttachID     = 0x3712
	propCodepage     = 0x3FDE
	propMessagePage  = 0x3FFD
	propSenderSMTP   = 0x5D01
	propSentSMTP     = 0x5D02
)

// properties are those of a message, a recipient, or an attachment.
type properties struct {
	*storage
	fixed    map[uint16][8]byte
	codepage string
}

// propertiesOf reads the properties of fixed length (MS-OXMSG, 2.4), which stand behind a head.
func propertiesOf(s *storage, head int, codepage string) *properties {
	p := &properties{storage: s, fixed: map[uint16][8]byte{}, codepage: codepage}
	b := s.stream("__properties_version1.0")
	for b = b[min(head, len(b)):]; len(b) >= 16; b = b[16:] {
		p.fixed[binary.LittleEndian.Uint16(b[2:])] = [8]byte(b[8:16])
	}
	return p
}

func (p *properties) number(id uint16) uint32 {
	v := p.fixed[id]
	return binary.LittleEndian.Uint32(v[:])
}

// time returns a point in time: hundreds of nanoseconds since 1601.
func (p *properties) time(id uint16) (time.Time, bool) {
	v := p.fixed[id]
	n := binary.LittleEndian.Uint64(v[:])
	const to1970 = 116444736000000000
	if n <= to1970 || n > to1970+2534023007990000000/10 {
		return time.Time{}, false
	}
	n -= to1970
	return time.Unix(int64(n/10_000_000), int64(n%10_000_000)*100).UTC(), true
}

// text returns a string, in whichever of the two ways it is stored.
func (p *properties) text(id uint16) string {
	if b := p.stream(fmt.Sprintf("__substg1.0_%04X001F", id)); b != nil {
		return utf16le(b)
	}
	s, _ := decodeText(trimZeros(p.stream(fmt.Sprintf("__substg1.0_%04X001E", id))), p.codepage)
	return s
}

func (p *properties) binary(id uint16) []byte {
	return p.stream(fmt.Sprintf("__substg1.0_%04X0102", id))
}

// codepageName returns the name of a Windows code page.
func codepageName(n uint32) string {
	switch {
	case n == 65001:
		return "utf-8"
	case n == 20127:
		return "us-ascii"
	case n == 932:
		return "shift_jis"
	case n == 936:
		return "gbk"
	case n == 949:
		return "euc-kr"
	case n == 950:
		return "big5"
	case n == 874 || n >= 1250 && n <= 1258:
		return fmt.Sprintf("windows-%d", n)
	case n >= 28591 && n <= 28605:
		return fmt.Sprintf("iso-8859-%d", n-28590)
	case n == 20866:
		return "koi8-r"
	case n == 50220 || n == 50221 || n == 50222:
		return "iso-2022-jp"
	}
	return "windows-1252"
}

// msg reads a member that is a mail of Outlook.
func (r *reading) msg(m found) error {
	data, err := readAll(m.Member)
	if err != nil {
		return err
	}
	root, err := openCFB(data)
	if err != nil {
		return &capture.FileError{File: m.Label(), Reason: "is a mail of Outlook that is damaged or cut short", Remedy: "Save it in Outlook again, as “Outlook Message Format – Unicode”, and hand in the file as it comes."}
	}
	l := readMSG(root, r.opt)
	o := l.obs
	sum := sha256.Sum256(data)
	o.Origin = capture.Origin{Path: m.Path, ByteEnd: int64(len(data)), RawSHA256: hex.EncodeToString(sum[:])}
	title, id, where := o.Subject, "", m.Path
	if m.Path != "" {
		if id = folderOf(m.Path); id == "" {
			id = "/"
		}
		title, where, o.Chat = id, id, id
	}
	if title == "" || title == "/" {
		title = m.File.Name
	}
	r.run.Reconciliation.InFile++
	r.run.Coverage.Bytes += int64(len(data))
	return r.give(m, l, r.box(m, title, id, where))
}

// readMSG reads a mail of Outlook.
func readMSG(root *storage, opt capture.Options) *letter {
	l := &letter{doubts: map[string]bool{}, obs: &capture.Observation{Kind: capture.KindText,
		Attachments: []capture.Attachment{}, Reactions: []capture.Reaction{}, Edits: []capture.Edit{}, Quality: []capture.Warning{}}}
	l.message(root, 32, opt)
	l.finish()
	return l
}

// message fills in what one message says. Head is the length of what stands before its properties: it
// differs for a mail in a mail.
func (l *letter) message(s *storage, head int, opt capture.Options) {
	p := propertiesOf(s, head, "")
	p.codepage = codepageName(p.number(propMessagePage))
	o := l.obs
	raw := p.text(propHeaders)
	h, _, _ := parseHeader([]byte(raw))
	if len(h) > 0 {
		l.head(h, opt)
	} else {
		l.doubt("reconstructed", "The file has no header of the mail, as is usual for mails that were sent and not received. Sender, recipients and times are those of Outlook’s own fields.")
	}
	l.people(p)
	if s := visible(p.text(propSubject)); s != "" {
		o.Subject = s
	}
	if ids := messageIDs([]byte(p.text(propMessageID))); len(ids) > 0 && o.NativeID == "" {
		o.NativeID = ids[0]
	}
	if ids := messageIDs([]byte(p.text(propInReplyTo))); len(ids) > 0 && o.ReplyTo == nil {
		o.ReplyTo = &capture.Ref{NativeID: ids[0]}
	}
	if ids := messageIDs([]byte(p.text(propReferences))); len(ids) > 0 && o.Thread == nil {
		o.Thread = &capture.Ref{NativeID: ids[0]}
	}
	l.msgTimes(p)
	if p.number(propFlags)&0x8 != 0 { // MSGFLAG_UNSENT
		o.State.Status = "draft"
	}
	if class := p.text(propClass); strings.HasPrefix(strings.ToUpper(class), "IPM.NOTE.SMIME") {
		l.doubt("encrypted", "It is signed or encrypted as S/MIME. What it says is in its attachment.")
	}
	l.msgBody(p)
	l.msgAttachments(p, opt)
}

// people sets who wrote the message and to whom, where the header does not say.
func (l *letter) people(p *properties) {
	if len(l.from) == 0 {
		one := address{name: visible(p.text(propSentName)), email: smtp(p.text(propSentSMTP), p.text(propSentEmail))}
		if one == (address{}) || one.email == "" && one.name == "" {
			one = address{name: visible(p.text(propSenderName)), email: smtp(p.text(propSenderSMTP), p.text(propSenderEmail))}
		}
		if one != (address{}) {
			l.from = []address{one}
		} else {
			l.doubt("no_sender", "It does not say who wrote it.")
		}
	}
	if len(l.to) > 0 {
		return
	}
	names := slices.Clone(p.order)
	slices.Sort(names)
	for _, name := range names {
		if !strings.HasPrefix(name, "__recip_version1.0_") || len(l.to) >= maxAddresses {
			continue
		}
		q := propertiesOf(p.folders[name], 8, p.codepage)
		a := address{name: visible(q.text(propName)), email: smtp(q.text(propSMTP), q.text(propEmail))}
		if a.name == a.email {
			a.name = ""
		}
		role := map[uint32]string{1: "to", 2: "cc", 3: "bcc"}[q.number(propRecipType)]
		if a != (address{}) {
			l.to = append(l.to, recipient{a, role})
		}
	}
}

// smtp returns the first that is an address of the internet; Exchange has addresses of its own.
func smtp(list ...string) string {
	for _, s := range list {
		if s = mailbox([]byte(s)); strings.Contains(s, "@") {
			return s
		}
	}
	return ""
}

// msgTimes sets the times, where the header does not say.
func (l *letter) msgTimes(p *properties) {
	o := l.obs
	if o.Sent.Precision == "" || o.Sent.Precision == "none" {
		if t, ok := p.time(propSubmitTime); ok {
			o.Sent = capture.At(t.Format(time.RFC3339Nano), t.UnixMilli(), "ms", "sender")
			if t.Nanosecond() == 0 {
				o.Sent = capture.At(t.Format(time.RFC3339), t.UnixMilli(), "s", "sender")
			}
			o.Quality = slices.DeleteFunc(o.Quality, func(w capture.Warning) bool { return w.Code == "no_date" })
		} else if o.Sent.Precision == "" {
			o.Sent = capture.Undated("")
			l.doubt("no_date", "It has no date that can be read.")
		}
	}
	if t, ok := p.time(propDelivered); ok && o.Received == nil {
		at := capture.At(t.Format(time.RFC3339Nano), t.UnixMilli(), "ms", "receiver")
		o.Received = &at
	}
}

// msgBody takes the text: plain if there is one, else HTML, else what is in rich text.
func (l *letter) msgBody(p *properties) {
	if s := p.text(propBody); strings.TrimSpace(s) != "" {
		l.bodies = append(l.bodies, bodyPart{text: clip(s)})
		return
	}
	if b := p.binary(propHTML); len(b) > 0 {
		s, fault := decodeText(b[:min(len(b), maxBody)], cmpOr(metaCharset(b), codepageName(p.number(propCodepage))))
		l.fault(fault)
		l.bodies = append(l.bodies, bodyPart{text: s, html: true})
		return
	}
	if s := p.text(propHTML); s != "" {
		l.bodies = append(l.bodies, bodyPart{text: clip(s), html: true})
		return
	}
	packed := p.binary(propRTF)
	if len(packed) == 0 {
		return
	}
	rtf, ok := unpackRTF(packed)
	if !ok {
		l.doubt("rich_text_damaged", "Its text is in rich text that is damaged. It is kept as a file beside the mail.")
		l.bytes("body.rtf.compressed", "document", "the text of the mail", packed)
		return
	}
	s, isHTML := readRTF(rtf)
	l.doubt("rich_text", "Its text is in rich text, which is kept as a file beside the mail. What is shown was made from it.")
	l.bytes("body.rtf", "document", "the text of the mail", rtf)
	l.bodies = append(l.bodies, bodyPart{text: s, html: isHTML})
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// clip bounds a text.
func clip(s string) string {
	if len(s) > maxBody {
		return strings.ToValidUTF8(s[:maxBody], "")
	}
	return s
}

// msgAttachments takes the attachments.
func (l *letter) msgAttachments(p *properties, opt capture.Options) {
	names := slices.Clone(p.order)
	slices.Sort(names)
	for _, folder := range names {
		if !strings.HasPrefix(folder, "__attach_version1.0_") {
			continue
		}
		q := propertiesOf(p.folders[folder], 8, p.codepage)
		name := visible(q.text(propAttachLong))
		if name == "" {
			name = visible(q.text(propAttachShort))
		}
		kind := strings.ToLower(q.text(propAttachMIME))
		if inner := p.folders[folder].folders["__substg1.0_3701000D"]; inner != nil {
			l.inMSG(inner, name, opt)
			continue
		}
		data := q.binary(propAttachData)
		if data == nil {
			a := capture.Attachment{Name: name, Class: class(kind), Presence: capture.NamedAbsent}
			if q.streams["__substg1.0_37010102"] != nil {
				a.Presence, a.Detail = capture.Corrupt, "it is damaged in the file"
				l.doubt("media_damaged", "An attachment cannot be read: it is damaged in the file.")
			}
			if len(l.obs.Attachments) < maxAttachments {
				l.obs.Attachments = append(l.obs.Attachments, a)
			}
			continue
		}
		detail := ""
		if q.text(propAttachID) != "" {
			detail = "inline"
		}
		if kind == "" {
			kind = kindByName(name)
		}
		l.bytes(name, class(kind), detail, bytes.Clone(data))
	}
}

// kindByName guesses the media type of what Outlook does not give one, for its class only.
func kindByName(name string) string {
	i := strings.LastIndexByte(name, '.')
	switch strings.ToLower(name[i+1:]) {
	case "png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp", "heic":
		return "image/x"
	case "gif":
		return "image/gif"
	case "mp4", "mov", "avi", "wmv":
		return "video/x"
	case "mp3", "wav", "m4a", "ogg":
		return "audio/x"
	case "vcf":
		return "text/vcard"
	}
	return ""
}

// inMSG takes a mail in the mail. It has no bytes of its own that could be kept as a file, so its text is;
// its attachments are listed too.
func (l *letter) inMSG(s *storage, name string, opt capture.Options) {
	if l.depth++; l.depth > maxDepth {
		l.doubt("too_deep", "It has more parts, or parts in parts, than any mail has. The others are kept with the file.")
		return
	}
	in := &letter{doubts: l.doubts, depth: l.depth, obs: &capture.Observation{}}
	in.message(s, 24, opt)
	in.finish()
	if name == "" {
		if name = strings.Map(fileRune, in.obs.Subject); name == "" {
			name = "message"
		}
	}
	var b strings.Builder
	if len(in.from) > 0 {
		fmt.Fprintf(&b, "From: %s <%s>\n", in.from[0].name, in.from[0].email)
	}
	for _, t := range in.to {
		fmt.Fprintf(&b, "%s: %s <%s>\n", t.role, t.name, t.email)
	}
	fmt.Fprintf(&b, "Date: %s\nSubject: %s\nMessage-ID: <%s>\n\n%s\n", in.obs.Sent.Raw, in.obs.Subject, in.obs.NativeID, in.obs.Text)
	l.bytes(name+".txt", "document", "what a mail in the mail says", []byte(b.String()))
	if l.obs.Forward == nil {
		l.obs.Forward = &capture.Ref{NativeID: in.obs.NativeID, QuotedText: in.obs.Subject}
		if len(in.from) > 0 {
			l.obs.Forward.Author = in.from[0].label()
		}
		if in.obs.Sent.Precision != "none" {
			at := in.obs.Sent
			l.obs.Forward.Sent = &at
		}
	}
	for _, a := range in.obs.Attachments {
		if a.Detail == "" || a.Detail == "inline" {
			a.Detail = insideMail + name + "”"
		}
		if len(l.obs.Attachments) < maxAttachments {
			l.obs.Attachments = append(l.obs.Attachments, a)
		}
	}
}
