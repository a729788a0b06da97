package clientapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/pushrule"
	"despatch/internal/store"
)

// Push rules say what is counted as unread, and what clients make a sound for.

const typePushRules = "m.push_rules"

type pushRuleSet struct {
	Global pushRules `json:"global"`
}

type (
	pushRules = pushrule.Rules
	pushRule  = pushrule.Rule
)

// readPushRules returns the caller's rules: the predefined ones until something is changed.
func (s *Server) readPushRules(r *http.Request, x session) (*pushRuleSet, error) {
	var set pushRuleSet
	raw, err := store.AccountDatum(r.Context(), s.DB.Reader(), x.User, "", typePushRules)
	if err == store.ErrNotFound {
		set.Global = *pushrule.Predefined(x.User)
		return &set, nil
	} else if err != nil {
		return nil, err
	}
	if err := httpd.DecodeJSON(raw, &set); err != nil {
		return nil, err
	}
	set.Global.Complete(x.User)
	return &set, nil
}

// pushRules implements "GET /pushrules/".
func (s *Server) pushRules(r *http.Request, x session, _ *httpd.None) (*pushRuleSet, error) {
	return s.readPushRules(r, x)
}

// pushRulesGlobal implements "GET /pushrules/global/".
func (s *Server) pushRulesGlobal(r *http.Request, x session, _ *httpd.None) (*pushRules, error) {
	set, err := s.readPushRules(r, x)
	if err != nil {
		return nil, err
	}
	return &set.Global, nil
}

// rulesOf returns the caller's rules, those of the request's kind, and the place of the request's rule
// among them, or -1.
func (s *Server) rulesOf(r *http.Request, x session) (set *pushRuleSet, of *[]pushRule, at int, err error) {
	if set, err = s.readPushRules(r, x); err != nil {
		return nil, nil, 0, err
	}
	if of = set.Global.Kind(r.PathValue("kind")); of == nil {
		if r.Method != http.MethodPut || strings.HasSuffix(r.Pattern, "/enabled") || strings.HasSuffix(r.Pattern, "/actions") {
			return nil, nil, 0, noRule()
		}
		return nil, nil, 0, httpd.InvalidParam("There are no push rules of the kind %q.", r.PathValue("kind"))
	}
	id := r.PathValue("ruleID")
	return set, of, slices.IndexFunc(*of, func(rule pushRule) bool { return rule.RuleID == id }), nil
}

func (s *Server) keepPushRules(r *http.Request, x session, set *pushRuleSet) (*httpd.None, error) {
	raw, err := marshal(set)
	if err != nil {
		return nil, err
	}
	return &httpd.None{}, s.putAccountData(r.Context(), x.User, "", typePushRules, raw)
}

func noRule() error { return httpd.NotFound("You have no such push rule.") }

// pushRule implements "GET /pushrules/global/{kind}/{ruleId}".
func (s *Server) pushRule(r *http.Request, x session, _ *httpd.None) (*pushRule, error) {
	_, of, at, err := s.rulesOf(r, x)
	if err != nil {
		return nil, err
	}
	if at < 0 {
		return nil, noRule()
	}
	return &(*of)[at], nil
}

type setPushRuleRequest struct {
	Conditions jsontext.Value `json:"conditions"`
	Pattern    string         `json:"pattern"`
	Actions    jsontext.Value `json:"actions"`
}

// setPushRule implements "PUT /pushrules/global/{kind}/{ruleId}".
func (s *Server) setPushRule(r *http.Request, x session, req *setPushRuleRequest) (*httpd.None, error) {
	set, of, at, err := s.rulesOf(r, x)
	if err != nil {
		return nil, err
	}
	rule := pushRule{RuleID: r.PathValue("ruleID"), Enabled: true, Conditions: req.Conditions, Pattern: req.Pattern, Actions: req.Actions}
	switch {
	case strings.HasPrefix(rule.RuleID, "."):
		return nil, httpd.InvalidParam("A rule whose name begins with a full stop is the server's.")
	case rule.Actions.Kind() != '[':
		return nil, httpd.MissingParam("actions is a list.")
	case r.PathValue("kind") == "content" && rule.Pattern == "":
		return nil, httpd.MissingParam("A rule about content has a pattern.")
	}
	if at >= 0 {
		rule.Enabled = (*of)[at].Enabled
		*of = slices.Delete(*of, at, at+1)
	}
	to := 0
	for name, next := range map[string]int{"before": 0, "after": 1} {
		if other := r.URL.Query().Get(name); other != "" {
			i := slices.IndexFunc(*of, func(rule pushRule) bool { return rule.RuleID == other })
			if i < 0 || (*of)[i].Default {
				return nil, httpd.NotFound("You have no push rule %q to put it %s.", other, name)
			}
			to = i + next
		}
	}
	*of = slices.Insert(*of, to, rule)
	return s.keepPushRules(r, x, set)
}

// deletePushRule implements "DELETE /pushrules/global/{kind}/{ruleId}".
func (s *Server) deletePushRule(r *http.Request, x session, _ *httpd.None) (*httpd.None, error) {
	set, of, at, err := s.rulesOf(r, x)
	if err != nil {
		return nil, err
	}
	if at < 0 || (*of)[at].Default {
		return nil, noRule()
	}
	*of = slices.Delete(*of, at, at+1)
	return s.keepPushRules(r, x, set)
}

type pushRuleEnabled struct {
	Enabled *bool `json:"enabled"`
}

// pushRuleEnabled implements "GET /pushrules/global/{kind}/{ruleId}/enabled".
func (s *Server) pushRuleEnabled(r *http.Request, x session, _ *httpd.None) (*pushRuleEnabled, error) {
	rule, err := s.pushRule(r, x, nil)
	if err != nil {
		return nil, err
	}
	return &pushRuleEnabled{&rule.Enabled}, nil
}

// enablePushRule implements "PUT /pushrules/global/{kind}/{ruleId}/enabled".
func (s *Server) enablePushRule(r *http.Request, x session, req *pushRuleEnabled) (*httpd.None, error) {
	if req.Enabled == nil {
		return nil, httpd.MissingParam("enabled is true or false.")
	}
	set, of, at, err := s.rulesOf(r, x)
	if err != nil {
		return nil, err
	}
	if at < 0 {
		return nil, noRule()
	}
	(*of)[at].Enabled = *req.Enabled
	return s.keepPushRules(r, x, set)
}

type pushRuleActions struct {
	Actions jsontext.Value `json:"actions"`
}

// pushRuleActions implements "GET /pushrules/global/{kind}/{ruleId}/actions".
func (s *Server) pushRuleActions(r *http.Request, x session, _ *httpd.None) (*pushRuleActions, error) {
	rule, err := s.pushRule(r, x, nil)
	if err != nil {
		return nil, err
	}
	return &pushRuleActions{rule.Actions}, nil
}

// setPushRuleActions implements "PUT /pushrules/global/{kind}/{ruleId}/actions".
func (s *Server) setPushRuleActions(r *http.Request, x session, req *pushRuleActions) (*httpd.None, error) {
	if req.Actions.Kind() != '[' {
		return nil, httpd.MissingParam("actions is a list.")
	}
	set, of, at, err := s.rulesOf(r, x)
	if err != nil {
		return nil, err
	}
	if at < 0 {
		return nil, noRule()
	}
	(*of)[at].Actions = req.Actions
	return s.keepPushRules(r, x, set)
}
