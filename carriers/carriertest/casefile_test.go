package carriertest

import (
	"strings"
	"testing"

	"waytrace/carriers"
	"waytrace/trace"
)

func TestParseCase(t *testing.T) {
	for name, c := range map[string]struct{ content, body, contentType, query, want string }{
		"new, headers":           {"Content-Type: text/xml\nQuery: a=b&c\n\n<a/>\n", "<a/>\n", "text/xml", "a=b&c", ""},
		"new, no headers":        {"{\n\n}", "{\n\n}", "", "", ""},
		"no newline at its end":  {"Content-Type: a\n\nbody\n---- events\nx\n", "body", "a", "", "---- events\nx\n"},
		"a newline at its end":   {"body\n\n---- events\n", "body\n", "", "", "---- events\n"},
		"any bytes":              {"\x00\xff\r\n\r\n---- events\n", "\x00\xff\r\n\r", "", "", "---- events\n"},
		"the separator in it":    {"a\n---- events\nb\n---- events\nx\n", "a\n---- events\nb", "", "", "---- events\nx\n"},
		"a form is no header":    {"content=a: b\n\nc", "content=a: b\n\nc", "", "", ""},
		"an empty body":          {"Content-Type: a\n\n\n---- events\n", "", "a", "", "---- events\n"},
		"JSON is no header":      {"{\"a\": 1}\n\n", "{\"a\": 1}\n\n", "", "", ""},
		"only an empty line":     {"Content-Type: a\n\n", "", "a", "", ""},
		"blank line in the body": {"Content-Type: a\n\nb\n\nc", "b\n\nc", "a", "", ""},
	} {
		f, err := parseCase([]byte(c.content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if string(f.r.Body) != c.body || f.r.ContentType != c.contentType || f.r.Query != c.query || f.want != c.want {
			t.Errorf("%s: body %q, type %q, query %q, below %q\nwant  %q, type %q, query %q, below %q",
				name, f.r.Body, f.r.ContentType, f.r.Query, f.want, c.body, c.contentType, c.query, c.want)
		}
		if again := string(f.request) + "\n" + f.want; f.want != "" && again != c.content {
			t.Errorf("%s: rewritten it would be %q, not %q", name, again, c.content)
		}
	}
	if _, err := parseCase([]byte("Content-Typ: a\n\nbody")); err == nil {
		t.Error("an unknown header was accepted")
	}
}

// echo is a carrier that understands whatever facts it was made with.
func echo(facts trace.Facts, err error) carriers.Carrier {
	return carriers.Carrier{Code: "echo", Push: &carriers.Push{
		Decode: func(_ *carriers.Request, f *trace.Facts) error {
			f.Events = append(f.Events, facts.Events...)
			f.Faults = append(f.Faults, facts.Faults...)
			return err
		},
		Answer: func(dst []byte, _ *carriers.Request, err error) ([]byte, string) {
			if err != nil {
				return append(dst, `{"ok":false}`...), "application/json"
			}
			return append(dst, `{"ok":true}`...), "application/json"
		},
	}}
}

func TestPlay(t *testing.T) {
	at := func(s string, zone trace.Zone, offset int16) trace.Time {
		when, err := trace.ParseLocal(s, offset, zone)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	w := trace.Waybill{Number: "ab 123456", Carrier: "yto"}
	facts := trace.Facts{
		Events: []trace.Event{
			{Waybill: w, Source: "kuaidi100", Code: "3", Hint: "a\x1fb", At: at("2024-03-19", trace.ZoneCarrier, trace.China),
				Pair: trace.Pair{Status: trace.Delivered, Sub: "signed"}, Item: 0,
				SignedBy: "前台", Quantity: 2, Latitude: 30.5, Longitude: 104.25, Provisional: true,
				References: []trace.Reference{{Account: "main", Text: "A 1"}}},
			{Waybill: w, Source: "yto", At: at("2024-03-18 09:41", trace.ZoneUnknown, 0),
				Pair: trace.Pair{Status: trace.PickedUp}, Item: 1, TextEdits: true,
				Text: trace.Text{Text: "已\n揽收", Lang: "zh-Hans"}},
			{Waybill: trace.Waybill{Number: "X", Carrier: "yto"}, Source: "yto", Item: 2},
		},
		Faults: []trace.Fault{{Index: 3, Code: "invalid_time", Field: "time", Detail: `"then"`}},
	}
	f := caseFile{path: "testdata/none.push"}
	const want = `---- events
AB123456 2024-03-19 carrier_zone delivered.signed carrier=yto source=kuaidi100 code=3 hint="a\x1fb" signed_by="前台" quantity=2 at=30.5,104.25 reference="main/A 1" raw_time=2024-03-19 provisional
AB123456 2024-03-18T09:41:00 unknown picked_up text="已\n揽收" lang=zh-Hans raw_time="2024-03-18 09:41" edits
---- status
AB123456 picked_up since 2024-03-18T09:41:00 after picked_up 3
---- faults
item 3: invalid_time time "\"then\""
item 2: invalid_number number "shorter than 4 characters"
---- answer application/json
{"ok":true}
`
	// The identity at the end of an event's line is package trace's to test.
	var got strings.Builder
	for line := range strings.Lines(f.play(t, echo(facts, nil))) {
		if strings.HasPrefix(line, "AB123456 2024") {
			line = line[:strings.LastIndexByte(line, ' ')] + "\n"
		}
		got.WriteString(line)
	}
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}

	const refused = "---- events\n---- status\n---- faults\nrefused: empty: nothing in it\n---- answer application/json\n{\"ok\":false}\n"
	if got := f.play(t, echo(trace.Facts{}, trace.Invalid("empty", "", "nothing in it"))); got != refused {
		t.Errorf("got\n%s\nwant\n%s", got, refused)
	}
}
