package trace

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/VictoriaMetrics/easyproto"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// learned is a feed entry of several waybills and changes.
func learned() FeedEntry {
	f := FeedEntry{Mark: 0x8072403511e7cf5e, At: noon + 1}
	for i := range 20 {
		g := Group{Waybill: Waybill{fmt.Sprintf("SF%013d", i), "sf"}, Own: uint64(i), After: Pair{InTransit, "departed"}}
		for j := range i % 4 {
			g.Changes = append(g.Changes, Change{Kind: EventAdded + ChangeKind(j%2), Local: noon - int64(j)*1e12, ID: ID(j + 1),
				Text: uint64(j), Heard: HLCAt(noon) + HLC(j)})
		}
		f.Groups = append(f.Groups, g)
	}
	f.Groups[7].Before, f.Groups[7].After = Pair{Delivered, ""}, Pair{}
	return f
}

// learnedFacts is a feed entry with a change of every kind.
func learnedFacts(t tb) FeedEntry {
	t.Helper()
	stamp := Stamp{6, 9}
	return FeedEntry{Mark: 7, At: noon, Groups: []Group{{Waybill{"SF7444400031887", "sf"}, 9, Pair{}, Pair{Delivered, "signed"}, []Change{
		{Kind: EventAdded, Local: -1, ID: 2, Heard: 3},
		{Kind: EventRevised, Local: noon, ID: 1 << 63, Text: 4, Heard: 5},
		{Kind: EventRetracted, Local: 7, ID: 2, Heard: 6},
		{Kind: EventRestored, Local: 7, ID: 3, Heard: 6},
		{Kind: Listed, Heard: 6, List: &List{Source: "kuaidi100", Stamp: stamp, Shows: []ID{2, 1 << 63}, Hides: []ID{4}, Doubtful: true, Restores: []ID{5, 6}}},
		{Kind: LegTold, Heard: 7, Leg: &LegFact{To: LegTo{Waybill{"YT1234567890123", ""}, Forwarded}, Since: noon, Heard: 7}},
		{Kind: RecordKept, Heard: 8, Record: &Record{Kind: Charges, Source: "alibaba", Stamp: Stamp{8, 9}, Batch: "B1",
			Items: []Charge{{"C1", "运费", 1250}, {Quantity: 1}}}},
		{Kind: RecordKept, Heard: 8, Record: &Record{Kind: Business, Source: "alibaba", Stamp: Stamp{8, 9}, Event: "CONFIRM", At: full(t).At,
			Status: "SUCCESS", Reason: "ok", Ext: `{"a":1}`}},
		{Kind: Overrode, Heard: 10, Override: &Override{Pair: Pair{Lost, "missing"}, Author: "li", Reason: "gone", Stamp: Stamp{10, 9}}},
		{Kind: Refolded, Heard: 11},
	}}}}
}

func TestFeedEntryRoundTrip(t *testing.T) {
	for _, want := range []FeedEntry{learned(), learnedFacts(t), {}, {Mark: 1, At: -1, Groups: []Group{{}}}} {
		value := want.Append(nil)
		var got FeedEntry
		if err := DecodeFeedEntry(&got, value); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-written +read:\n%s", diff)
		}
		if again := got.Append(nil); !bytes.Equal(again, value) {
			t.Errorf("written again:\n%x, want\n%x", again, value)
		}
	}
	f := learned()
	if got, want := f.Changes(), 30; got != want {
		t.Errorf("%d changes, want %d", got, want)
	}
}

func TestDecodeFeedEntryRefuses(t *testing.T) {
	group := func(write func(*easyproto.MessageMarshaler)) []byte {
		var m easyproto.Marshaler
		gm := m.MessageMarshaler().AppendMessage(entryGroup)
		gm.AppendString(groupNumber, "SF7444400031887")
		write(gm)
		return m.Marshal(nil)
	}
	carries := func(kind ChangeKind, field uint32, write func(*easyproto.MessageMarshaler)) []byte {
		return group(func(gm *easyproto.MessageMarshaler) {
			cm := gm.AppendMessage(groupChange)
			cm.AppendUint32(changeKind, uint32(kind))
			write(cm.AppendMessage(field))
		})
	}
	for name, value := range map[string][]byte{
		"an unknown field":             {0x22, 1, 'x'},
		"an unknown field of a group":  group(func(gm *easyproto.MessageMarshaler) { gm.AppendUint64(7, 1) }),
		"an unknown field of a change": group(func(gm *easyproto.MessageMarshaler) { gm.AppendMessage(groupChange).AppendUint64(10, 1) }),
		"an unknown kind of change": group(func(gm *easyproto.MessageMarshaler) {
			gm.AppendMessage(groupChange).AppendUint32(changeKind, uint32(changeKinds))
		}),
		"a change of no kind":     group(func(gm *easyproto.MessageMarshaler) { gm.AppendMessage(groupChange).AppendUint32(changeKind, 0) }),
		"a change without a kind": group(func(gm *easyproto.MessageMarshaler) { gm.AppendMessage(groupChange).AppendFixed64(changeID, 1) }),
		"a kind of 257":           group(func(gm *easyproto.MessageMarshaler) { gm.AppendMessage(groupChange).AppendUint32(changeKind, 257) }),
		"a status beyond the last": group(func(gm *easyproto.MessageMarshaler) {
			gm.AppendMessage(groupAfter).AppendUint32(pairStatus, uint32(statuses))
		}),
		"an unknown field of a status": group(func(gm *easyproto.MessageMarshaler) { gm.AppendMessage(groupBefore).AppendUint32(3, 1) }),
		"a list that is not carried": group(func(gm *easyproto.MessageMarshaler) {
			gm.AppendMessage(groupChange).AppendUint32(changeKind, uint32(Listed))
		}),
		"a leg that is carried in vain": carries(EventAdded, changeLeg, func(*easyproto.MessageMarshaler) {}),
		"identities that do not ascend": carries(Listed, changeList, func(mm *easyproto.MessageMarshaler) { mm.AppendFixed64s(listShows, []uint64{2, 1}) }),
		"an identity twice":             carries(Listed, changeList, func(mm *easyproto.MessageMarshaler) { mm.AppendFixed64s(listHides, []uint64{2, 2}) }),
		"an unknown field of a list":    carries(Listed, changeList, func(mm *easyproto.MessageMarshaler) { mm.AppendUint32(8, 1) }),
		"a role beyond the last": carries(LegTold, changeLeg, func(mm *easyproto.MessageMarshaler) {
			mm.AppendMessage(toldTo).AppendUint32(legRole, uint32(roles))
		}),
		"a leg beyond the year 9999": carries(LegTold, changeLeg, func(mm *easyproto.MessageMarshaler) { mm.AppendSint64(toldSince, lastLocal+1) }),
		"a record of no kind":        carries(RecordKept, changeRecord, func(mm *easyproto.MessageMarshaler) { mm.AppendUint32(recordKind, 0) }),
		"an unknown kind of record":  carries(RecordKept, changeRecord, func(mm *easyproto.MessageMarshaler) { mm.AppendUint32(recordKind, 3) }),
		"a moment in no zone": carries(RecordKept, changeRecord, func(mm *easyproto.MessageMarshaler) {
			mm.AppendMessage(recordAt).AppendUint32(momentZone, uint32(zones))
		}),
		"a moment sixteen hours off":   carries(RecordKept, changeRecord, func(mm *easyproto.MessageMarshaler) { mm.AppendMessage(recordAt).AppendSint32(momentOffset, 960) }),
		"a word of a status beyond":    carries(Overrode, changeOverride, func(mm *easyproto.MessageMarshaler) { mm.AppendUint32(overrideStatus, uint32(statuses)) }),
		"a text in place of a moment":  {0x12, 1, 'x'},
		"a text in place of a group":   {0x1a, 1, 'x'},
		"a number in place of a group": {0x18, 1},
	} {
		var f FeedEntry
		if err := DecodeFeedEntry(&f, value); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

func FuzzDecodeFeedEntry(f *testing.F) {
	for _, e := range []FeedEntry{learned(), learnedFacts(f)} {
		f.Add(e.Append(nil))
	}
	f.Add((&FeedEntry{}).Append(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		var e, again FeedEntry
		if err := DecodeFeedEntry(&e, value); err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		first := e.Append(nil)
		if err := DecodeFeedEntry(&again, first); err != nil {
			t.Fatalf("%x is written as %x, which is refused: %v", value, first, err)
		}
		if !cmp.Equal(e, again, cmpopts.EquateEmpty()) || !bytes.Equal(again.Append(nil), first) {
			t.Fatalf("%x is another entry when it was written again:\n%s", value, cmp.Diff(e, again))
		}
	})
}
