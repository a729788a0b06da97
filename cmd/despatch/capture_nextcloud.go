package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"despatch/internal/capture/nextcloud"
)

// despatch capture --nextcloud URL --token-file FILE --room TOKEN [--dump FILE] --as NAME …
//
// fetches a conversation of Nextcloud Talk to a dump file and then hands that in, as if it had been named.
// --dump says where the dump is put; it stays there. All other flags are those of capture.

// asksNextcloud says whether a capture is to fetch from a Nextcloud first.
func asksNextcloud(args []string) bool {
	for _, a := range args {
		if name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "="); strings.HasPrefix(a, "-") && name == "nextcloud" {
			return true
		}
	}
	return false
}

// nextcloudJob is what is to be fetched.
type nextcloudJob struct{ server, tokenFile, room, dump string }

// take takes the job's flags out of the arguments. The rest is for capture.
func (j *nextcloudJob) take(args []string) (rest []string, err error) {
	own := map[string]*string{"nextcloud": &j.server, "token-file": &j.tokenFile, "room": &j.room, "dump": &j.dump}
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		to := own[name]
		switch {
		case to == nil || !strings.HasPrefix(args[i], "-"):
			rest = append(rest, args[i])
			continue
		case given:
			*to = value
		case i+1 == len(args):
			return nil, usagef("--%s needs a value", name)
		default:
			i++
			*to = args[i]
		}
	}
	if j.tokenFile == "" || j.room == "" {
		return nil, usagef("say with --room which conversation of %s, and with --token-file in which file the app password is", j.server)
	}
	if j.dump == "" {
		j.dump = "nextcloud-" + j.room + ".jsonl"
	}
	return rest, nil
}

// nextcloudHTTP is what Nextclouds are asked with; nil is Go's own.
var nextcloudHTTP *http.Client

func captureNextcloud(ctx context.Context, p *program, args []string) error {
	var j nextcloudJob
	rest, err := j.take(args)
	if err != nil {
		return err
	}
	c, files, err := load("capture", rest, p.env, (&captureJob{}).flags)
	if err != nil {
		return err
	}
	if len(files) > 0 {
		return usagef("with --nextcloud there are no files to name, such as %s", files[0])
	}
	token, err := os.ReadFile(j.tokenFile)
	if errors.Is(err, fs.ErrNotExist) {
		return usagef("there is no file %s with the app password", j.tokenFile)
	}
	if err != nil {
		return err
	}
	client := &nextcloud.Client{Server: j.server, Token: string(token), HTTP: nextcloudHTTP,
		Allowed: strings.FieldsFunc(c.NextcloudServers, func(r rune) bool { return r == ',' || r == ' ' })}
	err = client.Fetch(ctx, j.room, j.dump, func(n int64) { fmt.Fprintf(p.err, "\r%d messages fetched", n) })
	fmt.Fprintln(p.err)
	if bad, ok := errors.AsType[*nextcloud.Problem](err); ok {
		return usagef("%s", bad.Text)
	}
	if err != nil {
		return fmt.Errorf("fetch the conversation; the same command goes on where it stopped: %w", err)
	}
	return captureCommand(ctx, p, append(rest, j.dump))
}
