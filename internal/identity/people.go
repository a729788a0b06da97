package identity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
)

// Person is what others may know of somebody with an account.
type Person struct {
	ID       matrix.UserID
	Name     string // shown to people; never empty
	Avatar   string // mxc URI or ""
	Roles    Roles
	Created  int64
	Disabled int64 // 0 if not disabled
}

// NewPerson is somebody who is to have an account.
type NewPerson struct {
	Localpart string
	Name      string // shown to people; the localpart if empty
	Roles     []Role // staff if none
	Password  string // "" if a link to choose one follows; see [Service.PasswordLink]

	// OwnPassword says that the person chose the password, so that they are not told to change it.
	OwnPassword bool
}

// Create makes an account.
func (s *Service) Create(ctx context.Context, by Actor, n NewPerson) (matrix.UserID, error) {
	user, roles, row, err := s.prepare(ctx, by, n)
	if err != nil {
		return "", err
	}
	return user, s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		if err := allow(b.Context(), b.Tx(), by, IT); err != nil {
			return err
		}
		return s.insert(b, by, row, roles)
	})
}

// prepare does what of making an account is slow or needs no transaction.
func (s *Service) prepare(ctx context.Context, by Actor, n NewPerson) (matrix.UserID, []Role, store.Person, error) {
	fail := func(err error) (matrix.UserID, []Role, store.Person, error) { return "", nil, store.Person{}, err }
	user, err := matrix.NewUserID(n.Localpart, s.opt.Server)
	if err != nil {
		return fail(httpd.InvalidUsername("%q cannot be a user name. Use small letters a to z, digits, and . _ = - / +", n.Localpart))
	}
	name, err := displayName(n.Name)
	if err != nil {
		return fail(err)
	}
	if name == "" {
		name = n.Localpart
	}
	roles := slices.Compact(slices.Sorted(slices.Values(n.Roles)))
	if len(roles) == 0 {
		roles = []Role{Staff}
	}
	var have Roles
	for _, r := range roles {
		if r.bit() == 0 {
			return fail(httpd.InvalidParam("There is no role %q.", r))
		}
		if err := compatible(have, r); err != nil {
			return fail(err)
		}
		have |= r.bit()
	}
	row := store.Person{ID: string(user), Name: name, PasswordBy: string(by)}
	if n.OwnPassword {
		row.PasswordBy = row.ID
	}
	if n.Password != "" {
		if err := s.checkPassword(n.Password, user); err != nil {
			return fail(err)
		}
		if row.Password, err = s.hashing.hash(ctx, s.opt.Rand, n.Password); err != nil {
			return fail(err)
		}
	}
	return user, roles, row, nil
}

// insert writes a new account within a change.
func (s *Service) insert(b *recorder.Batch, by Actor, row store.Person, roles []Role) error {
	ctx, tx := b.Context(), b.Tx()
	switch _, err := store.PersonByID(ctx, tx, row.ID); {
	case err == nil:
		return httpd.UserInUse("There is already somebody called %s.", row.ID)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	row.CreatedAt, row.PasswordAt = b.Now(), b.Now()
	if err := store.InsertPerson(ctx, tx, row); err != nil {
		return err
	}
	if err := store.SetWords(ctx, tx, row.ID, searchWords(row)); err != nil {
		return err
	}
	err := put(b, record.KindPerson, change{Type: "person.created", Person: row.ID, By: string(by), Name: row.Name})
	if err != nil {
		return err
	}
	for _, r := range roles {
		if err := store.GrantRole(ctx, tx, row.ID, string(r), b.Now(), string(by)); err != nil {
			return err
		}
		err := put(b, record.KindRole, change{Type: "role.granted", Person: row.ID, By: string(by), Role: r})
		if err != nil {
			return err
		}
	}
	return nil
}

// Disable ends all of a person's sessions and lets them sign in no more. What they said stays.
func (s *Service) Disable(ctx context.Context, by Actor, user matrix.UserID) error {
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		if err := allow(ctx, tx, by, IT, Security); err != nil {
			return err
		}
		p, err := person(ctx, tx, user)
		if err != nil || p.DisabledAt != 0 {
			return err
		}
		if err := notLast(ctx, tx, user); err != nil {
			return err
		}
		if err := store.SetDisabled(ctx, tx, p.ID, b.Now()); err != nil {
			return err
		}
		done, err := s.endSessions(b, user, func(store.Session) bool { return true })
		if err != nil {
			return err
		}
		return put(b, record.KindPerson, change{Type: "person.disabled", Person: p.ID, By: string(by), Sessions: done.sessions, Devices: done.devices})
	})
}

// Enable lets a disabled person sign in again.
func (s *Service) Enable(ctx context.Context, by Actor, user matrix.UserID) error {
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		if err := allow(ctx, tx, by, IT); err != nil {
			return err
		}
		p, err := person(ctx, tx, user)
		if err != nil || p.DisabledAt == 0 {
			return err
		}
		if err := store.SetDisabled(ctx, tx, p.ID, 0); err != nil {
			return err
		}
		return put(b, record.KindPerson, change{Type: "person.enabled", Person: p.ID, By: string(by)})
	})
}

// notLast refuses to take the last IT administrator away: nobody could make another.
func notLast(ctx context.Context, q sqldb.Queryer, user matrix.UserID) error {
	ids, err := store.InRole(ctx, q, string(IT))
	if err != nil {
		return err
	}
	if len(ids) == 1 && ids[0] == string(user) {
		return httpd.Forbidden("%s is the last IT administrator. Make somebody else one first.", user)
	}
	return nil
}

// SetProfile changes how a person is shown: their name, their picture, or both. Only they and an IT
// administrator may.
func (s *Service) SetProfile(ctx context.Context, by Actor, user matrix.UserID, name, avatar *string) error {
	if name != nil {
		n, err := displayName(*name)
		if err != nil {
			return err
		}
		name = &n
	}
	if avatar != nil && *avatar != "" && (!strings.HasPrefix(*avatar, "mxc://") && strings.Contains(*avatar, ":") || len(*avatar) > matrix.MaxIDSize || !utf8.ValidString(*avatar)) {
		return httpd.InvalidParam("A picture must be one that was uploaded here.")
	}
	return s.opt.Record.Do(ctx, func(b *recorder.Batch) error {
		ctx, tx := b.Context(), b.Tx()
		if string(by) != string(user) {
			if err := allow(ctx, tx, by, IT); err != nil {
				return err
			}
		}
		p, err := person(ctx, tx, user)
		if err != nil {
			return err
		}
		was := p
		if name != nil {
			p.Name = *name
			if p.Name == "" {
				p.Name = user.Localpart()
			}
		}
		if avatar != nil {
			p.Avatar = *avatar
		}
		if p == was {
			return nil
		}
		if err := store.SetProfile(ctx, tx, p.ID, p.Name, p.Avatar); err != nil {
			return err
		}
		if p.Name != was.Name {
			if err := store.SetWords(ctx, tx, p.ID, searchWords(p)); err != nil {
				return err
			}
		}
		return put(b, record.KindPerson, change{Type: "person.profile", Person: p.ID, By: string(by), Name: p.Name, Avatar: p.Avatar})
	})
}

// Person returns somebody with an account; a disabled one too.
func (s *Service) Person(ctx context.Context, user matrix.UserID) (Person, error) {
	p, err := person(ctx, s.opt.DB.Reader(), user)
	if err != nil {
		return Person{}, err
	}
	return s.shown(ctx, p)
}

// People returns at most limit people whose IDs come after the given one, in the order of IDs.
func (s *Service) People(ctx context.Context, after matrix.UserID, limit int) ([]Person, error) {
	found, err := store.People(ctx, s.opt.DB.Reader(), string(after), min(limit, 1000))
	if err != nil {
		return nil, err
	}
	return s.shownAll(ctx, found)
}

// InRole returns the people who have a role and are not disabled.
func (s *Service) InRole(ctx context.Context, role Role) ([]matrix.UserID, error) {
	ids, err := store.InRole(ctx, s.opt.DB.Reader(), string(role))
	out := make([]matrix.UserID, len(ids))
	for i, id := range ids {
		out[i] = matrix.UserID(id)
	}
	return out, err
}

// maxFound bounds what a search for people returns, so that nobody copies the directory in one go.
const maxFound = 50

// Search finds people by the beginnings of the words of their name and user name, in any order and
// without regard to capitals and accents. It says whether there are more than it returns.
func (s *Service) Search(ctx context.Context, text string, limit int) (found []Person, more bool, err error) {
	limit = max(1, min(limit, maxFound))
	asked := fold(text)
	if len(asked) == 0 {
		return nil, false, nil
	}
	if len(asked) > 8 {
		asked = asked[:8]
	}
	// The longest is the rarest. The others are looked for among what it finds.
	slices.SortFunc(asked, func(a, b string) int { return len(b) - len(a) })
	const looked = 2000
	rows, err := store.FindPeople(ctx, s.opt.DB.Reader(), asked[0], looked)
	if err != nil {
		return nil, false, err
	}
	kept := rows[:0]
	for _, p := range rows {
		if hasAll(searchWords(p), asked[1:]) {
			kept = append(kept, p)
		}
	}
	more = len(kept) > limit || len(rows) == looked
	found, err = s.shownAll(ctx, kept[:min(limit, len(kept))])
	return found, more, err
}

func hasAll(words, prefixes []string) bool {
	for _, p := range prefixes {
		if !slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, p) }) {
			return false
		}
	}
	return true
}

func (s *Service) shown(ctx context.Context, p store.Person) (Person, error) {
	roles, err := rolesOf(ctx, s.opt.DB.Reader(), p.ID)
	return Person{ID: matrix.UserID(p.ID), Name: p.Name, Avatar: p.Avatar, Roles: roles, Created: p.CreatedAt, Disabled: p.DisabledAt}, err
}

func (s *Service) shownAll(ctx context.Context, rows []store.Person) ([]Person, error) {
	out := make([]Person, len(rows))
	for i, p := range rows {
		var err error
		if out[i], err = s.shown(ctx, p); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// maxName is the length of a name in characters.
const maxName = 100

// displayName tidies a name and refuses one that could pretend to be what it is not.
func displayName(name string) (string, error) {
	if !utf8.ValidString(name) {
		return "", httpd.InvalidParam("That name is not text.")
	}
	name = strings.Join(strings.Fields(norm.NFC.String(name)), " ")
	if utf8.RuneCountInString(name) > maxName {
		return "", httpd.InvalidParam("A name can have %d characters at most.", maxName)
	}
	for _, r := range name {
		// Cf turns the direction of text or cannot be seen; the two joiners belong into some names.
		if unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d' {
			return "", httpd.InvalidParam("A name cannot have invisible characters.")
		}
	}
	return name, nil
}

// searchWords are the words by which a person is found.
func searchWords(p store.Person) []string {
	words := fold(p.Name + " " + matrix.UserID(p.ID).Localpart())
	slices.Sort(words)
	return slices.Compact(words)
}

// fold splits a text into words without capitals and accents, each of at most 64 bytes.
func fold(text string) []string {
	plain := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(strings.ToValidUTF8(text, " ")))
	words := strings.FieldsFunc(plain, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, w := range words {
		if len(w) > 64 {
			words[i] = strings.ToValidUTF8(w[:64], "")
		}
	}
	return words
}
