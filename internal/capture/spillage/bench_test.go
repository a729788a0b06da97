package spillage

import "testing"

// BenchmarkText is what looking through one message of ordinary talk costs.
func BenchmarkText(b *testing.B) {
	for b.Loop() {
		if Text("message number 42 says what people say on an ordinary working day\nAnd Tom said: see you at the MOD tomorrow, won't you?") != nil {
			b.Fatal("an alarm")
		}
	}
}
