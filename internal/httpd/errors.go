package httpd

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Error is an error that the client is meant to see: a status, a Matrix error code, and a message for a
// person that says what is wrong and what to do. Nothing else ever reaches a client.
type Error struct {
	Status  int
	Code    string // a Matrix errcode; empty for a 401 of the user-interactive authentication
	Message string

	// Fields are further members of the answer, such as soft_logout or the flows of a user-interactive
	// authentication.
	Fields map[string]any

	// RetryAfter, if not zero, is sent as retry_after_ms and as the header Retry-After.
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("%d %s", e.Status, e.Message)
	}
	return e.Code + ": " + e.Message
}

// with returns a copy of e that has one more field.
func (e *Error) with(name string, value any) *Error {
	c := *e
	c.Fields = maps.Clone(e.Fields)
	if c.Fields == nil {
		c.Fields = make(map[string]any, 1)
	}
	c.Fields[name] = value
	return &c
}

// MarshalJSON encodes e as the Matrix specification's "standard error response".
func (e *Error) MarshalJSON() ([]byte, error) {
	m := make(map[string]any, len(e.Fields)+3)
	maps.Copy(m, e.Fields)
	if e.Code != "" {
		m["errcode"] = e.Code
	}
	if e.Message != "" {
		m["error"] = e.Message
	}
	if e.RetryAfter > 0 {
		m["retry_after_ms"] = e.RetryAfter.Milliseconds()
	}
	return json.Marshal(m, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
}

// writeError shows e as a Matrix error.
func writeError(w http.ResponseWriter, _ *http.Request, e *Error) {
	body, err := e.MarshalJSON()
	if err != nil {
		body = []byte(`{"errcode":"M_UNKNOWN"}`)
	}
	h := w.Header()
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	h["Content-Type"] = typeJSON
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.Status)
	w.Write(body)
}

// Errorf is an error with any status and code.
func Errorf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// What follows makes the errors of the specification, "Standard error response" and the codes that single
// endpoints add, each with its status. The message is for the person at the other end.

func Forbidden(format string, args ...any) *Error {
	return Errorf(http.StatusForbidden, "M_FORBIDDEN", format, args...)
}

// UnknownToken is answered to an access token that is not or no longer good. A client that reads
// soft_logout false throws away what it has stored; with true it keeps it and signs in again.
func UnknownToken(softLogout bool, format string, args ...any) *Error {
	return Errorf(http.StatusUnauthorized, "M_UNKNOWN_TOKEN", format, args...).with("soft_logout", softLogout)
}

func MissingToken() *Error {
	return Errorf(http.StatusUnauthorized, "M_MISSING_TOKEN", "Sign in first: this request carries no access token.")
}

// UserLocked is answered to every request but a sign-out by somebody whose account is locked.
func UserLocked(format string, args ...any) *Error {
	return Errorf(http.StatusUnauthorized, "M_USER_LOCKED", format, args...).with("soft_logout", true)
}

func UserSuspended(format string, args ...any) *Error {
	return Errorf(http.StatusForbidden, "M_USER_SUSPENDED", format, args...)
}

func UserDeactivated(format string, args ...any) *Error {
	return Errorf(http.StatusForbidden, "M_USER_DEACTIVATED", format, args...)
}

func NotJSON(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_NOT_JSON", format, args...)
}

func BadJSON(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_BAD_JSON", format, args...)
}

func NotFound(format string, args ...any) *Error {
	return Errorf(http.StatusNotFound, "M_NOT_FOUND", format, args...)
}

func TooLarge(format string, args ...any) *Error {
	return Errorf(http.StatusRequestEntityTooLarge, "M_TOO_LARGE", format, args...)
}

// LimitExceeded is answered to somebody who asks too often.
func LimitExceeded(retryAfter time.Duration, format string, args ...any) *Error {
	e := Errorf(http.StatusTooManyRequests, "M_LIMIT_EXCEEDED", format, args...)
	e.RetryAfter = retryAfter
	return e
}

func Unrecognized(status int) *Error {
	return Errorf(status, "M_UNRECOGNIZED", "This server does not know that request.")
}

// Unavailable is answered when the server cannot work for now: no disk space, no database, shutting down.
func Unavailable(format string, args ...any) *Error {
	return Errorf(http.StatusServiceUnavailable, "M_UNKNOWN", format, args...)
}

// Internal is all that a client sees of an error that was not meant for it.
func Internal(requestID string) *Error {
	return Errorf(http.StatusInternalServerError, "M_UNKNOWN",
		"Something went wrong here, and it has been written down as %s. Try again; if it stays, tell the IT desk that number.",
		requestID).with("request_id", requestID)
}

func Unauthorized(format string, args ...any) *Error {
	return Errorf(http.StatusUnauthorized, "M_UNAUTHORIZED", format, args...)
}

func InvalidUsername(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_INVALID_USERNAME", format, args...)
}

func UserInUse(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_USER_IN_USE", format, args...)
}

func RoomInUse(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_ROOM_IN_USE", format, args...)
}

func InvalidRoomState(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_INVALID_ROOM_STATE", format, args...)
}

func UnsupportedRoomVersion(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_UNSUPPORTED_ROOM_VERSION", format, args...)
}

func IncompatibleRoomVersion(version string) *Error {
	return Errorf(http.StatusBadRequest, "M_INCOMPATIBLE_ROOM_VERSION",
		"This client does not support the version of that conversation, %s.", version).with("room_version", version)
}

func BadState(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_BAD_STATE", format, args...)
}

func BadAlias(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_BAD_ALIAS", format, args...)
}

func GuestAccessForbidden(format string, args ...any) *Error {
	return Errorf(http.StatusForbidden, "M_GUEST_ACCESS_FORBIDDEN", format, args...)
}

func MissingParam(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_MISSING_PARAM", format, args...)
}

func InvalidParam(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_INVALID_PARAM", format, args...)
}

func Exclusive(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_EXCLUSIVE", format, args...)
}

func CannotLeaveServerNoticeRoom(format string, args ...any) *Error {
	return Errorf(http.StatusForbidden, "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM", format, args...)
}

func WeakPassword(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_WEAK_PASSWORD", format, args...)
}

func DuplicateAnnotation(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_DUPLICATE_ANNOTATION", format, args...)
}

// UnknownPos tells a sliding-sync client to begin again.
func UnknownPos() *Error {
	return Errorf(http.StatusBadRequest, "M_UNKNOWN_POS", "That position is not known any more; begin again without one.")
}

func NotYetUploaded(retryAfter time.Duration) *Error {
	e := Errorf(http.StatusGatewayTimeout, "M_NOT_YET_UPLOADED", "That file has not been uploaded yet.")
	e.RetryAfter = retryAfter
	return e
}

func CannotOverwriteMedia(format string, args ...any) *Error {
	return Errorf(http.StatusConflict, "M_CANNOT_OVERWRITE_MEDIA", format, args...)
}

func WrongRoomKeysVersion(current string) *Error {
	return Errorf(http.StatusForbidden, "M_WRONG_ROOM_KEYS_VERSION", "Wrong backup version.").with("current_version", current)
}

func ThreepidNotFound(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_THREEPID_NOT_FOUND", format, args...)
}

func ThreepidDenied(format string, args ...any) *Error {
	return Errorf(http.StatusForbidden, "M_THREEPID_DENIED", format, args...)
}

func Unknown(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "M_UNKNOWN", format, args...)
}
