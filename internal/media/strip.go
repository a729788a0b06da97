package media

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"despatch/internal/httpd"
)

// stripper returns what removes metadata from pictures of a type: place, camera, owner, comments, previews,
// and whatever follows the picture. The picture itself is copied bit by bit; which way is up and the colours'
// profile are kept. It returns nil for types that are kept as they are.
func stripper(mediaType string) func(io.Writer, *bufio.Reader) error {
	switch mediaType {
	case "image/jpeg":
		return stripJPEG
	case "image/png", "image/apng":
		return stripPNG
	case "image/webp":
		return stripWebP
	}
	return nil
}

// errDamaged is about a picture that is not built as its kind must be: what cannot be understood could hold
// anything.
func errDamaged(kind string) error {
	return httpd.Unknown("This %s picture is damaged. Save it anew on your device, and send that.", kind)
}

// broken makes the end of a file, where it should not be, an error about the picture.
func broken(err error, kind string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errDamaged(kind)
	}
	return err
}

// JPEG markers.
const (
	markSOI, markEOI, markSOS         = 0xd8, 0xd9, 0xda
	markAPP0, markAPP1, markAPP2      = 0xe0, 0xe1, 0xe2
	markAPP14, markAPP15, markComment = 0xee, 0xef, 0xfe
)

func stripJPEG(w io.Writer, r *bufio.Reader) error {
	out := bufio.NewWriterSize(w, 32<<10)
	if err := jpegSegments(out, r); err != nil {
		return broken(err, "JPEG")
	}
	return out.Flush()
}

// jpegSegments copies segments up to the end of the picture.
func jpegSegments(w *bufio.Writer, r *bufio.Reader) error {
	var soi [2]byte
	if _, err := io.ReadFull(r, soi[:]); err != nil {
		return err
	}
	if soi != [2]byte{0xff, markSOI} {
		return errDamaged("JPEG")
	}
	w.Write(soi[:])
	m, err := jpegMarker(r)
	for err == nil {
		switch {
		case m == markEOI:
			w.Write([]byte{0xff, markEOI})
			return nil // a film, a second picture or a map may follow: dropped
		case m == markSOI || m == 0:
			return errDamaged("JPEG")
		case m == 0x01 || m >= 0xd0 && m <= 0xd7: // no content
			w.Write([]byte{0xff, m})
			m, err = jpegMarker(r)
			continue
		}
		var seg []byte
		if seg, err = jpegSegment(r); err != nil {
			break
		}
		if seg = keptSegment(m, seg); seg != nil {
			w.Write([]byte{0xff, m, byte((len(seg) + 2) >> 8), byte(len(seg) + 2)})
			w.Write(seg)
		}
		if m == markSOS {
			m, err = jpegScan(w, r)
		} else {
			m, err = jpegMarker(r)
		}
	}
	return err
}

// jpegMarker reads a marker, with the fill bytes before it.
func jpegMarker(r *bufio.Reader) (byte, error) {
	b, err := r.ReadByte()
	if err == nil && b != 0xff {
		return 0, errDamaged("JPEG")
	}
	for err == nil && b == 0xff {
		b, err = r.ReadByte()
	}
	return b, err
}

// jpegSegment reads what follows a marker, without its length.
func jpegSegment(r *bufio.Reader) ([]byte, error) {
	var l [2]byte
	if _, err := io.ReadFull(r, l[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(l[:]))
	if n < 2 {
		return nil, errDamaged("JPEG")
	}
	seg := make([]byte, n-2)
	_, err := io.ReadFull(r, seg)
	return seg, err
}

// keptSegment is what stays of a segment, nil if nothing.
func keptSegment(m byte, seg []byte) []byte {
	switch {
	case m == markAPP0 && bytes.HasPrefix(seg, []byte("JFIF\x00")):
		if len(seg) >= 14 {
			return append(append([]byte{}, seg[:12]...), 0, 0) // without the preview
		}
		return seg
	case m == markAPP1 && bytes.HasPrefix(seg, []byte("Exif\x00\x00")):
		if o := orientation(seg[6:]); o > 1 {
			return append([]byte("Exif\x00\x00"), exifOrientation(o)...)
		}
		return nil
	case m == markAPP2 && bytes.HasPrefix(seg, []byte("ICC_PROFILE\x00")):
		return seg
	case m == markAPP14 && bytes.HasPrefix(seg, []byte("Adobe")):
		return seg
	case m >= markAPP0 && m <= markAPP15 || m == markComment:
		return nil
	}
	return seg
}

// jpegScan copies the coded picture and returns the marker that ends it.
func jpegScan(w *bufio.Writer, r *bufio.Reader) (byte, error) {
	for {
		chunk, err := r.ReadSlice(0xff)
		if errors.Is(err, bufio.ErrBufferFull) {
			w.Write(chunk)
			continue
		}
		if err != nil {
			return 0, err
		}
		w.Write(chunk[:len(chunk)-1])
		b, err := r.ReadByte()
		for err == nil && b == 0xff { // fill
			b, err = r.ReadByte()
		}
		if err != nil || b != 0 && (b < 0xd0 || b > 0xd7) {
			return b, err
		}
		w.Write([]byte{0xff, b}) // a coded 0xff, a restart
	}
}

// PNG chunks that a picture needs or that say how it looks.
var pngKept = map[string]bool{"IHDR": true, "PLTE": true, "IDAT": true, "IEND": true, "tRNS": true, "cHRM": true, "gAMA": true,
	"iCCP": true, "sBIT": true, "sRGB": true, "cICP": true, "mDCV": true, "cLLI": true, "bKGD": true, "hIST": true, "pHYs": true,
	"sPLT": true, "acTL": true, "fcTL": true, "fdAT": true}

const pngMagic = "\x89PNG\r\n\x1a\n"

func stripPNG(w io.Writer, r *bufio.Reader) error {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return broken(err, "PNG")
	}
	if string(head[:]) != pngMagic {
		return errDamaged("PNG")
	}
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return broken(err, "PNG")
		}
		n, kind := int64(binary.BigEndian.Uint32(head[:4])), string(head[4:])
		if n > 1<<31-1 {
			return errDamaged("PNG")
		}
		var err error
		switch {
		case pngKept[kind]:
			if _, err = w.Write(head[:]); err == nil {
				_, err = io.CopyN(onlyWriter{w}, r, n+4)
			}
		case kind == "tEXt" && n <= maxSoftware:
			err = pngSoftware(w, r, head, int(n))
		case kind == "eXIf" && n <= 64<<10:
			err = pngExif(w, r, int(n))
		default:
			_, err = io.CopyN(onlyWriter{io.Discard}, r, n+4)
		}
		if err != nil {
			return broken(err, "PNG")
		}
		if kind == "IEND" {
			return nil
		}
	}
}

// maxSoftware is how long a text may be that names the program that wrote a picture.
const maxSoftware = 128

// pngSoftware reads a chunk of n bytes of text and its checksum, and writes it if it names the program that wrote
// the picture, which tells nothing of place, camera or person. Every other text goes.
func pngSoftware(w io.Writer, r *bufio.Reader, head [8]byte, n int) error {
	data := make([]byte, n+4)
	if _, err := io.ReadFull(r, data); err != nil {
		return err
	}
	if !bytes.HasPrefix(data, []byte("Software\x00")) {
		return nil
	}
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

// pngExif reads a chunk of n bytes and its checksum, and writes what stays of it.
func pngExif(w io.Writer, r *bufio.Reader, n int) error {
	data := make([]byte, n+4)
	if _, err := io.ReadFull(r, data); err != nil {
		return err
	}
	o := orientation(data[:n])
	if o <= 1 {
		return nil
	}
	exif := exifOrientation(o)
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(exif)))
	chunk = append(append(chunk, "eXIf"...), exif...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	_, err := w.Write(chunk)
	return err
}

// maxWebP bounds a WebP picture: its length stands at its beginning, so it is read whole before it is written.
const maxWebP = 32 << 20

// The flags of the chunk VP8X that speak of metadata.
const webpExif, webpXMP = 0x08, 0x04

func stripWebP(w io.Writer, r *bufio.Reader) error {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return broken(err, "WebP")
	}
	size := int64(binary.LittleEndian.Uint32(head[4:8])) - 4
	if string(head[:4]) != "RIFF" || string(head[8:]) != "WEBP" || size < 8 {
		return errDamaged("WebP")
	}
	if size > maxWebP {
		return httpd.TooLarge("WebP pictures can have %d MB at most. Send it as JPEG.", maxWebP>>20)
	}
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, size); err != nil {
		return broken(err, "WebP")
	}
	out, err := webpChunks(body.Bytes())
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(head[4:8], uint32(len(out)+4))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err = w.Write(out)
	return err
}

// webpChunks returns the chunks that stay.
func webpChunks(b []byte) ([]byte, error) {
	out := make([]byte, 0, len(b))
	flags := -1 // where in out the flags of VP8X are
	picture := false
	var exif []byte
	for len(b) > 0 {
		if len(b) < 8 {
			return nil, errDamaged("WebP")
		}
		kind, n := string(b[:4]), int64(binary.LittleEndian.Uint32(b[4:8]))
		end := 8 + n + n&1
		if end == int64(len(b))+1 && n&1 == 1 {
			end-- // the last byte of padding is often forgotten
		}
		if end > int64(len(b)) {
			return nil, errDamaged("WebP")
		}
		switch kind {
		case "VP8X":
			if n < 10 || flags >= 0 {
				return nil, errDamaged("WebP")
			}
			flags = len(out) + 8
			out = append(out, b[:end]...)
		case "EXIF":
			data := bytes.TrimPrefix(b[8:8+n], []byte("Exif\x00\x00"))
			if o := orientation(data); o > 1 {
				exif = exifOrientation(o)
			}
		case "VP8 ", "VP8L", "ALPH", "ANIM", "ANMF", "ICCP":
			picture = picture || kind == "VP8 " || kind == "VP8L" || kind == "ANMF"
			out = append(out, b[:end]...)
			if (end-8)&1 == 1 {
				out = append(out, 0)
			}
		}
		b = b[end:]
	}
	if !picture {
		return nil, errDamaged("WebP")
	}
	if flags >= 0 {
		out[flags] &^= webpExif | webpXMP
		if exif != nil {
			out[flags] |= webpExif
			out = append(out, "EXIF"...)
			out = binary.LittleEndian.AppendUint32(out, uint32(len(exif)))
			out = append(out, exif...)
		}
	}
	return out, nil
}

// orientation finds which way is up in Exif data: 1 to 8, or 0 if it does not say.
func orientation(exif []byte) int {
	if len(exif) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.BigEndian
	switch string(exif[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
	default:
		return 0
	}
	at := int64(order.Uint32(exif[4:8]))
	if at+2 > int64(len(exif)) {
		return 0
	}
	n := int64(order.Uint16(exif[at:]))
	for i := range n {
		e := at + 2 + 12*i
		if e+12 > int64(len(exif)) {
			return 0
		}
		if order.Uint16(exif[e:]) == 0x0112 && order.Uint16(exif[e+2:]) == 3 && order.Uint32(exif[e+4:]) == 1 {
			if o := int(order.Uint16(exif[e+8:])); o >= 1 && o <= 8 {
				return o
			}
			return 0
		}
	}
	return 0
}

// exifOrientation is Exif data that says which way is up, and nothing else.
func exifOrientation(o int) []byte {
	return []byte{'M', 'M', 0, '*', 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, byte(o), 0, 0, 0, 0, 0, 0}
}
