package capture

import (
	"testing"
	"time"
)

func TestLocal(t *testing.T) {
	zone := func(name string) *time.Location {
		if name == "" {
			return nil
		}
		l, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	tests := []struct {
		name      string
		civil     Civil
		seconds   bool
		zone      string
		min, max  string
		fold, gap bool
	}{
		{"seconds in winter", Civil{2023, 1, 2, 10, 0, 5}, true, "Europe/London", "2023-01-02T10:00:05.000Z", "2023-01-02T10:00:05.999Z", false, false},
		{"minutes in summer", Civil{2023, 7, 2, 10, 0, 0}, false, "Europe/London", "2023-07-02T09:00:00.000Z", "2023-07-02T09:00:59.999Z", false, false},
		{"the hour that comes twice", Civil{2023, 10, 29, 1, 30, 0}, false, "Europe/London", "2023-10-29T00:30:00.000Z", "2023-10-29T01:30:59.999Z", true, false},
		{"just after it", Civil{2023, 10, 29, 2, 0, 0}, false, "Europe/London", "2023-10-29T02:00:00.000Z", "2023-10-29T02:00:59.999Z", false, false},
		{"just before it", Civil{2023, 10, 29, 0, 59, 0}, false, "Europe/London", "2023-10-28T23:59:00.000Z", "2023-10-28T23:59:59.999Z", false, false},
		{"the hour that never was", Civil{2023, 3, 26, 1, 30, 0}, false, "Europe/London", "2023-03-26T00:30:00.000Z", "2023-03-26T01:30:59.999Z", false, true},
		{"far from Greenwich", Civil{2023, 7, 2, 1, 0, 0}, false, "Pacific/Kiritimati", "2023-07-01T11:00:00.000Z", "2023-07-01T11:00:59.999Z", false, false},
		{"half hours put back", Civil{2023, 4, 2, 1, 45, 0}, false, "Australia/Lord_Howe", "2023-04-01T14:45:00.000Z", "2023-04-01T15:15:59.999Z", true, false},
		{"a zone not known", Civil{2023, 7, 2, 10, 0, 0}, false, "", "2023-07-01T20:00:00.000Z", "2023-07-03T00:00:59.999Z", false, false},
		{"UTC", Civil{2024, 2, 29, 23, 59, 59}, true, "UTC", "2024-02-29T23:59:59.000Z", "2024-02-29T23:59:59.999Z", false, false},
	}
	for _, test := range tests {
		got := Local("x", test.civil, test.seconds, zone(test.zone))
		if min, max := rfc3339(got.Min), rfc3339(got.Max); min != test.min || max != test.max || got.Fold != test.fold || got.Gap != test.gap {
			t.Errorf("%s: %s to %s, fold %v, gap %v; want %s to %s", test.name, min, max, got.Fold, got.Gap, test.min, test.max)
		}
	}
}

func TestCivilValid(t *testing.T) {
	for c, want := range map[Civil]bool{
		{2024, 2, 29, 0, 0, 0}: true, {2023, 2, 29, 0, 0, 0}: false, {1900, 2, 29, 0, 0, 0}: false, {2000, 2, 29, 0, 0, 0}: true,
		{2023, 4, 31, 0, 0, 0}: false, {2023, 13, 1, 0, 0, 0}: false, {2023, 1, 0, 0, 0, 0}: false, {2023, 1, 1, 24, 0, 0}: false, {2023, 1, 1, 23, 60, 0}: false,
	} {
		if c.Valid() != want {
			t.Errorf("%+v: Valid = %v", c, !want)
		}
	}
}

// TestOr shows that an instant which can be read in two ways holds both.
func TestOr(t *testing.T) {
	a := Local("03/04/21, 10:00", Civil{2021, 4, 3, 10, 0, 0}, false, time.UTC)
	b := Local("03/04/21, 10:00", Civil{2021, 3, 4, 10, 0, 0}, false, time.UTC)
	min, max := b.Min, a.Max
	a.Or(b, "date_order")
	if a.Min != min || a.Max != max || a.Local != "" || len(a.Ambiguous) != 1 || a.Ambiguous[0] != "date_order" {
		t.Errorf("both readings are %+v", a)
	}
}
