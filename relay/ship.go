package relay

import (
	"context"
	"fmt"
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

	singly int // so many records go one by one, for together Kafka did not take them
}

func newShipper(r *Relay, p uint16, gate <-chan struct{}) *shipper {
	return &shipper{r: r, p: p, gate: gate, hurried: make(chan struct{}, 1)}
}

// run ships until the relay closes.
func (s *shipper) run() {
	select {
	case <-s.gate:
	case <-s.r.ctx.Done():
	}
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
			full = false
			s.told(load.Upto)
			s.wait()
			continue
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

// wait returns when there may be more.
func (s *shipper) wait() {
	select {
	case <-s.r.outbox.Bell(s.p):
	case <-s.r.ctx.Done():
	}
}

// ship sends one batch until Kafka has acknowledged it, and reports whether it has: not
// when the relay closes, nor when Kafka will never take it and it must be loaded anew.
func (s *shipper) ship(items []trace.LoadItem) bool {
	defer took(shipDuration, time.Now())
	var retry backoff
	for {
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

// told moves the bookmark, and wakes who waits for it.
func (s *shipper) told(to trace.Bookmark) {
	if to == s.r.outbox.Bookmark(s.p) {
		return
	}
	if err := s.r.outbox.Told(s.p, to); err != nil {
		s.r.failed("outbox", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moved != nil {
		close(s.moved)
		s.moved = nil
	}
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

// passed waits until the bookmark has passed a change. It reports whether it has: not
// when ctx ended, or the relay closes, before.
func (s *shipper) passed(ctx context.Context, seq uint64) bool {
	for {
		moved := s.next()
		if s.r.outbox.Bookmark(s.p).Seq >= seq {
			return true
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		case <-s.r.ctx.Done():
			return false
		}
	}
}
