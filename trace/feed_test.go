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
	f := FeedEntry{Mark: 0x8072403511e7cf5e}
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

func TestFeedEntryRoundTrip(t *testing.T) {
	for _, want := range []FeedEntry{learned(), {}, {Mark: 1, Groups: []Group{{}}}} {
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
	for name, value := range map[string][]byte{
		"an unknown field":             {0x1a, 1, 'x'},
		"an unknown field of a group":  group(func(gm *easyproto.MessageMarshaler) { gm.AppendUint64(7, 1) }),
		"an unknown field of a change": group(func(gm *easyproto.MessageMarshaler) { gm.AppendMessage(groupChange).AppendUint64(6, 1) }),
		"an unknown kind of change":    group(func(gm *easyproto.MessageMarshaler) { gm.AppendMessage(groupChange).AppendUint32(changeKind, 3) }),
		"a change of no kind":          group(func(gm *easyproto.MessageMarshaler) { gm.AppendMessage(groupChange).AppendUint32(changeKind, 0) }),
		"a change without a kind":      group(func(gm *easyproto.MessageMarshaler) { gm.AppendMessage(groupChange).AppendFixed64(changeID, 1) }),
		"a kind of 257":                group(func(gm *easyproto.MessageMarshaler) { gm.AppendMessage(groupChange).AppendUint32(changeKind, 257) }),
		"a status beyond the last": group(func(gm *easyproto.MessageMarshaler) {
			gm.AppendMessage(groupAfter).AppendUint32(pairStatus, uint32(statuses))
		}),
		"an unknown field of a status": group(func(gm *easyproto.MessageMarshaler) { gm.AppendMessage(groupBefore).AppendUint32(3, 1) }),
		"a text in place of a group":   {0x12, 1, 'x'},
		"a number in place of a group": {0x10, 1},
	} {
		var f FeedEntry
		if err := DecodeFeedEntry(&f, value); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

func FuzzDecodeFeedEntry(f *testing.F) {
	e := learned()
	f.Add(e.Append(nil))
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
