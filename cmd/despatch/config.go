package main

import (
	"encoding"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"despatch/internal/capture/mailin"
	"despatch/internal/matrix"
)

// Config is every setting there is. A field's tags are its documentation: its name as a flag and in the file,
// its default, the commands that know it, and what it means. `despatch help` and doc/configuration.md are made
// from them.
type Config struct {
	Data string `name:"data" default:"despatch-data" for:"serve demo capture verify user" usage:"Folder for the database, keys and files. It is made if it does not exist. Whoever can read it can read the record."`

	Listen string `name:"listen" default:"127.0.0.1:8008" for:"serve demo" usage:"Address that people and programs reach, as host:port. Put a proxy with a certificate in front, or set tls-cert."`

	ServerName string `name:"server-name" default:"" for:"serve capture user" usage:"Name in user IDs, such as example.gov.uk. It is chosen once: a folder keeps the name it was made with."`

	Database string `name:"database" default:"" for:"serve capture verify user" usage:"A postgres:// URL. If empty, SQLite in the data folder, which serves a department well."`

	BaseURL string `name:"base-url" default:"" for:"serve" usage:"Address under which people reach the server, such as https://chat.example.gov.uk. If it is empty, they are told the one they already use."`

	TLSCert string `name:"tls-cert" default:"" for:"serve" usage:"File with the certificate chain (PEM), to serve TLS without a proxy. It is read again when it changes."`

	TLSKey string `name:"tls-key" default:"" for:"serve" usage:"File with the certificate's private key (PEM)."`

	Proxies prefixes `name:"trusted-proxies" default:"" for:"serve" usage:"Addresses of proxies, such as 127.0.0.1/32, whose X-Forwarded-For is believed. Several are separated by commas. Guesses of passwords are counted by address, so set this behind a proxy."`

	FederationListen string `name:"federation-listen" default:"" for:"serve" usage:"Address that other Matrix servers reach, as host:port, over TLS. They are told the server's version there, and so far nothing else. If empty, there is none."`

	FederationCert string `name:"federation-cert" default:"" for:"serve" usage:"File with the certificate chain (PEM) for federation-listen; that of tls-cert if empty."`

	FederationKey string `name:"federation-key" default:"" for:"serve" usage:"File with the private key (PEM) of federation-cert."`

	OpenRegistration bool `name:"open-registration" default:"false" for:"serve" usage:"Whether anybody who reaches the server can make themselves an account. For tests; an organisation gives its people their accounts."`

	RegistrationSecret string `name:"registration-secret" default:"" for:"serve" secret:"yes" usage:"If set, a program that knows it can make accounts, those of IT administrators too, over /_synapse/admin/v1/register. For tests and for moving from another server."`

	RateLimits bool `name:"rate-limits" default:"true" for:"serve" usage:"Whether those who guess passwords or ask too much at once are made to wait. Only tests do without."`

	AnyPassword bool `name:"any-password" default:"false" for:"serve" usage:"Whether short and well-known passwords are taken too. For tests."`

	LinkPreviews bool `name:"link-previews" default:"false" for:"serve" usage:"Whether the server looks up links in messages for those clients that ask it for a title and a picture. Whoever runs the page is told that somebody here was sent its address."`

	LinkPreviewNetworks prefixes `name:"link-preview-networks" default:"" for:"serve" usage:"Networks inside the organisation that may be reached for link previews, such as 10.1.2.0/24. All others that are not public cannot be reached. Several are separated by commas."`

	RoomVersion string `name:"room-version" default:"11" for:"serve" usage:"Matrix room version of new conversations: 10, 11 or 12."`

	OIDCIssuer string `name:"oidc-issuer" default:"" for:"serve" usage:"Address of the organisation's OpenID Connect provider, such as https://login.example.gov.uk/. If set, people can sign in with it to programs that use OAuth 2.0. Register https://THIS-SERVER/oauth2/callback there."`

	OIDCClient string `name:"oidc-client-id" default:"" for:"serve" usage:"What this server is called at the provider."`

	OIDCSecret string `name:"oidc-client-secret" default:"" for:"serve" secret:"yes" usage:"The secret that the provider gave this server."`

	OIDCTitle string `name:"oidc-title" default:"your organisation’s account" for:"serve" usage:"What people call the provider, after the words “Sign in with”."`

	OIDCClaim string `name:"oidc-claim" default:"preferred_username" for:"serve" usage:"The claim that has somebody's user name. What follows an @ in it is left off. It is believed once: from then on people are known by the provider's own id for them."`

	OIDCCreate bool `name:"oidc-create" default:"false" for:"serve" usage:"Whether somebody whom the provider knows and this server does not gets an account at the first sign-in."`

	AppServices files `name:"appservices" default:"" for:"serve" usage:"Files with the registrations of application services, such as bridges to other messengers (YAML, as the bridge writes it). Several are separated by commas. They are read when the server starts."`

	DropFolder string `name:"drop-folder" default:"" for:"serve" usage:"Folder that is watched, with a folder for each person by the name they sign in with: what is put there is taken onto the record for them and moved aside beside a receipt. If empty, there is none."`

	NextcloudServers string `name:"nextcloud-servers" default:"" for:"capture" usage:"Addresses of Nextclouds that conversations of Talk may be fetched from, such as https://cloud.example.org, separated by commas. If empty, there is none."`

	MailLMTP string `name:"mail-lmtp" default:"" for:"serve" usage:"Where the organisation's mail server hands over mails for the record by LMTP: the path of a Unix socket, or a loopback address such as 127.0.0.1:24. If empty, there is none."`

	MailSMTP string `name:"mail-smtp" default:"" for:"serve" usage:"Address as host:port where mails for the record are taken by SMTP, for a mail server that has no LMTP. Let only that server reach it. If empty, there is none."`

	MailAddress string `name:"mail-address" default:"" for:"serve" usage:"Address that people send such mails to. If empty, record@ and the server's name."`

	MailAuthServer string `name:"mail-auth-server" default:"" for:"serve" usage:"Name (authserv-id) under which the organisation's mail server writes Authentication-Results into every mail; it must remove such lines of that name that came with a mail. A mail whose sender it does not vouch for is refused."`

	MailRelay string `name:"mail-relay" default:"" for:"serve" usage:"The organisation's mail server, as host:port, through which receipts are sent. If empty, a receipt is only on the person's page."`

	MailSize int `name:"mail-size" default:"50" for:"serve" usage:"How large a mail may be, in megabytes; 150 at most."`

	MetricsListen string `name:"metrics-listen" default:"" for:"serve" usage:"Loopback address for Prometheus, such as 127.0.0.1:9008. If empty, there is none."`

	MetricsToken string `name:"metrics-token" default:"" for:"serve" secret:"yes" usage:"If set, /metrics is also on the main address, for those who send this bearer token. Put it into the file or the environment: others on the machine can see flags."`

	MaxConnections int `name:"max-connections" default:"0" for:"serve" usage:"How many connections are served at once; others wait. If 0, as many as the system's limit on open files allows, less 256."`

	Drain time.Duration `name:"drain" default:"20s" for:"serve" usage:"How long requests may take to finish when the server is told to stop."`

	LogLevel slog.Level `name:"log-level" default:"info" for:"serve demo" usage:"debug, info, warn or error. At debug every request is logged, without its content."`

	LogFormat string `name:"log-format" default:"text" for:"serve demo" usage:"text or json."`
}

// prefixes is a list of networks.
type prefixes []netip.Prefix

// UnmarshalText reads networks, or single addresses, separated by commas.
func (p *prefixes) UnmarshalText(text []byte) error {
	*p = nil
	for _, s := range strings.FieldsFunc(string(text), func(r rune) bool { return r == ',' || r == ' ' }) {
		if a, err := netip.ParseAddr(s); err == nil {
			*p = append(*p, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		n, err := netip.ParsePrefix(s)
		if err != nil {
			return fmt.Errorf("%q is not an address or a network", s)
		}
		*p = append(*p, n)
	}
	return nil
}

// files is a list of paths.
type files []string

// UnmarshalText reads paths separated by commas.
func (f *files) UnmarshalText(text []byte) error {
	*f = nil
	for _, s := range strings.Split(string(text), ",") {
		if s = strings.TrimSpace(s); s != "" {
			*f = append(*f, s)
		}
	}
	return nil
}

// setting is one field of [Config].
type setting struct {
	name, env, def, usage string
	commands              []string
	secret                bool
	index                 int
}

// settings lists the fields of [Config] in their order.
func settings() []setting {
	t := reflect.TypeFor[Config]()
	var out []setting
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		name := tag.Get("name")
		out = append(out, setting{name: name, env: "DESPATCH_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")), def: tag.Get("default"),
			usage: tag.Get("usage"), commands: strings.Fields(tag.Get("for")), secret: tag.Get("secret") != "", index: i})
	}
	return out
}

// yesNo reports whether a setting is either true or false.
func (s setting) yesNo() bool {
	return reflect.TypeFor[Config]().Field(s.index).Type.Kind() == reflect.Bool
}

// set gives a setting a value written as text.
func (s setting) set(c *Config, text string) error {
	v := reflect.ValueOf(c).Elem().Field(s.index)
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a number", text)
		}
		*p = n
	case *bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		*p = b
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is not a time such as 20s or 5m", text)
		}
		*p = d
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	default:
		panic("setting " + s.name + " has a type that cannot be set")
	}
	return nil
}

// errUsage is about what somebody typed: the answer says how it is right.
type errUsage struct{ error }

func (e errUsage) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return errUsage{fmt.Errorf(format, args...)} }

// load finds the settings of a command: a flag counts before the environment, that before the file given by
// --config or DESPATCH_CONFIG, that before the default. own adds flags of the command's own. It returns the
// arguments that are not flags.
func load(command string, args []string, env func(string) string, own func(*flag.FlagSet)) (Config, []string, error) {
	var c Config
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(discard{})
	given := make(map[string]string)
	all := settings()
	for _, s := range all {
		if err := s.set(&c, s.def); err != nil && s.def != "" {
			panic("default of " + s.name + ": " + err.Error())
		}
		if slices.Contains(s.commands, command) {
			take := func(text string) error {
				given[s.name] = text
				return s.set(new(Config), text) // says at once which flag is wrong
			}
			if s.yesNo() {
				flags.BoolFunc(s.name, s.usage, take) // the flag alone means true
			} else {
				flags.Func(s.name, s.usage, take)
			}
		}
	}
	file := flags.String("config", env("DESPATCH_CONFIG"), "")
	if own != nil {
		own(flags)
	}
	rest, err := parse(flags, args)
	if err != nil {
		return c, nil, errUsage{err}
	}
	inFile, err := readFile(*file)
	if err != nil {
		return c, nil, err
	}
	for _, s := range all {
		if text, ok := inFile[s.name]; ok {
			if err := s.set(&c, text); err != nil {
				return c, nil, usagef("%s: %s: %w", *file, s.name, err)
			}
		}
		if text := env(s.env); text != "" {
			if err := s.set(&c, text); err != nil {
				return c, nil, usagef("%s: %w", s.env, err)
			}
		}
		if text, ok := given[s.name]; ok {
			if err := s.set(&c, text); err != nil {
				return c, nil, usagef("--%s: %w", s.name, err)
			}
		}
	}
	return c, rest, c.check()
}

// parse reads flags wherever they stand among the arguments, up to "--".
func parse(flags *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		left := flags.Args()
		if len(left) == 0 {
			return rest, nil
		}
		if len(args) > len(left) && args[len(args)-len(left)-1] == "--" {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

// readFile reads a TOML file as text by setting. What it does not know is an error: a setting that is
// misspelt must not be silently without effect.
func readFile(path string) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	var raw map[string]any
	if _, err := toml.DecodeFile(path, &raw); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, usagef("there is no file %s", path)
		}
		return nil, usagef("%s: %w", path, err)
	}
	known := make(map[string]setting)
	for _, s := range settings() {
		known[s.name] = s
	}
	out := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		s, ok := known[name]
		if !ok {
			return nil, usagef("%s: there is no setting %q; `despatch help configuration` lists them", path, name)
		}
		if b, ok := raw[name].(bool); ok && s.yesNo() {
			out[name] = strconv.FormatBool(b)
			continue
		}
		switch v := raw[name].(type) {
		case string:
			out[name] = v
		case int64:
			out[name] = strconv.FormatInt(v, 10)
		case []any:
			var parts []string
			for _, p := range v {
				parts = append(parts, fmt.Sprint(p))
			}
			out[name] = strings.Join(parts, ",")
		default:
			return nil, usagef("%s: %s must be a text, a number or a list of texts", path, name)
		}
	}
	return out, nil
}

// check refuses settings that do not go together.
func (c *Config) check() error {
	if c.ServerName != "" {
		if _, err := matrix.ParseServerName(c.ServerName); err != nil {
			return usagef("server-name: %q is not a name such as example.gov.uk", c.ServerName)
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return usagef("tls-cert and tls-key go together")
	}
	if (c.FederationCert == "") != (c.FederationKey == "") {
		return usagef("federation-cert and federation-key go together")
	}
	if c.FederationListen != "" && c.FederationCert == "" && c.TLSCert == "" {
		return usagef("federation-listen needs a certificate: set federation-cert and federation-key, or tls-cert and tls-key")
	}
	if c.BaseURL != "" {
		u, err := url.Parse(c.BaseURL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/" {
			return usagef("base-url: %q is not an address such as https://chat.example.gov.uk", c.BaseURL)
		}
		c.BaseURL = strings.TrimSuffix(c.BaseURL, "/")
	}
	if err := c.mail("example.org").Check(); err != nil {
		return errUsage{err}
	}
	if c.MailSize > 150 {
		return usagef("mail-size: %d is more than 150", c.MailSize)
	}
	if !matrix.RoomVersion(c.RoomVersion).Known() {
		return usagef("room-version: %q is not 10, 11 or 12", c.RoomVersion)
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		return usagef("log-format: %q is neither text nor json", c.LogFormat)
	}
	if c.Database != "" && !strings.HasPrefix(c.Database, "postgres://") && !strings.HasPrefix(c.Database, "postgresql://") {
		return usagef("database: only a postgres:// URL can be given; SQLite lies in the data folder")
	}
	return nil
}

// mail says where mails for the record come from.
func (c *Config) mail(name matrix.ServerName) mailin.Settings {
	address := c.MailAddress
	if address == "" {
		domain, _, _ := strings.Cut(string(name), ":")
		address = "record@" + domain
	}
	return mailin.Settings{LMTP: c.MailLMTP, SMTP: c.MailSMTP, Address: address, AuthServer: c.MailAuthServer, Relay: c.MailRelay, MaxSize: int64(c.MailSize) << 20}
}

// https reports whether people reach the server over TLS.
func (c *Config) https() bool { return c.TLSCert != "" || strings.HasPrefix(c.BaseURL, "https://") }

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
