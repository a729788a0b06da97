package jsonfile

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"despatch/internal/capture"
)

// Value is a value of JSON. Its methods may be called on nil, which is a value that is not there.
type Value struct {
	Kind    byte     // '{', '[', '"', '0' a number, 't' true, 'f' false, 'n' null
	Text    string   // of a string; of anything but an object or an array, as written
	Members []Member // of an object, in the order of the file
	Items   []*Value // of an array
}

// Member is one key of an object.
type Member struct {
	Key   string
	Value *Value
}

// Record is a value with the bytes that it was read from.
type Record struct {
	*Value
	Raw        []byte   // valid until the next record is read
	Start, End int64    // where they stand in the file
	Line       int64    // the first line, from 1
	Lines      int64    // how many
	Repairs    []Repair // each sort once
}

// Record reads the next value whole.
func (j *Reader) Record() (*Record, error) {
	j.space()
	r := &Record{Start: j.Offset(), Line: j.line}
	j.mark, j.raw, j.within, j.nodes = j.pos, j.raw[:0], nil, 0
	defer func() { j.mark = -1 }()
	v, err := j.value()
	if err != nil {
		return nil, err
	}
	j.raw = append(j.raw, j.buf[j.mark:j.pos]...)
	r.Value, r.Raw, r.End, r.Lines = v, j.raw, j.Offset(), j.line-r.Line+1
	slices.Sort(j.within)
	r.Repairs = slices.Compact(j.within)
	return r, nil
}

// Value reads the next value whole, as [Reader.Record] does, where nobody asks for its bytes.
func (j *Reader) Value() (*Value, error) {
	r, err := j.Record()
	if err != nil {
		return nil, err
	}
	return r.Value, nil
}

func (j *Reader) value() (*Value, error) {
	if j.nodes++; j.nodes > maxNodes {
		return nil, j.tooMuch(fmt.Sprintf("a record of more than %d values", maxNodes))
	}
	if len(j.raw)+j.pos-j.mark > j.limit {
		return nil, j.tooMuch(fmt.Sprintf("a record of more than %d MB", j.limit>>20))
	}
	v := &Value{Kind: j.space()}
	var err error
	switch v.Kind {
	case '{':
		err = j.Object(func(key string) error {
			m, err := j.value()
			if err == nil && v.Has(key) {
				j.repair(DuplicateKey)
			}
			v.Members = append(v.Members, Member{key, m})
			return err
		})
	case '[':
		err = j.Array(func() error {
			item, err := j.value()
			v.Items = append(v.Items, item)
			return err
		})
	case '"':
		v.Text, err = j.text()
	default:
		v.Text, err = j.word()
		switch {
		case v.Text == "true" || v.Text == "false" || v.Text == "null":
		case number(v.Text):
			v.Kind = '0'
		default:
			v.Kind = '"'
		}
	}
	return v, err
}

// Has says whether an object has a key.
func (v *Value) Has(key string) bool {
	return v != nil && slices.ContainsFunc(v.Members, func(m Member) bool { return m.Key == key })
}

// At returns what stands under a key of an object, and under a key of that, and so on; of a key that
// is there twice, the last.
func (v *Value) At(keys ...string) *Value {
	for _, key := range keys {
		if v == nil {
			return nil
		}
		var next *Value
		for i := range v.Members {
			if v.Members[i].Key == key {
				next = v.Members[i].Value
			}
		}
		v = next
	}
	return v
}

// List returns the items of the array under the keys.
func (v *Value) List(keys ...string) []*Value {
	if v = v.At(keys...); v == nil {
		return nil
	}
	return v.Items
}

// Str returns the text under the keys; of a number, as written. What is null or not there is empty.
func (v *Value) Str(keys ...string) string {
	if v = v.At(keys...); v == nil || v.Kind != '"' && v.Kind != '0' {
		return ""
	}
	return v.Text
}

// Int returns the whole number under the keys, also if it is written as a text.
func (v *Value) Int(keys ...string) (n int64, ok bool) {
	s := v.Str(keys...)
	if whole, frac, dot := strings.Cut(s, "."); dot && strings.Trim(frac, "0") == "" {
		s = whole
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil && strings.ContainsAny(s, "eE") { // some programs write 1.6E+12
		f, fail := strconv.ParseFloat(s, 64)
		if n = int64(f); fail == nil && f > -1<<53 && f < 1<<53 && float64(n) == f {
			return n, true
		}
	}
	return n, err == nil
}

// True says whether true stands under the keys.
func (v *Value) True(keys ...string) bool { v = v.At(keys...); return v != nil && v.Kind == 't' }

// Null says whether there is nothing under the keys, or null.
func (v *Value) Null(keys ...string) bool { v = v.At(keys...); return v == nil || v.Kind == 'n' }

// Doubt says on a message read from the record what of it is less than what stands in the file.
func (r *Record) Doubt(o *capture.Observation) {
	for _, what := range r.Repairs {
		if what.Lossy() {
			o.Doubt(string(what), what.Explain())
		}
	}
}

// Paths returns which keys there are in the first n bytes of a file that may be JSON: as
// "messages[].sender_name". It returns none if the file is not JSON that begins with an object or an
// array. Fold is as in [Reader].
func Paths(r io.Reader, n int64, fold func(string) string) map[string]bool {
	j, err := NewReader(io.LimitReader(r, n), "", capture.DefaultLimits)
	if err != nil || j.Kind() != '{' && j.Kind() != '[' {
		return nil
	}
	j.Fold = fold
	seen := map[string]bool{}
	var walk func(path string) error
	walk = func(path string) error {
		if len(seen) > 10_000 || len(path) > 1000 {
			return io.EOF
		}
		switch j.Kind() {
		case '{':
			return j.Object(func(key string) error {
				p := path + "." + key
				if path == "" {
					p = key
				}
				seen[p] = true
				return walk(p)
			})
		case '[':
			return j.Array(func() error { return walk(path + "[]") })
		}
		return j.Skip()
	}
	for j.More() && len(seen) < 10_000 {
		if walk("") != nil {
			break
		}
	}
	for _, r := range j.repairs {
		if r.what == BareWord && r.count > 100 || r.what == Comma && r.count > 100 {
			return nil
		}
	}
	return seen
}

// Each calls fn for every record at a path such as "value[]", "[].value[]" or "", and passes over all
// else. Other, if it is not nil, is told of the keys beside the path and must consume their values.
func (j *Reader) Each(path string, other func(key string) error, fn func(*Record) error) error {
	if path == "" {
		r, err := j.Record()
		if err != nil {
			return err
		}
		return fn(r)
	}
	if rest, ok := strings.CutPrefix(path, "[]"); ok {
		if j.Kind() != '[' {
			return j.Skip()
		}
		return j.Array(func() error { return j.Each(strings.TrimPrefix(rest, "."), other, fn) })
	}
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	key, rest := path[:end], strings.TrimPrefix(path[end:], ".")
	if j.Kind() != '{' {
		return j.Skip()
	}
	return j.Object(func(k string) error {
		switch {
		case k == key:
			return j.Each(rest, other, fn)
		case other != nil:
			return other(k)
		}
		return j.Skip()
	})
}

// Where returns the shortest path in a set of [Paths] below which there are all of some keys: "value[]"
// if they are those of the objects in the array under value. It returns ok false if there is none.
func Where(paths map[string]bool, keys ...string) (prefix string, ok bool) {
	for p := range paths {
		at, found := strings.CutSuffix(p, keys[0])
		if !found || at != "" && !strings.HasSuffix(at, ".") {
			continue
		}
		all := true
		for _, k := range keys[1:] {
			all = all && paths[at+k]
		}
		at = strings.TrimSuffix(at, ".")
		if all && (!ok || len(at) < len(prefix) || len(at) == len(prefix) && at < prefix) {
			prefix, ok = at, true
		}
	}
	return prefix, ok
}

// Parse reads a value from a text, such as a field that holds JSON itself; nil if it is none.
func Parse(s string) *Value {
	j, err := NewReader(strings.NewReader(s), "", capture.DefaultLimits)
	if err != nil || j.Kind() != '{' && j.Kind() != '[' {
		return nil
	}
	v, err := j.Value()
	if err != nil {
		return nil
	}
	return v
}
