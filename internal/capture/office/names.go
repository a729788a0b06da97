package office

import "strings"

// systems are what the systems call themselves.
var systems = map[string]string{
	"whatsapp": "WhatsApp", "signal": "Signal", "sms": "Text messages", "imessage": "iMessage", "email": "E-mail",
	"messenger": "Facebook Messenger", "facebook": "Facebook Messenger", "instagram": "Instagram", "teams": "Microsoft Teams",
	"google-chat": "Google Chat", "google_chat": "Google Chat", "googlechat": "Google Chat", "google-meet": "Google Meet", "google_meet": "Google Meet",
	"meet": "Google Meet", "zoom": "Zoom", "telegram": "Telegram", "slack": "Slack", "mattermost": "Mattermost", "tox": "Tox",
	"nextcloud": "Nextcloud Talk", "nextcloud-talk": "Nextcloud Talk", "nextcloud_talk": "Nextcloud Talk", "siilo": "Siilo", "note": "A note", "unstructured": "A file",
}

// SystemName is what people call a system that chats come from.
func SystemName(code string) string {
	if name := systems[strings.ToLower(code)]; name != "" {
		return name
	}
	if code == "" {
		return "Not known"
	}
	return code
}
