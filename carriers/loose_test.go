package carriers

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"waytrace/trace"
)

// withBoth runs a test with each of the JSON libraries.
func withBoth(t *testing.T, test func(t *testing.T)) {
	defer func(was JSONLibrary) { JSONBy = was }(JSONBy)
	for _, JSONBy = range []JSONLibrary{Sonic, Std} {
		t.Run(JSONBy.String(), test)
	}
}

func TestLoose(t *testing.T) {
	withBoth(t, func(t *testing.T) {
		for _, c := range []struct {
			members string
			want    Loose
		}{
			{`"v":"运单"`, Loose{Text: "运单"}},
			{`"v":"a\n\u8fd0\"\/b"`, Loose{Text: "a\n运\"/b"}},
			{`"v":"\ud800"`, Loose{Text: "\ufffd"}},
			{`"v":""`, Loose{}},
			{`"v":12`, Loose{Text: "12"}},
			{`"v":-1.50e+3`, Loose{Text: "-1.50e+3"}},
			{`"v":900719925474099312345`, Loose{Text: "900719925474099312345"}},
			{`"v": true `, Loose{Text: "true"}},
			{`"v":false`, Loose{Text: "false"}},
			{`"v":null`, Loose{}},
			{`"w":1`, Loose{}},
			{`"v":{"a":[1]}`, Loose{Odd: true}},
			{`"v":[]`, Loose{Odd: true}},
			{`"v":"a","v":7`, Loose{Text: "7"}},
			{`"v":"a","v":{}`, Loose{Odd: true}},
			{`"v":[],"v":"a"`, Loose{Text: "a"}},
			{`"v":{},"v":"\u0061"`, Loose{Text: "a"}},
			{`"v":{},"v":1`, Loose{Text: "1"}},
			{`"v":"a","v":null`, Loose{Text: "a"}},
		} {
			var got struct{ V Loose }
			if err := ReadJSON([]byte("{"+c.members+"}"), &got); err != nil || got.V != c.want {
				t.Errorf("%s: %+v, %v; want %+v", c.members, got.V, err, c.want)
			}
		}
		for _, bad := range []string{"\"a\x01b\"", `"a\xb"`, `"a`, `tru`, `01`, `-`} {
			var got struct{ V Loose }
			if err := ReadJSON([]byte(`{"v":`+bad+`}`), &got); !errors.Is(err, trace.ErrInvalid) {
				t.Errorf("%q: %+v, %v; want ErrInvalid", bad, got.V, err)
			}
		}
	})
}

// What was read stays when the memory of the body is used anew.
func TestLooseIsACopy(t *testing.T) {
	withBoth(t, func(t *testing.T) {
		body := []byte(`{"a":"运单","b":12,"c":"\n"}`)
		var got struct{ A, B, C Loose }
		if err := ReadJSON(body, &got); err != nil {
			t.Fatal(err)
		}
		copy(body, strings.Repeat("#", len(body)))
		if got.A.Text != "运单" || got.B.Text != "12" || got.C.Text != "\n" {
			t.Errorf("after the body was overwritten: %+v", got)
		}
	})
}

func TestIfOdd(t *testing.T) {
	if got := (Loose{Odd: true}).IfOdd("time"); got != "time" {
		t.Errorf("an odd one: %q", got)
	}
	if got := (Loose{Text: "x"}).IfOdd("time"); got != "" {
		t.Errorf("a text: %q", got)
	}
}

func TestAbsent(t *testing.T) {
	for member, want := range map[string]bool{
		"": true, "null": true, `""`: true, `" "`: false, "{}": false, "[]": false, "0": false, "false": false,
	} {
		if got := Absent(json.RawMessage(member)); got != want {
			t.Errorf("%s: %t, want %t", member, got, want)
		}
	}
}

func BenchmarkLoose(b *testing.B) {
	for name, text := range map[string]string{"plain": `"快件到达【杭州萧山中转场】"`, "escaped": `"快件\n到达"`, "number": `120045561203`} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var l Loose
			value := []byte(text)
			for b.Loop() {
				if err := l.UnmarshalJSON(value); err != nil || l.Text == "" {
					b.Fatal(l, err)
				}
			}
		})
	}
}
