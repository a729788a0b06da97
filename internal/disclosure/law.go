package disclosure

// Holidays are the days that are no working days, for the counting of terms.
type Holidays struct {
	days   map[Date]string
	last   int // the last year the table has
	source string
}

// UKHolidays are the bank holidays of any part of the United Kingdom: what FOIA s.10(6) and the EIR count by.
func UKHolidays() *Holidays { return &Holidays{} }

// Exemption is a reason for which information may be withheld.
type Exemption struct {
	Code     string // "40(2)", as it stands in bundles
	Law      string // "Freedom of Information Act 2000"
	Name     string // "Personal information"
	Test     string // "absolute" or "qualified"; "" where the law knows no such test
	Qualify  string // what must be weighed or done before it may be used
	NotAlone bool   // it cannot be the only reason
}

// Exemptions returns the codes for a kind of case, in the order of the law.
func Exemptions(k Kind) []Exemption { return nil }
