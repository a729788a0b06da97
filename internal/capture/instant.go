package capture

import "time"

// Instant is what is known of when something happened: the interval that must contain the truth, and
// why it is so wide. Nothing is rounded and nothing is guessed.
type Instant struct {
	Raw       string    `json:"raw"`                 // as written
	Local     string    `json:"local"`               // what the writer's clock showed, 2006-01-02T15:04[:05]; empty if in doubt
	Min       int64     `json:"min_ms"`              // earliest possible, in milliseconds since 1970 UTC
	Max       int64     `json:"max_ms"`              // latest possible
	Precision string    `json:"precision"`           // ms, s, min, day, none
	Zone      ZoneBasis `json:"zone_basis"`          // how the zone is known
	ZoneName  string    `json:"zone,omitempty"`      // which it is, if known
	Clock     string    `json:"clock"`               // whose clock: server, sender, receiver, exporter_display, …
	Fold      bool      `json:"dst_fold,omitzero"`   // the clock showed this time twice
	Gap       bool      `json:"dst_gap,omitzero"`    // the clock never showed this time in that zone
	Ambiguous []string  `json:"ambiguous,omitempty"` // what else could not be told: date_order, half_day, calendar
}

// ZoneBasis says how the time zone of an instant is known.
type ZoneBasis string

const (
	ZoneUTC      ZoneBasis = "utc"
	ZoneOffset   ZoneBasis = "offset"   // the text says how far the clock was from UTC
	ZoneDeclared ZoneBasis = "declared" // by the person who handed the file in
	ZoneUnknown  ZoneBasis = "unknown"
)

// Civil is a time on a clock on a wall: no zone.
type Civil struct {
	Year, Month, Day     int
	Hour, Minute, Second int
}

// Valid says whether the calendar and the clock have such a time.
func (c Civil) Valid() bool {
	return c.Month >= 1 && c.Month <= 12 && c.Day >= 1 && c.Day <= daysIn(c.Year, c.Month) &&
		c.Hour >= 0 && c.Hour < 24 && c.Minute >= 0 && c.Minute < 60 && c.Second >= 0 && c.Second < 60
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// UTC returns the time as if the clock were in UTC.
func (c Civil) UTC() time.Time {
	return time.Date(c.Year, time.Month(c.Month), c.Day, c.Hour, c.Minute, c.Second, 0, time.UTC)
}

// text returns the time as 2006-01-02T15:04, or with seconds.
func (c Civil) text(seconds bool) string {
	b := make([]byte, 0, 20)
	two := func(sep byte, n int) { b = append(b, sep, byte('0'+n/10%10), byte('0'+n%10)) }
	b = append(b, byte('0'+c.Year/1000%10), byte('0'+c.Year/100%10), byte('0'+c.Year/10%10), byte('0'+c.Year%10))
	two('-', c.Month)
	two('-', c.Day)
	two('T', c.Hour)
	two(':', c.Minute)
	if seconds {
		two(':', c.Second)
	}
	return string(b)
}

// farthest is how far a clock may be from UTC, either way.
const farthest = 14 * time.Hour

// Local returns the instant of a clock's time in a zone; nil means that the zone is not known. With
// seconds unset the clock showed only minutes.
func Local(raw string, c Civil, seconds bool, zone *time.Location) Instant {
	at := Instant{Raw: raw, Precision: "min", Zone: ZoneUnknown, Clock: "exporter_display"}
	width := time.Minute
	at.Local = c.text(seconds)
	if seconds {
		at.Precision, width = "s", time.Second
	}
	wall := c.UTC()
	first, last := wall.Add(-farthest), wall.Add(farthest)
	if zone != nil {
		at.Zone, at.ZoneName = ZoneDeclared, zone.String()
		if zone == time.UTC {
			at.Zone = ZoneUTC
		}
		first, last, at.Fold, at.Gap = inZone(wall, zone)
	}
	at.Min, at.Max = first.UnixMilli(), last.Add(width).UnixMilli()-1
	return at
}

// Or widens the instant to hold another reading of the same text too, and says what the readings
// differ in.
func (i *Instant) Or(other Instant, about string) {
	i.Min, i.Max = min(i.Min, other.Min), max(i.Max, other.Max)
	if i.Local != other.Local {
		i.Local = ""
	}
	i.Fold, i.Gap = i.Fold || other.Fold, i.Gap || other.Gap
	i.Ambiguous = append(i.Ambiguous, about)
}

// inZone returns the first and the last moment at which clocks in the zone showed wall. Where they
// were put back there are two (a fold). Where they were put forward there is none (a gap), and both
// readings by the offsets around it are returned.
func inZone(wall time.Time, zone *time.Location) (first, last time.Time, fold, gap bool) {
	before := offset(wall.Add(-farthest-time.Hour), zone)
	after := offset(wall.Add(farthest+time.Hour), zone)
	a, b := wall.Add(-before), wall.Add(-after)
	aHolds, bHolds := offset(a, zone) == before, offset(b, zone) == after
	switch {
	case before == after, aHolds && !bHolds:
		return a, a, false, false
	case bHolds && !aHolds:
		return b, b, false, false
	}
	if b.Before(a) {
		a, b = b, a
	}
	return a, b, aHolds, !aHolds
}

func offset(t time.Time, zone *time.Location) time.Duration {
	_, s := t.In(zone).Zone()
	return time.Duration(s) * time.Second
}

// At returns the instant of a count of milliseconds since 1970 UTC, of which the last digits may be
// missing: precision is ms, s or min. Clock is whose clock counted: server, sender, receiver, exporter.
func At(raw string, ms int64, precision, clock string) Instant {
	width := map[string]int64{"ms": 1, "s": 1000, "min": 60_000}[precision]
	if width == 0 {
		panic("capture: no precision " + precision)
	}
	ms -= (ms%width + width) % width
	layout := "2006-01-02T15:04:05"
	if precision == "min" {
		layout = "2006-01-02T15:04"
	}
	return Instant{Raw: raw, Local: time.UnixMilli(ms).UTC().Format(layout), Min: ms, Max: ms + width - 1, Precision: precision, Zone: ZoneUTC, ZoneName: "UTC", Clock: clock}
}

// AtOffset returns the instant of a text that gives its own distance from UTC, such as a mail's date.
func AtOffset(raw string, t time.Time, precision, clock string) Instant {
	at := At(raw, t.UnixMilli(), precision, clock)
	at.Local = t.Format("2006-01-02T15:04:05")
	at.Zone, at.ZoneName = ZoneOffset, t.Format("-07:00")
	return at
}

// Undated is an instant of which nothing is known but how it is written.
func Undated(raw string) Instant {
	return Instant{Raw: raw, Precision: "none", Zone: ZoneUnknown, Clock: "exporter_display", Ambiguous: []string{"calendar"},
		Max: time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli()}
}
