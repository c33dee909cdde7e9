package trace

import (
	"bytes"
	"encoding/hex"
	stdflag "flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/easyproto"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Every form that was released is here as bytes, in testdata/released/<version>, one
// file a form. They are read for ever: a file is never written again, and none is taken
// away. A later form is a new file with a new row below:
//
//	go test ./trace -run Released -release
//
// writes those that are missing and leaves the others alone.
var release = stdflag.Bool("release", false, "write the files of testdata/released that are missing")

const firstRelease = "testdata/released/v0.1.0"

// A releasedForm is one file: the bytes, and what they have to be read as.
type releasedForm struct {
	file string
	want any
	// read gives what the bytes say, and the bytes that it is written as.
	read func(value []byte) (got any, again []byte, err error)
	// write is for a file that is not there yet.
	write func() []byte
}

// What was released is spelled out here and borrows nothing from other tests: they may
// change.
var (
	releasedWaybill = Waybill{"SF7444400031887", "sf"}
	releasedStamp   = Stamp{HLC(0x019c_a945_0a00_0007), Origin(0x8072403511e7cf5e)}
	releasedTime    = Time{Local: 1_772_184_615_250, Offset: -300, Zone: ZoneOffset, Precision: Second, Raw: "2026-02-27T09:30:15.25-05:00"}

	releasedEvent = Event{Waybill: releasedWaybill, Source: "kuaidi100", Code: "80", ReasonCode: "17", At: releasedTime,
		Place: Place{Address: `1 Main St "rear"`, City: "Albany", State: "NY", Country: "US", Postal: "12207"},
		Text:  Text{Text: "已签收,本人", Reason: "无", EN: "Signed by consignee", ZH: "本人签收", Lang: "zh-Hans"},
		Pair:  Pair{Delivered, "signed"}, Table: 7, Hint: "4", Provisional: true, CarrierID: "158918741444476", Operator: "张三", Quantity: 2,
		SignedBy: "李四", Leg: LegTo{Waybill{"YT1234567890123", "yto"}, LastMile}, Latitude: 42.6526, Longitude: -73.7562,
		References: []Reference{{"main", "order 1"}, {"other", "PO 7"}}, Heard: releasedStamp.Heard, ID: 0x06258255ef0ce8bc,
		Mark: Mark{Table: 7, Fields: 21, Hash: 0xbe20af12860fb10e}}

	releasedRevised = Event{Waybill: releasedWaybill, Source: "sf", Code: "50", Place: Place{Address: "test"},
		At: Time{Local: 1_589_216_214_000, Offset: China, Zone: ZoneCarrier, Raw: "2020-05-11 16:56:54"}, Pair: Pair{PickedUp, "collected"}, Table: 1,
		TextEdits: true, Text: Text{Text: "已收件", Lang: "zh-Hans", Heard: releasedStamp.Heard + 9},
		Revisions: []Text{{Text: "test", Reason: "r", Heard: releasedStamp.Heard}, {Text: "已收件", Lang: "zh-Hans", Heard: releasedStamp.Heard + 9}},
		Heard:     releasedStamp.Heard, ID: 0x8072403511e7cf5e, Mark: Mark{Table: 1, Fields: 5, Hash: 0x20a71576cad80cac}}

	releasedDay = Event{Waybill: releasedWaybill, At: Time{Local: 1_772_150_400_000, Precision: Day, Raw: "2026-02-27"},
		Pair: Pair{Exception, "a_sub_of_its_own"}, ID: 0xb507d2fd8f240deb, Mark: Mark{Fields: 2, Hash: 0x612a2f358136814f}}

	releasedList = List{Source: "kuaidi100", Stamp: releasedStamp, Shows: []ID{2, 1 << 63}, Hides: []ID{4}, Doubtful: true, Restores: []ID{5, 6}}

	releasedLeg = LegFact{To: LegTo{Waybill{"YT1234567890123", "yto"}, Return}, Since: -1_000, Heard: releasedStamp.Heard}

	releasedCharges = Record{Waybill: releasedWaybill, Kind: Charges, Source: "alibaba", Stamp: releasedStamp, Batch: "B1",
		Items: []Charge{{"C1", "运费", 1250}, {Quantity: -1}}}

	releasedBusiness = Record{Waybill: releasedWaybill, Kind: Business, Source: "alibaba", Stamp: releasedStamp, Event: "CONFIRM", At: releasedTime,
		Status: "SUCCESS", Reason: "ok", Ext: `{"a":1}`}

	releasedWord = Override{Pair: Pair{Lost, "missing"}, Author: "li", Reason: "gone", Stamp: releasedStamp}

	releasedJudgement = Judgement{Firm: []FirmList{{releasedStamp, 9, false}, {Stamp{7, 8}, 10, true}},
		Doubted: []DoubtedBy{{releasedStamp, 11, []ID{1, 1 << 63}, []ID{3}}, {Stamp: Stamp{7, 9}, Digest: 12}}}

	releasedQuarantined = Quarantined{Heard: releasedStamp.Heard, Carrier: "alibaba", Account: "main", ContentType: "application/json; charset=UTF-8",
		Query: "a=1&b=%2F", Path: "/push/alibaba/x", Call: "notifyTrace", Raw: []byte("{\"Body\":\x00}"),
		Faults: []Fault{{-1, "invalid_json", "", "it ends too soon"}, {3, "time_suspect", "acceptTime", `"1970" is before 2000`}}}

	releasedUnmapped = Unmapped{Count: 300, First: releasedStamp.Heard, Number: "SF7444400031887", Text: "派送中", Reason: "17"}

	releasedNews = News{releasedWaybill, releasedStamp.Origin, 0xfedcba9876543210, 300, 1_772_366_400_000}

	releasedEntry = FeedEntry{Mark: 0xfedcba9876543210, At: 1_772_366_400_000, Groups: []Group{
		{releasedWaybill, 300, Pair{}, Pair{Delivered, "signed"}, []Change{
			{Kind: EventAdded, Local: -1, ID: 2, Heard: 3},
			{Kind: EventRevised, Local: 1_772_184_615_250, ID: 1 << 63, Text: 4, Heard: 5},
			{Kind: EventRetracted, Local: 7, ID: 2, Heard: 6},
			{Kind: EventRestored, Local: 7, ID: 3, Heard: 6},
			{Kind: Listed, Heard: releasedStamp.Heard, List: &releasedList},
			{Kind: LegTold, Heard: releasedStamp.Heard, Leg: &releasedLeg},
			{Kind: RecordKept, Heard: releasedStamp.Heard, Record: &Record{Kind: Charges, Source: "alibaba", Stamp: releasedStamp, Batch: "B1"}},
			{Kind: Overrode, Heard: releasedStamp.Heard, Override: &releasedWord},
		}},
		{Waybill{"YT1234567890123", "yto"}, 0, Pair{Delivered, ""}, Pair{InTransit, "reopened"}, []Change{{Kind: Refolded, Heard: 11}}},
	}}
)

// releasedFacts are told in the released record.
func releasedFacts() *Facts {
	f := &Facts{Lists: []List{releasedList}, Legs: []LegFact{releasedLeg}, Records: []Record{releasedCharges, releasedBusiness}, Overrides: []Override{releasedWord}}
	for _, e := range []Event{releasedEvent, releasedRevised, releasedDay} {
		*f.Event() = e
	}
	for i := range f.Events {
		f.Seal(&f.Events[i], f.Events[i].Heard)
	}
	f.Lists[0].Waybill, f.Legs[0].Waybill, f.Overrides[0].Waybill = releasedWaybill, releasedWaybill, releasedWaybill
	return f
}

// releasedHead is a head with something in every part of it, which no fold would give.
func releasedHead() *Head {
	picked, exact := Time{Local: 1_589_216_214_000, Offset: China, Zone: ZoneCarrier}, Time{Local: 1_772_184_615_250, Offset: -300, Zone: ZoneOffset}
	of := func(at Time, entry int) Moment { return Moment{at, true, entry} }
	h := &Head{
		Meaning: Meaning{Pair: Pair{Lost, "missing"}, Since: of(Time{Local: 1_772_366_400_000, Zone: ZoneDefault, Precision: Minute}, 0), First: of(exact, 3),
			Corrected: true, Overridden: true, Anomalies: 300},
		Earlier: 1,
		Legs: []Leg{{LegTo{Waybill{"YT1234567890123", "yto"}, Return}, -1_000, 0x920aad56d31e8c6c},
			{LegTo{Waybill{"AAAA1", ""}, Forwarded}, 1_772_366_400_000, 0}},
		References: []Reference{{"main", "order 1"}, {"other", "PO 7"}},
		Override:   Override{Pair: Pair{Lost, "missing"}, Author: "li", Reason: "gone", Stamp: releasedStamp},
		Told:       []LegFact{{To: LegTo{Waybill{"YT1234567890123", "yto"}, Return}, Since: -1_000}, {To: LegTo{Waybill{"", "usps"}, Main}, Since: 7}},
		Records:    0x0123456789abcdef,
		Entries: []Entry{
			{ID: 0x8072403511e7cf5e, At: picked, Pair: Pair{PickedUp, "collected"}, Source: 2, Table: 1, Fields: 5, Hash: 0x20a71576cad80cac,
				Texts: []TextMark{{0x8bd0f8d517c44c2c, releasedStamp.Heard}, {0x13c8196440ee3b1f, releasedStamp.Heard + 9}}, Marks: Marks{Show: releasedStamp}},
			{ID: 0xb507d2fd8f240deb, At: Time{Local: 1_772_150_400_000, Precision: Day}, Pair: Pair{Exception, "a_sub_of_its_own"}, Hash: 0x612a2f358136814f,
				Fields: 2, Marks: Marks{Show: Stamp{7, 8}, Hide: Stamp{releasedStamp.Heard + 1, 7}}},
			{ID: 0x06258255ef0ce8bc, At: exact, Pair: Pair{Delivered, "signed"}, Source: 1, Table: 7, Fields: 21, Hash: 0xbe20af12860fb10e, Provisional: true,
				Leg: LegTo{Waybill{"YT1234567890123", "yto"}, LastMile}},
		},
		Ghosts:  []Ghost{{77, Marks{Show: releasedStamp}}, {1 << 63, Marks{Hide: Stamp{7, 8}}}},
		Sources: []string{"", "kuaidi100", "sf"},
		start:   1, own: 0xfedcba9876543210,
	}
	h.Milestones[pickedUp], h.Milestones[returned] = of(picked, 1), of(Time{Local: 9, Offset: -959, Precision: Day}, 0)
	return h
}

// An event is read as its key and value say; its identity and mark are drawn from
// what it says.
func releasedEventForm(file string, e Event) releasedForm {
	return releasedForm{file: file, want: e,
		read: func(value []byte) (any, []byte, error) {
			var got Event
			if err := DecodeEvent(&got, e.Waybill, e.At.Local, e.ID, value); err != nil {
				return nil, nil, err
			}
			again := *sealed(got)
			value, again.Value = again.Value, nil
			return again, value, nil
		},
		write: func() []byte { return sealed(e).Value }}
}

// decodeBare reads a fact that stands in other messages only.
func decodeBare(value []byte, decode func(*easyproto.FieldContext) error) error {
	var m easyproto.Marshaler
	m.MessageMarshaler().AppendBytes(1, value)
	var fc easyproto.FieldContext
	if _, err := fc.NextField(m.Marshal(nil)); err != nil {
		return err
	}
	return decode(&fc)
}

func marshaled(write func(*easyproto.MessageMarshaler)) []byte {
	var m easyproto.Marshaler
	write(m.MessageMarshaler())
	return m.Marshal(nil)
}

func releasedRecordForm(file string, r Record) releasedForm {
	return releasedForm{file, r, func(value []byte) (any, []byte, error) {
		var got Record
		err := DecodeRecord(&got, r.Waybill, value)
		return got, got.Append(nil), err
	}, func() []byte { return r.Append(nil) }}
}

func releasedForms() []releasedForm {
	void := News{Origin: releasedNews.Origin, Mark: releasedNews.Mark, Own: 301, At: releasedNews.At}
	type told struct {
		News
		Facts *Facts
	}
	newsForm := func(file string, n News, f *Facts) releasedForm {
		return releasedForm{file, told{n, f}, func(value []byte) (any, []byte, error) {
			got := told{Facts: &Facts{}}
			err := DecodeNews(&got.News, value, got.Facts)
			if f == nil {
				got.Facts = nil
			}
			return got, got.News.Append(nil, got.Facts), err
		}, func() []byte { return n.Append(nil, f) }}
	}
	return []releasedForm{
		releasedEventForm("event", releasedEvent),
		releasedEventForm("event-revised", releasedRevised),
		releasedEventForm("event-of-a-day", releasedDay),
		{"head", *releasedHead(), func(value []byte) (any, []byte, error) {
			var h Head
			err := DecodeHead(&h, value)
			return h, h.Append(nil), err
		}, func() []byte { return releasedHead().Append(nil) }},
		newsForm("news", releasedNews, releasedFacts()),
		newsForm("news-void", void, nil),
		{"feed-entry", releasedEntry, func(value []byte) (any, []byte, error) {
			var f FeedEntry
			err := DecodeFeedEntry(&f, value)
			return f, f.Append(nil), err
		}, func() []byte { return releasedEntry.Append(nil) }},
		{"list", releasedList, func(value []byte) (any, []byte, error) {
			var l List
			err := decodeBare(value, l.decode)
			return l, marshaled(l.marshal), err
		}, func() []byte { return marshaled(releasedList.marshal) }},
		{"leg", releasedLeg, func(value []byte) (any, []byte, error) {
			var l LegFact
			err := decodeBare(value, l.decode)
			return l, marshaled(l.marshal), err
		}, func() []byte { return marshaled(releasedLeg.marshal) }},
		releasedRecordForm("record-charges", releasedCharges),
		releasedRecordForm("record-business", releasedBusiness),
		{"override", releasedWord, func(value []byte) (any, []byte, error) {
			var o Override
			err := decodeBare(value, o.decode)
			return o, marshaled(o.marshal), err
		}, func() []byte { return marshaled(releasedWord.marshal) }},
		{"judgement", releasedJudgement, func(value []byte) (any, []byte, error) {
			var j Judgement
			err := DecodeJudgement(&j, value)
			return j, j.Append(nil), err
		}, func() []byte { return releasedJudgement.Append(nil) }},
		{"quarantined", releasedQuarantined, func(value []byte) (any, []byte, error) {
			var q Quarantined
			err := DecodeQuarantined(&q, value)
			return q, q.Append(nil), err
		}, func() []byte { return releasedQuarantined.Append(nil) }},
		{"unmapped", releasedUnmapped, func(value []byte) (any, []byte, error) {
			var u Unmapped
			err := DecodeUnmapped(&u, value)
			return u, u.Append(nil), err
		}, func() []byte { return releasedUnmapped.Append(nil) }},
	}
}

// Bytes that were released are read as what they say, and what they say is written as
// those bytes.
func TestReleased(t *testing.T) {
	// Of a head all is compared but what it keeps of the bytes.
	released := cmp.Options{cmp.AllowUnexported(Head{}, Moment{}), cmpopts.IgnoreUnexported(Facts{}),
		cmp.FilterPath(func(p cmp.Path) bool {
			name := p.Last().String()
			return name == ".raw" || name == ".refsAt" || name == ".refsEnd"
		}, cmp.Ignore())}
	files, err := filepath.Glob(firstRelease + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range releasedForms() {
		file := filepath.Join(firstRelease, form.file+".hex")
		text, err := os.ReadFile(file)
		if os.IsNotExist(err) && *release {
			text = []byte(inLines(form.write()))
			err = os.WriteFile(file, text, 0o644)
		}
		if err != nil {
			t.Error(err)
			continue
		}
		files = slices.DeleteFunc(files, func(f string) bool { return f == file })
		value, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		got, again, err := form.read(slices.Clone(value))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if diff := cmp.Diff(form.want, got, cmpopts.EquateEmpty(), released); diff != "" {
			t.Errorf("%s: -released +read\n%s", file, diff)
		}
		if !bytes.Equal(again, value) {
			t.Errorf("%s: it is written as\n%s, was\n%s", file, inLines(again), inLines(value))
		}
	}
	for _, file := range files {
		t.Errorf("%s is read by nobody", file)
	}
}

// inLines is bytes as hexadecimal digits, thirty-two a line.
func inLines(value []byte) string {
	var b strings.Builder
	for line := range slices.Chunk(value, 32) {
		b.WriteString(hex.EncodeToString(line) + "\n")
	}
	return b.String()
}
