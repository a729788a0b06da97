package matrix

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// Appendices, "Canonical JSON", "Examples".
func TestSpecificationCanonical(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{`{}`, `{}`},
		{`{ "one": 1, "two": "Two" }`, `{"one":1,"two":"Two"}`},
		{`{ "b": "2", "a": "1" }`, `{"a":"1","b":"2"}`},
		{`{"b":"2","a":"1"}`, `{"a":"1","b":"2"}`},
		{`{"auth":{"success":true,"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[
			{"medium":"email","address":"john.doe@example.org"},{"medium":"msisdn","address":"123456789"}]}}}`,
			`{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}`},
		{`{"a": "日本語"}`, `{"a":"日本語"}`},
		{`{"本": 2, "日": 1}`, `{"日":1,"本":2}`},
		{`{"a": "\u65E5"}`, `{"a":"日"}`},
		{`{"a": null}`, `{"a":null}`},
		{`{"a": -0, "b": 10000000000}`, `{"a":0,"b":10000000000}`}, // the original has 1e10: see Canonical
	} {
		got, err := Canonical(nil, []byte(test.in))
		if err != nil || string(got) != test.want {
			t.Errorf("Canonical(%s) = %s, %v; want %s", test.in, got, err, test.want)
		}
	}
}

func TestCanonical(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{" [ 1 , -1 , 0 , -0 ] \n", `[1,-1,0,0]`},
		{"[9007199254740991,-9007199254740991]", "[9007199254740991,-9007199254740991]"},
		{`"\u0000\u001F\u007f\/\"\\\b\f\n\r\t"`, `"\u0000\u001f` + "\x7f" + `/\"\\\b\f\n\r\t"`},
		{`"\u00e9\uD83C\uDFDB\ufeff"`, "\"é\U0001F3DB\ufeff\""},
		// U+FFFF comes before U+10000, although its UTF-16 form comes after.
		{"{\"\U00010000\":1,\"\uffff\":2,\"\":3}", "{\"\":3,\"\uffff\":2,\"\U00010000\":1}"},
		// The escapes do not sort as what they stand for.
		{`{"\\":1,"A":2,"\n":3,"\u0001":4,"\"":5,"a\"":6,"a":7,"a!":8}`, `{"\u0001":4,"\n":3,"\"":5,"A":2,"\\":1,"a":7,"a!":8,"a\"":6}`},
		{`{"b":{"d":[{"y":1,"x":2}],"c":{}},"a":[[],{}]}`, `{"a":[[],{}],"b":{"c":{},"d":[{"x":2,"y":1}]}}`},
		{`true`, `true`}, {`false`, `false`}, {`null`, `null`}, {`""`, `""`},
	} {
		got, err := Canonical([]byte("before"), []byte(test.in))
		if err != nil || string(got) != "before"+test.want {
			t.Errorf("Canonical(%s) = %s, %v; want before%s", test.in, got, err, test.want)
		}
	}
}

func TestCanonicalRefuses(t *testing.T) {
	for _, test := range []struct {
		in   string
		kind error
		text string
	}{
		{``, ErrNotJSON, "unexpected end at byte 0"},
		{`{"a":1} x`, ErrNotJSON, "something follows the value at byte 8"},
		{`{"a":[1,{"b":tru}]}`, ErrNotJSON, "unexpected 't' at byte 13 (in a[1].b)"},
		{`{"a":01}`, ErrNotJSON, "a number with a leading zero at byte 7 (in a)"},
		{`[-]`, ErrNotJSON, "a minus sign without digits at byte 2 (in [0])"},
		{`{"a" 1}`, ErrNotJSON, "no colon after a name at byte 5"},
		{`{"a":1,}`, ErrNotJSON, "no name of a member at byte 7"},
		{`{"a":1]`, ErrNotJSON, "no comma or } after a member at byte 6"},
		{`[1}`, ErrNotJSON, "no comma or ] after an element at byte 2"},
		{`"abc`, ErrNotJSON, "a string without end at byte 4"},
		{`"abc\`, ErrNotJSON, "a string without end at byte 4"},
		{"\"a\nb\"", ErrNotJSON, "control character U+000A in a string at byte 2"},
		{`"\x"`, ErrNotJSON, "an unknown escape sequence at byte 1"},
		{`"\u12g4"`, ErrNotJSON, `\u without four hexadecimal digits at byte 1`},
		{`{"x":{"n":1.5}}`, ErrBadJSON, "a number with a fraction or an exponent, where only integers may be, at byte 11 (in x.n)"},
		{`1e10`, ErrBadJSON, "a number with a fraction or an exponent, where only integers may be, at byte 1"},
		{`1E2`, ErrBadJSON, "a number with a fraction or an exponent, where only integers may be, at byte 1"},
		{`9007199254740992`, ErrBadJSON, "an integer beyond 2^53-1 at byte 16"},
		{`-9007199254740992`, ErrBadJSON, "an integer beyond 2^53-1 at byte 17"},
		{`18446744073709551617`, ErrBadJSON, "an integer beyond 2^53-1 at byte 20"},
		{`{"a":1,"a":2}`, ErrBadJSON, `member "a" is there twice at byte 10`},
		{`{"b":1,"a":2,"\u0062":3}`, ErrBadJSON, `member "b" is there twice at byte 24`},
		{`{"a\n":1,"b":2,"a\u000a":3}`, ErrBadJSON, `member "a\\n" is there twice at byte 27`},
		{"\"\xff\"", ErrBadJSON, "a string that is not UTF-8 at byte 1"},
		{"\"\xed\xa0\x80\"", ErrBadJSON, "a string that is not UTF-8 at byte 1"}, // a surrogate in UTF-8
		{`"\ud800"`, ErrBadJSON, "half a surrogate pair at byte 1"},
		{`"\ud800\u0041"`, ErrBadJSON, "half a surrogate pair at byte 1"},
		{`"\udc00\ud800"`, ErrBadJSON, "half a surrogate pair at byte 1"},
		{strings.Repeat("[", 200), ErrBadJSON, "nested deeper than 100 at byte 101 (in " + strings.Repeat("[0]", 101) + ")"},
	} {
		got, err := Canonical([]byte("before"), []byte(test.in))
		if !errors.Is(err, test.kind) || err.Error() != test.text || string(got) != "before" {
			t.Errorf("Canonical(%s) = %s, %v; want %q", test.in, got, err, test.text)
		}
	}
}

// An attacker's names and depth must not make errors large or slow.
func TestCanonicalErrorIsBounded(t *testing.T) {
	in := strings.Repeat(`{"`+strings.Repeat("x", 100)+`":`, 99) + "1.5" + strings.Repeat("}", 99)
	_, err := Canonical(nil, []byte(in))
	if err == nil || len(err.Error()) > 600 {
		t.Errorf("error of %d bytes: %v", len(err.Error()), err)
	}
}

// slowCanonical does what [Canonical] does by way of encoding/json.
func slowCanonical(src []byte) (string, error) {
	if !json.Valid(src) {
		return "", ErrNotJSON
	}
	if !utf8.Valid(src) || halfSurrogate(src) {
		return "", ErrBadJSON
	}
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.UseNumber()
	out, err := slowValue(dec, 0)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrBadJSON, err)
	}
	return out, nil
}

func slowValue(dec *json.Decoder, depth int) (string, error) {
	if depth > maxDepth {
		return "", errors.New("too deep")
	}
	token, err := dec.Token()
	if err != nil {
		return "", err
	}
	switch v := token.(type) {
	case json.Number:
		n, ok := new(big.Int).SetString(v.String(), 10)
		if !ok || n.CmpAbs(big.NewInt(1<<53-1)) > 0 {
			return "", errors.New("not an integer")
		}
		return n.String(), nil
	case string:
		return slowString(v), nil
	case json.Delim:
		if v == '[' {
			var elements []string
			for dec.More() {
				e, err := slowValue(dec, depth+1)
				if err != nil {
					return "", err
				}
				elements = append(elements, e)
			}
			_, err := dec.Token()
			return "[" + strings.Join(elements, ",") + "]", err
		}
		values := map[string]string{}
		var names []string
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return "", err
			}
			if _, twice := values[name.(string)]; twice {
				return "", errors.New("twice")
			}
			names = append(names, name.(string))
			if values[name.(string)], err = slowValue(dec, depth+1); err != nil {
				return "", err
			}
		}
		slices.SortFunc(names, func(a, b string) int { return slices.Compare([]rune(a), []rune(b)) })
		for i, name := range names {
			names[i] = slowString(name) + ":" + values[name]
		}
		_, err := dec.Token()
		return "{" + strings.Join(names, ",") + "}", err
	case nil:
		return "null", nil
	}
	return fmt.Sprint(token), nil
}

func slowString(s string) string {
	var out strings.Builder
	for _, r := range s {
		if short := strings.IndexRune("\"\\\b\f\n\r\t", r); short >= 0 {
			out.WriteString(`\` + `"\bfnrt`[short:short+1])
		} else if r < 0x20 {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return `"` + out.String() + `"`
}

// halfSurrogate finds a surrogate without its other half in valid JSON.
func halfSurrogate(src []byte) bool {
	expectLow := false
	for i := 0; i < len(src); i++ {
		var unit uint64
		if src[i] == '\\' {
			i++
			if src[i] == 'u' {
				unit, _ = strconv.ParseUint(string(src[i+1:i+5]), 16, 16)
				i += 4
			}
		}
		isLow := 0xdc00 <= unit && unit <= 0xdfff
		if isLow != expectLow {
			return true
		}
		expectLow = 0xd800 <= unit && unit <= 0xdbff
	}
	return expectLow
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`{"b":[1,-0,null],"a":{"\u00e9":"\ud83c\udfdb","\n":""}}`, `{"a":1.0}`, `{"a":1,"\u0061":2}`, `"\ud800"`,
		` [ {"z":{},"y":[]} , true ] `, `123456789012345678`, "\"\xc3\x28\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		got, err := Canonical(nil, src)
		want, wantErr := slowCanonical(src)
		if (err == nil) != (wantErr == nil) || err == nil && string(got) != want {
			t.Fatalf("Canonical(%q) = %q, %v; want %q, %v", src, got, err, want, wantErr)
		}
		if errors.Is(wantErr, ErrNotJSON) && !errors.Is(err, ErrNotJSON) && !errors.Is(err, ErrBadJSON) {
			t.Fatalf("Canonical(%q): %v wraps no sentinel", src, err)
		}
		if errors.Is(wantErr, ErrBadJSON) && !errors.Is(err, ErrBadJSON) {
			t.Fatalf("Canonical(%q): %v, want %v", src, err, wantErr)
		}
		if err != nil {
			return
		}
		again, err := Canonical(nil, got)
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("Canonical(%q) = %q, %v; want the same", got, again, err)
		}
		checkScan(t, got)
	})
}

// checkScan compares the scanner of canonical JSON with encoding/json.
func checkScan(t *testing.T, canonical []byte) {
	dec := json.NewDecoder(bytes.NewReader(canonical))
	dec.UseNumber()
	var want any
	if err := dec.Decode(&want); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	switch want := want.(type) {
	case string:
		if got, ok := String(canonical); !ok || got != want {
			t.Fatalf("String(%s) = %q, %t; want %q", canonical, got, ok, want)
		}
	case json.Number:
		n, _ := want.Int64()
		if got, ok := Int(canonical); !ok || got != n {
			t.Fatalf("Int(%s) = %d, %t; want %d", canonical, got, ok, n)
		}
	case []any:
		n := 0
		Elements(canonical, func(value []byte) bool { checkScan(t, value); n++; return true })
		if n != len(want) {
			t.Fatalf("Elements(%s): %d, want %d", canonical, n, len(want))
		}
	case map[string]any:
		n := 0
		Members(canonical, func(name string, value []byte) bool {
			if _, ok := want[name]; !ok || !bytes.Equal(Lookup(canonical, name), value) {
				t.Fatalf("Members(%s) has %q: %s", canonical, name, value)
			}
			checkScan(t, value)
			n++
			return true
		})
		if n != len(want) {
			t.Fatalf("Members(%s): %d, want %d", canonical, n, len(want))
		}
	}
}

// Whatever is looked for in whatever damaged bytes, the scanner stays within them.
func FuzzScanDamaged(f *testing.F) {
	f.Add([]byte(`{"a":"\\","b":[1,{"c":2}]}`), "a")
	f.Add([]byte(`{"a":`), "a")
	f.Add([]byte(`{"\u00`), "b")
	f.Fuzz(func(t *testing.T, damaged []byte, name string) {
		Lookup(damaged, name, name)
		LookupString(damaged, name)
		String(damaged)
		Int(damaged)
		Members(damaged, func(_ string, value []byte) bool { Elements(value, func([]byte) bool { return true }); return true })
		Elements(damaged, func(value []byte) bool { String(value); return true })
		ParseStored(V11, "$x", damaged)
	})
}
