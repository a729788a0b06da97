package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Timer is how long a message stays on devices after it was sent; 0 means for good. It says nothing about
// the record, which keeps every message for as long as its schedule says.
type Timer time.Duration

const day = 24 * time.Hour

// Timers are the choices that people have unless the organisation sets others. The shortest is for trying
// it out.
var Timers = []Timer{0, Timer(30 * time.Second), Timer(5 * time.Minute), Timer(time.Hour), Timer(8 * time.Hour),
	Timer(day), Timer(7 * day), Timer(30 * day), Timer(90 * day)}

// ParseTimer returns the timer of so many milliseconds if it is among the choices.
func ParseTimer(ms int64, choices []Timer) (Timer, error) {
	const most = int64(10 * 365 * day / time.Millisecond) // also keeps the product from overflowing
	if ms >= 0 && ms <= most {
		if t := Timer(time.Duration(ms) * time.Millisecond); slices.Contains(choices, t) {
			return t, nil
		}
	}
	names := make([]string, len(choices))
	for i, c := range choices {
		names[i] = c.String()
	}
	return 0, fmt.Errorf("messages can disappear after one of these: %s", strings.Join(names, ", "))
}

// Milliseconds is the timer as it stands in events.
func (t Timer) Milliseconds() int64 { return time.Duration(t).Milliseconds() }

// String is the timer in words: "24 hours".
func (t Timer) String() string {
	d := time.Duration(t)
	unit := func(n time.Duration, name string) string {
		if n == 1 {
			return "1 " + name
		}
		return fmt.Sprintf("%d %ss", n, name)
	}
	switch {
	case d == 0:
		return "never"
	case d >= 2*day && d%day == 0:
		return unit(d/day, "day")
	case d >= time.Hour && d%time.Hour == 0:
		return unit(d/time.Hour, "hour")
	case d >= time.Minute && d%time.Minute == 0:
		return unit(d/time.Minute, "minute")
	default:
		return unit(d/time.Second, "second")
	}
}

// Hint is what the composer says under the message being written; "" without a timer.
func (t Timer) Hint() string {
	if t == 0 {
		return ""
	}
	return "Disappears from devices after " + t.String() + ". The record keeps it."
}

// Gone reports whether a message sent at sent has disappeared at now, both in milliseconds since 1970.
func (t Timer) Gone(sent, now int64) bool {
	return t > 0 && now-sent >= t.Milliseconds()
}
