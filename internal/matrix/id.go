package matrix

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Identifiers are strings, so that they can be compared, put into maps, and passed to a database as they are.
// Parse* check the grammar of Appendices, "Identifier Grammar"; a conversion checks nothing.
type (
	// UserID is "@localpart:server".
	UserID string
	// RoomID is "!opaque:server", or "!" and the reference hash of the create event in room version 12.
	RoomID string
	// EventID is "$" and the reference hash of the event, in URL-safe unpadded base64.
	EventID string
	// RoomAlias is "#alias:server".
	RoomAlias string
	// ServerName is a host name or address with an optional port.
	ServerName string
)

// hashSize is the length of a SHA-256 hash in unpadded base64.
const hashSize = 43

// ParseUserID checks that s is a user ID. It accepts what servers must accept, "Historical User IDs"
// included; accounts made here have to pass [NewUserID].
func ParseUserID(s string) (UserID, error) {
	if err := checkScoped("user ID", '@', s); err != nil {
		return "", err
	}
	return UserID(s), nil
}

// NewUserID returns the ID of a user of server, whose localpart may only consist of a-z, 0-9 and ._=-/+
// (Appendices, "User Identifiers").
func NewUserID(localpart string, server ServerName) (UserID, error) {
	if localpart == "" {
		return "", fmt.Errorf("user ID: the localpart is empty: %w", ErrInvalid)
	}
	for i := 0; i < len(localpart); i++ {
		if c := localpart[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("._=-/+", c) >= 0) {
			return "", fmt.Errorf("user ID: %q may not be in a localpart: %w", c, ErrInvalid)
		}
	}
	return ParseUserID("@" + localpart + ":" + string(server))
}

// Localpart is what stands between "@" and the first colon.
func (u UserID) Localpart() string { return localpart(string(u)) }

// Server is the server that the user belongs to.
func (u UserID) Server() ServerName { return server(string(u)) }

// ParseRoomID checks that s is a room ID of any room version we know.
func ParseRoomID(s string) (RoomID, error) {
	if strings.IndexByte(s, ':') < 0 {
		if err := checkHashed("room ID", '!', s); err != nil {
			return "", err
		}
		return RoomID(s), nil
	}
	if err := checkScoped("room ID", '!', s); err != nil {
		return "", err
	}
	return RoomID(s), nil
}

// Localpart is what stands between "!" and the first colon, or all after "!" in room version 12.
func (r RoomID) Localpart() string { return localpart(string(r)) }

// Server is the server that made the room's ID; it is empty in room version 12.
func (r RoomID) Server() ServerName { return server(string(r)) }

// CreateEvent is the ID of the create event whose hash the room ID is, or "" in versions before 12.
func (r RoomID) CreateEvent() EventID {
	if len(r) != 1+hashSize || r.Server() != "" {
		return ""
	}
	return EventID("$" + r[1:])
}

// ParseEventID checks that s is an event ID as room versions 4 and later have it.
func ParseEventID(s string) (EventID, error) {
	if err := checkHashed("event ID", '$', s); err != nil {
		return "", err
	}
	return EventID(s), nil
}

// ParseRoomAlias checks that s is a room alias.
func ParseRoomAlias(s string) (RoomAlias, error) {
	if err := checkScoped("room alias", '#', s); err != nil {
		return "", err
	}
	return RoomAlias(s), nil
}

// Localpart is what stands between "#" and the first colon.
func (a RoomAlias) Localpart() string { return localpart(string(a)) }

// Server is the server that keeps the alias.
func (a RoomAlias) Server() ServerName { return server(string(a)) }

// ParseServerName checks the grammar of Appendices, "Server Name".
func ParseServerName(s string) (ServerName, error) {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
		if len(port) < 1 || len(port) > 5 || strings.Trim(port, "0123456789") != "" {
			return "", fmt.Errorf("server name %.300q: %q is not a port: %w", s, port, ErrInvalid)
		}
	}
	if !validHost(host) {
		return "", fmt.Errorf("server name %.300q: not a host: %w", s, ErrInvalid)
	}
	return ServerName(s), nil
}

func validHost(host string) bool {
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		a, err := netip.ParseAddr(host[1 : len(host)-1])
		return err == nil && a.Is6() && a.Zone() == ""
	}
	if len(host) == 0 || len(host) > MaxIDSize {
		return false
	}
	digitsAndDots := true
	for i := 0; i < len(host); i++ {
		switch c := host[i]; {
		case '0' <= c && c <= '9' || c == '.':
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-':
			digitsAndDots = false
		default:
			return false
		}
	}
	if digitsAndDots && strings.Count(host, ".") == 3 {
		for label := range strings.SplitSeq(host, ".") {
			if len(label) == 0 || len(label) > 3 || len(label) == 3 && label > "255" {
				return false
			}
		}
	}
	return true
}

// checkScoped checks an identifier of the form sigil, localpart, colon, server name.
func checkScoped(what string, sigil byte, s string) error {
	if len(s) == 0 || s[0] != sigil {
		return fmt.Errorf("%s %.300q: does not begin with %c: %w", what, s, sigil, ErrInvalid)
	}
	if len(s) > MaxIDSize {
		return fmt.Errorf("%s %.64q…: longer than %d bytes: %w", what, s, MaxIDSize, ErrInvalid)
	}
	colon := strings.IndexByte(s, ':')
	if colon < 0 {
		return fmt.Errorf("%s %q: has no server name: %w", what, s, ErrInvalid)
	}
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("%s %q: not UTF-8 without NUL: %w", what, s, ErrInvalid)
	}
	if _, err := ParseServerName(s[colon+1:]); err != nil {
		return fmt.Errorf("%s %q: %w", what, s, err)
	}
	return nil
}

// checkHashed checks an identifier of the form sigil and SHA-256 hash.
func checkHashed(what string, sigil byte, s string) error {
	if len(s) != 1+hashSize || s[0] != sigil {
		return fmt.Errorf("%s %.300q: not %c and a hash: %w", what, s, sigil, ErrInvalid)
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return fmt.Errorf("%s %q: %q is not URL-safe base64: %w", what, s, c, ErrInvalid)
		}
	}
	return nil
}

func localpart(s string) string {
	if s == "" {
		return ""
	}
	if i := strings.IndexByte(s, ':'); i > 0 {
		return s[1:i]
	}
	return s[1:]
}

func server(s string) ServerName {
	if i := strings.IndexByte(s, ':'); i >= 0 {
		return ServerName(s[i+1:])
	}
	return ""
}
