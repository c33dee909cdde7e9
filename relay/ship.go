package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"waytrace/trace"
)

const (
	batchRecords = 500
	batchBytes   = 512 << 10
	// largestRecord is what is shipped at all: the topic takes 1 MiB.
	largestRecord = 900 << 10
	// linger is how long after a batch the next one leaves at the earliest, and after
	// records have come the next are asked for, so that under load a request is about
	// more than a few of them: most of what a record costs is its request.
	linger = 100 * time.Millisecond
)

// A shipper tells Kafka what one partition of the outbox holds, batch by batch.
type shipper struct {
	r    *Relay
	p    uint16
	gate <-chan struct{} // opens when the reader has seen all of our own that the log held

	hurry   atomic.Int64  // how many wait for an acknowledgement
	hurried chan struct{} // rings when one more does

	mu    sync.Mutex
	moved chan struct{} // closed when the bookmark moves; nil while nobody looks
	voids []voided      // those that somebody may ask after

	singly int // so many records go one by one, for together Kafka did not take them
}

func newShipper(r *Relay, p uint16, gate <-chan struct{}) *shipper {
	return &shipper{r: r, p: p, gate: gate, hurried: make(chan struct{}, 1)}
}

// run ships until the relay closes. Before the gate opens, and while the topic is none to
// work with, it passes over what is not to be shipped, else that would count as waiting.
func (s *shipper) run() {
	var retry backoff
	var left time.Time // when the last batch did
	full := false
	for s.r.ctx.Err() == nil {
		if !full {
			s.linger(left)
		}
		records := batchRecords
		if s.singly > 0 {
			records = 1
		}
		load, err := s.r.outbox.Next(s.p, records, batchBytes)
		if err != nil {
			s.r.failed("outbox", err)
			s.r.pause(retry.next())
			continue
		}
		if len(load.Items) == 0 {
			if full = s.told(load.Upto); !full {
				s.wait()
			}
			continue
		}
		if !s.may() {
			continue // later, more may have come
		}
		if s.parkLargest(load.Items) {
			continue
		}
		left = time.Now()
		if !s.ship(load.Items) {
			continue
		}
		retry = backoff{}
		s.singly = max(0, s.singly-1)
		size := 0
		for i := range load.Items {
			size += len(load.Items[i].Value)
			if load.Items[i].Void {
				shippedVoids.Inc()
				s.void(load.Items[i].Seq)
			}
		}
		shippedRecords.Add(len(load.Items))
		shippedBytes.Add(size)
		s.told(load.Upto)
		full = s.singly > 0 || len(load.Items) >= batchRecords || size >= batchBytes/2
		if !full && load.Items[len(load.Items)-1].Own >= s.r.store.Counted(s.p) {
			s.wait()
		}
	}
}

// linger lets a batch grow, unless somebody waits for it.
func (s *shipper) linger(left time.Time) {
	rest := linger - time.Since(left)
	if rest <= 0 || s.hurry.Load() > 0 {
		return
	}
	t := time.NewTimer(rest)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.hurried:
	case <-s.r.ctx.Done():
	}
}

// may waits until shipping is allowed. It reports whether it was at once.
func (s *shipper) may() bool {
	for _, open := range [...]<-chan struct{}{s.gate, s.r.topic.ready()} {
		select {
		case <-open:
			continue
		default:
		}
		select {
		case <-open:
		case <-s.r.ctx.Done():
		}
		return false
	}
	return true
}

// wait returns when there may be more.
func (s *shipper) wait() {
	select {
	case <-s.r.outbox.Bell(s.p):
	case <-s.r.ctx.Done():
	}
}

// ship sends one batch until Kafka has acknowledged it, and reports whether it has: not
// when the relay closes, when the topic is none to work with any more, nor when Kafka
// will never take it and it must be loaded anew.
func (s *shipper) ship(items []trace.LoadItem) bool {
	defer took(shipDuration, time.Now())
	var retry backoff
	for s.r.topic.holds() {
		err := s.r.broker.Produce(s.r.ctx, s.p, items)
		if err == nil {
			s.r.reached()
			return true
		}
		if s.r.ctx.Err() != nil {
			return false
		}
		s.r.failed("produce", err)
		if refused(err) {
			s.r.reached()
			if len(items) == 1 && !items[0].Void {
				s.park(&items[0], fmt.Sprintf("Kafka does not take it: %v", err))
				return false
			}
			if len(items) > 1 {
				s.singly = len(items)
				return false
			}
		}
		s.r.pause(retry.next())
		if s.r.ctx.Err() != nil {
			return false
		}
	}
	return false
}

// parkLargest parks the first record that is too large to be shipped at all, and reports
// whether there was one.
func (s *shipper) parkLargest(items []trace.LoadItem) bool {
	for i := range items {
		if n := len(items[i].Value); n > largestRecord {
			s.park(&items[i], fmt.Sprintf("it has %d bytes, and no more than %d are shipped", n, largestRecord))
			return true
		}
	}
	return false
}

// park puts a record aside, so that the next load has a void in its place.
func (s *shipper) park(item *trace.LoadItem, reason string) {
	var news trace.News
	// What cannot be read is parked all the same, under no waybill.
	_ = trace.DecodeNewsHead(&news, item.Value)
	parked := trace.ParkedItem{
		Partition: s.p, Seq: item.Seq, Own: item.Own, Waybill: news.Waybill,
		Bytes: len(item.Value), Reason: reason, At: time.Now().UnixMilli(),
	}
	if err := s.r.outbox.Park(parked); err != nil {
		s.r.failed("outbox", err)
		s.r.pause(shortestPause)
		return
	}
	parkedRecords.Inc()
	s.r.log.Error("relay: a record cannot be shipped and was parked; other nodes lack it",
		"waybill", item.Key, "partition", s.p, "reason", reason, "help", "waytrace relay parked")
}

// told moves the bookmark, and wakes who waits for it. It reports whether it has moved.
func (s *shipper) told(to trace.Bookmark) bool {
	before := s.r.outbox.Bookmark(s.p)
	if to == before {
		return false
	}
	if err := s.r.outbox.Told(s.p, to); err != nil {
		s.r.failed("outbox", err)
		s.r.pause(shortestPause)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moved != nil {
		close(s.moved)
		s.moved = nil
	}
	return s.r.outbox.Bookmark(s.p) != before
}

// A voided change was told as nothing.
type voided struct {
	seq uint64
	at  time.Time
}

// lately is how long who asks after a change whether it was shipped hears that it was
// void: they ask when the store has it, and by then it may have gone by.
const lately = time.Second

// errVoid is the answer to them.
var errVoid = errors.New("it was told as nothing")

// void notes that a change was told as nothing, before the bookmark passes it.
func (s *shipper) void(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.voids = slices.DeleteFunc(s.voids, func(v voided) bool { return time.Since(v.at) > time.Minute })
	s.voids = append(s.voids, voided{seq, time.Now()})
}

// anyVoid reports whether something behind one change and up to another was void, or was
// lately.
func (s *shipper) anyVoid(behind, upto uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.voids, func(v voided) bool {
		return v.seq <= upto && (v.seq > behind || time.Since(v.at) <= lately)
	})
}

// next is closed when the bookmark moves after this call.
func (s *shipper) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moved == nil {
		s.moved = make(chan struct{})
	}
	return s.moved
}

// passed waits until the bookmark, which was at from, has passed a change. The error says
// that it has not, when ctx ended or the relay closes, or errVoid that something between
// was told as nothing.
func (s *shipper) passed(ctx context.Context, from, seq uint64) error {
	for {
		moved := s.next()
		if s.r.outbox.Bookmark(s.p).Seq >= seq {
			if s.anyVoid(from, seq) {
				return errVoid
			}
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.r.ctx.Done():
			return s.r.ctx.Err()
		}
	}
}
