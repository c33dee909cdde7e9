package keys

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"waytrace/trace"
)

var (
	someNumber  = rapid.StringMatching(`[A-Z0-9-]{4,50}`)
	someCarrier = rapid.StringMatching(`[a-z0-9-]{1,12}`)
	someText    = rapid.StringMatching(`[ -~运单]{1,20}`)
)

func someWaybill(t *rapid.T) trace.Waybill {
	return trace.Waybill{Number: someNumber.Draw(t, "number"), Carrier: someCarrier.Draw(t, "carrier")}
}

// Every key is read back as what it was made of.
func TestParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := someWaybill(t)
		local, id := rapid.Int64().Draw(t, "local"), trace.ID(rapid.Uint64().Draw(t, "id"))
		ref := trace.Reference{Account: someCarrier.Draw(t, "account"), Text: someText.Draw(t, "reference")}
		part, seq := rapid.Uint16().Draw(t, "partition"), rapid.Uint64().Draw(t, "seq")
		var hash [16]byte
		copy(hash[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "hash"))
		for _, c := range []struct {
			key  []byte
			want Key
		}{
			{Head(nil, w), Key{Kind: KindWaybill, Waybill: w}},
			{Event(nil, w, local, id), Key{Kind: KindWaybill, Waybill: w, IsEvent: true, Local: local, ID: id}},
			{Reference(nil, ref, w), Key{Kind: KindReference, Reference: ref, Waybill: w}},
			{Feed(nil, part, seq), Key{Kind: KindFeed, Partition: part, Seq: seq}},
			{Bookmark(nil, "kafka", part), Key{Kind: KindBookmark, Follower: "kafka", Partition: part}},
			{Position(nil, part), Key{Kind: KindProgress, Partition: part}},
			{Known(nil, part, trace.Origin(id|1)), Key{Kind: KindProgress, Partition: part, Origin: trace.Origin(id | 1)}},
			{Parked(nil, "kafka", uint64(local), part, seq), Key{Kind: KindParked, Follower: "kafka", Due: uint64(local), Partition: part, Seq: seq}},
			{Quarantine(nil, hash), Key{Kind: KindQuarantine, Hash: hash}},
			{Leg(nil, trace.Waybill{Number: w.Number}, w), Key{Kind: KindLeg, Child: trace.Waybill{Number: w.Number}, Waybill: w}},
			{Record(nil, w, trace.Business, id), Key{Kind: KindRecord, Waybill: w, Record: trace.Business, ID: id}},
			{Judgement(nil, w, "kuaidi100"), Key{Kind: KindJudgement, Waybill: w, Source: "kuaidi100"}},
			{Unmapped(nil, "sf", ref.Text), Key{Kind: KindUnmapped, Source: "sf", Code: ref.Text}},
			{Meta(nil, "form"), Key{Kind: KindMeta, Name: "form"}},
		} {
			got, err := Parse(c.key)
			if err != nil || !cmp.Equal(got, c.want) {
				t.Fatalf("Parse(%q) = %v, %v; want %v", c.key, got, err, c.want)
			}
		}
	})
}

// Heads of a number come before its events, events in the order of their time,
// and nothing of another number lies between.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, o := someWaybill(t), someWaybill(t)
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		ascending := [][]byte{Waybill(nil, w.Number), Head(nil, w), Events(nil, w),
			Event(nil, w, min(a, b), 1), Event(nil, w, max(a, b), 2), End(nil, Events(nil, w)), End(nil, Waybill(nil, w.Number))}
		for i := 1; i < len(ascending); i++ {
			if bytes.Compare(ascending[i-1], ascending[i]) >= 0 {
				t.Fatalf("key %q does not sort before %q", ascending[i-1], ascending[i])
			}
		}
		if w.Number == o.Number {
			return
		}
		other := Head(nil, o)
		if bytes.Compare(other, ascending[0]) > 0 && bytes.Compare(other, ascending[len(ascending)-1]) < 0 {
			t.Fatalf("a key of number %q lies among those of %q", o.Number, w.Number)
		}
	})
}

// The prefix of a waybill's key is the same for all its keys, and prefixes sort
// as their keys do.
func TestSplit(t *testing.T) {
	w := trace.Waybill{Number: "SF7444400031887", Carrier: "sf"}
	want := Waybill(nil, w.Number)
	for _, key := range [][]byte{Head(nil, w), Event(nil, w, 1, 2), want} {
		if got := key[:Split(key)]; !bytes.Equal(got, want) {
			t.Errorf("Split(%q) leaves %q, want %q", key, got, want)
		}
	}
	if key := []byte("tSF7444400031887\x00sf"); Split(key) != len(want) {
		t.Errorf("Split(%q) = %d, want %d", key, Split(key), len(want))
	}
	for _, key := range [][]byte{{}, Meta(nil, "form"), Feed(nil, 1, 2), Bookmark(nil, "kafka", 1), Position(nil, 0), Parked(nil, "kafka", 0, 1, 2), []byte("wSF")} {
		if got := Split(key); got != len(key) {
			t.Errorf("Split(%q) = %d, want the whole key", key, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	w := trace.Waybill{Number: "SF7444400031887", Carrier: "sf"}
	f.Add(Head(nil, w))
	f.Add(Event(nil, w, 1589216214000, 0x8072403511e7cf5e))
	f.Add(Reference(nil, trace.Reference{Account: "main", Text: "order 1"}, w))
	f.Add(Feed(nil, 12, 7))
	f.Add(Bookmark(nil, "kafka", 12))
	f.Add(Position(nil, 12))
	f.Add(Known(nil, 12, 7))
	f.Add(Parked(nil, "kafka", 0, 12, 7))
	f.Add(Meta(nil, "next"))
	f.Add(Leg(nil, trace.Waybill{Number: "1Z999"}, w))
	f.Add(Record(nil, w, trace.Charges, 7))
	f.Add(Judgement(nil, w, "kuaidi100"))
	f.Add(Unmapped(nil, "sf", "607"))
	f.Fuzz(func(t *testing.T, key []byte) {
		k, err := Parse(key)
		if err != nil {
			return
		}
		var again []byte
		switch {
		case k.Kind == KindWaybill && k.IsEvent:
			again = Event(nil, k.Waybill, k.Local, k.ID)
		case k.Kind == KindWaybill:
			again = Head(nil, k.Waybill)
		case k.Kind == KindReference:
			again = Reference(nil, k.Reference, k.Waybill)
		case k.Kind == KindFeed:
			again = Feed(nil, k.Partition, k.Seq)
		case k.Kind == KindBookmark:
			again = Bookmark(nil, k.Follower, k.Partition)
		case k.Kind == KindProgress && k.Origin == 0:
			again = Position(nil, k.Partition)
		case k.Kind == KindProgress:
			again = Known(nil, k.Partition, k.Origin)
		case k.Kind == KindParked:
			again = Parked(nil, k.Follower, k.Due, k.Partition, k.Seq)
		case k.Kind == KindQuarantine:
			again = Quarantine(nil, k.Hash)
		case k.Kind == KindMeta:
			again = Meta(nil, k.Name)
		case k.Kind == KindLeg:
			again = Leg(nil, k.Child, k.Waybill)
		case k.Kind == KindRecord:
			again = Record(nil, k.Waybill, k.Record, k.ID)
		case k.Kind == KindJudgement:
			again = Judgement(nil, k.Waybill, k.Source)
		case k.Kind == KindUnmapped:
			again = Unmapped(nil, k.Source, k.Code)
		}
		if !bytes.Equal(again, key) {
			t.Fatalf("%q is read as %+v, which makes %q", key, k, again)
		}
		if n := Split(key); n < 0 || n > len(key) {
			t.Fatalf("Split(%q) = %d", key, n)
		}
	})
}
