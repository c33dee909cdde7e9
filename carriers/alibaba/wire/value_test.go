package wire

import (
	"errors"
	"strings"
	"testing"

	"waytrace/carriers"
	"waytrace/trace"
)

// both runs a test with each of the libraries.
func both(t *testing.T, test func(t *testing.T)) {
	defer func(was carriers.JSONLibrary) { carriers.JSONBy = was }(carriers.JSONBy)
	for _, carriers.JSONBy = range []carriers.JSONLibrary{carriers.Sonic, carriers.Std} {
		t.Run(carriers.JSONBy.String(), test)
	}
}

func TestValue(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, c := range []struct{ member, text, json string }{
			{`"v":"运单"`, "运单", ""},
			{`"v":"a\n\u8fd0\"b"`, "a\n运\"b", ""},
			{`"v":""`, "", ""},
			{`"v":12`, "12", ""},
			{`"v":-1.50`, "-1.50", ""},
			{`"v":true`, "true", ""},
			{`"v":null`, "", ""},
			{`"w":1`, "", ""},
			{`"v":{"a":[1]}`, "", `{"a":[1]}`},
			{`"v":[]`, "", `[]`},
			{`"v":"text","v":[1]`, "", `[1]`},
			{`"v":[1],"v":"text"`, "text", ""},
		} {
			var got struct{ V Value }
			err := carriers.ReadJSON([]byte("{"+c.member+"}"), &got)
			sent := c.member != `"v":null` && c.member != `"w":1`
			if err != nil || got.V.Text != c.text || got.V.JSON != c.json || got.V.Sent != sent {
				t.Errorf("%s: %q %s, sent %t, %v; want %q %s, %t", c.member, got.V.Text, got.V.JSON, got.V.Sent, err, c.text, c.json, sent)
			}
		}
		var got struct{ V Value }
		if err := carriers.ReadJSON([]byte("{\"v\":\"a\x01b\"}"), &got); !errors.Is(err, trace.ErrInvalid) && !errors.Is(err, carriers.ErrMismatch) {
			t.Errorf("a control character: %v", err)
		}
	})
}

func TestObject(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, c := range []struct {
			name, want, code string
			v                Value
			broken           bool
		}{
			{"object", "1", "", Value{JSON: `{"a":1}`}, false},
			{"text", "1", "", Value{Text: ` {"a":"1"} `}, false},
			{"list", "", "4028", Value{JSON: `[1]`}, false},
			{"plain text", "", "4028", Value{Text: "a"}, false},
			{"number", "", "4028", Value{Text: "7"}, false},
			{"nothing", "", "4028", Value{}, false},
			{"broken text", "", "4028", Value{Text: `{"a":`}, false},
			{"broken", "", "", Value{JSON: `{"a":`}, true},
		} {
			var got struct{ A Value }
			code, err := c.v.Object(&got)
			if code != c.code || errors.Is(err, trace.ErrInvalid) != c.broken || !c.broken && err != nil || got.A.Text != c.want {
				t.Errorf("%s: %q, code %q, error %v; want %q, code %q, error %t", c.name, got.A.Text, code, err, c.want, c.code, c.broken)
			}
		}
	})
}

func TestList(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, c := range []struct {
			name string
			v    Value
			n    int
			code string
			err  error
		}{
			{"two", Value{JSON: `[{},"x"]`}, 2, "", nil},
			{"none", Value{JSON: `[]`}, 0, "", nil},
			{"text", Value{Text: "[1,2,3]"}, 3, "", nil},
			{"too many", Value{JSON: `[1,2,3,4]`}, 0, "", ErrTooMany},
			{"far too many", Value{Text: "[" + strings.Repeat("1,", 300) + "1]"}, 0, "", ErrTooMany},
			{"object", Value{JSON: `{}`}, 0, "4028", nil},
			{"broken text", Value{Text: "[1,"}, 0, "4028", nil},
			{"broken", Value{JSON: "[1,"}, 0, "", trace.ErrInvalid},
		} {
			items, code, err := c.v.List(3)
			if len(items) != c.n || code != c.code || !errors.Is(err, c.err) {
				t.Errorf("%s: %d items, code %q, error %v; want %d, %q, %v", c.name, len(items), code, err, c.n, c.code, c.err)
			}
		}
	})
}

func TestParseTime(t *testing.T) {
	for text, want := range map[string]string{
		"2015-01-09T13:13:02+0100":  "2015-01-09T12:13:02Z carrier_offset",
		"2015-01-09T13:13:02-03:30": "2015-01-09T16:43:02Z carrier_offset",
		"2015-01-09T13:13:02Z":      "2015-01-09T13:13:02Z carrier_offset",
		"2015-01-09T13:13:02":       "2015-01-09T05:13:02Z default",
		"2015-01-09T13:13:02 0100":  "2015-01-09T12:13:02Z carrier_offset",
		"2015-01-09T13:13:02 03:30": "2015-01-09T09:43:02Z carrier_offset",
		"2015-01-09 13:13:02+0100":  "", "2015-01-09T13:13+0100": "", "2015-01-09T13:13:02.5Z": "", "2015-01-09": "", "": "",
		"2015-02-29T13:13:02Z": "", "2015-01-09T25:13:02": "", "2015-01-09T13:13:02 Z": "", "2015-01-09T13:13:02 ": "", "2015-01-09T13:13:02  0100": "", "2015-01-09T13:13:02 +0100": "", "2015-01-09T13:13:02 -0100": "", "2015/01/09T13:13:02Z": "", "2015-01-09T13:13:02+01": "",
	} {
		at, err := ParseTime(text)
		got := ""
		if err == nil {
			got = at.UTC().Format("2006-01-02T15:04:05Z07:00") + " " + at.Zone.String()
			// A scan is the same scan whether its + was escaped or not.
			if at.Raw != strings.Replace(text, " ", "+", 1) || at.Precision != trace.Second {
				t.Errorf("%q: %+v", text, at)
			}
		} else if !errors.Is(err, trace.ErrInvalid) {
			t.Errorf("%q: %v is not ErrInvalid", text, err)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// The table has the sub-codes that the document has, each once, below its main code.
func TestResponses(t *testing.T) {
	of := map[string]int{}
	seen := map[string]bool{}
	for _, r := range Responses {
		of[r.Main]++
		if seen[r.Code] || r.Words == "" || r.Code[:2] != r.Main[:2] || Mains[r.Main] == "" || Words(r.Code) != r.Words {
			t.Errorf("row %+v", r)
		}
		seen[r.Code] = true
	}
	if len(of) != 3 || of["4000"] != 43 || of["4100"] != 7 || of["5000"] != 2 {
		t.Errorf("sub-codes of each main code: %v, want 43, 7 and 2", of)
	}
	for _, code := range []string{Empty, NotDigits, NotAlphanumeric, NotLetters, WrongLength, TooSmall, TooLarge, NotWhole, NotPositive, TooLong, TooShort, BadDecimals, BadDate, BadFormat, BadEnum, IllegalValue, NoPermission, Failed} {
		if Words(code) == "" {
			t.Errorf("code %s has no words", code)
		}
	}
	if Words("4044") != "" {
		t.Error("a code that the table does not have has words")
	}
}
