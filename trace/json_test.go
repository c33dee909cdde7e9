package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	stdflag "flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = stdflag.Bool("update", false, "rewrite the golden files in testdata")

func validJSON(b []byte) bool { return json.Valid(b) && utf8.Valid(b) }

// shipped is a parcel with all that an answer can show.
func shipped(t tb) *Trace {
	t.Helper()
	events := journey(t, "2026-02-25 pre_transit.order_created", "2026-02-26 10:00:00 picked_up.collected",
		"2026-02-26 22:15 in_transit.departed", "2026-02-27 03:00:00 unknown", "2026-02-27 08:00:00 delivered.signed",
		"2026-02-27 15:00:00 out_for_delivery.last_mile_received")
	events[2].At.Zone, events[2].At.Offset = ZoneUnknown, 0
	events[2].Provisional = true
	events[3].Code, events[3].Text = "607", Text{Text: "快件\"已\\到\"\n<广州>\x01"}
	events[1].References = []Reference{{"main", "202003225d33322239ddW1df5t3"}, {"other", "PO 7"}}
	at, err := ParseOffset("2026-02-27T16:30:15.25+08:00")
	if err != nil {
		t.Fatal(err)
	}
	last := Event{Waybill: events[0].Waybill, Source: "kuaidi100", Code: "80", ReasonCode: "17", At: at,
		Place: Place{Address: "1 Main St", City: "Albany", State: "NY", Country: "US", Postal: "12207"},
		Text:  Text{Text: "已签收", Reason: "无", EN: "Signed by consignee", ZH: "本人签收", Lang: "zh-Hans"},
		Pair:  Pair{Delivered, "signed"}, Table: 7, Quantity: 2, CarrierID: "158918741444476", Operator: "张三", SignedBy: "李四",
		Latitude: 42.6526, Longitude: -73.7562, Heard: HLCAt(noon + 999)}
	revised := told(t, "派送中", HLCAt(noon))
	revised.At, revised.Pair = events[5].At, events[5].Pair
	again := revised
	again.Text, again.Heard = Text{Text: "正在派送", EN: "Out for delivery", Lang: "zh-Hans"}, HLCAt(noon+1000)
	events[5] = revised
	var s shelf
	s.take(t, append(events, last, again)...)
	tr := s.trace(t)
	tr.Also, tr.AlsoNumbers = []string{"cainiao", "yto"}, []string{"SF7444400031888"}
	return tr
}

// The answers as files that can be read. go test -run Golden -update rewrites
// them; read the difference as if somebody else had written it.
func TestGolden(t *testing.T) {
	tr := shipped(t)
	for name, v := range map[string]Variant{
		"trace":         {Events: true, Account: "main"},
		"trace-en-desc": {Events: true, Account: "other", Lang: EN, Desc: true},
		"status-zh-tw":  {Lang: ZhHant, Account: "nobody"},
	} {
		checkAnswer(t, name, tr, v)
	}
}

// checkAnswer compares an answer with its file in testdata.
func checkAnswer(t *testing.T, name string, tr *Trace, v Variant) {
	t.Helper()
	var got bytes.Buffer
	b := tr.AppendJSON(nil, v)
	if err := json.Indent(&got, b, "", "  "); err != nil {
		t.Fatalf("%s: %v in %s", name, err, b)
	}
	got.WriteByte('\n')
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s, see %s: -want +got\n%s", name, file, diff)
	}
}

// Answers of what more than one scan after the other makes: legs, what was taken back,
// parcels before, an operator's word, troubles, and what is told beside the trace.
func TestGoldenOfFacts(t *testing.T) {
	of := func(name string, waybill Waybill) *Trace {
		for _, f := range caseFiles(t) {
			if f.name == name {
				return play(t, f).trace(t, waybill)
			}
		}
		t.Fatalf("there is no case %s", name)
		return nil
	}
	sf := Waybill{"SF7444400031887", "sf"}
	charged := of("customs-wants-documents", sf)
	charged.Records = records(t)[:2]
	for _, c := range []struct {
		name string
		tr   *Trace
		v    Variant
	}{
		{"answer-legs", of("handed-to-last-mile", Waybill{"LP00123456789012", "cainiao"}), Variant{Events: true, Lang: EN, Desc: true}},
		{"answer-taken-back", of("false-delivery-withdrawn", yto), Variant{Events: true, Retracted: true}},
		{"answer-not-taken-back", of("false-delivery-withdrawn", yto), Variant{Events: true}},
		{"answer-parcel-before", of("word-on-the-parcel-before", sf), Variant{Events: true, Epoch: 1, Lang: ZhHant}},
		{"answer-newest-parcel", of("word-on-the-parcel-before", sf), Variant{Events: true}},
		{"answer-records", charged, Variant{Business: true, Lang: EN}},
		{"answer-charges", charged, Variant{}},
		{"answer-sources", of("pushed-and-reported", yto), Variant{Events: true}},
	} {
		checkAnswer(t, c.name, c.tr, c.v)
	}
	used := of("number-used-again", sf)
	for epoch, want := range []error{nil, nil, nil, ErrNotFound} {
		if err := used.Check(Variant{Epoch: epoch}); !errors.Is(err, want) {
			t.Errorf("parcel %d of two: %v, want %v", epoch, err, want)
		}
	}
}

// An answer is what a stranger's decoder makes of it.
func TestAnswerDecoded(t *testing.T) {
	tr := shipped(t)
	var got struct {
		Number, Carrier string
		References      []string
		Status          struct {
			Code, Sub, Label, Since string
			Terminal, Corrected     bool
			FirstDelivered          string `json:"first_delivered"`
		}
		Milestones map[string]string
		Legs       []map[string]string
		Events     []map[string]any
		Also       []string
		Numbers    []string `json:"also_numbers"`
	}
	d := json.NewDecoder(bytes.NewReader(tr.AppendJSON(nil, Variant{Events: true, Account: "main"})))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Number != "SF7444400031887" || got.Carrier != "sf" || !slices.Equal(got.References, []string{"202003225d33322239ddW1df5t3"}) ||
		!slices.Equal(got.Also, tr.Also) || !slices.Equal(got.Numbers, tr.AlsoNumbers) {
		t.Errorf("%+v", got)
	}
	if s := got.Status; s.Code != "delivered" || s.Sub != "signed" || s.Label != "已签收" || s.Since != "2026-02-27T16:30:15.250+08:00" ||
		!s.Terminal || !s.Corrected || s.FirstDelivered != "2026-02-27T08:00:00+08:00" {
		t.Errorf("status %+v", s)
	}
	if len(got.Legs) != 1 || got.Legs[0]["role"] != "main" || got.Legs[0]["number"] != got.Number || got.Legs[0]["carrier"] != "sf" {
		t.Errorf("legs %v", got.Legs)
	}
	wantMilestones := map[string]string{"order_created": "2026-02-25", "picked_up": "2026-02-26T10:00:00+08:00",
		"departed_origin": "2026-02-26T22:15:00", "delivered": "2026-02-27T08:00:00+08:00",
		"last_mile_received": "2026-02-27T15:00:00+08:00", "out_for_delivery": "2026-02-27T15:00:00+08:00"}
	if diff := cmp.Diff(wantMilestones, got.Milestones); diff != "" {
		t.Errorf("milestones: -want +got\n%s", diff)
	}
	if len(got.Events) != 7 {
		t.Fatalf("%d events, want 7", len(got.Events))
	}
	for i, e := range got.Events {
		times := 0
		for _, name := range []string{"time", "local_time", "date"} {
			if _, given := e[name]; given {
				times++
			}
		}
		if times != 1 {
			t.Errorf("event %d has %d times: %v", i, times, e)
		}
		if _, raw := e["raw_time"]; raw != (e["zone_from"] == "unknown") {
			t.Errorf("event %d has zone_from %v, raw_time: %t", i, e["zone_from"], raw)
		}
	}
	want := map[string]any{"id": tr.Events[6].ID.String(), "carrier_id": "158918741444476", "time": "2026-02-27T16:30:15.250+08:00",
		"zone_from": "carrier_offset", "status": "delivered", "sub": "signed", "code": "80", "description": "已签收",
		"description_en": "Signed by consignee", "description_zh": "本人签收", "reason_code": "17", "reason": "无", "address": "1 Main St",
		"country": "US", "state": "NY", "city": "Albany", "postal_code": "12207", "operator": "张三", "signed_by": "李四", "quantity": 2.0,
		"latitude": 42.6526, "longitude": -73.7562, "sources": []any{"kuaidi100"}, "received": "2026-03-01T12:00:00Z"}
	if diff := cmp.Diff(want, got.Events[6]); diff != "" {
		t.Errorf("the last event: -want +got\n%s", diff)
	}
	if e := got.Events[5]; e["revised"] != 1.0 || e["description"] != "正在派送" {
		t.Errorf("the revised event: %v", e)
	}
	if e := got.Events[2]; e["status"] != nil || e["code"] != "607" || e["description"] != "快件\"已\\到\"\n<广州>\x01" {
		t.Errorf("the event of no status: %v", e)
	}
	if e := got.Events[3]; e["provisional"] != true {
		t.Errorf("the event whose status was drawn from its text: %v", e)
	}
	if e := got.Events[3]; e["local_time"] != "2026-02-26T22:15:00" || e["raw_time"] != "2026-02-26 22:15" {
		t.Errorf("the event of no zone: %v", e)
	}
	if e := got.Events[0]; e["date"] != "2026-02-25" {
		t.Errorf("the event of a day: %v", e)
	}
}

// Absent is absent: whatever the facts, no answer has a null or an empty text,
// list or object.
func TestAbsentIsAbsent(t *testing.T) {
	e := Event{Source: "sf"}
	if got, want := string(e.AppendJSON(nil, ZhHans)), `{"id":"0000000000000000","local_time":"1970-01-01T00:00:00",`+
		`"zone_from":"unknown","sources":["sf"],"received":"1970-01-01T00:00:00Z"}`; got != want {
		t.Fatalf("the least event: %s, want %s", got, want)
	}
	bare := fold(t, "2026-03-01 10:00:00 unknown")
	if got, want := string(bare.AppendJSON(nil, Variant{})), `{"number":"SF7444400031887","carrier":"sf",`+
		`"status":{"code":"unknown","label":"暂无状态","terminal":false},"legs":[{"carrier":"sf","number":"SF7444400031887","role":"main"}]}`; got != want {
		t.Fatalf("the bare trace: %s, want %s", got, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		var s shelf
		for range rapid.IntRange(1, 5).Draw(t, "events") {
			s.take(t, drawBare(t))
		}
		v := Variant{Lang: Lang(rapid.IntRange(0, int(langs)-1).Draw(t, "lang")), Desc: rapid.Bool().Draw(t, "desc"), Events: true,
			Account: rapid.SampledFrom([]string{"main", "shop", "nobody"}).Draw(t, "account")}
		b := s.trace(t).AppendJSON(nil, v)
		var got any
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		if path := firstEmpty(got); path != "" {
			t.Fatalf("%s is empty: %s", path, b)
		}
	})
}

// drawBare draws an event of which anything may be missing.
func drawBare(t *rapid.T) Event {
	e := full(t)
	e.Pair.Status = Status(rapid.IntRange(0, int(statuses)-1).Draw(t, "status"))
	e.TextEdits = rapid.Bool().Draw(t, "edits")
	e.At = rapid.SampledFrom([]Time{e.At, {Raw: "x"}, {Precision: Day, Zone: ZoneCarrier, Raw: "y"}}).Draw(t, "at")
	e.Leg = rapid.SampledFrom([]LegTo{{}, {Waybill{"YT1234567890123", ""}, Forwarded}}).Draw(t, "leg")
	for i, field := range []*string{&e.Pair.Sub, &e.Code, &e.ReasonCode, &e.Place.Address, &e.Place.City, &e.Place.State, &e.Place.Country,
		&e.Place.Postal, &e.Text.Text, &e.Text.Reason, &e.Text.EN, &e.Text.ZH, &e.Text.Lang, &e.CarrierID, &e.Operator, &e.SignedBy, &e.Hint} {
		if rapid.Bool().Draw(t, fmt.Sprint("without ", i)) {
			*field = ""
		}
	}
	if rapid.Bool().Draw(t, "without the rest") {
		e.Quantity, e.Latitude, e.Longitude, e.Provisional, e.References = 0, 0, 0, false, nil
	}
	return e
}

// firstEmpty is the path of a value that should not be there.
func firstEmpty(v any) string {
	switch v := v.(type) {
	case nil:
		return " (null)"
	case string:
		if v == "" {
			return " (text)"
		}
	case []any:
		if len(v) == 0 {
			return " (list)"
		}
		for i, x := range v {
			if path := firstEmpty(x); path != "" {
				return fmt.Sprintf("[%d]%s", i, path)
			}
		}
	case map[string]any:
		if len(v) == 0 {
			return " (object)"
		}
		for name, x := range v {
			if path := firstEmpty(x); path != "" {
				return "." + name + path
			}
		}
	}
	return ""
}

// Which of the texts at hand is the description.
func TestDescription(t *testing.T) {
	chinese, english := Text{Text: "派送中", Lang: "zh-Hans"}, Text{Text: "Out", Lang: "en"}
	both := Text{Text: "派送中", EN: "Out", ZH: "派送"}
	for _, c := range []struct {
		text Text
		lang Lang
		want string
	}{
		{chinese, ZhHans, "派送中"}, {chinese, ZhHant, "派送中"}, {chinese, EN, "派送中"},
		{english, ZhHans, "Out"}, {english, EN, "Out"},
		{both, ZhHans, "派送"}, {both, ZhHant, "派送"}, {both, EN, "Out"},
		{Text{Text: "x", EN: "Out"}, ZhHans, "x"},
		{Text{Text: "派送中", EN: "Out", Lang: "zh-Hans"}, EN, "Out"},
		{Text{Text: "派送中", ZH: "派送", Lang: "zh-Hans"}, ZhHans, "派送中"},
		{Text{Text: "Out", ZH: "派送", Lang: "en"}, ZhHans, "派送"},
		{Text{Text: "Out", EN: "out", Lang: "en"}, EN, "Out"},
		{Text{EN: "Out"}, ZhHans, "Out"}, {Text{ZH: "派送"}, EN, "派送"},
		{Text{}, EN, ""}, {Text{Lang: "en"}, EN, ""},
	} {
		if got := c.text.in(c.lang); got != c.want {
			t.Errorf("%+v in %s: %q, want %q", c.text, c.lang, got, c.want)
		}
	}
}

func TestParseLang(t *testing.T) {
	for tag, want := range map[string]Lang{"zh": ZhHans, "zh-CN": ZhHans, "zh-hans": ZhHans, "ZH-SG": ZhHans, "zh-Hans-HK": ZhHans,
		"zh-Hant": ZhHant, "zh-TW": ZhHant, "zh-HK": ZhHant, "zh-mo": ZhHant, "zh-Hant-TW": ZhHant, "en": EN, "en-GB": EN, "EN": EN} {
		if got, ok := ParseLang(tag); got != want || !ok {
			t.Errorf("ParseLang(%q) = %s, %t; want %s", tag, got, ok, want)
		}
	}
	for _, tag := range []string{"", "de", "english", "zho", "e", "*", "-en"} {
		if got, ok := ParseLang(tag); ok {
			t.Errorf("ParseLang(%q) = %s, want none", tag, got)
		}
	}
	for l := range langs {
		if got, ok := ParseLang(l.String()); got != l || !ok {
			t.Errorf("the tag %s is read as %s", l, got)
		}
		for s := range statuses {
			if labels[s][l] == "" {
				t.Errorf("%s has no label in %s", s, l)
			}
		}
	}
}

// Fields picks members, and nothing but names that are there.
func TestFields(t *testing.T) {
	tr := shipped(t)
	names := func(v Variant) []string {
		d := json.NewDecoder(bytes.NewReader(tr.AppendJSON(nil, v)))
		var all map[string]json.RawMessage
		if err := d.Decode(&all); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, name := range fieldNames {
			if _, given := all[name]; given {
				got = append(got, name)
				delete(all, name)
			}
		}
		if len(all) > 0 {
			t.Errorf("members that no field names: %v", all)
		}
		return got
	}
	if got := names(Variant{Events: true, Account: "main"}); !slices.Equal(got, fieldNames[:9]) {
		t.Errorf("all members: %v, want %v", got, fieldNames[:9])
	}
	for i, name := range fieldNames {
		f, err := ParseFields(name)
		var want []string // of those that are promised only, nothing
		if i < 9 {
			want = []string{name}
		}
		if got := names(Variant{Events: true, Account: "main", Fields: f}); err != nil || !slices.Equal(got, want) {
			t.Errorf("fields=%s gives %v, %v", name, got, err)
		}
	}
	f, err := ParseFields("events,status,number,status")
	if got := names(Variant{Events: true, Fields: f}); err != nil || !slices.Equal(got, []string{"number", "status", "events"}) {
		t.Errorf("three fields give %v, %v", got, err)
	}
	if got := names(Variant{Fields: f}); !slices.Equal(got, []string{"number", "status"}) {
		t.Errorf("a status with events asked for gives %v", got)
	}
	for _, list := range []string{"", ",", "status,", "Status", "status, number", "colour", strings.Repeat("x", 1000)} {
		if f, err := ParseFields(list); err == nil || f != 0 || len(err.Error()) > 300 {
			t.Errorf("ParseFields(%.20q) = %b, %v; want an error", list, f, err)
		}
	}
}

// The order of an answer is the fold's, or its reverse.
func TestDesc(t *testing.T) {
	tr := shipped(t)
	ids := func(desc bool) (ids []string) {
		var got struct{ Events []struct{ ID string } }
		if err := json.Unmarshal(tr.AppendJSON(nil, Variant{Events: true, Desc: desc}), &got); err != nil {
			t.Fatal(err)
		}
		for _, e := range got.Events {
			ids = append(ids, e.ID)
		}
		return ids
	}
	var want []string
	for _, x := range tr.Head.Entries {
		want = append(want, x.ID.String())
	}
	if got := ids(false); !slices.Equal(got, want) {
		t.Errorf("oldest first: %v, want %v", got, want)
	}
	slices.Reverse(want)
	if got := ids(true); !slices.Equal(got, want) {
		t.Errorf("newest first: %v, want %v", got, want)
	}
}

// Any text becomes what the standard library would have made of it.
func TestAppendString(t *testing.T) {
	check := func(t tb, s string) {
		t.Helper()
		b := AppendString([]byte("x"), s)
		var got, want string
		if err := json.Unmarshal(b[1:], &got); err != nil || !utf8.Valid(b) {
			t.Fatalf("%q becomes %s: %v", s, b, err)
		}
		standard, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(standard, &want); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("%q becomes %q, want %q", s, got, want)
		}
	}
	for c := range 256 {
		check(t, string([]byte{byte(c)}))
		check(t, "a"+string([]byte{byte(c)})+"b")
	}
	for _, s := range []string{"", "\u2028\u2029", "\ufffd", "\xed\xa0\x80", "\xf0\x9f", "😀\xff😀", "\xc0\x80", "</script>", "\"\\/\b\f\n\r\t\x00\x7f"} {
		check(t, s)
	}
	piece := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 8), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"\"", "\\", "\n", "\x00", "\x1f", "运单", "\xff", "\xe8\xbf"}))
	rapid.Check(t, func(t *rapid.T) {
		check(t, strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces"), ""))
	})
}
