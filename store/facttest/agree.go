package facttest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"

	"waytrace/store/keys"
	"waytrace/trace"
)

// Disagreement reads a whole directory, of whose feed nothing was trimmed, and reports the
// first thing that does not fit the rest. It gives what the feed tells of.
func Disagreement(scan Scanner) (*Told, error) {
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
	err := scan([]byte{keys.KindWaybill}, func(key, value []byte) (bool, error) {
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
		return nil, err
	}
	told, err := ReadFeed(scan)
	if err != nil {
		return nil, err
	}
	for id := range known {
		if !told.Events[id] {
			return nil, fmt.Errorf("event %s is stored and the feed does not tell of it", id)
		}
	}
	for id := range told.Events {
		if !known[id] {
			return nil, fmt.Errorf("the feed tells of event %s, which is not stored", id)
		}
	}
	for i := range told.Facts.Lists {
		of(told.Facts.Lists[i].Waybill).TakeList(&told.Facts.Lists[i])
	}
	for i := range told.Facts.Legs {
		l := &told.Facts.Legs[i]
		of(l.Waybill).TakeLeg(l, true)
		if l.To.Number != "" {
			legs[string(keys.Leg(nil, l.To.Waybill, l.Waybill))] = true
		}
	}
	for i := range told.Facts.Overrides {
		of(told.Facts.Overrides[i].Waybill).TakeOverride(&told.Facts.Overrides[i])
	}
	records, err := recordsOf(scan, told.Facts.Records)
	if err != nil {
		return nil, err
	}
	for w, sum := range records {
		of(w).Records = sum
	}
	if err := judgementsAgree(scan, told.Facts.Lists); err != nil {
		return nil, err
	}
	if err := headsAgree(heads, folded); err != nil {
		return nil, err
	}
	if err := keysAgree(scan, keys.KindReference, references, true); err != nil {
		return nil, err
	}
	// The way back from a leg may outlive the copy of the event that named it.
	return told, keysAgree(scan, keys.KindLeg, legs, false)
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

// recordsOf gives the hash of all records of each waybill. Of those that were told
// with one key the greatest stamp must be stored, and no other.
func recordsOf(scan Scanner, told []trace.Record) (sums map[trace.Waybill]uint64, err error) {
	wanted := map[string]*trace.Record{}
	for i := range told {
		r := &told[i]
		key := string(keys.Record(nil, r.Waybill, r.Kind, r.Key()))
		if wanted[key] == nil || r.Stamp.After(wanted[key].Stamp) {
			wanted[key] = r
		}
	}
	sums = map[trace.Waybill]uint64{}
	err = scan([]byte{keys.KindRecord}, func(key, value []byte) (bool, error) {
		w := wanted[string(key)]
		if w == nil {
			return false, fmt.Errorf("record %q was never told", key)
		}
		if !bytes.Equal(value, w.Append(nil)) {
			return false, fmt.Errorf("record %q is %x, told last was %x", key, value, w.Append(nil))
		}
		sums[w.Waybill] ^= recordHash(w)
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
func judgementsAgree(scan Scanner, told []trace.List) error {
	wanted := map[string]*trace.Judgement{}
	for i := range told {
		l := &told[i]
		key := string(keys.Judgement(nil, l.Waybill, l.Source))
		if wanted[key] == nil {
			wanted[key] = &trace.Judgement{}
		}
		wanted[key].Note(l)
	}
	err := scan([]byte{keys.KindJudgement}, func(key, value []byte) (bool, error) {
		j := wanted[string(key)]
		if j == nil || !bytes.Equal(value, j.Append(nil)) {
			return false, fmt.Errorf("judgement %q is not that of the lists that were told", key)
		}
		delete(wanted, string(key))
		return true, nil
	})
	if err != nil {
		return err
	}
	for key := range wanted {
		return fmt.Errorf("judgement %q is missing", key)
	}
	return nil
}

// keysAgree compares the keys of an index with what the facts say; strict where it
// may have no other.
func keysAgree(scan Scanner, kind byte, wanted map[string]bool, strict bool) error {
	err := scan([]byte{kind}, func(key, _ []byte) (bool, error) {
		if strict && !wanted[string(key)] {
			return false, fmt.Errorf("key %q stands in no fact", key)
		}
		delete(wanted, string(key))
		return true, nil
	})
	if err != nil {
		return err
	}
	for key := range wanted {
		return fmt.Errorf("a fact leads to key %q, which is not there", key)
	}
	return nil
}

// recordHash is what a record adds to its head's hash of all.
func recordHash(r *trace.Record) uint64 {
	h := uint64(r.Kind)*0x9E3779B97F4A7C15 ^ uint64(r.Key())
	h = (h ^ r.Says()) * 0xFF51AFD7ED558CCD
	return h ^ h>>32
}

func byName(a, b trace.Waybill) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Carrier, b.Carrier))
}
