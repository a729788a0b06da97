package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/server"
	"despatch/internal/store"
)

const userLong = `
despatch user add NAME [--full-name "Asha Patel"] [--role ROLE]… [--link]
despatch user list
despatch user role NAME add|remove ROLE
despatch user password NAME [--link]
despatch user disable NAME
despatch user enable NAME
despatch user mail NAME add|remove ADDRESS
despatch user mail NAME list

NAME is what somebody signs in with, such as asha.patel. The roles are staff, records, approver, it, auditor and
security; nobody can be it and records or approver at once. A password is asked for, or read from standard input;
with --link a link is printed instead, with which the person chooses one. Mails to the record are taken from the
addresses that are known to be somebody's.

While the server runs on the same folder, it makes the change. Every change is on the record.`

// userRequest is a change that somebody at the server's machine asks for.
type userRequest struct {
	Action   string          `json:"action"`
	Name     string          `json:"name"`
	FullName string          `json:"full_name"`
	Roles    []identity.Role `json:"roles"`
	Password string          `json:"password"`
	Link     bool            `json:"link"`
	Address  string          `json:"address"` // of mail
}

// userReply is what came of it, in lines to print.
type userReply struct {
	Lines []string `json:"lines"`
}

func userCommand(ctx context.Context, p *program, args []string) error {
	var req userRequest
	c, rest, err := load("user", args, p.env, func(f *flag.FlagSet) {
		f.StringVar(&req.FullName, "full-name", "", "")
		f.BoolVar(&req.Link, "link", false, "")
		f.Func("role", "", func(s string) error {
			r, err := identity.ParseRole(s)
			req.Roles = append(req.Roles, r)
			return err
		})
	})
	if err != nil {
		return err
	}
	if err := req.arguments(rest); err != nil {
		return err
	}
	if (req.Action == "add" || req.Action == "password") && !req.Link {
		if req.Password, err = readPassword(p, req.Name); err != nil {
			return err
		}
	}
	reply, err := atDesk(ctx, &c, p, req)
	if err != nil {
		return err
	}
	for _, l := range reply.Lines {
		fmt.Fprintln(p.out, l)
	}
	return nil
}

// arguments reads what is not a flag.
func (q *userRequest) arguments(args []string) error {
	if len(args) == 0 {
		return usagef("say what to do: despatch user add|list|role|password|disable|enable|mail")
	}
	q.Action, args = args[0], args[1:]
	want := 1
	switch q.Action {
	case "list":
		want = 0
	case "role":
		want = 3
	case "mail":
		if want = 3; len(args) == 2 && args[1] == "list" {
			want = 2
		}
	case "add", "password", "disable", "enable":
	default:
		return usagef("there is no `despatch user %s`; `despatch help user` lists what there is", q.Action)
	}
	if len(args) != want {
		return usagef("`despatch user %s` takes %d arguments; see `despatch help user`", q.Action, want)
	}
	if want > 0 {
		q.Name = args[0]
	}
	if q.Action == "mail" {
		if want == 3 {
			q.Address = args[2]
		}
		if args[1] != "add" && args[1] != "remove" && args[1] != "list" {
			return usagef("despatch user mail NAME add|remove ADDRESS, or despatch user mail NAME list")
		}
		q.Action = "mail " + args[1]
		return nil
	}
	if q.Action != "role" {
		return nil
	}
	if args[1] != "add" && args[1] != "remove" {
		return usagef("despatch user role NAME add|remove ROLE")
	}
	r, err := identity.ParseRole(args[2])
	q.Action, q.Roles = "role "+args[1], []identity.Role{r}
	return err
}

// do makes the change. Links are made for the address that people reach.
func (q userRequest) do(ctx context.Context, s *server.Server, address string) (*userReply, error) {
	people := s.Identity
	reply := new(userReply)
	say := func(format string, args ...any) { reply.Lines = append(reply.Lines, fmt.Sprintf(format, args...)) }
	user := matrix.UserID(q.Name)
	if !strings.HasPrefix(q.Name, "@") {
		user = matrix.UserID("@" + q.Name + ":" + string(s.Name))
	}
	const by = identity.CommandLine
	var err error
	switch q.Action {
	case "add":
		if user, err = people.Create(ctx, by, identity.NewPerson{Localpart: q.Name, Name: q.FullName, Roles: q.Roles, Password: q.Password}); err == nil {
			say("%s was added.", user)
		}
	case "list":
		reply.Lines, err = list(ctx, people)
	case "role add":
		if err = people.Grant(ctx, by, user, q.Roles[0]); err == nil {
			say("%s is now %s.", user, q.Roles[0].Title())
		}
	case "role remove":
		if err = people.Revoke(ctx, by, user, q.Roles[0]); err == nil {
			say("%s is no longer %s.", user, q.Roles[0].Title())
		}
	case "password":
		if !q.Link {
			if err = people.SetPassword(ctx, by, user, q.Password); err == nil {
				say("The password of %s was changed, and they were signed out everywhere.", user)
			}
		}
	case "disable":
		if err = people.Disable(ctx, by, user); err == nil {
			say("%s is disabled and signed out everywhere.", user)
		}
	case "enable":
		if err = people.Enable(ctx, by, user); err == nil {
			say("%s can sign in again.", user)
		}
	case "mail add":
		if err = s.Mail.Add(ctx, string(by), user, q.Address); err == nil {
			say("Mails from %s are taken onto the record for %s.", q.Address, user)
		}
	case "mail remove":
		if err = s.Mail.Remove(ctx, string(by), user, q.Address); err == nil {
			say("Mails from %s are no longer taken.", q.Address)
		}
	case "mail list":
		var have []store.MailAddress
		have, err = s.Mail.Addresses(ctx, user)
		for _, a := range have {
			say("%s", a.Address)
		}
	default:
		err = httpd.InvalidParam("There is no %q.", q.Action)
	}
	if err == nil && q.Link {
		var token string
		if token, err = people.PasswordLink(ctx, by, user); err == nil {
			say("Give this link to %s. It works once, within 72 hours:\n\n  %s/console/password?token=%s\n", user, address, token)
		}
	}
	return reply, err
}

// list writes a line for each person.
func list(ctx context.Context, people *identity.Service) ([]string, error) {
	var lines []string
	for after := matrix.UserID(""); ; {
		page, err := people.People(ctx, after, 500)
		if err != nil || len(page) == 0 {
			return lines, err
		}
		for _, p := range page {
			var roles []string
			for _, r := range p.Roles.List() {
				roles = append(roles, string(r))
			}
			if p.Disabled != 0 {
				roles = append(roles, "(disabled)")
			}
			lines = append(lines, fmt.Sprintf("%-40s %-30s %s", p.ID, p.Name, strings.Join(roles, " ")))
		}
		after = page[len(page)-1].ID
	}
}

// readPassword asks for a password twice, or reads one line where nobody sits at a terminal.
func readPassword(p *program, name string) (string, error) {
	if f, ok := p.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		ask := func(prompt string) (string, error) {
			fmt.Fprint(p.err, prompt)
			b, err := term.ReadPassword(int(f.Fd()))
			fmt.Fprintln(p.err)
			return string(b), err
		}
		first, err := ask("Password for " + name + ": ")
		if err != nil {
			return "", err
		}
		second, err := ask("The same again: ")
		if err == nil && first != second {
			err = errors.New("the two are not the same; nothing was changed")
		}
		return first, err
	}
	line, err := bufio.NewReader(io.LimitReader(p.in, 4096)).ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", fmt.Errorf("no password on standard input; give one, or use --link")
	}
	if err == io.EOF {
		err = nil
	}
	return line, err
}
