// Package systems lists the parsers of every system that can be read.
package systems

import (
	"despatch/internal/capture"
	"despatch/internal/capture/email"
	"despatch/internal/capture/google"
	"despatch/internal/capture/imessage"
	"despatch/internal/capture/mattermost"
	"despatch/internal/capture/meta"
	"despatch/internal/capture/nextcloud"
	"despatch/internal/capture/signal"
	"despatch/internal/capture/slack"
	"despatch/internal/capture/sms"
	"despatch/internal/capture/teams"
	"despatch/internal/capture/telegram"
	"despatch/internal/capture/tox"
	"despatch/internal/capture/unstructured"
	"despatch/internal/capture/whatsapp"
	"despatch/internal/capture/whatsappdb"
	"despatch/internal/capture/zoom"
)

// Parsers returns the parsers in the order in which they are asked whether they know a file: those that
// look for something unmistakable first, and last the one that takes everything.
func Parsers() []capture.Parser {
	return []capture.Parser{
		whatsappdb.Parser{},
		signal.Parser{},
		imessage.Parser{},
		sms.Parser{},
		meta.Parser{},
		telegram.Parser{},
		slack.Parser{},
		mattermost.Parser{},
		teams.Parser{},
		google.Parser{},
		zoom.Parser{},
		nextcloud.Parser{},
		tox.Parser{},
		email.Parser{}, // before those that look for a chat anywhere in a text
		whatsapp.Parser{},
		unstructured.Parser{}, // takes everything
	}
}
