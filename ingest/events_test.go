package ingest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"waytrace/trace"
)

func TestEventsAreKeptAndCounted(t *testing.T) {
	store := new(fakeStore)
	h := open(t, New(store, nil, Options{}), demo("unused"))
	body := `{"events":[
		{"number":"sf 7444400031887","carrier":"sf","time":"2026-11-20T16:56:54+08:00","status":"picked_up","sub":"collected","description":"收件","reference":"R-1"},
		{"number":"1Z999","carrier":"ups","local_time":"2026-11-20T08:00:00","status":"teleported"},
		{"number":"1Z999","carrier":"ups","date":"2026-11-20","code":"I","description":"Arrived"},
		{"number":"1Z9","carrier":"ups","date":"2026-11-20","code":"I"}
	]}`
	want := reply{200, `{"accepted":2,"duplicates":0,"quarantined":[` +
		`{"index":1,"code":"invalid_status","detail":"status: there is no status \"teleported\""},` +
		`{"index":3,"code":"invalid_number","detail":"number: shorter than 4 characters"}]}`, "application/json", ""}
	if got := h.post(t, "/v1/events", body); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if want := []string{"append", "quarantine"}; !slices.Equal(store.calls, want) {
		t.Errorf("calls %v, want %v", store.calls, want)
	}
	if q := store.quarantined[0]; q.Carrier != "" || q.Account != "main" || string(q.Raw) != body {
		t.Errorf("quarantine has %+v", q)
	}
	again := h.post(t, "/v1/events", `{"events":[{"number":"1Z999","carrier":"ups","date":"2026-11-20","code":"I","description":"Arrived"}]}`)
	if again.body != `{"accepted":0,"duplicates":1,"quarantined":[]}` {
		t.Errorf("the same event again: %+v", again)
	}
}

// Every member finds its place.
func TestEventsMembers(t *testing.T) {
	body := `{"events":[{"number":"SF7444400031887","carrier":"sf","time":"2026-11-20T16:56:54+08:00","status":"delivered","sub":"signed","code":"80",
		"description":"签收","description_en":"Signed","description_zh":"已签收","lang":"zh-CN","reason_code":"9","reason":"why","address":"street","city":"Shenzhen",
		"state":"Guangdong","country":"CN","postal_code":"518000","operator":"Li","signed_by":"Wang","carrier_id":"id-1","reference":"R-1",
		"references":["R-2","R-1"],"quantity":3,"latitude":22.5,"longitude":-114.0}]}`
	var facts trace.Facts
	if err := decode([]byte(body), trace.Asker{Account: "acme"}, &facts); err != nil {
		t.Fatal(err)
	}
	if len(facts.Events) != 1 || len(facts.Faults) != 0 {
		t.Fatalf("%d events, faults %v; want 1 and none", len(facts.Events), facts.Faults)
	}
	at, err := trace.ParseOffset("2026-11-20T16:56:54+08:00")
	if err != nil {
		t.Fatal(err)
	}
	got := facts.Events[0]
	want := trace.Event{
		Waybill: trace.Waybill{Number: "SF7444400031887", Carrier: "sf"}, Source: "api:acme", Code: "80", ReasonCode: "9", At: at,
		Place: trace.Place{Address: "street", City: "Shenzhen", State: "Guangdong", Country: "CN", Postal: "518000"},
		Text:  trace.Text{Text: "签收", Reason: "why", EN: "Signed", ZH: "已签收", Lang: "zh-Hans"},
		Pair:  trace.Pair{Status: trace.Delivered, Sub: "signed"}, CarrierID: "id-1", Operator: "Li", Quantity: 3, SignedBy: "Wang",
		Latitude: 22.5, Longitude: -114,
		References: []trace.Reference{{Account: "acme", Text: "R-2"}, {Account: "acme", Text: "R-1"}, {Account: "acme", Text: "R-1"}},
	}
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
	if got.At.Zone != trace.ZoneOffset || got.At.Offset != 480 || got.At.Raw != "2026-11-20T16:56:54+08:00" {
		t.Errorf("its time is %+v", got.At)
	}
}

func TestEventsTimes(t *testing.T) {
	for _, c := range []struct {
		member    string
		zone      trace.Zone
		precision trace.Precision
		instant   string
	}{
		{`"time":"2026-11-20T16:56:54+08:00"`, trace.ZoneOffset, trace.Second, "2026-11-20T08:56:54Z"},
		{`"time":"2026-11-20T16:56:54Z"`, trace.ZoneOffset, trace.Second, "2026-11-20T16:56:54Z"},
		{`"local_time":"2026-11-20T16:56:54"`, trace.ZoneUnknown, trace.Second, "2026-11-20T16:56:54Z"},
		{`"local_time":"2026-11-20 16:56"`, trace.ZoneUnknown, trace.Minute, "2026-11-20T16:56:00Z"},
		{`"date":"2026-11-20"`, trace.ZoneUnknown, trace.Day, "2026-11-20T00:00:00Z"},
		{`"date":"2026-11-20","time":null,"local_time":""`, trace.ZoneUnknown, trace.Day, "2026-11-20T00:00:00Z"},
	} {
		var facts trace.Facts
		body := `{"events":[{"number":"SF1234","carrier":"sf","code":"50",` + c.member + `}]}`
		if err := decode([]byte(body), trace.Asker{Account: "main"}, &facts); err != nil || len(facts.Events) != 1 {
			t.Errorf("%s: %v, faults %v", c.member, err, facts.Faults)
			continue
		}
		at := facts.Events[0].At
		if got := at.UTC().Format("2006-01-02T15:04:05Z07:00"); at.Zone != c.zone || at.Precision != c.precision || got != c.instant {
			t.Errorf("%s: got %s, zone %s, precision %d; want %s, %s, %d", c.member, got, at.Zone, at.Precision, c.instant, c.zone, c.precision)
		}
	}
}

// One event that is not understood spoils itself alone.
func TestEventsFaults(t *testing.T) {
	const base = `"number":"SF1234","carrier":"sf","date":"2026-11-20","description":"x"`
	store := &fakeStore{full: "SF0000"}
	h := open(t, New(store, nil, Options{}), demo("unused"))
	h.who.Carriers = []string{"sf", "yto"}
	for _, c := range []struct{ event, code, detail string }{
		{`7`, "invalid_type", "the event is not an object, or has a number that is too large"},
		{`null`, "invalid_type", "the event is not an object, or has a number that is too large"},
		{`["number"]`, "invalid_type", "the event is not an object, or has a number that is too large"},
		{`{` + base + `,"number":123456}`, "invalid_type", "number: not a string"},
		{`{` + base + `,"city":{"a":1}}`, "invalid_type", "city: not a string"},
		{`{` + base + `,"quantity":"3"}`, "invalid_type", "quantity: not a whole number of pieces"},
		{`{` + base + `,"quantity":-3}`, "invalid_type", "quantity: not a whole number of pieces"},
		{`{` + base + `,"quantity":1.5}`, "invalid_type", "quantity: not a whole number of pieces"},
		{`{` + base + `,"quantity":4294967296}`, "invalid_type", "quantity: not a whole number of pieces"},
		{`{` + base + `,"latitude":91,"longitude":1}`, "invalid_type", "latitude: not a number of degrees from -90 to 90"},
		{`{` + base + `,"latitude":1,"longitude":1e999}`, "invalid_type", "the event is not an object, or has a number that is too large"},
		{`{` + base + `,"latitude":"1","longitude":1}`, "invalid_type", "latitude: not a number of degrees from -90 to 90"},
		{`{` + base + `,"latitude":1}`, "missing_position", "latitude: latitude and longitude come together or not at all"},
		{`{` + base + `,"references":"R-1"}`, "invalid_type", "references: not a list of strings"},
		{`{` + base + `,"references":["R-1",2]}`, "invalid_type", "references: not a list of strings"},
		{`{` + base + `,"zebra":1,"Number":"SF1234","apple":2}`, "unknown_field", "Number: an event has no such member"},
		{`{` + base + `,"` + strings.Repeat("n", 90) + `":1}`, "unknown_field", strings.Repeat("n", 40) + ": an event has no such member"},
		{`{` + base + `,"status":"teleported"}`, "invalid_status", `status: there is no status "teleported"`},
		{`{` + base + `,"status":"Delivered"}`, "invalid_status", `status: there is no status "Delivered"`},
		{`{` + base + `,"sub":"signed"}`, "missing_status", "status: a sub-status needs its status"},
		{`{` + base + `,"status":"delivered","sub":"Signed!"}`, "invalid_sub", "sub: a sub-status is up to 40 characters out of a-z 0-9 _"},
		{`{` + base + `,"lang":"中文"}`, "invalid_lang", `lang: "中文" is not a language tag, such as zh-Hans`},
		{`{` + base + `,"time":"2026-11-20T00:00:00Z"}`, "several_times", "time: the event has more than one of time, local_time and date"},
		{`{` + base + `,"local_time":"2026-11-20T00:00:00"}`, "several_times", "time: the event has more than one of time, local_time and date"},
		{`{` + base + `,"date":""}`, "missing_time", "time: the event has none of time, local_time and date"},
		{`{` + base + `,"date":"2026-02-30"}`, "invalid_time", `date: date "2026-02-30" is not of the form yyyy-MM-dd`},
		{`{` + base + `,"date":null,"time":"2026-11-20T00:00:00"}`, "invalid_time", `time: time "2026-11-20T00:00:00" is not RFC 3339, such as 2006-01-02T15:04:05+08:00`},
		{`{` + base + `,"date":null,"local_time":"2026-11-20T00:00:00Z"}`, "invalid_time", `local_time: time "2026-11-20T00:00:00Z" is not of the form yyyy-MM-dd HH:mm:ss`},
		{`{` + base + `,"date":"2027-11-20"}`, "time_suspect", `time: "2027-11-20" is before 2000 or more than 26 hours ahead`},
		{`{` + base + `,"carrier":"ups"}`, "not_yours", "carrier: this key is for sf, yto only"},
		{`{` + base + `,"description":""}`, "missing_description", "description: the event says nothing: it has no description, no status and no code"},
		{`{` + base + `,"number":""}`, "missing_number", "number: the event names no waybill"},
		{`{` + base + `,"number":"SF0000"}`, "too_many_events", "number: waybill SF0000 at sf has as many events (up to 1000) or sources, or this event as many texts (32) or references (100), as it may"},
	} {
		store.known, store.quarantined = nil, nil
		body := `{"events":[{` + base + `},` + c.event + `]}`
		want := fmt.Sprintf(`{"accepted":1,"duplicates":0,"quarantined":[{"index":1,"code":%q,"detail":%s}]}`,
			c.code, trace.AppendString(nil, c.detail))
		if got := h.post(t, "/v1/events", body); got.status != 200 || got.body != want {
			t.Errorf("%s\ngot  %d %s\nwant %s", c.event, got.status, got.body, want)
		}
		if len(store.quarantined) != 1 || string(store.quarantined[0].Raw) != body {
			t.Errorf("%s: quarantine has %d requests, want this one", c.event, len(store.quarantined))
		}
	}
}

func TestEventsThatDoNotParseAreRefused(t *testing.T) {
	store := new(fakeStore)
	h := open(t, New(store, nil, Options{}), demo("unused"))
	const event = `{"number":"SF1234","carrier":"sf","date":"2026-11-20","code":"50"}`
	many := strings.TrimSuffix(strings.Repeat(event+",", MaxItems+1), ",")
	for _, c := range []struct {
		name, body, contentType, encoding string
		status                            int
		problem                           string
	}{
		{"nothing", ``, "", "", 400, "invalid_json"},
		{"half", `{"events":[`, "", "", 400, "invalid_json"},
		{"more behind", `{"events":[` + event + `]}{}`, "", "", 400, "invalid_json"},
		{"not UTF-8", `{"events":["` + "\xff" + `"]}`, "", "", 400, "invalid_json"},
		{"a control character", "{\"events\":[{\"number\":\"SF\n1234\"}]}", "", "", 400, "invalid_json"},
		{"deep", strings.Repeat("[", 500_000), "", "", 400, "invalid_json"},
		{"deep inside an event", `{"events":[{"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}]}`, "", "", 400, "invalid_json"},
		{"a list", `[` + event + `]`, "", "", 400, "missing_events"},
		{"no events", `{}`, "", "", 400, "missing_events"},
		{"other case", `{"Events":[` + event + `]}`, "", "", 400, "unknown_field"},
		{"more members", `{"events":[` + event + `],"source":"x","carrier":"sf"}`, "", "", 400, `unknown_field: "carrier" is not a member`},
		{"empty", `{"events":[]}`, "", "", 400, "missing_events"},
		{"null", `{"events":null}`, "", "", 400, "missing_events"},
		{"an object", `{"events":{}}`, "", "", 400, "missing_events"},
		{"too many", `{"events":[` + many + `]}`, "", "", 400, "too_many_events"},
		{"too large", `{"events":[` + strings.Repeat(" ", 2<<20) + event + `]}`, "", "", 413, "too_large"},
		{"a stream", event, "application/x-ndjson", "", 415, "unsupported_media_type: this version does not take streams yet"},
		{"a form", `{"events":[` + event + `]}`, "application/x-www-form-urlencoded", "", 415, "unsupported_media_type"},
		{"text", `{"events":[` + event + `]}`, "text/plain", "", 415, "unsupported_media_type"},
		{"deflated", `{"events":[` + event + `]}`, "", "deflate", 415, "unsupported_encoding"},
	} {
		headers := []string{"Content-Encoding", c.encoding}
		if c.contentType != "" {
			headers = append(headers, "Content-Type", c.contentType)
		}
		if got := h.post(t, "/v1/events", c.body, headers...); got.status != c.status || !strings.HasPrefix(got.body, c.problem) {
			t.Errorf("%s: got %d %s, want %d %s", c.name, got.status, got.body, c.status, c.problem)
		}
	}
	if len(store.calls) != 0 {
		t.Errorf("the store was called: %v", store.calls)
	}
}

func TestEventsInJSONOfAnyName(t *testing.T) {
	h := open(t, New(new(fakeStore), nil, Options{}), demo("unused"))
	body := `{"events":[{"number":"SF1234","carrier":"sf","date":"2026-11-20","code":"50"}]}`
	for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"} {
		if got := h.post(t, "/v1/events", body, "Content-Type", contentType); got.status != 200 {
			t.Errorf("%s: got %+v", contentType, got)
		}
	}
	if err := isJSON(nil); err != nil {
		t.Errorf("without a content type: %v", err)
	}
	if got := h.post(t, "/v1/events", gzipped(body), "Content-Encoding", "gzip"); got.body != `{"accepted":0,"duplicates":1,"quarantined":[]}` {
		t.Errorf("gzip: got %+v", got)
	}
}

func TestAsManyEventsAsMayBe(t *testing.T) {
	store := new(fakeStore)
	h := open(t, New(store, nil, Options{}), demo("unused"))
	var body strings.Builder
	body.WriteString(`{"events":[`)
	for i := range MaxItems {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"number":"SF%06d","carrier":"sf","date":"2026-11-20","code":"50"}`, i)
	}
	body.WriteString(`]}`)
	if got := h.post(t, "/v1/events", body.String()); got.body != `{"accepted":1000,"duplicates":0,"quarantined":[]}` {
		t.Errorf("got %+v", got)
	}
	if len(store.calls) != 1 {
		t.Errorf("calls %v, want one append", store.calls)
	}
}

func TestWhereJSONGoesWrong(t *testing.T) {
	err := decode([]byte(`{"events":[{"number": nope}]}`), trace.Asker{}, new(trace.Facts))
	if want := "invalid_json: JSON: byte 24: invalid character 'o' in literal null (expecting 'u')"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestTheGateOfKeysNamesItsSetting(t *testing.T) {
	in := New(new(fakeStore), nil, Options{AtOnce: 1})
	in.gate.inside[place{"/v1/events", "key-1"}] = 1
	err := in.Events(requestOf(`{}`), trace.Asker{Account: "main", Sender: "key-1"})
	if err == nil || !strings.Contains(err.Error(), "raise at_once (now 1)") {
		t.Errorf("got %v, want busy with the setting that helps", err)
	}
}
