package httpd

import "net/http"

// Policies for the header Content-Security-Policy. Neither allows inline scripts or styles, frames, or
// anything from another host.
const (
	// PagePolicy is for pages that work without scripts and have none of their own.
	PagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

	// AppPolicy is for the messenger, which shows pictures that it fetched with its token, and keeps a worker.
	AppPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; " +
		"font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; " +
		"frame-ancestors 'none'"
)

// Secure adds to what next serves the headers that keep a page to itself: the given content policy, no
// sniffing, no framing, no referrer, and no copy in any cache unless next says otherwise. With https, it
// tells browsers to use nothing else from now on.
func Secure(next http.Handler, policy string, https bool) http.Handler {
	fixed := map[string][]string{
		"Content-Security-Policy":      {policy},
		"X-Content-Type-Options":       noSniff,
		"X-Frame-Options":              {"DENY"},
		"Referrer-Policy":              {"same-origin"}, // no-referrer would take from forms the Origin that is checked
		"Permissions-Policy":           {"geolocation=(), payment=(), usb=(), browsing-topics=()"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Cache-Control":                noStore,
	}
	if https {
		fixed["Strict-Transport-Security"] = []string{"max-age=31536000"}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for k, v := range fixed {
			h[k] = v
		}
		next.ServeHTTP(w, r)
	})
}
