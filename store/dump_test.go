package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/store/facttest"
	"waytrace/store/keys"
	"waytrace/trace"
)

// disagreement reads the whole directory and reports the first thing that does
// not fit the rest.
func disagreement(s *Store) error {
	_, err := consistent(s)
	return err
}

// consistent is disagreement, and gives what the feed tells of.
func consistent(s *Store) (*facttest.Told, error) {
	told, err := facttest.Disagreement(s.scan)
	if err != nil {
		return nil, err
	}
	for p, own := range told.Own {
		if s.next.own[p] != own+1 || s.Counted(uint16(p)) != own {
			return nil, fmt.Errorf("partition %d: next group is %d, the feed has %d", p, s.next.own[p], own)
		}
	}
	if s.next.seq != told.Seq+1 || s.SafeMark() != told.Seq {
		return nil, fmt.Errorf("next seq %d, safe mark %d, the feed ends at %d", s.next.seq, s.SafeMark(), told.Seq)
	}
	return told, nil
}

// A directory holds nothing but the kinds of keys that are written down: a new
// kind is a new line here, and a row in docs/DESIGN.md.
func TestDump(t *testing.T) {
	s := open(t, vfs.NewMem())
	e := scan("SF7444400031887", "50", trace.PickedUp, 1)
	e.References = []trace.Reference{{Account: "main", Text: "order 1"}}
	push(t, s, e, scan("SF7444400031887", "80", trace.Delivered, 2))
	odd := scan("SF7444400031887", "?", trace.Unknown, 3)
	odd.Unmapped, odd.Leg.Number = true, "YT1234567890123"
	push(t, s, odd)
	hear(t, s, func(f *trace.Facts) {
		list(f, fedBy100("YT1234567890123", trace.PickedUp, 1))
		f.Records = append(f.Records, charges("YT1234567890123", "batch 1", 2))
	})
	if err := s.Quarantine(t.Context(), &trace.Quarantined{Heard: s.Now(), Carrier: "sf", Raw: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	o := ship(t, s)
	if err := o.Park(trace.ParkedItem{Partition: 12, Seq: 3}); err != nil {
		t.Fatal(err)
	}
	if err := s.ApplyNews(t.Context(), nil, &trace.Progress{Partition: 7, Origins: map[trace.Origin]trace.Known{9: {Own: 1}}}); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := s.scanAll(func(key, _ []byte) (bool, error) {
		k, err := keys.Parse(key)
		line := string(k.Kind)
		switch {
		case k.Kind == keys.KindWaybill && k.IsEvent:
			line += fmt.Sprintf(" %s event %s", k.Waybill.Number, k.ID)
		case k.Kind == keys.KindWaybill:
			line += fmt.Sprintf(" %s head of %s", k.Waybill.Number, k.Waybill.Carrier)
		case k.Kind == keys.KindReference:
			line += fmt.Sprintf(" %s %q leads to %s", k.Reference.Account, k.Reference.Text, k.Waybill.Number)
		case k.Kind == keys.KindLeg:
			line += fmt.Sprintf(" %s of %q goes on from %s of %s", k.Child.Number, k.Child.Carrier, k.Waybill.Number, k.Waybill.Carrier)
		case k.Kind == keys.KindRecord:
			line += fmt.Sprintf(" %s of %s kind %d", k.Waybill.Number, k.Waybill.Carrier, k.Record)
		case k.Kind == keys.KindJudgement:
			line += fmt.Sprintf(" %s of %s by %s", k.Waybill.Number, k.Waybill.Carrier, k.Source)
		case k.Kind == keys.KindUnmapped:
			line += fmt.Sprintf(" %s %q", k.Source, k.Code)
		case k.Kind == keys.KindFeed:
			line += fmt.Sprintf(" partition %d seq %d", k.Partition, k.Seq)
		case k.Kind == keys.KindBookmark:
			line += " " + k.Follower // one a partition
		case k.Kind == keys.KindProgress:
			line += fmt.Sprintf(" partition %d of %s", k.Partition, k.Origin)
		case k.Kind == keys.KindParked:
			line += fmt.Sprintf(" %s due %d partition %d seq %d", k.Follower, k.Due, k.Partition, k.Seq)
		case k.Kind == keys.KindMeta:
			name, _, _ := strings.Cut(k.Name, "/")
			line += " " + name
		}
		got = append(got, line)
		return true, err
	})
	if err != nil {
		t.Fatal(err)
	}
	id := func(e trace.Event) string { return sealed(t, s, e).Events[0].ID.String() }
	want := []string{
		"b kafka",
		"c YT1234567890123 of yto kind 1",
		"f partition 7 seq 4", "f partition 12 seq 1", "f partition 12 seq 3", "f partition 12 seq 7",
		`g YT1234567890123 of "" goes on from SF7444400031887 of sf`,
		"j YT1234567890123 of yto by kuaidi100",
		"k partition 7 of 0000000000000000", "k partition 7 of 0000000000000009",
		"m clock", "m folding", "m form", "m mark", "m next", "m node", "m partitions",
		"p kafka due 0 partition 12 seq 3",
		"q",
		`r main "order 1" leads to SF7444400031887`,
		`u sf "?"`,
		"w SF7444400031887 head of sf",
		"w SF7444400031887 event " + id(e),
		"w SF7444400031887 event " + id(scan("SF7444400031887", "80", trace.Delivered, 2)),
		"w SF7444400031887 event " + id(odd),
		"w YT1234567890123 head of yto",
		"w YT1234567890123 event " + id(fedBy100("YT1234567890123", trace.PickedUp, 1)),
	}
	if g, w := strings.Join(slices.Compact(got), "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("the directory holds\n%s\nwant\n%s", g, w)
	}
	mustAgree(t, s)
}
