package trace

import (
	"testing"
	"time"
)

// What operators decide changes what the same facts mean, and the tag with it.
func TestFoldSettings(t *testing.T) {
	defer func(before FoldSettings) { Folding = before }(Folding)
	of := Waybill{"SF7444400031887", "sf"}
	at := func(day int) Time {
		return Time{Local: noon + int64(day)*24*3600*1000, Zone: ZoneCarrier}
	}
	read := func() (h Head, tag string) {
		for i, x := range []Entry{{At: at(0), Pair: Pair{PreTransit, "label_created"}}, {At: at(1), Pair: Pair{Delivered, ""}},
			{At: at(31), Pair: Pair{PickedUp, ""}}} {
			x.ID, x.Hash = ID(i+1), uint64(i+1)
			h.insert(x)
		}
		h.Sources = []string{"sf"}
		h.Fold(of, nil)
		tr := Trace{Waybill: of}
		if err := tr.SetHead(of, h.Append(nil)); err != nil {
			t.Fatal(err)
		}
		return h, string(tr.AppendTag(nil, Variant{}))
	}
	usual, usualTag := read()
	if usual.Earlier != 0 || usual.Pair.Status != Delivered || !usual.Milestones[orderCreated].Known {
		t.Errorf("60 days: %v, %d earlier, label known %t", usual.Pair, usual.Earlier, usual.Milestones[orderCreated].Known)
	}
	Folding.EpochAfter = 30 * 24 * time.Hour
	sooner, soonerTag := read()
	if sooner.Earlier != 1 || sooner.Pair.Status != PickedUp {
		t.Errorf("30 days: %v, %d earlier; want picked_up and 1", sooner.Pair, sooner.Earlier)
	}
	Folding = FoldSettings{EpochAfter: 60 * 24 * time.Hour, HidePreTransit: true}
	hidden, hiddenTag := read()
	seen := hidden.view("sf")
	if hidden.Milestones[orderCreated].Known || hidden.Pair.Status != Delivered || seen.shown(0) {
		t.Errorf("without labels: %v, label known %t", hidden.Pair, hidden.Milestones[orderCreated].Known)
	}
	if usualTag == soonerTag || usualTag == hiddenTag {
		t.Error("the tag does not tell under which settings a head was folded")
	}
}
