package mailin

import "testing"

func TestAuthentic(t *testing.T) {
	for _, w := range []struct {
		field, envelope string
		want            bool
	}{
		{"mx.gov.uk; dmarc=pass header.from=dept.gov.uk", "", true},
		{"MX.gov.uk 1; dkim=pass reason=\"a; dkim=fail\" header.d=dept.gov.uk header.s=x", "", true},
		{"mx.gov.uk; dkim=pass header.i=@dept.gov.uk", "", true},
		{"mx.gov.uk; dkim/1 = pass header . d = dept.gov.uk", "", true},
		{"mx.gov.uk; spf=pass smtp.mailfrom=dept.gov.uk", "asha@dept.gov.uk", true},
		{"mx.gov.uk; spf=pass smtp.mailfrom=dept.gov.uk", "asha@other.gov.uk", false},
		{"mx.gov.uk; auth=pass smtp.auth=asha@dept.gov.uk", "", true},
		{"mx.gov.uk; auth=pass smtp.auth=tom@dept.gov.uk", "", false},
		{"mx.gov.uk; dkim=pass header.d=gov.uk", "", false},
		{"mx.gov.uk; dkim=fail header.d=dept.gov.uk", "", false},
		{"mx.gov.uk; none", "", false},
		{"mx.gov.uk.evil.example; dmarc=pass header.from=dept.gov.uk", "", false},
		{"\"mx.gov.uk; dmarc=pass header.from=dept.gov.uk\"", "", false},
		{"mx.gov.uk (; dmarc=pass header.from=dept.gov.uk", "", false},
		{"", "", false},
	} {
		if got := authentic([]string{w.field}, "mx.gov.uk", "Asha@Dept.gov.uk", w.envelope); got != w.want {
			t.Errorf("%q is authentic: %t, want %t", w.field, got, w.want)
		}
	}
}

func FuzzResults(f *testing.F) {
	f.Add("mx; dkim=pass (x (y)) header.d=\"a\\\"b\"", "asha@dept.gov.uk")
	f.Fuzz(func(t *testing.T, field, from string) {
		if authentic([]string{field}, "mx.gov.uk", from, from) {
			if list, ours := results(field, "mx.gov.uk"); !ours || len(list) == 0 {
				t.Errorf("%q is believed without a result", field)
			}
		}
		if a := Fold(from); a != "" && Fold(a) != a {
			t.Errorf("%q folds to %q, and that to %q", from, a, Fold(a))
		}
	})
}
