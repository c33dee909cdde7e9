package store

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/store/keys"
	"waytrace/trace"
)

// disagreement reads the whole directory and reports the first thing that does
// not fit the rest.
func disagreement(s *Store) error {
	heads := map[trace.Waybill]*trace.Head{}
	folded := map[trace.Waybill]*trace.Head{}
	of := func(w trace.Waybill) *trace.Head {
		if folded[w] == nil {
			folded[w] = &trace.Head{}
		}
		return folded[w]
	}
	known := map[trace.ID]bool{}
	references := map[string]bool{} // keys that must be there, as below
	legs := map[string]bool{}
	err := s.scan([]byte{keys.KindWaybill}, func(key, value []byte) (bool, error) {
		k, err := keys.Parse(key)
		if err != nil {
			return false, err
		}
		if !k.IsEvent {
			heads[k.Waybill] = &trace.Head{}
			return true, trace.DecodeHead(heads[k.Waybill], bytes.Clone(value))
		}
		var e trace.Event
		if err := trace.DecodeEvent(&e, k.Waybill, k.Local, k.ID, value); err != nil {
			return false, err
		}
		known[e.ID] = true
		for _, r := range e.References {
			if trace.ValidReference(r.Text) {
				references[string(keys.Reference(nil, r, k.Waybill))] = true
			}
		}
		if e.Leg.Number != "" {
			legs[string(keys.Leg(nil, e.Leg.Waybill, k.Waybill))] = true
		}
		e.Append(nil) // for its mark
		e.Judged = true
		taken, err := of(k.Waybill).Take(&e, nil)
		if err == nil && taken != trace.Fresh {
			err = fmt.Errorf("event %s of %s is stored twice", e.ID, k.Waybill.Number)
		}
		return true, err
	})
	if err != nil {
		return err
	}
	told, err := fed(s)
	if err != nil {
		return err
	}
	for id := range known {
		if !told.events[id] {
			return fmt.Errorf("event %s is stored and the feed does not tell of it", id)
		}
	}
	for id := range told.events {
		if !known[id] {
			return fmt.Errorf("the feed tells of event %s, which is not stored", id)
		}
	}
	for i := range told.facts.Lists {
		of(told.facts.Lists[i].Waybill).TakeList(&told.facts.Lists[i])
	}
	for i := range told.facts.Legs {
		l := &told.facts.Legs[i]
		of(l.Waybill).TakeLeg(l, true)
		if l.To.Number != "" {
			legs[string(keys.Leg(nil, l.To.Waybill, l.Waybill))] = true
		}
	}
	for i := range told.facts.Overrides {
		of(told.facts.Overrides[i].Waybill).TakeOverride(&told.facts.Overrides[i])
	}
	records, err := recordsOf(s, told.facts.Records)
	if err != nil {
		return err
	}
	for w, sum := range records {
		of(w).Records = sum
	}
	if err := judgementsAgree(s, told.facts.Lists); err != nil {
		return err
	}
	if err := headsAgree(heads, folded); err != nil {
		return err
	}
	if err := keysAgree(s, keys.KindReference, references, true); err != nil {
		return err
	}
	// The way back from a leg may outlive the copy of the event that named it.
	return keysAgree(s, keys.KindLeg, legs, false)
}

// headsAgree compares the heads with those that the facts give.
func headsAgree(heads, folded map[trace.Waybill]*trace.Head) error {
	kin := func(child trace.Waybill) (string, *trace.Head) {
		carrier, best := child.Carrier, (*trace.Head)(nil)
		for _, w := range slices.SortedFunc(maps.Keys(folded), byName) {
			h := folded[w]
			if w.Number == child.Number && (w.Carrier == child.Carrier || child.Carrier == "") && !h.Empty() &&
				(best == nil || h.Newest() > best.Newest()) {
				carrier, best = w.Carrier, h
			}
		}
		return carrier, best
	}
	for w, h := range heads {
		f := folded[w]
		if f == nil {
			return fmt.Errorf("%s has a head and no facts", w.Number)
		}
		f.Fold(w, kin)
		if got, want := h.Append(nil), f.Append(nil); !bytes.Equal(got, want) {
			return fmt.Errorf("%s: its head is not the fold of its facts:\n%x\n%x\n%+v\n%+v", w.Number, got, want, h, f)
		}
	}
	for w := range folded {
		if heads[w] == nil {
			return fmt.Errorf("%s has facts and no head", w.Number)
		}
	}
	return nil
}

// A telling is all that the feed tells of.
type telling struct {
	events map[trace.ID]bool
	facts  trace.Facts // all others, as a sister takes them
}

// fed reads the feed, whose numbers must have no hole.
func fed(s *Store) (told telling, err error) {
	told.events, told.facts.Judged = map[trace.ID]bool{}, true
	lastSeq := uint64(0)
	for p := range uint16(trace.Partitions) {
		seq, own := uint64(0), uint64(0)
		var groups []trace.Group
		var broken error
		err := s.EachFeedEntry(p, 0, func(first uint64, e *trace.FeedEntry) bool {
			if first <= seq {
				broken = fmt.Errorf("partition %d: seq %d comes after %d", p, first, seq)
			}
			seq = first + uint64(e.Changes()) - 1
			lastSeq = max(lastSeq, seq)
			var whole trace.FeedEntry
			if err := trace.DecodeFeedEntry(&whole, e.Append(nil)); err != nil {
				broken = err
			}
			groups = append(groups, whole.Groups...)
			return broken == nil
		})
		if err := cmp.Or(err, broken); err != nil {
			return told, err
		}
		for i := range groups {
			g := &groups[i]
			if g.Own > 0 {
				own++
			}
			if g.Own > 0 && g.Own != own || trace.PartitionOf(g.Number) != p {
				return told, fmt.Errorf("partition %d: group %d of %s comes in place of %d", p, g.Own, g.Number, own)
			}
			g.Changes = slices.DeleteFunc(g.Changes, func(c trace.Change) bool {
				is := c.Kind == trace.EventAdded || c.Kind == trace.EventRevised
				if is {
					told.events[c.ID] = true
				}
				return is
			})
			if err := s.FactsOf(g, &told.facts); err != nil {
				return told, err
			}
		}
		if s.next.own[p] != own+1 {
			return told, fmt.Errorf("partition %d: next group is %d, the feed has %d", p, s.next.own[p], own)
		}
	}
	if s.next.seq != lastSeq+1 || s.SafeMark() != lastSeq {
		return told, fmt.Errorf("next seq %d, safe mark %d, the feed ends at %d", s.next.seq, s.SafeMark(), lastSeq)
	}
	return told, nil
}

// recordsOf gives the hash of all records of each waybill. Of those that were told
// with one key the greatest stamp must be stored, and no other.
func recordsOf(s *Store, told []trace.Record) (sums map[trace.Waybill]uint64, err error) {
	wanted := map[string]*trace.Record{}
	for i := range told {
		r := &told[i]
		key := string(keys.Record(nil, r.Waybill, r.Kind, r.Key()))
		if wanted[key] == nil || r.Stamp.After(wanted[key].Stamp) {
			wanted[key] = r
		}
	}
	sums = map[trace.Waybill]uint64{}
	err = s.scan([]byte{keys.KindRecord}, func(key, value []byte) (bool, error) {
		w := wanted[string(key)]
		if w == nil {
			return false, fmt.Errorf("record %q was never told", key)
		}
		if !bytes.Equal(value, w.Append(nil)) {
			return false, fmt.Errorf("record %q is %x, told last was %x", key, value, w.Append(nil))
		}
		sums[w.Waybill] ^= recordHash(recordOf{w.Kind, w.Key()}, w)
		delete(wanted, string(key))
		return true, nil
	})
	for key := range wanted {
		return nil, fmt.Errorf("record %q was told and is not stored", key)
	}
	return sums, err
}

// judgementsAgree compares what is kept for judging with the lists that were told:
// the newest 32 of each kind.
func judgementsAgree(s *Store, told []trace.List) error {
	wanted := map[string]*trace.Judgement{}
	for i := range told {
		l := &told[i]
		key := string(keys.Judgement(nil, l.Waybill, l.Source))
		if wanted[key] == nil {
			wanted[key] = &trace.Judgement{}
		}
		wanted[key].Note(l)
	}
	err := s.scan([]byte{keys.KindJudgement}, func(key, value []byte) (bool, error) {
		j := wanted[string(key)]
		if j == nil || !bytes.Equal(value, j.Append(nil)) {
			return false, fmt.Errorf("judgement %q is not that of the lists that were told", key)
		}
		delete(wanted, string(key))
		return true, nil
	})
	for key := range wanted {
		return fmt.Errorf("judgement %q is missing", key)
	}
	return err
}

// keysAgree compares the keys of an index with what the facts say; strict where it
// may have no other.
func keysAgree(s *Store, kind byte, wanted map[string]bool, strict bool) error {
	err := s.scan([]byte{kind}, func(key, _ []byte) (bool, error) {
		if strict && !wanted[string(key)] {
			return false, fmt.Errorf("key %q stands in no fact", key)
		}
		delete(wanted, string(key))
		return true, nil
	})
	for key := range wanted {
		return fmt.Errorf("a fact leads to key %q, which is not there", key)
	}
	return err
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
		"c YT1234567890123 of yto kind 1",
		"f partition 7 seq 4", "f partition 12 seq 1", "f partition 12 seq 3", "f partition 12 seq 7",
		`g YT1234567890123 of "" goes on from SF7444400031887 of sf`,
		"j YT1234567890123 of yto by kuaidi100",
		"m clock", "m folding", "m form", "m mark", "m next", "m node", "m partitions",
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
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("the directory holds\n%s\nwant\n%s", g, w)
	}
	mustAgree(t, s)
}
