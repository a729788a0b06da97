package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
)

const intro = `Despatch is a messenger in which every message is on the official record.

Usage: despatch COMMAND [--SETTING VALUE …]
`

// help writes what can be done, or more about one command, or doc/configuration.md.
func help(w io.Writer, topic string) error {
	switch topic {
	case "":
		fmt.Fprintf(w, "%s\nCommands:\n", intro)
		for _, c := range commands() {
			fmt.Fprintf(w, "  %-10s %s\n", c.name, c.summary)
		}
		fmt.Fprintf(w, "\nSettings (each also in a TOML file given by --config, and as an environment variable):\n")
		for _, s := range settings() {
			fmt.Fprintf(w, "  --%-17s %s\n", s.name, firstSentence(s.usage))
		}
		fmt.Fprintf(w, "\n`despatch help COMMAND` says more about a command, `despatch help configuration` about every setting.\n")
		return nil
	case "configuration":
		configurationPage(w)
		return nil
	}
	i := slices.IndexFunc(commands(), func(c command) bool { return c.name == topic })
	if i < 0 {
		return usagef("there is no command %q; `despatch help` lists them", topic)
	}
	c := commands()[i]
	fmt.Fprintf(w, "despatch %s: %s\n\n%s\n", c.name, c.summary, strings.TrimSpace(c.long))
	var own []setting
	for _, s := range settings() {
		if slices.Contains(s.commands, c.name) {
			own = append(own, s)
		}
	}
	if len(own) > 0 {
		fmt.Fprintf(w, "\nSettings:\n")
	}
	for _, s := range own {
		fmt.Fprintf(w, "  --%s%s\n", s.name, shownDefault(s))
		fmt.Fprint(w, wrap(s.usage, "      ", 76))
	}
	return nil
}

func shownDefault(s setting) string {
	if s.def == "" {
		return ""
	}
	return " (" + s.def + " if not given)"
}

// configurationPage writes doc/configuration.md.
func configurationPage(w io.Writer) {
	fmt.Fprint(w, `# Settings

This page is made by `+"`despatch help configuration`"+`, and a test keeps it so. Do not edit it.

A setting can be given as a flag, as an environment variable, or in a TOML file that `+"`--config FILE`"+` or
`+"`DESPATCH_CONFIG`"+` names. A flag counts before the environment, that before the file, that before the default.
A name in the file that is not listed here stops the program, so that a slip of the pen does not go unnoticed.

| name, flag | environment | if not given | for | what it is |
| --- | --- | --- | --- | --- |
`)
	for _, s := range settings() {
		def := s.def
		if def != "" {
			def = "`" + def + "`"
		}
		fmt.Fprintf(w, "| `%s` | `%s` | %s | %s | %s |\n", s.name, s.env, def, strings.Join(s.commands, ", "), s.usage)
	}
	fmt.Fprint(w, `
## An example

`+"```toml"+`
# /etc/despatch.toml
data = "/var/lib/despatch"
server-name = "example.gov.uk"
base-url = "https://chat.example.gov.uk"
trusted-proxies = ["127.0.0.1"]
metrics-listen = "127.0.0.1:9008"
log-format = "json"
`+"```"+`
`)
}

func firstSentence(s string) string {
	if i := strings.Index(s, ". "); i > 0 {
		return s[:i+1]
	}
	return s
}

// wrap breaks text into indented lines.
func wrap(text, indent string, width int) string {
	var b strings.Builder
	line := indent
	for _, w := range strings.Fields(text) {
		if len(line)+len(w)+1 > width && line != indent {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += w
	}
	b.WriteString(line + "\n")
	return b.String()
}

// version says from what the program was built.
func version(w io.Writer) {
	v, rev, changed := "(unknown)", "", ""
	info, ok := debug.ReadBuildInfo()
	if ok {
		v = info.Main.Version
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				rev = " " + s.Value[:min(12, len(s.Value))]
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = ", changed"
			}
		}
	}
	if v == "" || v == "(devel)" {
		v = "in development"
	}
	fmt.Fprintf(w, "despatch %s%s%s, %s\n", v, rev, changed, info.GoVersion)
}
