package store

import (
	"bytes"
	"fmt"
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
	var own [keys.Partitions]uint64
	known := map[trace.ID]bool{}
	wanted := map[string]bool{} // keys of references
	var told []trace.ID
	lastSeq := uint64(0)
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
		if folded[k.Waybill] == nil {
			folded[k.Waybill] = &trace.Head{}
		}
		known[e.ID] = true
		for _, r := range e.References {
			if trace.ValidReference(r.Text) {
				wanted[string(keys.Reference(nil, r, k.Waybill))] = true
			}
		}
		e.Append(nil) // for its mark
		taken, err := folded[k.Waybill].Take(&e, nil)
		if err == nil && taken != trace.Fresh {
			err = fmt.Errorf("event %s of %s is stored twice", e.ID, k.Waybill.Number)
		}
		return true, err
	})
	if err != nil {
		return err
	}
	for w, h := range heads {
		f := folded[w]
		if f == nil {
			return fmt.Errorf("%s has a head and no events", w.Number)
		}
		f.Fold()
		if got, want := h.Append(nil), f.Append(nil); !bytes.Equal(got, want) {
			return fmt.Errorf("%s: its head is not the fold of its events:\n%x\n%x", w.Number, got, want)
		}
		delete(folded, w)
	}
	for w := range folded {
		return fmt.Errorf("%s has events and no head", w.Number)
	}
	if err := referencesAgree(s, wanted); err != nil {
		return err
	}
	for p := range uint16(keys.Partitions) {
		seq := uint64(0)
		err := s.EachFeedEntry(p, 0, func(first uint64, e *trace.FeedEntry) bool {
			if first <= seq {
				err := fmt.Errorf("partition %d: seq %d comes after %d", p, first, seq)
				panic(err)
			}
			seq = first + uint64(e.Changes()) - 1
			lastSeq = max(lastSeq, seq)
			for _, g := range e.Groups {
				if own[p]++; g.Own != own[p] || keys.Partition(g.Number) != p {
					panic(fmt.Errorf("partition %d: group %d of %s comes in place of %d", p, g.Own, g.Number, own[p]))
				}
				for _, c := range g.Changes {
					told = append(told, c.ID)
				}
			}
			return true
		})
		if err != nil {
			return err
		}
		if s.next.own[p] != own[p]+1 {
			return fmt.Errorf("partition %d: next group is %d, the feed has %d", p, s.next.own[p], own[p])
		}
	}
	if s.next.seq != lastSeq+1 || s.SafeMark() != lastSeq {
		return fmt.Errorf("next seq %d, safe mark %d, the feed ends at %d", s.next.seq, s.SafeMark(), lastSeq)
	}
	for _, id := range told {
		if !known[id] {
			return fmt.Errorf("the feed tells of event %s, which is not stored", id)
		}
	}
	for id := range known {
		if slices.Contains(told, id) {
			continue
		}
		return fmt.Errorf("event %s is stored and the feed does not tell of it", id)
	}
	return nil
}

// referencesAgree compares the index of references with what the events say.
func referencesAgree(s *Store, wanted map[string]bool) error {
	err := s.scan([]byte{keys.KindReference}, func(key, _ []byte) (bool, error) {
		if !wanted[string(key)] {
			return false, fmt.Errorf("reference %q stands in no event", key)
		}
		delete(wanted, string(key))
		return true, nil
	})
	for key := range wanted {
		return fmt.Errorf("an event has reference %q, which leads nowhere", key)
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
	first, second := sealed(t, s, e), sealed(t, s, scan("SF7444400031887", "80", trace.Delivered, 2))
	want := []string{
		"f partition 12 seq 1",
		"m clock", "m form", "m mark", "m next", "m node", "m partitions",
		"q",
		`r main "order 1" leads to SF7444400031887`,
		"w SF7444400031887 head of sf",
		"w SF7444400031887 event " + first.Events[0].ID.String(),
		"w SF7444400031887 event " + second.Events[0].ID.String(),
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("the directory holds\n%s\nwant\n%s", g, w)
	}
	mustAgree(t, s)
}
