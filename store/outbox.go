package store

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/trace"
)

// An Outbox is the feed as Kafka follows it: what this node was the first to hear, and
// how far it was shipped. While it is open, the feed is kept from its bookmarks on, and
// Append is refused when too much waits. Its methods are safe for concurrent use; the
// records of one partition are to be shipped by one goroutine, though.
//
//	load, err := outbox.Next(partition, 500, 512<<10)
//	…                     // ship load.Items, all of them, in order
//	err = outbox.Told(partition, load.Upto)
//	<-outbox.Bell(partition) // where load.Upto was the bookmark already
type Outbox struct {
	store  *Store
	parts  [trace.Partitions]outboxPart
	parked atomic.Int64
	level  atomic.Int32 // how full it was when the log last said so

	flushing sync.Mutex // held by who writes bookmarks
	flushed  time.Time  // when they were written last; under flushing
	dirty    atomic.Bool
	later    atomic.Bool // they will be written in a moment, when soon fires
	soon     *time.Timer
}

// An outboxPart is one partition of the outbox.
type outboxPart struct {
	bell chan struct{}
	own  atomic.Uint64 // Own of the bookmark
	done atomic.Uint64 // Bytes of the feed up to clear; written under mu

	mu      sync.Mutex
	at      place
	clear   uint64          // nothing of ours lies between the bookmark and this seq
	next    place           // what Next gave last as Upto
	foreign stretch         // see ring
	parked  map[uint64]bool // seqs behind the bookmark that are parked: true ships void, false what is left of it
}

// A place is a bookmark, and in which entry it is when that was told in part.
type place struct {
	trace.Bookmark
	inside uint64 // first seq of the entry; 0: the bookmark is at the end of one
}

// A stretch is a run of entries in which nothing was heard here first.
type stretch struct{ behind, last, bytes uint64 }

// How full the outbox is.
const (
	roomy   int32 = iota
	filling       // four fifths
	full
)

// OpenOutbox opens the outbox. Where nothing was ever shipped it begins with what is
// left of the feed.
func (s *Store) OpenOutbox() (*Outbox, error) {
	s.trimming.Lock() // else what it is to begin with might go meanwhile
	defer s.trimming.Unlock()
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	o := &Outbox{store: s}
	o.soon = time.AfterFunc(flushEvery, o.flushLater)
	o.soon.Stop()
	for n := range uint16(trace.Partitions) {
		p := &o.parts[n]
		p.bell, p.parked = make(chan struct{}, 1), make(map[uint64]bool)
		b, found, err := s.bookmark(followerKafka, n)
		if err != nil {
			return nil, err
		}
		trimmed := *s.partitions[n].trimmed.Load()
		if b.Seq < trimmed.Seq && b.Own < trimmed.Own {
			words := "store: the feed was trimmed while nothing was shipped: other nodes lack what is gone, clone them from this one"
			if !found {
				words = "store: shipping begins with a feed that does not go back to the beginning: other nodes lack what is gone, clone them from this one"
			}
			s.log.Error(words, "partition", n, "records", trimmed.Own-b.Own)
		}
		if b.Seq < trimmed.Seq {
			b = trimmed
		}
		if p.at, err = s.placeOf(n, b); err != nil {
			return nil, err
		}
		p.reach(b)
	}
	err := o.eachParked(func(item trace.ParkedItem) bool {
		if p := &o.parts[item.Partition]; item.Seq > p.at.Seq {
			p.parked[item.Seq] = !item.Partly
		}
		o.parked.Add(1)
		return true
	})
	if err != nil {
		return nil, err
	}
	o.dirty.Store(true)
	if err := o.flush(); err != nil {
		return nil, err
	}
	if !s.outbox.CompareAndSwap(nil, o) {
		return nil, errOutboxOpen
	}
	for n := range o.parts {
		if s.partitions[n].landed.Load() > o.parts[n].at.Seq {
			o.parts[n].ring() // it may have rung meanwhile
		}
	}
	return o, nil
}

var errOutboxOpen = errors.New("the outbox is open already")

// placeOf finds out whether a bookmark is in the middle of an entry.
func (s *Store) placeOf(partition uint16, b trace.Bookmark) (at place, err error) {
	at.Bookmark = b
	it, err := s.feed(partition, 0, b.Seq)
	if err != nil {
		return at, err
	}
	defer it.Close()
	if it.Last() {
		var e feedEntry
		if err := e.read(it); err != nil {
			return at, err
		}
		if e.last() > b.Seq {
			at.inside = e.first
		}
	}
	if err := it.Error(); err != nil {
		return at, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	return at, nil
}

// Bookmark is how far a partition was shipped.
func (o *Outbox) Bookmark(partition uint16) trace.Bookmark {
	p := &o.parts[partition]
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at.Bookmark
}

// Tip is the highest seq given out so far in a partition, whether it is synced or not.
func (o *Outbox) Tip(partition uint16) uint64 { return o.store.partitions[partition].tip.Load() }

// Bell rings when something of a partition has become safe to ship, or might have. It
// holds one ring.
func (o *Outbox) Bell(partition uint16) <-chan struct{} { return o.parts[partition].bell }

// ring notes an entry that is synced. What came from elsewhere need not be read to be
// passed over, as long as nothing of ours lies before it.
func (o *Outbox) ring(e *entered) {
	p := &o.parts[e.partition]
	if !e.ours {
		p.mu.Lock()
		if p.foreign.last == e.behind && p.foreign.bytes > 0 && p.clear < e.behind {
			p.foreign.last, p.foreign.bytes = e.last, p.foreign.bytes+e.bytes
		} else {
			p.foreign = stretch{e.behind, e.last, e.bytes}
		}
		p.pass()
		p.mu.Unlock()
	}
	p.ring()
}

// reach moves what is clear on to a bookmark. mu is held, but at the beginning.
func (p *outboxPart) reach(b trace.Bookmark) {
	p.own.Store(b.Own)
	if b.Seq > p.clear {
		p.clear = b.Seq
		p.done.Store(b.Bytes)
	}
	p.pass()
}

// pass passes over the stretch, where that begins where clear ends.
func (p *outboxPart) pass() {
	if p.foreign.bytes > 0 && p.foreign.behind == p.clear {
		p.clear = p.foreign.last
		p.done.Add(p.foreign.bytes)
		p.foreign = stretch{}
	}
}

func (p *outboxPart) ring() {
	select {
	case p.bell <- struct{}{}:
	default:
	}
}

// Told moves a partition's bookmark once what lies before it was acknowledged. It counts
// at once and is on disk about a second later: where it is lost, some of it is shipped
// again. A bookmark before the one at hand changes nothing.
func (o *Outbox) Told(partition uint16, b trace.Bookmark) error {
	p := &o.parts[partition]
	p.mu.Lock()
	to := p.next
	p.mu.Unlock()
	if to.Bookmark != b {
		if err := o.store.enter(); err != nil {
			return err
		}
		var err error
		to, err = o.store.placeOf(partition, b)
		o.store.leave()
		if err != nil {
			return err
		}
	}
	p.mu.Lock()
	moved := to.Seq > p.at.Seq
	if moved {
		p.at = to
		p.reach(to.Bookmark)
		for seq := range p.parked {
			if seq <= to.Seq {
				delete(p.parked, seq)
			}
		}
	}
	p.mu.Unlock()
	if !moved {
		return nil
	}
	o.dirty.Store(true)
	due := false
	if o.flushing.TryLock() { // else somebody writes, and may have passed this one
		due = time.Since(o.flushed) >= flushEvery
		o.flushing.Unlock()
	}
	if !due {
		if o.later.CompareAndSwap(false, true) { // for there may be no next
			o.soon.Reset(flushEvery)
		}
		return nil
	}
	if err := o.store.enter(); err != nil {
		return err
	}
	defer o.store.leave()
	return o.flush()
}

// flushLater writes the bookmarks where nobody else has; Close has.
func (o *Outbox) flushLater() {
	o.later.Store(false)
	if o.store.outbox.Load() != o || o.store.enter() != nil {
		return
	}
	defer o.store.leave()
	if err := o.flush(); err != nil {
		o.store.log.Warn("store: the outbox's bookmarks could not be written: some of it may be shipped again", "err", err)
	}
}

// flushEvery is how often bookmarks are written at most.
const flushEvery = time.Second

// flush writes the bookmarks. They need no sync: the log keeps its order, and a lost
// bookmark means shipping again.
func (o *Outbox) flush() error {
	o.flushing.Lock()
	defer o.flushing.Unlock()
	o.flushed = time.Now()
	if !o.dirty.Swap(false) {
		return nil
	}
	b := o.store.db.NewBatch()
	defer b.Close()
	o.putBookmarks(b)
	err := o.store.commit(b, pebble.NoSync)
	if err != nil {
		o.dirty.Store(true)
	}
	return err
}

// putBookmarks puts all bookmarks into a batch, for whoever holds flushing until the
// batch is committed: no older one may overwrite a newer.
func (o *Outbox) putBookmarks(b *pebble.Batch) {
	for n := range uint16(trace.Partitions) {
		putBookmark(b, followerKafka, n, o.Bookmark(n))
	}
}

// Close writes the bookmarks. The outbox must not be used any more.
func (o *Outbox) Close() error {
	o.store.outbox.CompareAndSwap(o, nil)
	o.soon.Stop()
	if err := o.store.enter(); err != nil {
		return err
	}
	defer o.store.leave()
	return o.flush()
}

// bytes is how many bytes of feed wait in all, from the first of ours on that was not
// shipped: what lies before that came from other nodes, and waits for nobody.
func (o *Outbox) bytes() (n uint64) {
	for i := range o.parts {
		p := &o.store.partitions[i]
		if p.counted.Load() == o.parts[i].own.Load() {
			continue
		}
		// Read in this order, the difference is never negative.
		done := o.parts[i].done.Load()
		n += p.written.Load() - done
	}
	return n
}

// room refuses what would make the outbox too large.
func (o *Outbox) room() error {
	limit := o.store.limits.outbox
	n := o.bytes()
	level := roomy
	switch {
	case n > limit:
		level = full
	case n > limit/5*4:
		level = filling
	}
	if was := o.level.Load(); level > was && o.level.CompareAndSwap(was, level) {
		o.complain(level, n)
	} else if was > roomy && n < limit/4*3 {
		o.level.CompareAndSwap(was, roomy)
	}
	if level == full {
		return trace.Problemf(trace.ErrUnavailable, "outbox_full",
			"%d MiB wait to be shipped to Kafka and no more than %d MiB may: is Kafka up?", n>>20, limit>>20)
	}
	return nil
}

// complain says once in the log how full the outbox has become.
func (o *Outbox) complain(level int32, n uint64) {
	args := []any{"waiting_mib", n >> 20, "limit_mib", o.store.limits.outbox >> 20, "help", "is Kafka up? feed.max_outbox gives the outbox more room"}
	if level == full {
		o.store.log.Error("store: the outbox is full, pushes are refused until Kafka takes what waits", args...)
	} else {
		o.store.log.Warn("store: the outbox is filling, at its limit pushes are refused", args...)
	}
}

// Waiting is what has not been shipped yet in one partition.
type Waiting struct {
	Records uint64
	Bytes   uint64    // of feed
	Oldest  time.Time // when the first of it was numbered; zero when nothing waits
}

// Waiting reads what waits in a partition.
func (o *Outbox) Waiting(partition uint16) (w Waiting) {
	p := &o.parts[partition]
	p.mu.Lock()
	at, from, done := p.at, p.clear, p.done.Load()
	p.mu.Unlock()
	w.Records = o.store.Counted(partition) - at.Own
	if w.Records == 0 {
		return w
	}
	w.Bytes = o.store.partitions[partition].written.Load() - done
	if o.store.enter() != nil {
		return w
	}
	defer o.store.leave()
	if at.inside > 0 {
		from = at.inside - 1
	}
	if ms, ok, err := o.store.oldest(partition, from); err == nil && ok {
		w.Oldest = time.UnixMilli(ms)
	}
	return w
}

// WriteMetrics writes what waits in Prometheus text form, read at this moment.
func (o *Outbox) WriteMetrics(w io.Writer) {
	bytes, oldest := uint64(0), time.Duration(0)
	now := time.UnixMilli(o.store.wall())
	for n := range uint16(trace.Partitions) {
		waits := o.Waiting(n)
		fmt.Fprintf(w, "waytrace_outbox_records{partition=\"%d\"} %d\n", n, waits.Records)
		bytes += waits.Bytes
		if !waits.Oldest.IsZero() {
			oldest = max(oldest, now.Sub(waits.Oldest))
		}
	}
	fmt.Fprintf(w, "waytrace_outbox_bytes %d\n", bytes)
	fmt.Fprintf(w, "waytrace_outbox_limit_bytes %d\n", o.store.limits.outbox)
	fmt.Fprintf(w, "waytrace_outbox_oldest_seconds %v\n", oldest.Seconds())
	fmt.Fprintf(w, "waytrace_outbox_parked %d\n", o.parked.Load())
}
