package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// The writer takes whatever waited, builds one batch of it, hands the batch to
// the disk and builds the next while that one syncs. So an idle store adds no
// delay and a busy one makes bigger batches; there is no timer.
//
//	Append ──▶ in ──▶ write: gather, merge, number ──▶ synced: wait for the disk,
//	   ▲                                               move the safe mark
//	   └────────────────────── done ◀──────────────────────────┘
const (
	queueLength = 1024    // requests that may wait for the writer
	batchEvents = 4096    // events that go into one batch
	batchBytes  = 1 << 20 // and bytes of them; half a memtable would stop all else
	depth       = 4       // batches under way to the disk at once
)

// reserveAhead is how far the clock is reserved on disk beyond what was used, so
// that most batches need not write it.
const reserveAhead = 3 * time.Second

// A request is one Append or Quarantine on its way through the writer.
type request struct {
	facts *trace.Facts // of Append

	hash  [16]byte // of Quarantine
	kept  []byte
	heard trace.HLC

	claimed atomic.Bool // by the writer, or by a caller who has gone

	// The answer, set before done is closed.
	fresh int
	err   error
	done  chan struct{}
}

// A flight is a batch on its way to the disk, with those who wait for it.
type flight struct {
	batch    *pebble.Batch // nil: they wait for the batches before it only
	requests []*request
	seq      uint64 // the last seq in it
	began    time.Time
}

// write is the writer's goroutine, with the one that waits for the disk.
func (s *Store) write() {
	flights := make(chan flight, depth)
	go func() {
		defer close(s.stopped)
		for f := range flights {
			s.land(f)
		}
	}()
	defer close(flights)
	w := writer{store: s, heads: map[trace.Waybill]*liveHead{}, latest: s.reserved}
	for {
		var first *request
		select {
		case first = <-s.in:
		case <-s.closing:
			// Finish what waits, then go.
			select {
			case first = <-s.in:
			default:
				return
			}
		}
		s.writing.Store(time.Now().UnixNano())
		f := w.commit(s.gather(first))
		s.writing.Store(0)
		flights <- f
	}
}

// gather takes what waits behind the first request, up to a batch full.
func (s *Store) gather(first *request) []*request {
	requests := make([]*request, 0, 64)
	events, size := 0, 0
	for r := first; ; {
		if r.claimed.CompareAndSwap(false, true) {
			requests = append(requests, r)
			if r.facts != nil {
				events += len(r.facts.Events)
				for i := range r.facts.Events {
					size += len(r.facts.Events[i].Value)
				}
			}
			size += len(r.kept)
		}
		if events >= batchEvents || size >= batchBytes {
			return requests
		}
		select {
		case r = <-s.in:
		default:
			return requests
		}
	}
}

// land waits for a flight to be synced and answers who waits for it.
func (s *Store) land(f flight) {
	if f.batch != nil {
		s.syncing.Store(f.began.UnixNano())
		err := f.batch.SyncWait()
		s.syncing.Store(0)
		if err == nil {
			err = f.batch.Close()
		}
		if err != nil {
			s.fail(err)
		} else {
			s.safe.Store(f.seq)
			commitDuration.UpdateDuration(f.began)
		}
	}
	// A repeat of what an earlier flight failed to bring is not synced either.
	failed := s.failed.Load()
	for _, r := range f.requests {
		if failed != nil {
			r.err = *failed
		}
		close(r.done)
	}
}

// A writer is the state of the one goroutine that commits.
type writer struct {
	store  *Store
	batch  *pebble.Batch
	heads  map[trace.Waybill]*liveHead // touched by the batch that is being built
	heard  trace.HLC                   // the greatest reading in it
	latest trace.HLC                   // the greatest reading ever taken
	buf    []byte
	value  []byte
	entry  trace.FeedEntry
}

// A liveHead is a head that the batch touches, with what the batch learned of it.
type liveHead struct {
	trace.Waybill
	head      trace.Head
	partition uint16
	before    trace.Pair
	changes   []trace.Change
	events    []liveEvent
}

// write notes an event for the batch, in place of what the batch had of it.
func (h *liveHead) write(e liveEvent, kind trace.ChangeKind) {
	for i := range h.events {
		if kind == trace.EventRevised && h.events[i].id == e.id {
			h.events[i] = e
			return
		}
	}
	h.events = append(h.events, e)
}

// A liveEvent is an event that the batch writes.
type liveEvent struct {
	local int64
	id    trace.ID
	value []byte
}

// commit builds one batch out of requests and hands it to the disk, without
// waiting for it.
func (w *writer) commit(requests []*request) flight {
	f := flight{requests: requests, began: time.Now()}
	w.batch = w.store.db.NewBatch()
	w.heard = 0
	clear(w.heads)
	for _, r := range requests {
		if r.facts != nil {
			r.fresh, r.err = w.take(r.facts)
		} else {
			r.err = w.keep(r)
		}
	}
	w.finish()
	f.seq = w.store.next.seq - 1
	if w.batch.Empty() {
		w.batch.Close()
		return f
	}
	batchRequests.Update(float64(len(requests)))
	if w.store.failed.Load() != nil {
		// After a failed write of the log, the database must not be given another.
		w.batch.Close()
		return f
	}
	if err := w.store.db.ApplyNoSyncWait(w.batch, pebble.Sync); err != nil {
		w.store.fail(err)
		return f
	}
	f.batch = w.batch
	return f
}

// take merges the events of one push into their heads: repeats are dropped, for
// the head shows that they are; news goes into the batch.
func (w *writer) take(facts *trace.Facts) (fresh int, err error) {
	var h *liveHead
	for i := range facts.Events {
		e := &facts.Events[i]
		if h == nil || h.Waybill != e.Waybill {
			if h, err = w.live(e.Waybill); err != nil {
				return fresh, err
			}
		}
		// Readings are taken before the queue: one may come behind a later one.
		e.Relayed = e.Relayed || e.Heard < w.latest
		w.latest = max(w.latest, e.Heard)
		heard, text := e.Heard, e.Mark.Text // a union has others
		brought := e.References
		e.Taken, err = h.head.Take(e, func() (*trace.Event, error) { return w.have(h, e) })
		if err != nil {
			return fresh, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
		}
		kind := trace.EventAdded
		switch e.Taken {
		case trace.Repeat, trace.TooMany:
			continue
		case trace.Changed:
			fresh++
			kind = trace.EventRevised
			e.Value = e.Append(nil)
		case trace.Earlier:
			e.Taken, kind = trace.Repeat, trace.EventRevised
			e.Value = e.Append(nil)
		case trace.Fresh:
			fresh++
		}
		w.heard = max(w.heard, heard)
		h.write(liveEvent{e.At.Local, e.ID, e.Value}, kind)
		h.changes = append(h.changes, trace.Change{Kind: kind, Local: e.At.Local, ID: e.ID, Text: text, Heard: heard})
		for _, r := range brought {
			if trace.ValidReference(r.Text) {
				w.buf = keys.Reference(w.buf[:0], r, e.Waybill)
				w.set(w.buf, nil)
			}
		}
	}
	return fresh, nil
}

// live gives the head of a waybill, from the batch or from the database.
func (w *writer) live(of trace.Waybill) (*liveHead, error) {
	if h := w.heads[of]; h != nil {
		return h, nil
	}
	h := &liveHead{Waybill: of, partition: keys.Partition(of.Number)}
	w.buf = keys.Head(w.buf[:0], of)
	value, closer, err := w.store.db.Get(w.buf)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
	case err != nil:
		return nil, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	default:
		err = trace.DecodeHead(&h.head, value)
		closer.Close()
		if err != nil {
			// Sending it again does not help before somebody has mended the directory,
			// but nothing may be lost: the sender keeps it until then.
			w.store.log.Error("a head cannot be read", "waybill", of.Number, "carrier", of.Carrier, "err", err)
			return nil, fmt.Errorf("%w (%s of %s: %s)", trace.ErrUnavailable, of.Number, of.Carrier, err)
		}
	}
	h.before = h.head.Pair
	w.heads[of] = h
	return h, nil
}

// have reads an event that the head knows, from the batch or from the database.
func (w *writer) have(h *liveHead, e *trace.Event) (*trace.Event, error) {
	old := new(trace.Event)
	for i := len(h.events) - 1; i >= 0; i-- {
		if x := &h.events[i]; x.id == e.ID {
			return old, trace.DecodeEvent(old, h.Waybill, x.local, x.id, x.value)
		}
	}
	w.buf = keys.Event(w.buf[:0], h.Waybill, e.At.Local, e.ID)
	value, closer, err := w.store.db.Get(w.buf)
	if err != nil {
		return nil, fmt.Errorf("event %s of waybill %s: %w", e.ID, h.Number, err)
	}
	defer closer.Close()
	return old, trace.DecodeEvent(old, h.Waybill, e.At.Local, e.ID, value)
}

// keep puts a quarantined request into the batch, unless it is there already.
func (w *writer) keep(r *request) error {
	w.buf = keys.Quarantine(w.buf[:0], r.hash)
	_, closer, err := w.store.db.Get(w.buf)
	switch {
	case err == nil:
		closer.Close()
		return nil
	case !errors.Is(err, pebble.ErrNotFound):
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	w.heard = max(w.heard, r.heard)
	w.set(w.buf, r.kept)
	return nil
}

// finish folds the heads that the batch changed, writes them with their events,
// and numbers what was learned, partition by partition.
func (w *writer) finish() {
	changed := make([]*liveHead, 0, len(w.heads))
	for _, h := range w.heads {
		if len(h.changes) > 0 {
			changed = append(changed, h)
		}
	}
	slices.SortFunc(changed, func(a, b *liveHead) int {
		return cmp.Or(cmp.Compare(a.partition, b.partition), cmp.Compare(a.Number, b.Number), cmp.Compare(a.Carrier, b.Carrier))
	})
	next := &w.store.next
	for i, h := range changed {
		h.head.Fold()
		w.buf, w.value = keys.Head(w.buf[:0], h.Waybill), h.head.Append(w.value[:0])
		w.set(w.buf, w.value)
		for _, e := range h.events {
			w.buf = keys.Event(w.buf[:0], h.Waybill, e.local, e.id)
			w.set(w.buf, e.value)
		}
		w.entry.Groups = append(w.entry.Groups, trace.Group{Waybill: h.Waybill, Own: next.own[h.partition],
			Before: h.before, After: h.head.Pair, Changes: h.changes})
		next.own[h.partition]++
		if i+1 == len(changed) || changed[i+1].partition != h.partition {
			w.enter(h.partition)
		}
	}
	if len(changed) > 0 {
		w.value = next.append(w.value[:0])
		w.set(keys.Meta(w.buf[:0], metaNext), w.value)
	}
	if w.heard > w.store.reserved {
		w.store.reserved = trace.HLCAt(w.heard.Milli() + reserveAhead.Milliseconds())
		w.value = binary.BigEndian.AppendUint64(w.value[:0], uint64(w.store.reserved))
		w.set(keys.Meta(w.buf[:0], metaClock), w.value)
	}
}

// enter writes the feed entry of one partition, and counts its changes.
func (w *writer) enter(partition uint16) {
	next := &w.store.next
	w.entry.Mark = w.store.mark
	w.buf, w.value = keys.Feed(w.buf[:0], partition, next.seq), w.entry.Append(w.value[:0])
	w.set(w.buf, w.value)
	next.seq += uint64(w.entry.Changes())
	clear(w.entry.Groups)
	w.entry.Groups = w.entry.Groups[:0]
}

// set puts a pair into the batch, which copies it.
func (w *writer) set(key, value []byte) {
	// A batch in memory fails only when it is out of order of use.
	if err := w.batch.Set(key, value, nil); err != nil {
		panic("BUG: " + err.Error())
	}
}
