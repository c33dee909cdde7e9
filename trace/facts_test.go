package trace

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A list has the events that were filled in while it was open, in the canonical
// number's name; one that lacks an item is partial, and one without any is none.
func TestListsOfFacts(t *testing.T) {
	var f Facts
	scans := journey(t, "2026-02-25 10:00:00 picked_up", "2026-02-26 10:00:00 in_transit", "2026-02-27 10:00:00 in_transit", "2099-01-01 00:00:00 delivered")
	add := func(i int) {
		e := f.Event()
		list := e.List
		*e = scans[i]
		e.List, e.Item = list, i
	}
	for range 2 {
		loose := Waybill{" sf7444400031887", "sf"}
		for i := range scans {
			scans[i].Waybill = loose
		}
		f.OpenList(loose, "sf 0", 0)
		add(1)
		add(0)
		add(1)
		if f.CloseList() {
			t.Error("a list of three items is taken for an empty one")
		}
		add(2) // an increment between
		f.OpenList(loose, "sf 1", 1)
		add(2)
		f.Fault(9, "invalid_json", "", "x")
		f.CloseList()
		f.OpenList(loose, "sf 2", 2)
		add(0)
		add(3)
		f.CloseList()
		f.OpenList(loose, "sf", 3)
		if !f.CloseList() {
			t.Error("a list without items is taken for one")
		}
		f.OpenList(loose, "sf", 4)
		f.Fault(10, "invalid_json", "", "x")
		if f.CloseList() {
			t.Error("a list whose only item was faulted is taken for an empty one")
		}
		heard := HLCAt(noon)
		f.Judge(heard, func() HLC { heard++; return heard }, strings.ToUpper)

		id := map[int]ID{}
		for _, e := range f.Events {
			id[e.Item] = e.ID
			if e.Heard != HLCAt(noon) || len(e.Value) == 0 {
				t.Errorf("event %d was heard at %x and has %d bytes", e.Item, e.Heard, len(e.Value))
			}
		}
		want := []struct {
			has     []ID
			partial bool
			heard   HLC
		}{{[]ID{id[0], id[1]}, false, HLCAt(noon) + 1}, {[]ID{id[2]}, true, HLCAt(noon) + 2}, {[]ID{id[0]}, true, HLCAt(noon) + 3}, {nil, true, HLCAt(noon) + 4}}
		if len(f.Lists) != len(want) || len(f.Events) != 6 {
			t.Fatalf("%d lists and %d events, want %d and 6", len(f.Lists), len(f.Events), len(want))
		}
		for i, w := range want {
			l := &f.Lists[i]
			slices.Sort(w.has)
			if !slices.Equal(l.Has, w.has) || l.Partial != w.partial || l.Heard != w.heard || len(l.Has) > 0 && l.Number != "SF7444400031887" {
				t.Errorf("list %d: %v, partial %t, heard %x of %s; want %v", i, l.Has, l.Partial, l.Heard, l.Number, w)
			}
		}
		if last := f.Faults[len(f.Faults)-1]; len(f.Faults) != 3 || last.Code != "time_suspect" || last.Field != "TIME" || last.Index != 3 {
			t.Errorf("faults %+v", f.Faults)
		}
		if f.Empty() {
			t.Error("facts with events are empty")
		}
		f.Reset()
		if !f.Empty() || len(f.Lists) != 0 || len(f.Faults) != 0 {
			t.Error("something is left after a reset")
		}
	}
}

// Of several lists of one waybill and source in one push the last is the source's
// word; what the others have is known all the same.
func TestListsOfOneWaybillInOnePush(t *testing.T) {
	var f Facts
	scans := journey(t, "2026-02-25 10:00:00 picked_up", "2026-02-26 10:00:00 in_transit", "2026-02-27 10:00:00 delivered")
	listed := func(of Waybill, source string, items ...int) {
		f.OpenList(of, source, -1)
		for _, i := range items {
			e := f.Event()
			list := e.List
			*e = scans[i]
			e.List, e.Waybill, e.Source = list, of, source
		}
		f.CloseList()
	}
	loose, other := Waybill{" yt1234567890123", "yto"}, Waybill{yto.Number, "jd"}
	listed(yto, "kuaidi100", 0, 1, 2)
	listed(yto, "kdniao", 2)
	listed(other, "kuaidi100", 1)
	listed(loose, "kuaidi100", 0, 1) // the same number as it is written elsewhere
	heard := HLCAt(noon)
	f.Judge(heard, func() HLC { heard++; return heard }, func(field string) string { return field })
	var has []int
	for _, l := range f.Lists {
		has = append(has, len(l.Has))
	}
	if want := []int{0, 1, 1, 2}; !slices.Equal(has, want) {
		t.Errorf("the lists have %v events, want %v", has, want)
	}
	if len(f.Events) != 7 {
		t.Errorf("%d events, want all 7", len(f.Events))
	}
}

// Every kind of fact is checked: what does not pass leaves a fault, what passes stays.
func TestFactsAreChecked(t *testing.T) {
	at := full(t).At
	f := Facts{
		Legs: []LegFact{{Waybill: yto, To: LegTo{Waybill{"AAAA1", ""}, LastMile}, Since: noon, Item: 1}, {Waybill: yto, Since: noon, Item: 2},
			{Waybill: yto, To: LegTo{Waybill{"AAAA2", ""}, LastMile}, Since: noon, Item: 3}},
		Records:   []Record{{Waybill: yto, Kind: Charges, Item: 4}, {Waybill: Waybill{"", "yto"}, Kind: Charges, Item: 5}, {Waybill: yto, Kind: Business, At: at, Item: 6}},
		Overrides: []Override{{Waybill: yto, Author: "li"}, {Waybill: yto, Author: "li", Reason: "so it is"}},
	}
	f.Judge(HLCAt(noon), func() HLC { return 0 }, func(s string) string { return s })
	if len(f.Legs) != 2 || f.Legs[1].To.Number != "AAAA2" || len(f.Records) != 2 || f.Records[1].Kind != Business || len(f.Overrides) != 1 {
		t.Errorf("%d legs, %d records, %d overrides", len(f.Legs), len(f.Records), len(f.Overrides))
	}
	if f.Legs[0].Heard != HLCAt(noon) || f.Records[0].Heard != HLCAt(noon) || f.Overrides[0].Heard != HLCAt(noon) {
		t.Error("a fact was not heard when it was")
	}
	var got []Fault
	for _, x := range f.Faults {
		x.Detail = ""
		got = append(got, x)
	}
	want := []Fault{{2, "missing_number", "leg", ""}, {5, "invalid_number", "number", ""}, {-1, "missing_field", "reason", ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults: -want +got\n%s", diff)
	}
}

func TestCheckOfRecords(t *testing.T) {
	at := full(t).At
	charges := Record{Waybill: yto, Kind: Charges, Source: "alibaba", Batch: "B1", Items: []Charge{{"C1", "运费", 1250}}}
	business := Record{Waybill: yto, Kind: Business, Source: "alibaba", Event: "CONFIRM", At: at, Ext: "{}"}
	for _, c := range []struct {
		name   string
		of     Record
		change func(*Record)
		code   string
		field  string
	}{
		{"charges", charges, func(*Record) {}, "", ""},
		{"a business event", business, func(*Record) {}, "", ""},
		{"charges without a time", charges, func(r *Record) { r.At = Time{} }, "", ""},
		{"a number that is none", charges, func(r *Record) { r.Number = "x" }, "invalid_number", "number"},
		{"a carrier that is none", charges, func(r *Record) { r.Carrier = "" }, "invalid_carrier", "carrier"},
		{"the most charges", charges, func(r *Record) { r.Items = make([]Charge, MaxCharges) }, "", ""},
		{"one more", charges, func(r *Record) { r.Items = make([]Charge, MaxCharges+1) }, "too_many_items", "charges"},
		{"a long name", charges, func(r *Record) { r.Items = []Charge{{Name: strings.Repeat("x", MaxText+1)}} }, "too_long", "charge 0"},
		{"a name that is not UTF-8", charges, func(r *Record) { r.Items = []Charge{{}, {Name: "\xff"}} }, "invalid_text", "charge 1"},
		{"a long batch", charges, func(r *Record) { r.Batch = strings.Repeat("x", MaxText+1) }, "too_long", "batch"},
		{"an event without a time", business, func(r *Record) { r.At = Time{} }, "time_suspect", "time"},
		{"an event of next year", business, func(r *Record) { r.At.Local += 365 * 86_400_000 }, "time_suspect", "time"},
		{"a long reason", business, func(r *Record) { r.Reason = strings.Repeat("x", MaxText+1) }, "too_long", "reason"},
		{"much besides", business, func(r *Record) { r.Ext = `"` + strings.Repeat("x", MaxExt-2) + `"` }, "", ""},
		{"nothing besides", business, func(r *Record) { r.Ext = "" }, "", ""},
		{"besides, what is no JSON", business, func(r *Record) { r.Ext = "}" }, "invalid_json", "ext"},
		{"too much besides", business, func(r *Record) { r.Ext = `"` + strings.Repeat("x", MaxExt-1) + `"` }, "too_long", "ext"},
		{"besides, what is not UTF-8", business, func(r *Record) { r.Ext = "\"\xff\"" }, "invalid_json", "ext"},
	} {
		r := c.of
		c.change(&r)
		f, ok := r.check(noon)
		if ok != (c.code == "") || f.Code != c.code || f.Field != c.field {
			t.Errorf("%s: fault %+v, ok %t; want %q of %q", c.name, f, ok, c.code, c.field)
		}
	}
}

func TestCheckOfOverrides(t *testing.T) {
	good := Override{Waybill: Waybill{"yt 1234567890123", "yto"}, Pair: Pair{Lost, "missing"}, Author: "li", Reason: "gone"}
	for _, c := range []struct {
		name   string
		change func(*Override)
		code   string
	}{
		{"as it is", func(*Override) {}, ""},
		{"withdrawn", func(o *Override) { o.Pair = Pair{} }, ""},
		{"a number that is none", func(o *Override) { o.Number = "" }, "invalid_number"},
		{"a carrier that is none", func(o *Override) { o.Carrier = "YTO" }, "invalid_carrier"},
		{"a status that is none", func(o *Override) { o.Pair.Status = statuses }, "invalid_status"},
		{"a sub-status that is none", func(o *Override) { o.Pair.Sub = "Missing!" }, "invalid_sub"},
		{"nobody's", func(o *Override) { o.Author = "" }, "missing_field"},
		{"without a reason", func(o *Override) { o.Reason = "" }, "missing_field"},
		{"with a long reason", func(o *Override) { o.Reason = strings.Repeat("x", MaxField+1) }, "too_long"},
		{"by a name that is not UTF-8", func(o *Override) { o.Author = "\xff" }, "invalid_text"},
	} {
		o := good
		c.change(&o)
		if f, ok := o.check(); ok != (c.code == "") || f.Code != c.code || ok && o.Number != "YT1234567890123" {
			t.Errorf("%s: fault %+v, ok %t; want %q", c.name, f, ok, c.code)
		}
	}
}

// The same batch of charges has one key whatever it says; a business event has one for
// each thing that it says.
func TestRecordKeys(t *testing.T) {
	charges := Record{Kind: Charges, Source: "alibaba", Batch: "B1", Items: []Charge{{"C1", "运费", 1250}}}
	business := Record{Kind: Business, Source: "alibaba", Event: "CONFIRM", At: full(t).At, Status: "SUCCESS"}
	for _, c := range []struct {
		name      string
		of        Record
		change    func(*Record)
		key, says bool // that they stay
	}{
		{"heard later", charges, func(r *Record) { r.Stamp = Stamp{9, 9} }, true, true},
		{"another quantity", charges, func(r *Record) { r.Items = []Charge{{"C1", "运费", 1251}} }, true, false},
		{"one charge more", charges, func(r *Record) { r.Items = append(slices.Clone(r.Items), Charge{Quantity: 1}) }, true, false},
		{"another batch", charges, func(r *Record) { r.Batch = "B2" }, false, false},
		{"another source", charges, func(r *Record) { r.Source = "cainiao" }, false, false},
		{"an event heard later", business, func(r *Record) { r.Stamp = Stamp{9, 9} }, true, true},
		{"another outcome", business, func(r *Record) { r.Status = "FAILURE" }, false, false},
		{"another time", business, func(r *Record) { r.At.Raw += " " }, false, false},
		{"more besides", business, func(r *Record) { r.Ext = "{}" }, false, false},
	} {
		r := c.of
		c.change(&r)
		if got := r.Key() == c.of.Key(); got != c.key {
			t.Errorf("%s: the key stays %t, want %t", c.name, got, c.key)
		}
		if got := r.Says() == c.of.Says(); got != c.says {
			t.Errorf("%s: it says the same %t, want %t", c.name, got, c.says)
		}
	}
}

func records(t tb) (all []Record) {
	for _, c := range learnedFacts(t).Groups[0].Changes {
		if c.Record != nil {
			all = append(all, *c.Record)
		}
	}
	return append(all, Record{Kind: Charges}, Record{Kind: Business, Stamp: Stamp{1, 2}})
}

func TestRecordRoundTrip(t *testing.T) {
	for _, want := range records(t) {
		value := want.Append(nil)
		var got Record
		if err := DecodeRecord(&got, yto, value); err != nil {
			t.Fatal(err)
		}
		want.Waybill = yto
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-written +read\n%s", diff)
		}
		if again := got.Append(nil); !bytes.Equal(again, value) {
			t.Errorf("written again %x, want %x", again, value)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	for _, r := range records(f) {
		f.Add(r.Append(nil))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var r, again Record
		if err := DecodeRecord(&r, yto, slices.Clone(value)); err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		first := r.Append(nil)
		if err := DecodeRecord(&again, yto, first); err != nil {
			t.Fatalf("%x is written as %x, which is refused: %v", value, first, err)
		}
		if !cmp.Equal(r, again, cmpopts.EquateEmpty()) || !bytes.Equal(again.Append(nil), first) || r.Key() != again.Key() || r.Says() != again.Says() {
			t.Fatalf("%x is another record when it was written again:\n%s", value, cmp.Diff(r, again))
		}
	})
}

func TestUnmapped(t *testing.T) {
	for _, want := range []Unmapped{{}, {Count: 7, First: 9, Number: "SF7444400031887", Text: "派送中", Reason: "17"}} {
		value := want.Append(nil)
		var got Unmapped
		if err := DecodeUnmapped(&got, value); err != nil || got != want {
			t.Errorf("%+v comes back as %+v: %v", want, got, err)
		}
		clear(value)
		if got != want {
			t.Error("what was read refers into the value")
		}
	}
	if err := DecodeUnmapped(new(Unmapped), []byte{0x32, 1, 'x'}); !errors.Is(err, ErrInvalid) {
		t.Errorf("an unknown field: %v, want ErrInvalid", err)
	}
	for code, want := range map[string]string{"607": "607", "": "", "a\x00b\n": "a�b�", "\xff": "�", strings.Repeat("x", MaxCode+1): strings.Repeat("x", MaxCode),
		strings.Repeat("单", 50): strings.Repeat("单", MaxCode/3)} {
		if got := PrintableCode(code); got != want {
			t.Errorf("the code %q is named %q, want %q", code, got, want)
		}
	}
}

// What Keep and Refer gave stays as it is until the facts are reset, however much
// follows, and a reset gives memory of an unusual size back.
func TestFactsKeep(t *testing.T) {
	var f Facts
	var kept [][]byte
	var references [][]Reference
	for i := range 100 {
		came := bytes.Repeat([]byte{byte(i)}, 1+i*i)
		kept = append(kept, f.Keep(came))
		references = append(references, f.Refer(Reference{"main", string(came)}))
		clear(came)
	}
	for i, b := range kept {
		want := bytes.Repeat([]byte{byte(i)}, 1+i*i)
		_ = append(b, "behind it"...)
		_ = append(references[i], Reference{"behind", "it"})
		if !bytes.Equal(b, want) || len(references[i]) != 1 || references[i][0] != (Reference{"main", string(want)}) {
			t.Fatalf("the %d bytes of %d have become %.40q and %+.40v", len(want), i, b, references[i])
		}
	}
	f.Reset()
	if got := f.Keep([]byte("next")); string(got) != "next" {
		t.Errorf("after a reset %q is kept, want %q", got, "next")
	}
	f.Keep(make([]byte, mostKept+1))
	f.Reset()
	if cap(f.kept) > mostKept {
		t.Errorf("a reset keeps %d bytes, want %d at most", cap(f.kept), mostKept)
	}
}
