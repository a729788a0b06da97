package console

import "despatch/internal/identity"

// Route is a line of the table of routes, for tests.
type Route struct {
	Pattern string
	Who     []identity.Role // nil if open
}

// Routes returns the table.
func Routes() []Route {
	var out []Route
	for _, rt := range (&Server{}).routes() {
		out = append(out, Route{rt.pattern, rt.who})
	}
	return out
}
