package trace

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/VictoriaMetrics/easyproto"
	"github.com/google/go-cmp/cmp"
)

// A protoField is a line of docs/trace.proto.
type protoField struct {
	name, kind string
	repeated   bool
}

// protoFile is docs/trace.proto: fields by number, of each message, and numbers
// by name, of each enum.
type protoFile struct {
	messages map[string]map[uint32]protoField
	enums    map[string]map[string]int
}

// readProto reads the document line by line, as a stranger would who has it and
// nothing else.
func readProto(t *testing.T) protoFile {
	t.Helper()
	text, err := os.ReadFile("../docs/trace.proto")
	if err != nil {
		t.Fatal(err)
	}
	f := protoFile{map[string]map[uint32]protoField{}, map[string]map[string]int{}}
	open := regexp.MustCompile(`^(message|enum) (\w+) \{$`)
	field := regexp.MustCompile(`^  (repeated )?(\w+) (\w+) = (\d+);$`)
	value := regexp.MustCompile(`^  (\w+) = (\d+);$`)
	message, enum := "", ""
	for i, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "//")
		line = strings.TrimRight(line, " ")
		if line == "" || line == `syntax = "proto3";` || line == "package waytrace;" {
			continue
		}
		if m := open.FindStringSubmatch(line); m != nil && message+enum == "" {
			if m[1] == "message" {
				message, f.messages[m[2]] = m[2], map[uint32]protoField{}
			} else {
				enum, f.enums[m[2]] = m[2], map[string]int{}
			}
			continue
		}
		if line == "}" && message+enum != "" {
			message, enum = "", ""
			continue
		}
		if m := field.FindStringSubmatch(line); m != nil && message != "" {
			n, err := strconv.ParseUint(m[4], 10, 32)
			if other, twice := f.messages[message][uint32(n)]; twice || err != nil {
				t.Errorf("line %d: field %d of %s is %s already, %v", i+1, n, message, other.name, err)
			}
			f.messages[message][uint32(n)] = protoField{m[3], m[2], m[1] != ""}
			continue
		}
		if m := value.FindStringSubmatch(line); m != nil && enum != "" {
			if f.enums[enum][m[1]], err = strconv.Atoi(m[2]); err != nil {
				t.Errorf("line %d: %v", i+1, err)
			}
			continue
		}
		t.Fatalf("docs/trace.proto, line %d is not understood: %q", i+1, line)
	}
	return f
}

// The constants of the code and the document name the same fields by the same
// numbers, none more and none less.
func TestProtoNamesWhatTheCodeWrites(t *testing.T) {
	doc := readProto(t)
	prefixes := map[string]map[string]string{
		"codec.go":      {"field": "Event", "leg": "Leg", "text": "Text", "reference": "Reference"},
		"quarantine.go": {"quarantined": "Quarantined", "fault": "Fault"},
		"feed.go":       {"entry": "FeedEntry", "group": "Group", "pair": "Pair", "change": "Change"},
		"facts_codec.go": {"list": "List", "told": "LegFact", "record": "Record", "charge": "Charge", "moment": "Moment",
			"override": "Override"},
		"unmapped.go": {"unmapped": "Unmapped"},
		"news.go":     {"news": "News", "scan": "Scan"},
	}
	code := map[string]map[uint32]string{}
	for file, messages := range prefixes {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Names) != 1 || len(spec.Values) != 1 || spec.Type != nil {
				return true // numbers of fields have no type
			}
			number, ok := spec.Values[0].(*ast.BasicLit)
			if !ok || number.Kind != token.INT {
				return true
			}
			name := spec.Names[0].Name
			for prefix, message := range messages {
				rest, ok := strings.CutPrefix(name, prefix)
				if !ok || rest == "" || !unicode.IsUpper(rune(rest[0])) {
					continue
				}
				n, err := strconv.Atoi(number.Value)
				if err != nil {
					t.Fatal(err)
				}
				if code[message] == nil {
					code[message] = map[uint32]string{}
				}
				code[message][uint32(n)] = snake(rest)
			}
			return true
		})
	}
	documented := map[string]map[uint32]string{}
	for message, fields := range doc.messages {
		documented[message] = map[uint32]string{}
		for n, field := range fields {
			documented[message][n] = field.name
		}
	}
	if diff := cmp.Diff(code, documented); diff != "" {
		t.Errorf("-the code's constants +docs/trace.proto\n%s", diff)
	}
}

// snake writes CarrierID as carrier_id.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 && unicode.IsLower(rune(name[i-1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// The numbers of enumerated values are those of the code.
func TestProtoEnums(t *testing.T) {
	got := readProto(t).enums
	want := map[string]map[string]int{"Status": {}, "Zone": {}, "Role": {},
		"Precision": {"PRECISION_SECOND": int(Second), "PRECISION_MINUTE": int(Minute), "PRECISION_DAY": int(Day)},
		"ChangeKind": {"CHANGE_KIND_NONE": 0, "CHANGE_KIND_EVENT_ADDED": int(EventAdded), "CHANGE_KIND_EVENT_REVISED": int(EventRevised),
			"CHANGE_KIND_EVENT_RETRACTED": int(EventRetracted), "CHANGE_KIND_EVENT_RESTORED": int(EventRestored),
			"CHANGE_KIND_LISTED": int(Listed), "CHANGE_KIND_LEG_TOLD": int(LegTold), "CHANGE_KIND_RECORD_KEPT": int(RecordKept),
			"CHANGE_KIND_OVERRODE": int(Overrode), "CHANGE_KIND_REFOLDED": int(Refolded)},
		"RecordKind": {"RECORD_KIND_NONE": 0, "RECORD_KIND_CHARGES": int(Charges), "RECORD_KIND_BUSINESS": int(Business)},
	}
	for s := range statuses {
		want["Status"]["STATUS_"+strings.ToUpper(s.String())] = int(s)
	}
	for z := range zones {
		want["Zone"]["ZONE_"+strings.ToUpper(z.String())] = int(z)
	}
	for r := range roles {
		want["Role"]["ROLE_"+strings.ToUpper(r.String())] = int(r)
	}
	if len(want["Precision"]) != int(precisions) {
		t.Errorf("there are %d precisions, want %d", precisions, len(want["Precision"]))
	}
	if len(want["ChangeKind"]) != int(changeKinds) {
		t.Errorf("there are %d kinds of change, want %d", changeKinds, len(want["ChangeKind"]))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-the code +docs/trace.proto\n%s", diff)
	}
}

// decode reads a value by the document alone. A field that is given twice and is
// not repeated, and one whose wire type is not its type's, is an error.
func (f protoFile) decode(message string, value []byte) (map[string]any, error) {
	got := map[string]any{}
	last := uint32(0)
	for len(value) > 0 {
		var fc easyproto.FieldContext
		rest, err := fc.NextField(value)
		if err != nil {
			return nil, err
		}
		value = rest
		field, known := f.messages[message][fc.FieldNum]
		if !known {
			return nil, fmt.Errorf("%s has no field %d", message, fc.FieldNum)
		}
		if fc.FieldNum < last {
			return nil, fmt.Errorf("%s: field %d after field %d", message, fc.FieldNum, last)
		}
		last = fc.FieldNum
		if field.repeated && field.kind == "fixed64" {
			packed, ok := fc.UnpackFixed64s(nil)
			if _, twice := got[field.name]; twice || !ok || len(packed) == 0 {
				return nil, fmt.Errorf("%s.%s is not packed in one run", message, field.name)
			}
			got[field.name] = packed
			continue
		}
		v, err := f.value(field.kind, &fc)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", message, field.name, err)
		}
		if field.repeated {
			list, _ := got[field.name].([]any)
			got[field.name] = append(list, v)
			continue
		}
		if _, twice := got[field.name]; twice {
			return nil, fmt.Errorf("%s.%s is there twice", message, field.name)
		}
		got[field.name] = v
	}
	return got, nil
}

func (f protoFile) value(kind string, fc *easyproto.FieldContext) (v any, err error) {
	ok := false
	switch kind {
	case "string":
		v, ok = fc.String()
	case "bytes":
		v, ok = fc.Bytes()
	case "uint32":
		v, ok = fc.Uint32()
	case "uint64":
		v, ok = fc.Uint64()
	case "int64":
		v, ok = fc.Int64()
	case "sint32":
		v, ok = fc.Sint32()
	case "sint64":
		v, ok = fc.Sint64()
	case "fixed64":
		v, ok = fc.Fixed64()
	case "double":
		v, ok = fc.Double()
	case "bool":
		v, ok = fc.Bool()
	default:
		if enum := f.enums[kind]; enum != nil {
			n, isInt := fc.Int32()
			for name, number := range enum {
				if isInt && number == int(n) {
					v, ok = name, true
				}
			}
			break
		}
		if f.messages[kind] == nil {
			return nil, fmt.Errorf("there is no type %s", kind)
		}
		src, isMessage := fc.MessageData()
		if !isMessage {
			break
		}
		return f.decode(kind, src)
	}
	if !ok {
		return nil, fmt.Errorf("not of type %s", kind)
	}
	return v, nil
}

// Who has the document alone reads the values as they were meant.
func TestProtoReadsWhatTheCodeWrites(t *testing.T) {
	type m = map[string]any
	type list = []any
	doc := readProto(t)
	event, told := full(t), revised(t)
	event.Leg = LegTo{Waybill{"YT1234567890123", "yto"}, LastMile}
	quarantined := held()
	quarantined.Path, quarantined.Call = "/push/alibaba/x", "notifyTrace"
	texts := list{
		m{"text": "派送中", "lang": "zh-Hans", "heard": uint64(told.Revisions[0].Heard)},
		m{"text": "已签收", "reason": "门口", "en": "Signed", "lang": "zh-Hans", "heard": uint64(told.Revisions[1].Heard)},
	}
	wantTold := m{"source": "kuaidi100", "code": "80", "reason_code": "17", "raw_time": "2026-02-27T09:30:15.25-05:00",
		"offset": int32(-300), "zone": "ZONE_CARRIER_OFFSET", "address": `1 Main St "rear"`, "city": "Albany", "state": "NY", "country": "US",
		"postal": "12207", "status": "STATUS_DELIVERED", "sub": "signed", "table": uint32(7), "carrier_id": "158918741444476",
		"operator": "张三", "quantity": uint32(2), "signed_by": "李四", "latitude": 42.6526, "longitude": -73.7562, "provisional": true, "hint": "4",
		"reference":  list{m{"account": "main", "text": "202003225d33322239ddW1df5t3"}, m{"account": "other", "text": "PO 7"}},
		"text_edits": true, "text": texts, "heard": uint64(told.Heard), "precision": "PRECISION_DAY"}
	wantEvent := maps.Clone(wantTold)
	delete(wantEvent, "text_edits")
	delete(wantEvent, "precision")
	maps.Copy(wantEvent, m{"leg": m{"number": "YT1234567890123", "carrier": "yto", "role": "ROLE_LAST_MILE"},
		"text":  list{m{"text": event.Text.Text, "reason": "无", "en": "Signed by consignee", "zh": "本人签收", "lang": "zh-Hans"}},
		"heard": uint64(event.Heard)})
	told.At.Precision = Day
	fault := func(index int32, code, field, detail string) m {
		return m{"index": index, "code": code, "field": field, "detail": detail}
	}
	entry, wantChanges := learnedFacts(t), list{
		m{"kind": "CHANGE_KIND_EVENT_ADDED", "local": int64(-1), "id": uint64(2), "heard": uint64(3)},
		m{"kind": "CHANGE_KIND_EVENT_REVISED", "local": int64(noon), "id": uint64(1 << 63), "text": uint64(4), "heard": uint64(5)},
		m{"kind": "CHANGE_KIND_EVENT_RETRACTED", "local": int64(7), "id": uint64(2), "heard": uint64(6)},
		m{"kind": "CHANGE_KIND_EVENT_RESTORED", "local": int64(7), "id": uint64(3), "heard": uint64(6)},
		m{"kind": "CHANGE_KIND_LISTED", "heard": uint64(6), "list": m{"source": "kuaidi100", "heard": uint64(6), "origin": uint64(9),
			"shows": []uint64{2, 1 << 63}, "hides": []uint64{4}, "doubtful": true, "restores": []uint64{5, 6}}},
		m{"kind": "CHANGE_KIND_LEG_TOLD", "heard": uint64(7), "leg": m{"to": m{"number": "YT1234567890123", "role": "ROLE_FORWARDED"},
			"since": int64(noon), "heard": uint64(7)}},
		m{"kind": "CHANGE_KIND_RECORD_KEPT", "heard": uint64(8), "record": m{"kind": "RECORD_KIND_CHARGES", "source": "alibaba",
			"heard": uint64(8), "origin": uint64(9), "batch": "B1",
			"charge": list{m{"code": "C1", "name": "运费", "quantity": int64(1250)}, m{"code": "", "name": "", "quantity": int64(1)}}}},
		m{"kind": "CHANGE_KIND_RECORD_KEPT", "heard": uint64(8), "record": m{"kind": "RECORD_KIND_BUSINESS", "source": "alibaba",
			"heard": uint64(8), "origin": uint64(9), "event": "CONFIRM", "status": "SUCCESS", "reason": "ok", "ext": `{"a":1}`,
			"at": m{"local": event.At.Local, "offset": int32(-300), "zone": "ZONE_CARRIER_OFFSET", "precision": "PRECISION_SECOND", "raw": event.At.Raw}}},
		m{"kind": "CHANGE_KIND_OVERRODE", "heard": uint64(10), "override": m{"status": "STATUS_LOST", "sub": "missing", "author": "li",
			"reason": "gone", "heard": uint64(10), "origin": uint64(9)}},
		m{"kind": "CHANGE_KIND_REFOLDED", "heard": uint64(11)},
	}
	// What follows from other facts is not told on, so of the changes four kinds travel.
	tellings, facts := News{event.Waybill, 9, 7, 3, noon}, &Facts{Events: []Event{*sealed(event)}}
	carried := func(at int, kind string) m { return wantChanges[at].(m)[kind].(m) }
	for _, c := range entry.Groups[0].Changes {
		switch c.Kind {
		case Listed:
			facts.Lists = append(facts.Lists, *c.List)
		case LegTold:
			facts.Legs = append(facts.Legs, *c.Leg)
		case RecordKept:
			facts.Records = append(facts.Records, *c.Record)
		case Overrode:
			facts.Overrides = append(facts.Overrides, *c.Override)
		}
	}
	wantNews := m{"form": uint32(1), "origin": uint64(9), "mark": uint64(7), "own": uint64(3), "at": int64(noon), "number": "SF7444400031887", "carrier": "sf",
		"event": list{m{"local": event.At.Local, "id": uint64(facts.Events[0].ID), "event": wantEvent}},
		"list":  list{carried(4, "list")}, "leg": list{carried(5, "leg")}, "record": list{carried(6, "record"), carried(7, "record")},
		"override": list{carried(8, "override")}}
	unmapped := Unmapped{Count: 3, First: 4, Number: "SF7444400031887", Text: "派送中", Reason: "17"}
	for _, c := range []struct {
		message string
		value   []byte
		want    m
	}{
		{"Event", sealed(event).Value, wantEvent},
		{"Event", sealed(told).Value, wantTold},
		{"Event", sealed(Event{At: Time{Raw: "1970-01-01 00:00:00"}}).Value, m{"heard": uint64(0)}},
		{"Quarantined", quarantined.Append(nil), m{"heard": uint64(quarantined.Heard), "carrier": "sf", "account": "main",
			"content_type": quarantined.ContentType, "query": quarantined.Query, "raw": quarantined.Raw, "path": "/push/alibaba/x", "call": "notifyTrace",
			"fault": list{fault(-1, "invalid_json", "", "it ends too soon"), fault(3, "time_suspect", "acceptTime", "\"1970\" is before 2000"), fault(0, "", "", "")}}},
		{"FeedEntry", entry.Append(nil), m{"mark": uint64(7), "at": int64(noon), "group": list{m{"number": "SF7444400031887", "carrier": "sf", "own": uint64(9),
			"before": m{"status": "STATUS_UNKNOWN"}, "after": m{"status": "STATUS_DELIVERED", "sub": "signed"}, "change": wantChanges}}}},
		{"Record", entry.Groups[0].Changes[6].Record.Append(nil), wantChanges[6].(m)["record"].(m)},
		{"News", tellings.Append(nil, facts), wantNews},
		{"News", tellings.Append(nil, nil), m{"form": uint32(1), "origin": uint64(9), "mark": uint64(7), "own": uint64(3), "at": int64(noon)}},
		{"Unmapped", unmapped.Append(nil), m{"count": uint64(3), "first": uint64(4), "number": "SF7444400031887", "text": "派送中", "reason": "17"}},
	} {
		got, err := doc.decode(c.message, c.value)
		if err != nil {
			t.Errorf("%s: %v", c.message, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: -meant +read\n%s", c.message, diff)
		}
	}
	// The examples above must not leave a field untried.
	tried := map[string]bool{}
	var try func(message string, got m)
	try = func(message string, got m) {
		for _, field := range doc.messages[message] {
			values, _ := got[field.name].(list)
			if one, is := got[field.name].(m); is {
				values = list{one}
			}
			if got[field.name] != nil {
				tried[message+"."+field.name] = true
			}
			for _, v := range values {
				try(field.kind, v.(m))
			}
		}
	}
	try("Event", wantEvent)
	try("Event", wantTold)
	try("News", wantNews)
	try("FeedEntry", m{"mark": uint64(7), "at": int64(noon), "group": list{m{"number": "", "carrier": "", "own": "", "before": m{}, "after": m{"status": "", "sub": ""},
		"change": wantChanges}}})
	for message, fields := range doc.messages {
		for _, field := range fields {
			if name := message + "." + field.name; !tried[name] && message != "Quarantined" && message != "Fault" && message != "Unmapped" {
				t.Errorf("%s is in no example", name)
			}
		}
	}
}
