package unstructured

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"despatch/internal/capture"
)

// readText reads a text of any sort. Its bytes are text in UTF-8, in UTF-16 if they begin so, or else
// in the encoding of Western Windows computers.
func readText(c *contents, data []byte) {
	c.plain = c.mediaType == "text/plain"
	s, sure := decode(data)
	if !sure {
		c.doubt("encoding_assumed", "The text does not say which encoding it is in. It was read as that of Western Windows computers.")
	}
	if c.mediaType == "text/html" {
		s = htmlText(s)
	}
	c.text = s
}

// decode returns bytes as text, and whether their encoding is beyond doubt.
func decode(data []byte) (s string, sure bool) {
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return strings.ToValidUTF8(string(data[3:]), "\uFFFD"), true
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		b, _ := unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM).NewDecoder().Bytes(data)
		return string(b), true
	}
	if cut := len(data) == maxRead; utf8.Valid(data) || cut && utf8.Valid(bytes.TrimRight(data[:len(data)-3], "\x80\x81")) {
		return strings.ToValidUTF8(string(data), ""), true
	}
	b, err := charmap.Windows1252.NewDecoder().Bytes(data)
	if err != nil {
		return strings.ToValidUTF8(string(data), "\uFFFD"), false
	}
	return string(b), false
}

// htmlText is what a page shows.
func htmlText(s string) string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(s))
	hidden := ""
	for b.Len() <= maxText {
		switch z.Next() {
		case html.ErrorToken:
			return tidy(b.String())
		case html.TextToken:
			if hidden == "" {
				b.Write(z.Text())
			}
		case html.StartTagToken:
			name, _ := z.TagName()
			switch tag := string(name); tag {
			case "script", "style":
				hidden = tag
			case "p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table":
				b.WriteByte('\n')
			case "td", "th":
				b.WriteByte('\t')
			}
		case html.SelfClosingTagToken:
			b.WriteByte('\n')
		case html.EndTagToken:
			if name, _ := z.TagName(); string(name) == hidden {
				hidden = ""
			}
		}
	}
	return tidy(b.String())
}

// office returns which sort of office document a zip is, or an empty string: docx, pptx, xlsx, odf.
func office(a *capture.Archive) string {
	names := make([]string, len(a.Members))
	for i, m := range a.Members {
		names[i] = m.Path
	}
	return officeKind(names)
}

func officeKind(names []string) string {
	has := func(name string) bool { return slices.Contains(names, name) }
	switch {
	case has("[Content_Types].xml") && has("word/document.xml"):
		return "docx"
	case has("[Content_Types].xml") && has("ppt/presentation.xml"):
		return "pptx"
	case has("[Content_Types].xml") && has("xl/workbook.xml"):
		return "xlsx"
	case has("mimetype") && has("content.xml") && has("META-INF/manifest.xml"):
		return "odf"
	}
	return ""
}

// readOffice reads the text of an office document: its pages, headers and footers, notes and comments,
// and what its properties say of when it was made.
func readOffice(c *contents, label string, data []byte) {
	f := &capture.File{Name: label, Size: int64(len(data)), At: bytes.NewReader(data)}
	if _, err := capture.OpenZip(f, capture.DefaultLimits); err != nil {
		c.doubt("not_read", "What is packed inside this file cannot be read.")
		return
	}
	z, err := zip.NewReader(f.At, f.Size)
	if err != nil {
		return
	}
	var names []string
	for _, e := range z.File {
		names = append(names, e.Name)
	}
	kind := officeKind(names)
	if kind == "" {
		c.doubt("not_unpacked", "The file is a packed folder inside another. It is kept whole; unpack it and hand in what is inside by itself if it is to be searched.")
		return
	}
	files := slices.Clone(z.File)
	slices.SortStableFunc(files, func(a, b *zip.File) int { return rank(a.Name) - rank(b.Name) })
	var b strings.Builder
	budget := int64(2 * maxRead) // unpacked, all together
	for _, e := range files {
		if rank(e.Name) == other || b.Len() > maxText {
			continue
		}
		r, err := e.Open()
		if err != nil {
			continue
		}
		l := &io.LimitedReader{R: r, N: budget}
		if e.Name == "docProps/core.xml" || e.Name == "meta.xml" {
			readProperties(c, l)
		} else if text := tidy(xmlText(l, kind == "odf" || strings.HasPrefix(e.Name, "docProps/"))); text != "" {
			b.WriteString(text)
			b.WriteString("\n\n")
		}
		r.Close()
		budget = l.N
	}
	c.text = strings.TrimSpace(b.String())
}

// The order in which the parts of a document are read: a marking in a header comes before what it marks.
const (
	properties = iota
	header
	main
	footer
	aside
	other
)

func rank(name string) int {
	within := func(dir, prefix string) bool {
		return strings.HasPrefix(name, dir+"/"+prefix) && strings.HasSuffix(name, ".xml")
	}
	switch {
	case name == "docProps/core.xml", name == "docProps/custom.xml", name == "meta.xml":
		return properties
	case within("word", "header"), name == "styles.xml": // in ODF headers and footers are styles
		return header
	case name == "word/document.xml", name == "xl/sharedStrings.xml", name == "content.xml", within("ppt/slides", "slide"):
		return main
	case within("word", "footer"):
		return footer
	case name == "word/comments.xml", name == "word/footnotes.xml", name == "word/endnotes.xml", within("ppt/notesSlides", "notesSlide"), within("ppt/comments", ""):
		return aside
	}
	return other
}

// xmlText returns the words of a part of a document. With all set they may stand in any element, else
// only in those that hold a run of text.
func xmlText(r io.Reader, all bool) string {
	d := xml.NewDecoder(r)
	d.Strict = false
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, io.ErrUnexpectedEOF }
	var b strings.Builder
	depth, in := 0, 0
	for b.Len() <= maxText {
		t, err := d.RawToken()
		if err != nil {
			break
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth++; depth > 1000 {
				return b.String()
			}
			switch t.Name.Local {
			case "t", "delText", "instrText":
				in++
			case "tab":
				b.WriteByte('\t')
			case "br", "cr", "line-break":
				b.WriteByte('\n')
			case "s":
				if all {
					b.WriteByte(' ')
				}
			}
		case xml.EndElement:
			depth--
			switch t.Name.Local {
			case "t", "delText", "instrText":
				in--
			case "p", "h", "si", "property":
				b.WriteByte('\n')
			case "tc", "table-cell":
				b.WriteByte('\t')
			}
		case xml.CharData:
			if all || in > 0 {
				b.Write(t)
			}
		}
	}
	return b.String()
}

// readProperties tells what a document says of its own making.
func readProperties(c *contents, r io.Reader) {
	d := xml.NewDecoder(r)
	d.Strict = false
	var at string
	for n := 0; n < 1000; n++ {
		t, err := d.RawToken()
		if err != nil {
			return
		}
		switch t := t.(type) {
		case xml.StartElement:
			at = t.Name.Local
		case xml.EndElement:
			at = ""
		case xml.CharData:
			what := map[string]string{"created": "made", "creation-date": "made", "modified": "last changed", "date": "last changed"}[at]
			if s := clean(string(t)); what != "" && s != "" {
				c.doubt("date_in_file", "The document says that it was %s at %s. Anybody can change that.", what, s)
			}
		}
	}
}

// readExif tells what a picture says of when it was taken: in the Exif of JPEG, PNG and WebP.
func readExif(c *contents, data []byte) {
	tiff := findExif(data)
	if len(tiff) < 8 {
		return
	}
	var order binary.ByteOrder = binary.LittleEndian
	if string(tiff[:2]) == "MM" {
		order = binary.BigEndian
	}
	main := exifDirectory(tiff, order, order.Uint32(tiff[4:]))
	if at, ok := main[exifPointer]; ok && len(at) >= 4 {
		for tag, value := range exifDirectory(tiff, order, order.Uint32(at)) {
			main[tag] = value
		}
	}
	if taken := exifText(main[exifTaken]); taken != "" {
		zone := "It does not say in which time zone."
		if o := exifText(main[exifOffset]); o != "" {
			zone = "It says that its clock was " + o + " from UTC."
		}
		c.doubt("date_in_file", "The picture says that it was taken at %s. %s Clocks of cameras are often wrong, and anybody can change it.", taken, zone)
	} else if changed := exifText(main[exifChanged]); changed != "" {
		c.doubt("date_in_file", "The picture says that it was last changed at %s. Anybody can change that.", changed)
	}
}

// Tags of Exif 2.32.
const (
	exifChanged = 0x0132 // DateTime
	exifPointer = 0x8769 // to the directory of the rest
	exifTaken   = 0x9003 // DateTimeOriginal
	exifOffset  = 0x9011 // OffsetTimeOriginal
)

func exifText(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	if s = clean(s); len(s) > 40 || strings.Trim(s, "0123456789:+-. ") != "" {
		return ""
	}
	return s
}

// findExif returns the TIFF structure in a picture that holds its Exif.
func findExif(data []byte) []byte {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8")): // JPEG: segments up to the picture itself
		for i := 2; i+4 <= len(data) && data[i] == 0xff && data[i+1] != 0xda; {
			n := int(binary.BigEndian.Uint16(data[i+2:]))
			end := i + 2 + n
			if n < 2 || end > len(data) {
				return nil
			}
			if seg := data[i+4 : end]; data[i+1] == 0xe1 && bytes.HasPrefix(seg, []byte("Exif\x00\x00")) {
				return seg[6:]
			}
			i = end
		}
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		for i := 8; i+8 <= len(data); {
			n := int(binary.BigEndian.Uint32(data[i:]))
			if n < 0 || n > len(data)-i-8 {
				return nil
			}
			if string(data[i+4:i+8]) == "eXIf" {
				return data[i+8 : i+8+n]
			}
			i += 12 + n
		}
	case len(data) > 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		for i := 12; i+8 <= len(data); {
			n := int(binary.LittleEndian.Uint32(data[i+4:]))
			if n < 0 || n > len(data)-i-8 {
				return nil
			}
			if string(data[i:i+4]) == "EXIF" {
				return bytes.TrimPrefix(data[i+8:i+8+n], []byte("Exif\x00\x00"))
			}
			i += 8 + n + n&1
		}
	case bytes.HasPrefix(data, []byte("II*\x00")), bytes.HasPrefix(data, []byte("MM\x00*")):
		return data
	}
	return nil
}

// exifDirectory returns the values of a directory of tags, as bytes. What points outside is left out.
func exifDirectory(tiff []byte, order binary.ByteOrder, at uint32) map[uint16][]byte {
	out := map[uint16][]byte{}
	if uint64(at)+2 > uint64(len(tiff)) {
		return out
	}
	n := int(order.Uint16(tiff[at:]))
	for i := range min(n, 200) {
		p := int(at) + 2 + 12*i
		if p+12 > len(tiff) {
			break
		}
		size := uint64(order.Uint32(tiff[p+4:])) * map[uint16]uint64{1: 1, 2: 1, 3: 2, 4: 4, 7: 1}[order.Uint16(tiff[p+2:])]
		switch {
		case size <= 4:
			out[order.Uint16(tiff[p:])] = tiff[p+8 : p+8+int(size)]
		default:
			off := uint64(order.Uint32(tiff[p+8:]))
			if size <= 1000 && off+size <= uint64(len(tiff)) {
				out[order.Uint16(tiff[p:])] = tiff[off : off+size]
			}
		}
	}
	return out
}
