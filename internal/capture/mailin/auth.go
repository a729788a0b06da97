package mailin

import (
	"strings"
)

// result is one finding of an Authentication-Results field (RFC 8601): what was checked, what came of
// it, and about which identity.
type result struct {
	method, value string            // in small letters: dkim, pass
	props         map[string]string // header.d and the like, in small letters
}

// results reads an Authentication-Results field. Ours says whether the server wrote it.
func results(field, server string) (list []result, ours bool) {
	clauses := split(strip(field), ';')
	name, _, _ := strings.Cut(strings.TrimSpace(clauses[0]), " ") // a version may follow
	if !strings.EqualFold(strings.Trim(name, `"`), server) {
		return nil, false
	}
	for _, c := range clauses[1:] {
		words := split(strings.TrimSpace(spaced(c)), ' ')
		r := result{props: map[string]string{}}
		for _, w := range words {
			k, v, ok := strings.Cut(w, "=")
			if !ok {
				continue
			}
			k, v = strings.ToLower(strings.TrimSpace(k)), strings.ToLower(strings.Trim(strings.TrimSpace(v), `"`))
			if r.method == "" {
				r.method, _, _ = strings.Cut(k, "/")
				r.value = v
			} else if _, twice := r.props[k]; !twice {
				r.props[k] = v
			}
		}
		if r.method != "" && len(list) < 50 {
			list = append(list, r)
		}
	}
	return list, true
}

// strip removes comments: what stands in parentheses, outside of quotation marks.
func strip(s string) string {
	var out strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && (quoted || depth > 0):
			if depth == 0 {
				out.WriteByte(c)
				out.WriteByte(s[i+1])
			}
			i++
		case depth == 0 && c == '"':
			quoted = !quoted
			out.WriteByte(c)
		case !quoted && c == '(':
			depth++
		case !quoted && c == ')' && depth > 0:
			if depth--; depth == 0 {
				out.WriteByte(' ')
			}
		case depth == 0:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// split cuts outside of quotation marks.
func split(s string, at byte) []string {
	var list []string
	quoted, start := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == at && !quoted:
			list = append(list, s[start:i])
			start = i + 1
		}
	}
	return append(list, s[start:])
}

// spaced removes spaces around equals signs.
func spaced(s string) string {
	for _, sign := range []string{"=", "."} {
		for strings.Contains(s, " "+sign) || strings.Contains(s, sign+" ") {
			s = strings.ReplaceAll(strings.ReplaceAll(s, " "+sign, sign), sign+" ", sign)
		}
	}
	return s
}

// authentic reports whether the server vouches for a From address: DMARC passed for its domain, or a DKIM
// signature or SPF of its domain did, or its owner signed in to send the mail. Only the topmost field
// that the server wrote counts: those below may have come with the mail.
func authentic(fields []string, server, from, envelope string) bool {
	_, domain, _ := strings.Cut(strings.ToLower(from), "@")
	if domain == "" {
		return false
	}
	for _, f := range fields {
		list, ours := results(f, server)
		if !ours {
			continue
		}
		for _, r := range list {
			if r.value == "pass" && r.vouches(domain, strings.ToLower(from), strings.ToLower(envelope)) {
				return true
			}
		}
		return false
	}
	return false
}

// vouches reports whether a check that was passed is about the address.
func (r *result) vouches(domain, from, envelope string) bool {
	switch r.method {
	case "dmarc":
		return r.props["header.from"] == domain
	case "dkim":
		d := r.props["header.d"]
		if d == "" {
			_, d, _ = strings.Cut(r.props["header.i"], "@")
		}
		return d == domain
	case "spf":
		who := r.props["smtp.mailfrom"]
		if i := strings.LastIndexByte(who, '@'); i >= 0 {
			who = who[i+1:]
		}
		_, sent, _ := strings.Cut(envelope, "@")
		return who == domain && sent == domain
	case "auth":
		return r.props["smtp.auth"] == from
	}
	return false
}
