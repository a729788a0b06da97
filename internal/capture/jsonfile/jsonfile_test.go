package jsonfile

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"despatch/internal/capture"
)

func reader(t testing.TB, r io.Reader) *Reader {
	t.Helper()
	j, err := NewReader(r, "result.json", capture.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// plain returns a value as encoding/json would decode it with UseNumber.
func plain(v *Value) any {
	switch v.Kind {
	case '{':
		m := map[string]any{}
		for _, x := range v.Members {
			m[x.Key] = plain(x.Value)
		}
		return m
	case '[':
		list := []any{}
		for _, x := range v.Items {
			list = append(list, plain(x))
		}
		return list
	case '0':
		return stdjson.Number(v.Text)
	case 't', 'f':
		return v.Kind == 't'
	case 'n':
		return nil
	}
	return v.Text
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		in      string
		want    string
		repairs []Repair
	}{
		{`"plain"`, "plain", nil},
		{`"a\"b\\c\/d\b\f\n\r\tA"`, "a\"b\\c/d\b\f\n\r\tA", nil},
		{`"\u00e9\ud83d\ude00"`, "é😀", nil},
		{`"\ud83d"`, "\uFFFD", []Repair{LoneSurrogate}},
		{`"\ude00\ud83d\ude00"`, "\uFFFD😀", []Repair{LoneSurrogate}},
		{`"\ud83dA"`, "\uFFFDA", []Repair{LoneSurrogate}},
		{`"\ud83d\u0041"`, "\uFFFDA", []Repair{LoneSurrogate}},
		{`"a\x1Fb"`, "a\x1fb", []Repair{HexEscape}},
		{`"a\qb"`, `a\qb`, []Repair{BadEscape}},
		{"\"a\nb\"", "a\nb", []Repair{Control}},
		{"\"a\xffb\"", "a\uFFFDb", []Repair{NotText}},
		{`(File not included.)]`, "(File not included.)", []Repair{BareWord}},
		{`5368324170671202286`, "5368324170671202286", nil},
	} {
		j := reader(t, strings.NewReader(c.in+" "))
		r, err := j.Record()
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if r.Str() != c.want || !reflect.DeepEqual(r.Repairs, c.repairs) {
			t.Errorf("%s is %q, %v, want %q, %v", c.in, r.Str(), r.Repairs, c.want, c.repairs)
		}
	}
}

// TestRecords reads records out of a file a byte at a time: their ranges must hold exactly their bytes.
func TestRecords(t *testing.T) {
	file := "\xEF\xBB\xBF{\"name\": \"x\",\n \"messages\": [\n  {\"id\": 1, \"text\": \"\\u00e9 \\\"]}\"},\n  {\"id\": 9007199254740993,\n   \"id\": 2},\n ],\n \"after\": {\"a\": [1,[2,{}]]}\n}\n"
	j := reader(t, iotest.OneByteReader(strings.NewReader(file)))
	var got []string
	err := j.Object(func(key string) error {
		if key != "messages" {
			return j.Skip()
		}
		return j.Array(func() error {
			r, err := j.Record()
			if err != nil {
				return err
			}
			if file[r.Start:r.End] != string(r.Raw) {
				t.Errorf("bytes %d to %d are %q, not %q", r.Start, r.End, file[r.Start:r.End], r.Raw)
			}
			got = append(got, fmt.Sprintf("%s %s line %d+%d %v", r.Raw, r.Str("id"), r.Line, r.Lines, r.Repairs))
			return nil
		})
	})
	want := []string{
		"{\"id\": 1, \"text\": \"\\u00e9 \\\"]}\"} 1 line 3+1 []",
		"{\"id\": 9007199254740993,\n   \"id\": 2} 2 line 4+2 [duplicate_key]",
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
	if j.More() || j.Offset() != int64(len(file)) {
		t.Errorf("%d of %d bytes read", j.Offset(), len(file))
	}
	run := capture.NewRun(capture.StatusRead)
	j.Warn(run)
	if len(run.Warnings) != 2 || run.Warnings[0].Line != 5 || run.Warnings[1].Code != "comma" {
		t.Errorf("warnings %+v", run.Warnings)
	}
}

func TestFaults(t *testing.T) {
	deep := strings.Repeat("[", 5000)
	for _, c := range []struct{ in, want string }{
		{`{"a": [1, 2`, "cut short"},
		{`{"a": "b`, "cut short"},
		{`{"a" 1}`, "damaged at line 1, byte 5"},
		{`[1}`, "damaged"},
		{`:`, "damaged"},
		{deep, "nested too deeply"},
		{"[" + strings.Repeat("1,", 300_000) + "1]", "a record of more than 200000 values"},
		{`["` + strings.Repeat("x", 5<<20) + `"]`, "more than 4 MB"},
	} {
		j := reader(t, strings.NewReader(c.in))
		_, err := j.Record()
		fault := (*capture.FileError)(nil)
		if !errors.As(err, &fault) || !strings.Contains(fault.Reason, c.want) || fault.Remedy == "" {
			t.Errorf("%.20s…: %v, want a fault with %q", c.in, err, c.want)
		}
		j = reader(t, strings.NewReader(c.in))
		if err := j.Skip(); strings.Contains(c.want, "more than") != (err == nil) {
			t.Errorf("%.20s… skipped: %v", c.in, err)
		}
	}
}

func TestPaths(t *testing.T) {
	in := `{"messages":[{"sender_name":"x","photos":[{"uri":"y"}]},{"content":"` + strings.Repeat("z", 1000)
	got := Paths(strings.NewReader(in), 200, nil)
	for _, want := range []string{"messages", "messages[].sender_name", "messages[].photos[].uri", "messages[].content"} {
		if !got[want] {
			t.Errorf("%s is not in %v", want, got)
		}
	}
	if len(Paths(strings.NewReader("BEGIN: hello"), 200, nil)) != 0 {
		t.Error("a text is taken for JSON")
	}
}

// FuzzReader compares with encoding/json, which knows JSON and nothing else: what it reads, this
// package reads alike; and every byte is accounted for.
func FuzzReader(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,"x\u00e9",null,true,{"b":{}}]}`, `[{},[],"\ud83d\ude00"]`, `{"a":1,"a":2}`, "[1,]", `"\x41"`, "nul", `{a:b}`, `[1 2]`, "\"\xff\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := NewReader(bytes.NewReader(data), "x", capture.DefaultLimits)
		if err != nil {
			return
		}
		r, err := j.Record()
		if fault := (*capture.FileError)(nil); err != nil && !errors.As(err, &fault) {
			t.Fatalf("%v does not say what to do", err)
		}
		if err == nil && !bytes.Equal(r.Raw, data[r.Start:r.End]) {
			t.Errorf("bytes %d to %d are not %q", r.Start, r.End, r.Raw)
		}
		dec := stdjson.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		var want any
		if !stdjson.Valid(data) || dec.Decode(&want) != nil || strings.Count(string(data), "[")+strings.Count(string(data), "{") > maxDepth {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		for _, x := range r.Repairs {
			if x == NotText {
				return // encoding/json shows one U+FFFD a byte
			}
		}
		if got := plain(r.Value); !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %v, want %v", data, got, want)
		}
	})
}

func BenchmarkRecords(b *testing.B) {
	var file bytes.Buffer
	file.WriteString(`{"messages":[`)
	for i := range 10_000 {
		if i > 0 {
			file.WriteByte(',')
		}
		fmt.Fprintf(&file, `{"sender_name":"Asha Rao","timestamp_ms":%d,"content":"message number %d says \u00e2\u009d\u00a4 what people say","reactions":[{"reaction":"x","actor":"y"}]}`, 1600000000000+i, i)
	}
	file.WriteString(`]}`)
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	for b.Loop() {
		j, _ := NewReader(bytes.NewReader(file.Bytes()), "x", capture.DefaultLimits)
		n := 0
		if err := j.Object(func(string) error {
			return j.Array(func() error { _, err := j.Record(); n++; return err })
		}); err != nil || n != 10_000 {
			b.Fatal(n, err)
		}
	}
}
