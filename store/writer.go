package store

import (
	"errors"
	"fmt"
	"sync"
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
	depth       = 16      // batches under way to the disk at once
	listWeight  = 64      // bytes that an event of a list weighs: in the feed, in its head, and in being judged
)

// reserveAhead is how far the clock is reserved on disk beyond what was used, so
// that most batches need not write it.
const reserveAhead = 3 * time.Second

// reserveLittle is how far while the clock is ahead of the physical one, as it is when
// the last run was killed: it counts on then, and needs no more. Else a daemon that is
// killed again and again would run away from the time of day.
const reserveLittle = 10 * time.Millisecond

// A request is one Append or Quarantine on its way through the writer.
type request struct {
	facts    *trace.Facts // of Append and ApplyNews
	progress []pair       // of ApplyNews

	refold *refolding // of Refold

	hash  [16]byte // of Quarantine
	kept  []byte
	heard trace.HLC

	claimed atomic.Bool // by the writer, or by a caller who has gone

	// The answer, set before done is told.
	fresh int
	err   error
	done  chan struct{}
}

// requests are used again once they were answered. One whose caller has gone is not:
// the writer may still have it.
var requests = sync.Pool{New: func() any { return &request{done: make(chan struct{}, 1)} }}

// giveBack lets another caller have an answered request.
func (r *request) giveBack() {
	*r = request{done: r.done}
	requests.Put(r)
}

// A flight is a batch on its way to the disk, with those who wait for it.
type flight struct {
	batch    *pebble.Batch // nil: they wait for the batches before it only
	requests []*request
	seq      uint64 // the last seq in it
	ordinal  uint64 // of the batch, see landing
	entries  []entered
	moved    []uint32 // stamps to land
	began    time.Time
}

// landed are flights whose memory the next ones may have.
var landed = sync.Pool{New: func() any { return new(flight) }}

// giveBack lets another batch have the memory of a flight that has landed.
func (f *flight) giveBack() {
	clear(f.requests)
	*f = flight{requests: f.requests[:0], entries: f.entries[:0], moved: f.moved[:0]}
	landed.Put(f)
}

// write is the writer's goroutine, with the one that waits for the disk.
func (s *Store) write() {
	flights := make(chan *flight, depth)
	go func() {
		defer close(s.stopped)
		for f := range flights {
			s.land(f)
		}
	}()
	defer close(flights)
	w := writer{store: s, latest: s.reserved, heads: map[trace.Waybill]*liveHead{},
		adopted: map[string][]trace.Waybill{}, unmapped: map[codeOf]*trace.Unmapped{}}
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
		f := landed.Get().(*flight)
		s.gather(f, first)
		w.commit(f)
		s.writing.Store(0)
		flights <- f
	}
}

// gather takes what waits behind the first request, up to a batch full.
func (s *Store) gather(f *flight, first *request) {
	events, size := 0, 0
	for r := first; ; {
		if r.claimed.CompareAndSwap(false, true) {
			f.requests = append(f.requests, r)
			if r.facts != nil {
				events += len(r.facts.Events)
				for i := range r.facts.Events {
					size += len(r.facts.Events[i].Value)
				}
				for i := range r.facts.Lists {
					size += listWeight * len(r.facts.Lists[i].Has)
				}
			}
			size += len(r.kept)
		}
		if events >= batchEvents || size >= batchBytes {
			return
		}
		select {
		case r = <-s.in:
		default:
			return
		}
	}
}

// land waits for a flight to be synced and answers who waits for it.
func (s *Store) land(f *flight) {
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
			for _, cell := range f.moved {
				s.stamps.land(cell)
			}
			commitDuration.UpdateDuration(f.began)
			s.ring(f.entries)
		}
	}
	if f.ordinal > 0 {
		s.landing.land(f.ordinal)
	}
	// A repeat of what an earlier flight failed to bring is not synced either.
	failed := s.failed.Load()
	for _, r := range f.requests {
		if failed != nil {
			r.err = *failed
		}
		r.done <- struct{}{} // which has room for one
	}
	f.giveBack()
}

// A writer is the state of the one goroutine that commits.
type writer struct {
	store    *Store
	batch    *pebble.Batch
	heads    map[trace.Waybill]*liveHead // touched by the batch that is being built
	adopted  map[string][]trace.Waybill  // parents that the batch gives a number
	unmapped map[codeOf]*trace.Unmapped  // codes that the batch met
	heard    trace.HLC                   // the greatest reading in it
	latest   trace.HLC                   // the greatest reading ever taken
	buf      []byte
	value    []byte
	entry    trace.FeedEntry
	entries  []entered // of the batch
	moved    []uint32  // stamps that the batch moved

	list, listed []byte      // heads of a number
	dirty        []*liveHead // heads that the batch changed
	shares       [][]trace.Change
	spare        []*liveHead // of earlier batches, to be used again
}

// A liveHead is a head that the batch touches, with what the batch learned of it.
type liveHead struct {
	trace.Waybill
	hash      uint64 // of the number, in the tables in memory
	alone     bool   // no other carrier has a head of the number
	stored    []byte // what the head was read from, which it borrows
	head      trace.Head
	partition uint16
	before    trace.Pair
	anomalies int            // before
	changes   []trace.Change // heard here first
	others    []trace.Change // heard elsewhere, or derived
	isNew     bool           // there was none
	dirty     bool           // to be folded and written
	events    []liveEvent
	records   map[recordOf]*trace.Record
	judged    map[string]*trace.Judgement // by source
}

// A recordOf names a record of a waybill.
type recordOf struct {
	kind trace.RecordKind
	id   trace.ID
}

// changed notes a change, of a fact that was heard here or elsewhere.
func (h *liveHead) changed(elsewhere bool, c trace.Change) {
	h.dirty = true
	if elsewhere {
		h.others = append(h.others, c)
	} else {
		h.changes = append(h.changes, c)
	}
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
func (w *writer) commit(f *flight) {
	f.began = time.Now()
	w.batch = w.store.db.NewBatch()
	w.heard = 0
	w.entries, w.moved = f.entries, f.moved
	defer w.forget()
	for _, r := range f.requests {
		switch {
		case r.facts != nil:
			r.fresh, r.err = w.take(r.facts)
		case r.refold != nil:
			r.fresh, r.err = w.refold(r.refold)
		case r.kept != nil:
			r.err = w.keep(r)
		}
		if r.err == nil {
			for _, row := range r.progress {
				w.set(row.key, row.value)
			}
		}
	}
	w.finish()
	f.seq, f.entries, f.moved = w.store.next.seq-1, w.entries, w.moved
	if w.batch.Empty() {
		w.batch.Close()
		return
	}
	batchRequests.Update(float64(len(f.requests)))
	if w.store.failed.Load() != nil {
		// After a failed write of the log, the database must not be given another.
		w.batch.Close()
		return
	}
	f.ordinal = w.store.landing.hand()
	if err := w.store.db.ApplyNoSyncWait(w.batch, pebble.Sync); err != nil {
		w.store.fail(err)
		return
	}
	f.batch = w.batch
}

// live gives the head of a waybill, from the batch or from the database.
func (w *writer) live(of trace.Waybill) (*liveHead, error) {
	if h := w.heads[of]; h != nil {
		return h, nil
	}
	hash := w.store.stamps.hash(of.Number)
	list, err := w.store.listOf(w.list[:0], hash, of.Number)
	w.list = list
	if err != nil {
		return nil, err
	}
	h := w.empty()
	h.Waybill, h.hash, h.partition = of, hash, trace.PartitionOf(of.Number)
	h.isNew, h.alone = true, true
	for len(list) > 0 {
		var carrier, value []byte
		carrier, value, list = nextHead(list)
		if string(carrier) != of.Carrier {
			h.alone = false
			continue
		}
		h.isNew = false
		h.stored = append(h.stored[:0], value...)
		if err := trace.BorrowHead(&h.head, h.stored); err != nil {
			// Sending it again does not help before somebody has mended the directory,
			// but nothing may be lost: the sender keeps it until then.
			w.store.log.Error("a head cannot be read", "waybill", of.Number, "carrier", of.Carrier, "err", err)
			return nil, fmt.Errorf("%w (%s of %s: %s)", trace.ErrUnavailable, of.Number, of.Carrier, err)
		}
	}
	h.before, h.anomalies = h.head.Pair, h.head.Anomalies
	w.heads[of] = h
	return h, nil
}

// empty gives a head that knows nothing, in memory of an earlier batch.
func (w *writer) empty() *liveHead {
	if n := len(w.spare); n > 0 {
		h := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return h
	}
	return new(liveHead)
}

// mostSpare is how many heads are kept to be used again, and mostReused how many
// events one of them may have had.
const (
	mostSpare  = 2 * batchEvents
	mostReused = 256
)

// forget lets go of what the batch touched: the requests' memory is theirs again once
// they are answered.
func (w *writer) forget() {
	for _, h := range w.heads {
		if len(w.spare) == mostSpare || cap(h.head.Entries) > mostReused {
			continue
		}
		h.head.Reset()
		clear(h.changes)
		clear(h.others)
		clear(h.events)
		*h = liveHead{head: h.head, stored: h.stored[:0], changes: h.changes[:0], others: h.others[:0], events: h.events[:0]}
		w.spare = append(w.spare, h)
	}
	clear(w.heads)
	clear(w.adopted)
	clear(w.unmapped)
	clear(w.dirty)
	w.dirty = w.dirty[:0]
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

// enter writes the feed entry of one partition, and counts its changes.
func (w *writer) enter(partition uint16) {
	next, p := &w.store.next, &w.store.partitions[partition]
	w.entry.Mark, w.entry.At = w.store.mark, w.store.wall()
	w.buf, w.value = keys.Feed(w.buf[:0], partition, next.seq), w.entry.Append(w.value[:0])
	w.set(w.buf, w.value)
	e := entered{partition: partition, behind: p.tip.Load(), bytes: uint64(len(w.buf) + len(w.value))}
	for i := range w.entry.Groups {
		e.ours = e.ours || w.entry.Groups[i].Own > 0
	}
	next.seq += uint64(w.entry.Changes())
	next.bytes[partition] += e.bytes
	e.last = next.seq - 1
	p.tip.Store(e.last)
	p.written.Store(next.bytes[partition])
	w.entries = append(w.entries, e)
	clear(w.entry.Groups)
	w.entry.Groups = w.entry.Groups[:0]
}

// set puts a pair into the batch, which copies it.
func (w *writer) set(key, value []byte) { put(w.batch, key, value) }
