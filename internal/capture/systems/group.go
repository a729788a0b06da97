package systems

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// markers are the files by which a folder is known as one export, with everything below it. Their paths
// are relative to that folder.
var markers = []*regexp.Regexp{
	regexp.MustCompile(`^main\.jsonl$`),                // Signal, plaintext
	regexp.MustCompile(`^signal-backup-[0-9-]+/main$`), // Signal, local backup
	regexp.MustCompile(`^sql/db\.sqlite$`),             // Signal Desktop
	regexp.MustCompile(`^(cur|new)/[^/]+$`),            // Maildir
	regexp.MustCompile(`^(your_[^/]*activity[^/]*/)?messages/(inbox|archived_threads|filtered_threads|message_requests|e2ee_cutover)/.`), // Messenger, Instagram
	regexp.MustCompile(`^(your_[^/]*activity[^/]*/)?messages/([^/]+_[0-9]+\.json|media/.)`),                                              // Messenger, encrypted end to end
	regexp.MustCompile(`^message_1\.(json|html)$`),                                                                                       // one thread of these
	regexp.MustCompile(`^(result\.json|messages\.html)$`),                                                                                // Telegram
	regexp.MustCompile(`^(channels|dms|groups|mpims)\.json$`),                                                                            // Slack
	regexp.MustCompile(`^(Takeout/)?Google Chat/(Groups|Users)/`),                                                                        // Google Takeout
	regexp.MustCompile(`^(msgstore\.db(\.crypt[0-9]+)?|ChatStorage\.sqlite)$`),                                                           // WhatsApp databases
	regexp.MustCompile(`^(chat|sms)\.db$`),                                                                                               // iMessage
	regexp.MustCompile(`^(messages|endpoints)\.json$`),                                                                                   // Teams, personal export
	regexp.MustCompile(`^(users|teams)/[^/]+/messages_[^/]+\.json$`),                                                                     // Teams, a tenant
	regexp.MustCompile(`^data/[0-9]{8}/`),                                                                                                // Mattermost, files of a bulk export
}

// Group sorts the files of a folder into submissions: what belongs together is handed in together. Paths
// are relative to the folder, with slashes. isChat says of a text file whether it is an exported chat,
// whose media lie loose beside it. Every path is in exactly one group, in the order of the paths.
func Group(paths []string, isChat func(path string) (bool, error)) ([][]string, error) {
	paths = slices.Clone(paths)
	slices.Sort(paths)
	roots := exportRoots(paths)
	byRoot := map[string][]string{}
	byDir := map[string][]string{}
	var order []func() ([][]string, error)
	for _, p := range paths {
		if root, ok := within(p, roots); ok {
			if byRoot[root] == nil {
				order = append(order, func() ([][]string, error) { return [][]string{byRoot[root]}, nil })
			}
			byRoot[root] = append(byRoot[root], p)
			continue
		}
		dir := path.Dir(p)
		if byDir[dir] == nil {
			order = append(order, func() ([][]string, error) { return beside(byDir[dir], isChat) })
		}
		byDir[dir] = append(byDir[dir], p)
	}
	var out [][]string
	for _, groups := range order {
		g, err := groups()
		if err != nil {
			return nil, err
		}
		out = append(out, g...)
	}
	return out, nil
}

// exportRoots finds the folders that are one export, the outermost of nested ones.
func exportRoots(paths []string) map[string]bool {
	roots := map[string]bool{}
	for _, p := range paths {
		// From the outermost folder in: what it marks takes everything below.
		for dir, rest, more := ".", p, true; more; {
			if slices.ContainsFunc(markers, func(m *regexp.Regexp) bool { return m.MatchString(rest) }) {
				roots[dir] = true
				break
			}
			var first string
			if first, rest, more = strings.Cut(rest, "/"); more {
				dir = path.Join(dir, first)
			}
		}
	}
	return roots
}

// within returns the outermost of the roots that a path stands under.
func within(p string, roots map[string]bool) (string, bool) {
	found, ok := "", false
	for dir := path.Dir(p); ; dir = path.Dir(dir) {
		if roots[dir] {
			found, ok = dir, true
		}
		if dir == "." || dir == "/" {
			return found, ok
		}
	}
}

// beside sorts the files of one folder: loose files belong to the chat among them, a database's log to the
// database, and everything else is by itself.
func beside(paths []string, isChat func(string) (bool, error)) (out [][]string, err error) {
	var loose []string
	logs := map[string][]string{}
	for _, p := range paths {
		for _, suffix := range []string{"-wal", "-shm", "-journal"} {
			if db, ok := strings.CutSuffix(p, suffix); ok && slices.Contains(paths, db) {
				logs[db] = append(logs[db], p)
			}
		}
	}
	chats := false
	for _, p := range paths {
		switch ext := strings.ToLower(path.Ext(p)); {
		case slices.ContainsFunc(logsOf(logs), func(l string) bool { return l == p }):
		case alone[ext] || logs[p] != nil:
			out = append(out, append([]string{p}, logs[p]...))
		default:
			loose = append(loose, p)
			if ext == ".txt" && !chats {
				if chats, err = isChat(p); err != nil {
					return nil, err
				}
			}
		}
	}
	if chats {
		return append(out, loose), nil
	}
	for _, p := range loose {
		out = append(out, []string{p})
	}
	return out, nil
}

// alone are kinds of files that are never somebody's attachment lying loose.
var alone = map[string]bool{".zip": true, ".mbox": true, ".pst": true, ".eml": true, ".msg": true, ".backup": true, ".db": true, ".sqlite": true}

func logsOf(m map[string][]string) (out []string) {
	for _, l := range m {
		out = append(out, l...)
	}
	return out
}
