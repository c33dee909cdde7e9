package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// finish folds the heads that the batch changed, and those of the parcels that go
// on under their numbers; writes them with all that is theirs; and numbers what was
// learned, partition by partition.
func (w *writer) finish() {
	changed := w.dirty
	for _, h := range w.heads {
		if h.dirty {
			h.head.Fold(h.Waybill, w.kin)
			changed = append(changed, h)
		}
	}
	changed = append(changed, w.foldParents(changed)...)
	w.dirty = changed
	slices.SortFunc(changed, func(a, b *liveHead) int {
		return cmp.Or(cmp.Compare(a.partition, b.partition), cmp.Compare(a.Number, b.Number), cmp.Compare(a.Carrier, b.Carrier))
	})
	next := &w.store.next
	for i, h := range changed {
		if n := h.head.Anomalies - h.anomalies; n > 0 && len(h.changes) > 0 {
			anomalies(h.Carrier).Add(n)
		}
		if h.isNew {
			next.waybills++
		}
		twin := i > 0 && changed[i-1].Number == h.Number || i+1 < len(changed) && changed[i+1].Number == h.Number
		w.write(h, twin)
		w.number(h)
		if len(w.entry.Groups) > 0 && (i+1 == len(changed) || changed[i+1].partition != h.partition) {
			w.enter(h.partition)
		}
	}
	w.writeUnmapped()
	if len(changed) > 0 {
		w.store.waybills.Store(next.waybills)
		w.value = next.append(w.value[:0])
		w.set(keys.Meta(w.buf[:0], metaNext), w.value)
	}
	if w.heard > w.store.reserved {
		ahead := reserveAhead
		if w.store.clock.Ahead(w.heard) {
			ahead = reserveLittle
		}
		w.store.reserved = trace.HLCAt(w.heard.Milli() + ahead.Milliseconds())
		w.value = binary.BigEndian.AppendUint64(w.value[:0], uint64(w.store.reserved))
		w.set(keys.Meta(w.buf[:0], metaClock), w.value)
	}
}

// write puts a head and all that the batch has of it into the batch, and the head into
// the table; twin says that the batch writes another of the number. From here on
// readers may see it.
func (w *writer) write(h *liveHead, twin bool) {
	w.moved = append(w.moved, w.store.stamps.begin(h.hash))
	if h.isNew {
		w.store.known.add(h.hash)
	}
	w.buf, w.value = keys.Head(w.buf[:0], h.Waybill), h.head.Append(w.value[:0])
	w.set(w.buf, w.value)
	w.keepHead(h, w.value, twin)
	for _, e := range h.events {
		w.buf = keys.Event(w.buf[:0], h.Waybill, e.local, e.id)
		w.set(w.buf, e.value)
	}
	for of, r := range h.records {
		w.buf, w.value = keys.Record(w.buf[:0], h.Waybill, of.kind, of.id), r.Append(w.value[:0])
		w.set(w.buf, w.value)
	}
	for source, j := range h.judged {
		w.buf, w.value = keys.Judgement(w.buf[:0], h.Waybill, source), j.Append(w.value[:0])
		w.set(w.buf, w.value)
	}
}

// number adds what was learned of a waybill to its partition's entry: what this
// node heard first in groups with the partition's next numbers, what came from
// elsewhere or follows from something else as another without one.
func (w *writer) number(h *liveHead) {
	own := &w.store.next.own[h.partition]
	before := h.before
	group := func(changes []trace.Change, own uint64) {
		w.entry.Groups = append(w.entry.Groups, trace.Group{Waybill: h.Waybill, Own: own,
			Before: before, After: h.head.Pair, Changes: changes})
		before = h.head.Pair // whoever follows hears of the new status once
	}
	w.shares = h.shares(w.shares[:0])
	for _, changes := range w.shares {
		group(changes, *own)
		w.store.partitions[h.partition].counted.Store(*own)
		*own++
	}
	if len(h.others) > 0 {
		group(h.others, 0)
	}
}

// shareBytes is how much the facts of one group may hold, in bytes of their stored
// forms: a group becomes one record of the topic, where one of a megabyte is refused, and
// its events may have grown by then.
const shareBytes = 256 << 10

// shares appends what was heard here to all, cut into runs that hold no more than
// shareBytes each, where a single fact does not hold more.
func (h *liveHead) shares(all [][]trace.Change) [][]trace.Change {
	if len(h.changes) == 0 {
		return all
	}
	total := 0
	for i := range h.events {
		total += len(h.events[i].value)
	}
	for i := range h.changes {
		total += carries(&h.changes[i])
	}
	if total <= shareBytes {
		return append(all, h.changes) // nearly always
	}
	size := make(map[trace.ID]int, len(h.events))
	for i := range h.events {
		size[h.events[i].id] = len(h.events[i].value)
	}
	begin, held := 0, 0
	for i := range h.changes {
		c := &h.changes[i]
		n := carries(c)
		if c.Kind == trace.EventAdded || c.Kind == trace.EventRevised {
			n = size[c.ID]
		}
		if held += n; held > shareBytes && i > begin && n > 0 {
			all = append(all, h.changes[begin:i])
			begin, held = i, n
		}
	}
	return append(all, h.changes[begin:])
}

// carries is about how many bytes a change carries with it.
func carries(c *trace.Change) int {
	switch c.Kind {
	case trace.Listed:
		return 8 * (len(c.List.Shows) + len(c.List.Hides) + len(c.List.Restores))
	case trace.RecordKept:
		return len(c.Record.Append(nil))
	}
	return 0
}

// writeUnmapped adds the batch's unmapped codes to those that are known.
func (w *writer) writeUnmapped() {
	for of, met := range w.unmapped {
		var have trace.Unmapped
		w.buf = keys.Unmapped(w.buf[:0], of.source, of.code)
		key := slices.Clone(w.buf)
		if w.get(key, func(value []byte) error { return trace.DecodeUnmapped(&have, value) }) != nil {
			continue // a report is not worth an event
		}
		if have.Count == 0 {
			have = *met
		} else {
			have.Count += met.Count
		}
		w.value = have.Append(w.value[:0])
		w.set(key, w.value)
	}
}

// adoptable reports whether one more parcel may go on under a number. Only the node
// that hears of it minds the cap.
func (w *writer) adoptable(parent, child trace.Waybill, judged bool) (bool, error) {
	if judged {
		return true, nil
	}
	parents, err := w.parentsOf(child.Number)
	if err != nil {
		return false, err
	}
	return slices.Contains(parents, parent) || len(parents) < trace.MaxParents, nil
}

// adopt notes the way back from a child to its parent.
func (w *writer) adopt(parent, child trace.Waybill) {
	if child.Number == "" {
		return
	}
	w.buf = keys.Leg(w.buf[:0], child, parent)
	w.set(w.buf, nil)
	if !slices.Contains(w.adopted[child.Number], parent) {
		w.adopted[child.Number] = append(w.adopted[child.Number], parent)
	}
	w.store.legs.Store(true)
}

// parentsOf are the parcels that go on under a number, each once.
func (w *writer) parentsOf(number string) (parents []trace.Waybill, err error) {
	parents = slices.Clone(w.adopted[number])
	if !w.store.legs.Load() {
		return parents, nil // the common case, without a look at the database
	}
	prefix := keys.Parents(nil, number)
	it, err := w.store.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.End(nil, prefix), UseL6Filters: true})
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	defer it.Close()
	for ok := it.SeekPrefixGE(prefix); ok; ok = it.Next() {
		k, err := keys.Parse(it.Key())
		if err != nil {
			return nil, err
		}
		if !slices.Contains(parents, k.Waybill) {
			parents = append(parents, k.Waybill)
		}
	}
	if err := it.Error(); err != nil {
		return nil, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	return parents, nil
}

// foldParents folds the parcels that go on under the numbers of heads that changed,
// and gives those that came out differently. Followers hear of them where they
// hear of the child.
func (w *writer) foldParents(children []*liveHead) (changed []*liveHead) {
	if !w.store.legs.Load() {
		return nil // the common case
	}
	told := map[trace.Waybill]bool{}
	for _, h := range children {
		parents, err := w.parentsOf(h.Number)
		if err != nil {
			w.store.log.Error("the parents of a leg cannot be read", "waybill", h.Number, "err", err)
			continue
		}
		for _, p := range parents {
			told[p] = told[p] || len(h.changes)+len(h.others) > 0
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(told), byName) {
		h, err := w.live(p)
		if err != nil || h.dirty {
			continue // the first is logged; the second was folded over its legs as they are now
		}
		if !w.foldAnew(h) {
			continue
		}
		if told[p] {
			h.changed(true, trace.Change{Kind: trace.Refolded, Heard: w.heard})
		}
		changed = append(changed, h)
	}
	return changed
}

// foldAnew folds a head whose facts did not change, and reports whether it means
// something else now.
func (w *writer) foldAnew(h *liveHead) bool {
	was := h.head.Append(nil)
	h.head.Fold(h.Waybill, w.kin)
	h.dirty = h.dirty || string(h.head.Append(nil)) != string(was)
	return h.dirty
}

func byName(a, b trace.Waybill) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Carrier, b.Carrier))
}

// kin is trace.Kin over the batch and the database.
func (w *writer) kin(child trace.Waybill) (carrier string, head *trace.Head) {
	if child.Carrier != "" {
		h, err := w.live(child)
		if err != nil || h.head.Empty() {
			return child.Carrier, nil
		}
		return child.Carrier, &h.head
	}
	var carriers []string
	for of := range w.heads {
		if of.Number == child.Number {
			carriers = append(carriers, of.Carrier)
		}
	}
	prefix := keys.Heads(nil, child.Number)
	it, err := w.store.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.End(nil, prefix)})
	if err != nil {
		w.store.log.Error("the carriers of a leg cannot be read", "waybill", child.Number, "err", err)
		return "", nil
	}
	defer it.Close()
	err = each(it, func(key, _ []byte) (bool, error) {
		k, err := keys.Parse(key)
		carriers = append(carriers, k.Waybill.Carrier)
		return err == nil, err
	})
	if err != nil {
		w.store.log.Error("the carriers of a leg cannot be read", "waybill", child.Number, "err", err)
	}
	slices.Sort(carriers)
	for _, c := range slices.Compact(carriers) {
		h, err := w.live(trace.Waybill{Number: child.Number, Carrier: c})
		if err == nil && !h.head.Empty() && (head == nil || h.head.Newest() > head.Newest()) {
			carrier, head = c, &h.head
		}
	}
	return carrier, head
}
