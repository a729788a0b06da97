package systems

import (
	"slices"
	"strings"
	"testing"
)

func TestGroup(t *testing.T) {
	isChat := func(p string) (bool, error) { return strings.HasSuffix(p, "_chat.txt"), nil }
	for _, test := range []struct{ name, paths, want string }{
		{"by themselves", "a.pdf b.txt c.zip", "c.zip|a.pdf|b.txt"},
		{"a chat and its media", "x/_chat.txt x/1.jpg x/2.zip", "x/2.zip|x/1.jpg x/_chat.txt"},
		{"two chats apart", "x/_chat.txt x/1.jpg y/_chat.txt y/1.jpg", "x/1.jpg x/_chat.txt|y/1.jpg y/_chat.txt"},
		{"signal", "s/main.jsonl s/metadata.json s/files/ab/abc.jpg other.txt", "other.txt|s/files/ab/abc.jpg s/main.jsonl s/metadata.json"},
		{"signal backup", "SignalBackups/signal-backup-2026-01-02-03-04-05/main SignalBackups/files/ab/x", "SignalBackups/files/ab/x SignalBackups/signal-backup-2026-01-02-03-04-05/main"},
		{"maildir", "mail/cur/1:2,S mail/new/2 mail/.Sent/cur/3", "mail/.Sent/cur/3 mail/cur/1:2,S mail/new/2"},
		{"messenger", "fb/your_activity_across_facebook/messages/inbox/ann_1/message_1.json fb/your_activity_across_facebook/messages/inbox/ann_1/photos/1.jpg",
			"fb/your_activity_across_facebook/messages/inbox/ann_1/message_1.json fb/your_activity_across_facebook/messages/inbox/ann_1/photos/1.jpg"},
		{"messenger, encrypted", "e/your_activity_across_facebook/messages/ann_1.json e/your_activity_across_facebook/messages/media/1.jpg",
			"e/your_activity_across_facebook/messages/ann_1.json e/your_activity_across_facebook/messages/media/1.jpg"},
		{"one thread", "message_1.json message_2.json photos/1.jpg", "message_1.json message_2.json photos/1.jpg"},
		{"database with its log", "h.sqlite h.sqlite-wal h.txt", "h.sqlite h.sqlite-wal|h.txt"},
		{"whatsapp database", "w/msgstore.db w/wa.db w/Media/WhatsApp Images/1.jpg", ""},
		{"teams of a tenant", "t/teams/a/messages_a.json t/users/usersList.json t/users/b/messages_b.json", "t/teams/a/messages_a.json t/users/b/messages_b.json t/users/usersList.json"},
		{"mattermost", "m/data/20231114/x/plan.pdf m/import.jsonl", "m/data/20231114/x/plan.pdf m/import.jsonl"},
		{"mails", "m/1.eml m/2.eml", "m/1.eml|m/2.eml"},
	} {
		t.Run(test.name, func(t *testing.T) {
			paths := strings.Split(test.paths, " ")
			want := test.want
			if want == "" {
				paths = []string{"w/msgstore.db", "w/wa.db", "w/Media/WhatsApp Images/1.jpg"}
				want = "w/Media/WhatsApp Images/1.jpg w/msgstore.db w/wa.db"
			}
			groups, err := Group(paths, isChat)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			var all []string
			for _, g := range groups {
				got = append(got, strings.Join(g, " "))
				all = append(all, g...)
			}
			if strings.Join(got, "|") != want {
				t.Errorf("groups are %q, want %q", got, want)
			}
			slices.Sort(all)
			slices.Sort(paths)
			if !slices.Equal(all, paths) {
				t.Errorf("%q went in, %q came out", paths, all)
			}
		})
	}
}
