package carriers

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"waytrace/trace"
)

// sample has what decoded types of carriers have: names in all cases, lists,
// raw parts, values that read themselves.
type sample struct {
	Name string `json:"name"`
	List []struct {
		A string `json:"a"`
		B string `json:"b"`
	}
	Raw  json.RawMessage `json:"raw"`
	Self itself          `json:"self"`
}

type itself struct{ text string }

func (i *itself) UnmarshalJSON(b []byte) error { i.text = string(b); return nil }

// by runs f with each library in use.
func by(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer func(was JSONLibrary) { JSONBy = was }(JSONBy)
	for _, JSONBy = range []JSONLibrary{Sonic, Std} {
		t.Run(JSONBy.String(), f)
	}
}

func TestReadJSON(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`[`, n) + strings.Repeat(`]`, n) }
	cases := []struct{ body, want string }{ // want: a code, "mismatch", or "" for success
		{`{"name":"a"}`, ""},
		{"\xef\xbb\xbf {\"name\":\"a\"}\r\n", ""},
		{`{"NAME":"a","list":null,"other":[1,{"x":[]}]}`, ""},
		{`{"name":"\ud800 \u0000 \/"}`, ""},
		{`null`, ""},
		{`{"raw":` + deep(MaxDepth-1) + `}`, ""},
		{`{"name":"` + deep(MaxDepth*2) + `"}`, ""},
		{`{"name":"\"` + strings.Repeat(`{`, 50) + `"}`, ""},

		{`{"name":1}`, "mismatch"},
		{`{"List":{}}`, "mismatch"},
		{`{"List":[{"a":1},{"a":"x"}]}`, "mismatch"},
		{`[]`, "mismatch"},
		{`"name"`, "mismatch"},

		{``, "malformed_json"},
		{` `, "malformed_json"},
		{`{"name":"a"`, "malformed_json"},
		{`{"name":"a"}{}`, "malformed_json"},
		{`{"name":"a"} x`, "malformed_json"},
		{`{"name":"a",}`, "malformed_json"},
		{`{'name':'a'}`, "malformed_json"},
		{`{"name":1,"list":[}`, "malformed_json"},
		{`{"other":01}`, "malformed_json"},
		{`{"other":"\x"}`, "malformed_json"},
		{`{"other":["\0",{"a":"long enough that it is skipped in blocks"}],"more":[1,2,3],"name":"a"}`, "malformed_json"},
		{`{"":[{"":"\0"}],"0":{"0":0.00},"0000":[0]}`, "malformed_json"},
		{`{"other":[{"":"\u12"}],"0":{"0":0.00},"0000":[0]}`, "malformed_json"},
		{`{"other":nul}`, "malformed_json"},
		{"{\"name\":\"a\nb\"}", "malformed_json"},
		{"{\"other\":\"a\x00b\"}", "malformed_json"},
		{"{\"name\":\"a\"}\x00", "malformed_json"},

		{"{\"name\":\"\xb4\xf3\"}", "not_utf8"},
		{"{\"other\":\"\xed\xa0\x80\"}", "not_utf8"},
		{`{"raw":` + deep(MaxDepth) + `}`, "too_deep"},
		{strings.Repeat(`{"a":`, 100_000), "too_deep"},
	}
	by(t, func(t *testing.T) {
		for _, c := range cases {
			var v sample
			err := ReadJSON([]byte(c.body), &v)
			got := ""
			var p *trace.Problem
			switch {
			case errors.As(err, &p):
				got = p.Code
				if !errors.Is(err, trace.ErrInvalid) || strings.Contains(p.Detail, "\n") || len(p.Detail) > 120 {
					t.Errorf("%.60q: error %q, want one short line of kind ErrInvalid", c.body, err)
				}
			case errors.Is(err, ErrMismatch):
				got = "mismatch"
			case err != nil:
				t.Errorf("%.60q: %v", c.body, err)
			}
			if got != c.want {
				t.Errorf("%.60q: %q (%v), want %q", c.body, got, err, c.want)
			}
		}
	})
}

// grow writes a random JSON value, and perhaps breaks one place in it, but none
// where broken is set.
func grow(r *rand.Rand, depth int, broken *bool) string {
	if !*broken && r.IntN(12) == 0 {
		*broken = true
		return brokenValues[r.IntN(len(brokenValues))]
	}
	if depth == 0 || r.IntN(3) == 0 {
		return goodValues[r.IntN(len(goodValues))]
	}
	var parts []string
	if r.IntN(2) == 0 {
		for range r.IntN(4) {
			parts = append(parts, grow(r, depth-1, broken))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	names := []string{"", "a", "0000", "键", "name2", "longer than a word"}
	for range r.IntN(4) {
		parts = append(parts, strconv.Quote(names[r.IntN(len(names))])+":"+grow(r, depth-1, broken))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

var (
	goodValues = []string{`0.00`, `-1.5e3`, `true`, `null`, `""`, `"x"`, `"\\"`, `"a\"b"`, `"\u4e2d"`, `"中文"`, `[]`, `{}`,
		`"` + strings.Repeat("long ", 20) + `"`}
	brokenValues = []string{`"\0"`, `"\x"`, `"\u12"`, `"\u12G4"`, "\"a\x01b\"", "\"a\nb\"", `01`, `1.`, `.5`, `-`, `1e`, `nul`,
		`1 2`, `{"a" 1}`, `{"a":1,}`, `{"a":}`, `[1,]`, `[1 2]`, `{"a\0":1}`, "{\"a\x01\":1}"}
)

// One broken place anywhere, also in what no field asks for, spoils the whole.
func TestBrokenPlaces(t *testing.T) {
	by(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for range 40_000 {
			broken := false
			body := `{"other":` + grow(r, 4, &broken) + `,"name":"a"}`
			var v sample
			if err := ReadJSON([]byte(body), &v); (err == nil) == broken {
				t.Fatalf("%s\nbroken: %t, error: %v", body, broken, err)
			}
		}
	})
}

// What was read is not to change when the memory of the request is used anew.
func TestReadJSONCopies(t *testing.T) {
	by(t, func(t *testing.T) {
		const body = `{"name":"plain","list":[{"a":"esc\u0061ped","b":"中文"}],"self":"x1"}`
		var want, got sample
		if err := ReadJSON([]byte(body), &want); err != nil {
			t.Fatal(err)
		}
		data := []byte(body)
		if err := ReadJSON(data, &got); err != nil {
			t.Fatal(err)
		}
		for i := range data {
			data[i] = '#'
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestJSONLibraryNames(t *testing.T) {
	for _, want := range []JSONLibrary{Sonic, Std} {
		text, err := want.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		got := JSONLibrary(9)
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Errorf("%s: read as %v (%v)", text, got, err)
		}
	}
	if err := new(JSONLibrary).UnmarshalText([]byte("jsoniter")); !errors.Is(err, trace.ErrInvalid) {
		t.Errorf("unknown library: %v, want ErrInvalid", err)
	}
}

// FuzzReadJSON holds the libraries against each other.
func FuzzReadJSON(f *testing.F) {
	for _, s := range []string{
		`{"name":"a","list":[{"a":"x","b":"中文"},{"a":"\u4e2d\ud83d\ude00"}],"raw":{"x":1.50},"self":[1]}`,
		`{"name":1}`, `[]`, `null`, `{"list":[{"a":"x"}],"list":[{"b":"y"}]}`, `{"self":null,"raw":null}`, "{\"name\":\"\xb4\xf3\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if oddFold(data) {
			t.Skip("encoding/json alone takes these letters for s and k in names")
		}
		read := func(l JSONLibrary) (v sample, err error) {
			JSONBy = l
			defer func() { JSONBy = Sonic }()
			return v, ReadJSON(data, &v)
		}
		fast, fastErr := read(Sonic)
		std, stdErr := read(Std)
		if text(fastErr) != text(stdErr) {
			t.Fatalf("sonic: %v\nstd:   %v", fastErr, stdErr)
		}
		if stdErr == nil && !reflect.DeepEqual(fast, std) {
			t.Fatalf("sonic: %+v\nstd:   %+v", fast, std)
		}
	})
}

// oddFold reports whether data may have a letter that folds to an ASCII letter,
// written out or escaped.
func oddFold(data []byte) bool {
	s := strings.ToLower(string(data))
	return strings.ContainsAny(string(data), "\u017f\u212a") || strings.Contains(s, `\u017f`) || strings.Contains(s, `\u212a`)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
