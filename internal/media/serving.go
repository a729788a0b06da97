package media

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const octets = "application/octet-stream"

// inline are the types that a browser may show in place: Client-Server API, "Serving inline content".
var inline = map[string]bool{
	"text/css": true, "text/plain": true, "text/csv": true, "application/json": true, "application/ld+json": true,
	"image/jpeg": true, "image/gif": true, "image/png": true, "image/apng": true, "image/webp": true, "image/avif": true,
	"video/mp4": true, "video/webm": true, "video/ogg": true, "video/quicktime": true,
	"audio/mp4": true, "audio/webm": true, "audio/aac": true, "audio/mpeg": true, "audio/ogg": true, "audio/wave": true,
	"audio/wav": true, "audio/x-wav": true, "audio/x-pn-wav": true, "audio/flac": true, "audio/x-flac": true,
}

// servedType is the type under which a file is served: what its bytes are, or what its owner says where the
// bytes do not tell.
func servedType(sniffed, said string) string {
	t, _, err := mime.ParseMediaType(said)
	if err != nil || strings.Count(t, "/") != 1 {
		t = octets
	}
	switch {
	case sniffed == octets, sniffed == "application/zip", sniffed == "application/x-ole-storage":
		// A type that is shown in place, or run, must be seen in the bytes.
		if inline[t] || scripted(t) {
			return sniffed
		}
		if t == octets {
			return sniffed
		}
		return t
	case sniffed == "text/plain" && strings.HasPrefix(t, "text/") && !scripted(t):
		return t
	case sniffed == "application/ogg" && (t == "audio/ogg" || t == "video/ogg"),
		sniffed == "video/webm" && t == "audio/webm", sniffed == "video/mp4" && t == "audio/mp4", sniffed == "audio/mp4" && t == "video/mp4":
		return t // one container for both: only its owner knows which
	case !family(t) && !scripted(t):
		return t // no browser shows or runs it
	}
	return sniffed
}

// family reports whether a type is of one of the families that there are (RFC 6838, 4.2). What is said to be of
// another is for saving.
func family(t string) bool {
	first, _, _ := strings.Cut(t, "/")
	switch first {
	case "application", "audio", "example", "font", "haptics", "image", "message", "model", "multipart", "text", "video":
		return true
	}
	return false
}

// scripted reports whether a browser would run what a file of the type says.
func scripted(t string) bool {
	return strings.Contains(t, "html") || strings.Contains(t, "xml") || strings.Contains(t, "script") || strings.Contains(t, "svg") ||
		strings.HasPrefix(t, "multipart/") || strings.HasPrefix(t, "message/")
}

// SetHeaders prepares a response with a file of the type and name: what may not be shown in place is for
// saving, nothing in it may run, and caches of others do not keep it. download has it saved in any case.
func SetHeaders(h http.Header, contentType, name string, download bool) {
	disposition := "attachment"
	if inline[contentType] && !download {
		disposition = "inline"
	}
	if name != "" {
		disposition += `; filename="` + asciiName(name) + `"`
		if asciiName(name) != name {
			disposition += "; filename*=utf-8''" + percent(name)
		}
	}
	if strings.HasPrefix(contentType, "text/") {
		contentType += "; charset=utf-8"
	}
	h.Set("Content-Type", contentType)
	h.Set("Content-Disposition", disposition)
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; object-src 'self'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Cache-Control", "private, no-store") // a file that disappears must not live on in a browser
	h.Set("Referrer-Policy", "no-referrer")
}

// Serve writes a file as the answer to r, or the part of it that r asks for.
func Serve(w http.ResponseWriter, r *http.Request, it Item, f *File, name string, download bool) {
	if name == "" {
		name = it.Name
	}
	SetHeaders(w.Header(), it.Type, name, download)
	w.Header().Set("ETag", `"`+strconv.FormatInt(it.Size, 36)+encoding.EncodeToString(it.SHA256[:12])+`"`)
	http.ServeContent(w, r, "", time.Time{}, f)
}

// asciiName is a name for a quoted string: what does not belong there becomes "_".
func asciiName(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '_'
		}
		return r
	}, name)
}

// percent encodes a name as RFC 8187 has it.
func percent(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c < utf8.RuneSelf && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte("0123456789ABCDEF"[c>>4])
			b.WriteByte("0123456789ABCDEF"[c&15])
		}
	}
	return b.String()
}
