package httpd

import (
	"sync/atomic"
	"time"
)

// Limit bounds how many requests are inside at once. A nil Limit bounds nothing.
type Limit struct {
	max    int64
	inside atomic.Int64
}

// NewLimit returns a limit of n requests.
func NewLimit(n int) *Limit { return &Limit{max: int64(n)} }

// Inside is how many requests are inside now.
func (l *Limit) Inside() int {
	if l == nil {
		return 0
	}
	return int(l.inside.Load())
}

// enter reports whether one more may come in; if so, leave must follow.
func (l *Limit) enter() bool {
	if l == nil {
		return true
	}
	if l.inside.Add(1) > l.max {
		l.inside.Add(-1)
		return false
	}
	return true
}

func (l *Limit) leave() {
	if l != nil {
		l.inside.Add(-1)
	}
}

func (l *Limit) refusal() *Error {
	return LimitExceeded(500*time.Millisecond, "The server is busy. The message was not taken; it is safe to send it again in a moment.")
}
