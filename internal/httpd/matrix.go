package httpd

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"
)

var (
	corsOrigin  = []string{"*"}
	corsMethods = []string{"GET, POST, PUT, DELETE, OPTIONS"}
	corsHeaders = []string{"X-Requested-With, Content-Type, Authorization"}
	corsMaxAge  = []string{"86400"}
)

// CORS lets browsers on any page use the Matrix API, as the Client-Server API, "Web Browser Clients",
// requires, and answers their OPTIONS requests. It touches nothing outside /_matrix/ and
// /.well-known/matrix/: tokens are sent there in a header, never in a cookie, so another site's page has
// nothing to abuse.
//
// It also refuses paths that no identifier can have and no database could hold.
func CORS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/_matrix/") && !strings.HasPrefix(r.URL.Path, "/.well-known/matrix/") {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h["Access-Control-Allow-Origin"] = corsOrigin
		h["Access-Control-Allow-Methods"] = corsMethods
		h["Access-Control-Allow-Headers"] = corsHeaders
		if r.Method == http.MethodOptions {
			h["Access-Control-Max-Age"] = corsMaxAge
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if !utf8.ValidString(r.URL.Path) || strings.IndexByte(r.URL.Path, 0) >= 0 {
			writeError(w, r, InvalidParam("The address holds bytes that are not text."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// NoRoute serves whatever no route of mux matches, and is registered at "/_matrix/": 405 if another
// method would have matched, else 404, both M_UNRECOGNIZED as in the Client-Server API, "Standard error response".
func NoRoute(a *Adapter, mux *http.ServeMux) http.Handler {
	return Func(a, func(w http.ResponseWriter, r *http.Request) error {
		var allowed []string
		for _, m := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
			probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
			if _, pattern := mux.Handler(probe); pattern != "" && pattern != r.Pattern {
				allowed = append(allowed, m)
			}
		}
		if len(allowed) == 0 {
			return Unrecognized(http.StatusNotFound)
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return Unrecognized(http.StatusMethodNotAllowed)
	})
}

// AccessToken is the token of r, from the header Authorization or, as older clients do, from the query
// parameter access_token; or "".
func AccessToken(r *http.Request) string {
	if v := r.Header["Authorization"]; len(v) > 0 {
		if len(v[0]) > 7 && strings.EqualFold(v[0][:7], "Bearer ") {
			return v[0][7:]
		}
		return ""
	}
	if strings.Contains(r.URL.RawQuery, "access_token=") {
		q, _ := url.ParseQuery(r.URL.RawQuery)
		return q.Get("access_token")
	}
	return ""
}

// RemoteAddr is the address of the client. Behind proxies whose addresses are in trusted, it is the last
// address in X-Forwarded-For that is not one of theirs; what is left of it could be forged.
func RemoteAddr(r *http.Request, trusted []netip.Prefix) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // a Unix socket
	}
	addr := ap.Addr().Unmap()
	if !within(addr, trusted) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
		if !within(addr, trusted) {
			break
		}
	}
	return addr
}

func within(a netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
