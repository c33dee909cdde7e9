package relay

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What one node was the first to hear comes to the other, once and in order, both ways.
func TestRoundTrip(t *testing.T) {
	inWorld(t, func(t *world) {
		a, b := newNode(1), newNode(2)
		t.join(a)
		t.join(b)
		for i := 1; i <= 40; i++ {
			for p := range uint16(16) {
				a.hear(p, fmt.Sprintf("a %d", i))
				if p%2 == 0 {
					b.hear(p, fmt.Sprintf("b %d", i))
				}
			}
			time.Sleep(7 * time.Millisecond)
		}
		for p := range uint16(16) {
			t.heardAll(b, p, texts("a", 1, 40))
			if p%2 == 0 {
				t.heardAll(a, p, texts("b", 1, 40))
			} else if got := a.heard(p); got != nil {
				t.Errorf("partition %d: a heard %q of itself", p, got)
			}
		}
	})
}

// Kafka need not be there when a node starts: it is ready without it after a moment, and
// what it hears goes out when Kafka comes.
func TestKafkaComesLater(t *testing.T) {
	inWorld(t, func(t *world) {
		fault := t.refuse()
		a, b := newNode(1), newNode(2)
		r := t.join(a)
		a.hear(3, "a 1")
		time.Sleep(9 * time.Second)
		if err := r.Ready(); err == nil {
			t.Error("it is ready after 9 seconds without Kafka")
		}
		time.Sleep(2 * time.Second)
		if err := r.Ready(); err != nil {
			t.Errorf("without Kafka it is not ready: %v", err)
		}
		if s := r.glance(); s.Connected || s.LastError == "" || s.Partitions[3].State != stateStarting || s.Partitions[3].Waiting != 1 {
			t.Errorf("without Kafka it is %+v", s)
		}
		fault()
		t.join(b)
		t.heardAll(b, 3, texts("a", 1, 1))
		if s := r.glance(); !s.Connected || s.Partitions[3].State != stateRunning || s.Partitions[3].Waiting != 0 || s.Partitions[3].Shipped != 1 {
			t.Errorf("with Kafka it is %+v", s)
		}
	})
}

// refuse makes Kafka break off every connection until the returned function is called.
func (w *world) refuse() (stop func()) {
	var over atomic.Bool
	w.ControlKey(-1, func(kmsg.Request) (kmsg.Response, error, bool) {
		if over.Load() {
			w.DropControl()
			return nil, nil, false
		}
		w.KeepControl()
		return nil, net.ErrClosed, true
	})
	return func() { over.Store(true) }
}

// An outage in the middle takes no node down, and nothing is lost.
func TestOutage(t *testing.T) {
	inWorld(t, func(t *world) {
		a, b := newNode(1), newNode(2)
		r := t.join(a)
		t.join(b)
		a.hear(3, "a 1")
		t.heardAll(b, 3, texts("a", 1, 1))
		stop := t.refuse()
		for i := 2; i <= 60; i++ {
			a.hear(3, fmt.Sprintf("a %d", i))
			if err := r.Ready(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if s := r.glance(); s.Connected || s.Partitions[3].Waiting != 59 || s.LastError == "" || strings.Contains(s.LastError, "(*Client)") {
			t.Errorf("in the outage it is %+v", s)
		}
		stop()
		start := time.Now()
		t.heardAll(b, 3, texts("a", 1, 60))
		if took := time.Since(start); took > 2*longestPause {
			t.Errorf("it took %s after Kafka was back", took)
		}
	})
}

// A node that starts far behind is not ready until it has caught up.
func TestCatchingUp(t *testing.T) {
	inWorld(t, func(t *world) {
		for range 40 {
			t.put(3, stranger, 70, t.count(50)...)
		}
		b := newNode(2)
		b.slow.Store(int64(12 * time.Second))
		s := t.settings()
		s.MaxLag = 100
		r := t.joinAs(b, s)
		time.Sleep(35 * time.Second)
		if err := r.Ready(); err == nil || !strings.Contains(err.Error(), "records behind") {
			t.Errorf("far behind: %v", err)
		}
		if s := r.glance(); !s.CatchingUp {
			t.Error("it does not say that it is catching up")
		}
		t.until("ready", func() bool { return r.Ready() == nil })
		if n := len(b.heard(3)); n < 1900 {
			t.Errorf("it is ready with %d of 2,000 records", n)
		}
		// Later it may fall behind.
		t.put(3, stranger, 70, t.count(500)...)
		time.Sleep(time.Second)
		if err := r.Ready(); err != nil {
			t.Errorf("it fell behind later: %v", err)
		}
	})
}

// A partition that Kafka cannot answer for takes no node down.
func TestReadyWithoutOnePartition(t *testing.T) {
	inWorld(t, func(t *world) {
		t.put(3, stranger, 70, 1)
		t.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets}, Topic: topic, Partitions: []int32{3}, Err: kerr.LeaderNotAvailable, Count: -1})
		r := t.join(newNode(2))
		time.Sleep(9 * time.Second)
		if r.Ready() == nil {
			t.Error("it is ready before it knows anything")
		}
		time.Sleep(2 * time.Second)
		if err := r.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// count gives the next n numbers.
func (w *world) count(n int) (owns []uint64) {
	for range n {
		w.counted++
		owns = append(owns, w.counted)
	}
	return owns
}

// Close ends quickly, whatever Kafka does, and leaves nothing behind.
func TestClose(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *world)
	}{
		{"at work", func(*world) {}},
		{"away", func(t *world) { t.refuse() }},
		{"silent", func(t *world) {
			t.ControlKey(-1, func(kmsg.Request) (kmsg.Response, error, bool) { t.KeepControl(); return nil, nil, true })
		}},
		{"refusing", func(t *world) {
			t.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce, kmsg.Fetch}, Err: kerr.KafkaStorageError, Count: -1})
		}},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %t", c.name, late), func(t *testing.T) {
				inWorld(t, func(t *world) {
					a := newNode(1)
					if !late {
						c.do(t)
					}
					r := t.join(a)
					for p := range uint16(16) {
						a.hear(p, "one")
					}
					time.Sleep(3 * time.Second)
					if late {
						c.do(t)
						for p := range uint16(16) {
							a.hear(p, "two")
						}
						time.Sleep(3 * time.Second)
					}
					start := time.Now()
					if err := r.Close(); err != nil {
						t.Error(err)
					}
					if took := time.Since(start); took > 2*time.Second {
						t.Errorf("it took %s", took)
					}
				})
			})
		}
	}
}
