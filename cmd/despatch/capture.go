package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones are declared by name, also on machines that do not know them

	"github.com/go-json-experiment/json"
	"golang.org/x/term"

	"despatch/internal/capture"
	"despatch/internal/capture/folder"
	"despatch/internal/capture/systems"
)

const captureLong = `
despatch capture --as NAME [--zone Europe/London] [--date-order dmy|mdy] FILE…
despatch capture --dry-run [--json] FILE…

Takes what was said elsewhere onto the record: each file is kept whole, then every message in it is an entry. NAME is
who hands it in, as in despatch user. A FILE may be an export of any system that doc/capture.md tells of, or anything
else, or a folder: what belongs together in it, such as a chat and its media, is handed in together.

  --as NAME           who hands the files in
  --zone ZONE         the time zone that the phone was in, such as Europe/London
  --date-order ORDER  dmy or mdy, where a file does not tell whether the day or the month comes first
  --calendar NAME     gregorian or buddhist, where a file's years leave it open
  --self NAME         whose copy it is, where the files do not tell
  --secret-file FILE  passwords or keys that open the files, one a line; a - reads them from the standard input. On a
                      terminal they are asked for. They are never kept
  --system NAME       where it was said, of files that do not tell, such as screenshots: siilo
  --conversation NAME what the conversation is called there
  --from, --to DAY    when it was said: 2026-03-31, or 2026-03-31T14:05
  --together          the files belong together: a chat and its media
  --dry-run           only say what would be; nothing is kept
  --json              one JSON object a line for each submission; doc/capture.md describes it

With --nextcloud URL --room TOKEN --token-file FILE, instead of naming files, a conversation of Nextcloud Talk is fetched
first: to the file that --dump names, which is then handed in. FILE has the app password, as user:password. The setting
nextcloud-servers must allow the server.

The same file again changes nothing, and an import that was broken off goes on where it stopped. While the server
runs on the same folder, it does the work.

Exit status: 0 if every message is on the record; 3 if a question must be answered first; 4 if a file was kept whole
but could not be read; 1 if something else failed; 2 if the arguments make no sense.`

// Exit statuses of capture beside those of every command.
const (
	exitQuestion   exitStatus = 3
	exitUnreadable exitStatus = 4
)

// captureJob is what the arguments ask for.
type captureJob struct {
	as, zone, order, calendar string
	self, secretFile          string
	system, conversation      string
	from, to                  string
	together, dryRun, json    bool
	secrets                   []string
	options                   capture.Options
}

// parsers are those of every system that can be read.
func parsers() []capture.Parser { return systems.Parsers() }

func captureCommand(ctx context.Context, p *program, args []string) error {
	if asksNextcloud(args) {
		return captureNextcloud(ctx, p, args)
	}
	var j captureJob
	c, rest, err := load("capture", args, p.env, j.flags)
	if err != nil {
		return err
	}
	if err := j.check(rest, p.in); err != nil {
		return err
	}
	groups, err := j.groups(ctx, rest)
	if err != nil {
		return err
	}
	if j.dryRun {
		return j.each(ctx, p, groups, j.preview)
	}
	desk, done, err := captureDesk(ctx, &c, p)
	if err != nil {
		return err
	}
	defer done()
	return j.each(ctx, p, groups, func(ctx context.Context, p *program, files []*capture.File) (capture.Status, error) {
		return j.submit(ctx, p, desk, files)
	})
}

// flags are those of the command.
func (j *captureJob) flags(f *flag.FlagSet) {
	f.StringVar(&j.as, "as", "", "")
	f.StringVar(&j.zone, "zone", "", "")
	f.StringVar(&j.order, "date-order", "", "")
	f.StringVar(&j.calendar, "calendar", "", "")
	f.StringVar(&j.self, "self", "", "")
	f.StringVar(&j.secretFile, "secret-file", "", "")
	f.StringVar(&j.system, "system", "", "")
	f.StringVar(&j.conversation, "conversation", "", "")
	f.StringVar(&j.from, "from", "", "")
	f.StringVar(&j.to, "to", "", "")
	f.BoolVar(&j.together, "together", false, "")
	f.BoolVar(&j.dryRun, "dry-run", false, "")
	f.BoolVar(&j.json, "json", false, "")
}

// check reads the flags that have a meaning of their own.
func (j *captureJob) check(files []string, in io.Reader) error {
	if len(files) == 0 {
		return usagef("say which file to take onto the record; see `despatch help capture`")
	}
	if j.as == "" && !j.dryRun {
		return usagef("say with --as who hands the files in, or with --dry-run that nothing is to be kept")
	}
	if err := j.readSecrets(in); err != nil {
		return err
	}
	var err error
	j.options, err = j.declared().options()
	return err
}

// maxSecrets bounds a file of secrets, in bytes.
const maxSecrets = 64 << 10

// readSecrets reads the file of secrets. An argument would stand in the list of processes and in the shell's history.
func (j *captureJob) readSecrets(in io.Reader) error {
	if j.secretFile == "" {
		return nil
	}
	if j.secretFile != "-" {
		f, err := os.Open(j.secretFile)
		if err != nil {
			return usagef("the secrets cannot be read: %v", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxSecrets+1))
	if err != nil {
		return err
	}
	if len(text) > maxSecrets {
		return usagef("%s is longer than %d bytes; it should have one password or key a line", j.secretFile, maxSecrets)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			j.secrets = append(j.secrets, line)
		}
	}
	return nil
}

// declared are the options as they are sent to a running server.
func (j *captureJob) declared() captureOptions {
	return captureOptions{Zone: j.zone, DateOrder: j.order, Calendar: j.calendar, Self: j.self, Secrets: j.secrets,
		System: j.system, Conversation: j.conversation, From: j.from, To: j.to}
}

// asked reports whether a run wants a secret that somebody at a terminal can give now, and takes it.
func (j *captureJob) asked(p *program, questions []capture.Question) bool {
	i := slices.IndexFunc(questions, func(q capture.Question) bool { return q.About == "secret" })
	f, terminal := p.in.(*os.File)
	if i < 0 || len(j.secrets) > 0 || !terminal || !term.IsTerminal(int(f.Fd())) {
		return false
	}
	fmt.Fprintf(p.err, "  %s\n  (nothing is shown while you type): ", questions[i].Text)
	secret, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(p.err)
	if err != nil || len(secret) == 0 {
		return false
	}
	j.secrets = append(j.secrets, string(secret))
	j.options.Secrets = j.secrets
	return true
}

// captureOptions are options as text.
type captureOptions struct {
	Zone      string   `json:"zone"`
	DateOrder string   `json:"date_order"`
	Calendar  string   `json:"calendar"`
	Self      string   `json:"self,omitzero"`
	Secrets   []string `json:"secrets,omitempty"`

	// Of a file that does not say so itself, such as a screenshot.
	System       string `json:"system,omitzero"`
	Conversation string `json:"conversation,omitzero"`
	From         string `json:"from,omitzero"` // on the clock of Zone, or of UTC
	To           string `json:"to,omitzero"`
}

func (o captureOptions) options() (capture.Options, error) {
	opt := capture.Options{DateOrder: o.DateOrder, Calendar: o.Calendar, Self: o.Self, Secrets: o.Secrets, System: o.System, Conversation: o.Conversation}
	if o.Zone != "" {
		var err error
		if opt.Zone, err = time.LoadLocation(o.Zone); err != nil || strings.EqualFold(o.Zone, "local") {
			return opt, usagef("there is no time zone %q; zones are called Europe/London, for instance", o.Zone)
		}
	}
	if !slices.Contains([]string{"", "dmy", "mdy", "ymd"}, opt.DateOrder) {
		return opt, usagef("--date-order is dmy or mdy, not %q", opt.DateOrder)
	}
	if !slices.Contains([]string{"", "gregorian", "buddhist"}, opt.Calendar) {
		return opt, usagef("--calendar is gregorian or buddhist, not %q", opt.Calendar)
	}
	var err error
	if opt.Happened.From, err = o.moment("from", o.From, 0); err != nil {
		return opt, err
	}
	if opt.Happened.To, err = o.moment("to", o.To, 1); err != nil {
		return opt, err
	}
	if h := opt.Happened; !h.To.IsZero() && h.To.Before(h.From) {
		return opt, usagef("--to is before --from")
	}
	return opt, nil
}

// moment reads when something was said. A day alone is its beginning or, with days, that many days later: its end.
func (o captureOptions) moment(flag, s string, days int) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	zone, err := time.LoadLocation(o.Zone) // UTC if empty
	if err != nil {
		return time.Time{}, err
	}
	if t, err := time.ParseInLocation("2006-01-02T15:04", s, zone); err == nil {
		return t, nil
	}
	t, err := time.ParseInLocation("2006-01-02", s, zone)
	if err != nil {
		return t, usagef("--%s is a day, 2026-03-31, or a moment, 2026-03-31T14:05; %q is neither", flag, s)
	}
	if days > 0 {
		t = t.AddDate(0, 0, days).Add(-time.Millisecond)
	}
	return t, nil
}

// groups sorts the named files and folders into submissions.
func (j *captureJob) groups(ctx context.Context, names []string) ([][]folder.File, error) {
	var out [][]folder.File
	for _, name := range names {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, usagef("there is no file %s", name)
		}
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files := []folder.File{{Path: name, Name: filepath.Base(name)}}
			if log, err := os.Stat(name + "-wal"); err == nil && log.Mode().IsRegular() { // what a database has not taken in yet
				files = append(files, folder.File{Path: name + "-wal", Name: filepath.Base(name) + "-wal"})
			}
			out = append(out, files)
			continue
		}
		found, err := folder.Groups(ctx, name)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, usagef("the folder %s holds no files", name)
		}
		out = append(out, found...)
	}
	if j.together {
		out = [][]folder.File{slices.Concat(out...)}
	}
	return out, nil
}

// each handles one submission after the other and returns the gravest outcome.
func (j *captureJob) each(ctx context.Context, p *program, groups [][]folder.File, handle func(context.Context, *program, []*capture.File) (capture.Status, error)) error {
	worst := exitStatus(0)
	for i, paths := range groups {
		if !j.json {
			if i > 0 {
				fmt.Fprintln(p.out)
			}
			fmt.Fprintln(p.out, describeGroup(paths))
		}
		files, done, err := folder.Open(ctx, paths)
		if err != nil {
			return err
		}
		status, err := handle(ctx, p, files)
		done()
		if err != nil {
			return fmt.Errorf("%s: %w", paths[0].Path, err)
		}
		switch status {
		case capture.StatusNeedsAnswer:
			worst = max(worst, exitQuestion)
		case capture.StatusUnreadable, capture.StatusUnknown:
			worst = max(worst, exitUnreadable)
		}
	}
	if worst != 0 {
		return worst
	}
	return nil
}

func describeGroup(files []folder.File) string {
	if len(files) == 1 {
		return files[0].Path
	}
	return fmt.Sprintf("%s and %d files that belong to it", files[0].Path, len(files)-1)
}

// preview says what a submission would bring.
func (j *captureJob) preview(ctx context.Context, p *program, files []*capture.File) (capture.Status, error) {
	opt := j.options
	opt.ReceivedAt = time.Now()
	if j.json {
		v, err := capture.WritePreview(ctx, p.out, parsers(), files, opt)
		if err != nil {
			return "", err
		}
		return v.Status, nil
	}
	v, err := capture.MakePreview(ctx, parsers(), files, opt, nil)
	if err == nil && j.asked(p, v.Questions) {
		return j.preview(ctx, p, files)
	}
	if err != nil {
		return "", err
	}
	fault := ""
	if v.Fault != nil {
		fault = v.Fault.Error()
	}
	printLines(p.out, v.Summary(fault))
	return v.Status, nil
}

// submit hands in a submission and prints its receipt.
func (j *captureJob) submit(ctx context.Context, p *program, desk captureSubmitter, files []*capture.File) (capture.Status, error) {
	bar := newProgress(p.err)
	r, err := desk.submit(ctx, j.as, files, j.declared(), bar.show)
	bar.end()
	if err != nil {
		return "", err
	}
	if r.Run != nil && j.asked(p, r.Run.Questions) {
		return j.submit(ctx, p, desk, files)
	}
	if j.json {
		b, err := json.Marshal(r)
		if err == nil {
			_, err = p.out.Write(append(b, '\n'))
		}
		return r.Status, err
	}
	printLines(p.out, append([]string{"Receipt: " + r.Submission}, r.Summary()...))
	if r.Status == capture.StatusNeedsAnswer {
		fmt.Fprintln(p.out, "  The file is kept. Answer by handing it in again with --date-order, --calendar, --self or --secret-file.")
	}
	return r.Status, nil
}

func printLines(w io.Writer, lines []string) {
	for _, l := range lines {
		fmt.Fprintln(w, "  "+l)
	}
}

// progress shows on a terminal how many messages are on the record.
type progress struct {
	w     io.Writer
	shown bool
}

func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &progress{w: w}
	}
	return &progress{}
}

func (b *progress) show(messages int64) {
	if b.w != nil {
		fmt.Fprintf(b.w, "\r  %d messages on the record", messages)
		b.shown = true
	}
}

func (b *progress) end() {
	if b.shown {
		fmt.Fprint(b.w, "\r\033[K")
	}
}

// captureSubmitter puts files on the record.
type captureSubmitter interface {
	submit(ctx context.Context, as string, files []*capture.File, o captureOptions, progress func(int64)) (*capture.Receipt, error)
}

// captureDesk is the running server, or, if none is running, this process.
func captureDesk(ctx context.Context, c *Config, p *program) (captureSubmitter, func(), error) {
	if _, err := os.Stat(filepath.Join(c.Data, "server-name")); errors.Is(err, fs.ErrNotExist) && c.ServerName == "" {
		return nil, nil, usagef("%s is not a folder of Despatch; say which is with --data", c.Data)
	}
	unlock, err := lockFolder(c.Data)
	if errors.Is(err, errLocked) {
		return &remoteCapture{dir: c.Data}, func() {}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	s, err := newServer(ctx, c, slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelWarn})), nil)
	if err != nil {
		unlock()
		return nil, nil, err
	}
	return &localCapture{s}, func() { s.Close(); unlock() }, nil
}

// lines reads what the server says of its progress.
func lines(r io.Reader, fn func([]byte) error) error {
	var rest []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		rest = append(rest, buf[:n]...)
		for {
			line, after, ok := bytes.Cut(rest, []byte("\n"))
			if !ok {
				break
			}
			if err := fn(line); err != nil {
				return err
			}
			rest = after
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
