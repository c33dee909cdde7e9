package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"waytrace/trace"
)

// Whatever Kafka answers, the other node hears everything once and in order. Where Kafka
// had taken what it said it had not, the log has it twice.
func TestShipMeetsErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault kfake.Fault
		twice bool
	}{
		{"timed out after it was appended", kfake.Fault{Err: kerr.RequestTimedOut}, true},
		{"too few replicas after it was appended", kfake.Fault{Err: kerr.NotEnoughReplicasAfterAppend}, true},
		{"too few replicas", kfake.Fault{Err: kerr.NotEnoughReplicas}, false},
		{"not the leader", kfake.Fault{Err: kerr.NotLeaderForPartition}, false},
		{"no such topic", kfake.Fault{Err: kerr.UnknownTopicOrPartition}, false},
		{"the broker's disk fails", kfake.Fault{Err: kerr.KafkaStorageError}, false},
		{"it may not write", kfake.Fault{Err: kerr.TopicAuthorizationFailed}, false},
		{"its clock is wrong", kfake.Fault{Err: kerr.InvalidTimestamp}, false},
		{"nobody knows", kfake.Fault{Err: kerr.UnknownServerError}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *world) {
				a, b := newNode(1), newNode(2)
				t.join(b)
				for i := 1; i <= 30; i++ {
					a.hear(3, fmt.Sprintf("a %d", i))
				}
				c.fault.Keys, c.fault.Count = []kmsg.Key{kmsg.Produce}, 4
				fault := t.Fault(c.fault)
				t.join(a)
				t.until("all acknowledged", func() bool { return a.Bookmark(3).Own == 30 })
				t.heardAll(b, 3, texts("a", 1, 30))
				if fault.Hits() != 4 {
					t.Errorf("%d requests failed, want 4", fault.Hits())
				}
				if got := len(t.log(3)); c.twice != (got > 30) {
					t.Errorf("the log has %d records of 30", got)
				}
			})
		})
	}
}

// A connection that breaks off, before the request was understood or after, and a broker
// that never answers.
func TestShipMeetsBrokenConnections(t *testing.T) {
	for _, silent := range []bool{false, true} {
		t.Run(fmt.Sprintf("silent %t", silent), func(t *testing.T) {
			inWorld(t, func(t *world) {
				a, b := newNode(1), newNode(2)
				t.join(a)
				t.join(b)
				var broken atomic.Int64
				for _, key := range []kmsg.Key{kmsg.Produce, kmsg.Fetch} {
					t.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
						t.KeepControl()
						if broken.Add(1)%5 != 0 {
							return nil, nil, false
						}
						if silent {
							return nil, nil, true
						}
						return nil, errors.New("cut off"), true
					})
				}
				for i := 1; i <= 60; i++ {
					a.hear(3, fmt.Sprintf("a %d", i))
					time.Sleep(20 * time.Millisecond)
				}
				t.until("all heard", func() bool { return len(b.heard(3)) >= 60 })
				if got := b.heard(3); !slices.Equal(got, texts("a", 1, 60)) {
					t.Errorf("%q came in", got)
				}
				if n := broken.Load(); n < 20 {
					t.Errorf("%d requests were seen, want more", n)
				}
			})
		})
	}
}

func TestLeaderMoves(t *testing.T) {
	inWorld(t, func(t *world) {
		a, b := newNode(1), newNode(2)
		t.join(a)
		t.join(b)
		for i := 1; i <= 100; i++ {
			a.hear(3, fmt.Sprintf("a %d", i))
			switch i {
			case 20, 40, 60:
				t.ShufflePartitionLeaders()
			case 80:
				if err := t.RemoveNode(t.LeaderFor(topic, 3)); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.heardAll(b, 3, texts("a", 1, 100))
	})
}

func TestOnePartitionHoldsUpNobody(t *testing.T) {
	inWorld(t, func(t *world) {
		a, b := newNode(1), newNode(2)
		t.join(a)
		t.join(b)
		fault := t.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Partitions: []int32{3}, Err: kerr.KafkaStorageError, Count: -1})
		for i := 1; i <= 20; i++ {
			for p := range uint16(16) {
				a.hear(p, fmt.Sprintf("a %d", i))
			}
		}
		for p := range uint16(16) {
			if p != 3 {
				t.heardAll(b, p, texts("a", 1, 20))
			}
		}
		time.Sleep(20 * time.Second)
		if got := b.heard(3); got != nil {
			t.Errorf("%q came through a partition that fails", got)
		}
		fault.Remove()
		t.heardAll(b, 3, texts("a", 1, 20))
	})
}

// large is a text that no codec makes smaller.
func large(bytes int) string {
	r := rand.NewChaCha8([32]byte{1})
	s := make([]byte, bytes)
	for i := range s {
		s[i] = ' ' + byte(r.Uint64()%95)
	}
	return string(s)
}

// A record that Kafka does not take is parked, a void holds its number, and what comes
// behind it is told.
func TestTooLarge(t *testing.T) {
	for _, c := range []struct {
		name   string
		texts  []string
		parked []uint64
	}{
		{"one for the topic", []string{"one", large(200 << 10), "three"}, []uint64{2}},
		{"together for the topic", []string{large(40 << 10), large(40<<10) + "2", large(40<<10) + "3", large(40<<10) + "4"}, nil},
		{"first and last", []string{large(200 << 10), "two", large(300 << 10)}, []uint64{1, 3}},
		{"for any topic", []string{"one", large(1000 << 10), "three"}, []uint64{2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *world) {
				a, b := newNode(1), newNode(2)
				var want []string
				for i, text := range c.texts {
					own := a.hear(3, text)
					if !slices.Contains(c.parked, own) {
						want = append(want, c.texts[i])
					}
				}
				r := t.join(a)
				t.join(b)
				last := a.hear(3, "last")
				t.heardAll(b, 3, append(want, "last"))
				var parked []uint64
				a.EachParked(func(p trace.ParkedItem) bool {
					parked = append(parked, p.Own)
					if p.Partition != 3 || p.Number != number(3, 0) || p.Carrier != "sf" || p.Bytes < 100<<10 || p.Reason == "" || p.At == 0 {
						t.Errorf("parked as %+v", p)
					}
					return true
				})
				if !slices.Equal(parked, c.parked) {
					t.Errorf("parked: %d, want %d", parked, c.parked)
				}
				if s, err := r.Status(); err != nil || s.Parked != len(c.parked) || s.Partitions[3].Parked != len(c.parked) {
					t.Errorf("status counts %d parked, %v", s.Parked, err)
				}
				t.until("the voids read", func() bool {
					_, known, _ := b.Place(3)
					return known[1].Own == last
				})
				for _, l := range t.log(3) {
					if void := slices.Contains(c.parked, l.own); void != (l.kind == trace.KindVoid) {
						t.Errorf("number %d is of kind %s", l.own, l.kind)
					}
				}
			}, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "102400"}))
		})
	}
}

// An outbox that cannot be read for a while, or that cannot park.
func TestShipMeetsItsDisk(t *testing.T) {
	inWorld(t, func(t *world) {
		a, b := newNode(1), newNode(2)
		a.hear(3, "one")
		a.hear(3, large(1000<<10))
		a.fail(trace.ErrUnavailable)
		t.join(a)
		t.join(b)
		time.Sleep(10 * time.Second)
		a.fail(nil)
		a.hear(3, "three")
		t.heardAll(b, 3, []string{"one", "three"})
	})
}

// What was acknowledged is not shipped again by the next start, and what was not is.
func TestShipGoesOnAfterRestart(t *testing.T) {
	inWorld(t, func(t *world) {
		a := newNode(1)
		for run := range 4 {
			a.restart()
			r := t.join(a)
			for range 10 {
				a.hear(3, fmt.Sprint("run ", run))
				time.Sleep(15 * time.Millisecond)
			}
			r.Close()
		}
		b := newNode(2)
		t.join(a)
		t.join(b)
		t.until("all heard", func() bool { return len(b.heard(3)) == 40 })
		// What was under way at a Close: of 7 records, for 15 ms lie between two.
		if n := len(t.log(3)); n > 40+4*7 {
			t.Errorf("the log has %d records of 40: more than one batch a restart came twice", n)
		}
	})
}

// Under load records leave in batches; nobody who waits is kept waiting for that.
func TestLinger(t *testing.T) {
	inWorld(t, func(t *world) {
		a := newNode(1)
		r := t.join(a)
		a.hear(3, "first")
		t.until("the first shipped", func() bool { return a.Bookmark(3).Own == 1 })
		requests := t.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Count: -1, Observe: true})
		for range 1000 {
			a.hear(3, "more")
			time.Sleep(time.Millisecond)
		}
		if n := requests.Hits(); n < 5 || n > 1000/int(linger.Milliseconds())+2 {
			t.Errorf("1,000 records in a second left in %d requests", n)
		}
		for range 10 {
			a.hear(3, "urgent")
			start := time.Now()
			if err := r.Replicated(t.Context(), 1<<3); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > linger/2 {
				t.Errorf("who waits was answered after %s", took)
			}
		}
	})
}

func TestReplicated(t *testing.T) {
	inWorld(t, func(t *world) {
		a := newNode(1)
		r := t.join(a)
		if err := r.Replicated(t.Context(), 0xffff); err != nil {
			t.Errorf("an empty outbox: %v", err)
		}
		for p := range uint16(16) {
			a.hear(p, "one")
		}
		if err := r.Replicated(t.Context(), 0xffff); err != nil {
			t.Error(err)
		}
		for p := range uint16(16) {
			if len(t.log(p)) != 1 {
				t.Errorf("partition %d: acknowledged, and the log has %d records", p, len(t.log(p)))
			}
		}
		// One that fails is waited for by those alone who ask for it.
		fault := t.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Partitions: []int32{3}, Err: kerr.NotEnoughReplicas, Count: -1})
		a.hear(3, "two")
		a.hear(4, "two")
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		if err := r.Replicated(ctx, 1<<4); err != nil {
			t.Error(err)
		}
		err := r.Replicated(ctx, 1<<3|1<<4)
		var problem *trace.Problem
		if !errors.Is(err, trace.ErrUnavailable) || !errors.As(err, &problem) || problem.Code != "not_replicated" {
			t.Errorf("Kafka does not take it: %v", err)
		}
		fault.Remove()
		if err := r.Replicated(t.Context(), 1<<3); err != nil {
			t.Error(err)
		}
		if n := len(t.log(3)); n != 2 {
			t.Errorf("the log has %d records", n)
		}
		r.Close()
		a.hear(3, "three")
		if err := r.Replicated(t.Context(), 1<<3); !errors.Is(err, trace.ErrUnavailable) {
			t.Errorf("the relay is closed: %v", err)
		}
	})
}

// All compressions are read again; what a batch looked like does not matter.
func TestCompressions(t *testing.T) {
	for _, compression := range []string{"none", "snappy", "lz4", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			inWorld(t, func(t *world) {
				a, b := newNode(1), newNode(2)
				s := t.settings()
				s.Compression = compression
				long := strings.Repeat("a long journey ", 10_000)
				var want []string
				for i := range 1200 {
					text := fmt.Sprint(i)
					if i%100 == 0 {
						text += long
					}
					a.hear(3, text)
					want = append(want, text)
				}
				t.joinAs(a, s)
				t.join(b)
				t.heardAll(b, 3, want)
			})
		})
	}
	s := Settings{Brokers: []string{"localhost:1"}, Compression: "brotli"}
	if _, err := Open(nil, nil, s); !errors.Is(err, trace.ErrInvalid) {
		t.Errorf("compression brotli: %v", err)
	}
}

// Before it may ship, and while it must not, what came from others is passed over all the
// same, step by step: else it would count as waiting.
func TestForeignNewsIsPassedOver(t *testing.T) {
	for _, away := range []string{"Kafka", "topic"} {
		t.Run(away, func(t *testing.T) {
			inWorld(t, func(t *world) {
				a := newNode(1)
				a.steps = 10
				a.hearFrom(3, 95)
				s := t.settings()
				if away == "Kafka" {
					t.refuse()
				} else {
					s.Topic = "later"
				}
				t.joinAs(a, s)
				time.Sleep(time.Second)
				if b := a.Bookmark(3); b.Seq != 95 {
					t.Errorf("the bookmark is at %d of 95", b.Seq)
				}
				a.hearFrom(3, 2)
				a.hear(3, "mine")
				a.hearFrom(3, 2)
				time.Sleep(10 * time.Second)
				if b := a.Bookmark(3); b.Own != 0 || b.Seq > 97 {
					t.Errorf("the bookmark is at %+v, past what was not shipped", b)
				}
			})
		})
	}
}

// Kafka counts from the moment of shipping how long it keeps a record, and takes none
// from the future, so that is the record's time; when it was heard is in the record.
func TestTimeOfRecords(t *testing.T) {
	inWorld(t, func(t *world) {
		a := newNode(1)
		a.hear(3, "one")
		heard := time.Now().UnixMilli()
		time.Sleep(8 * 24 * time.Hour)
		r := t.join(a)
		if err := r.Replicated(t.Context(), 1<<3); err != nil {
			t.Fatal(err)
		}
		b := t.client()
		var in fetched
		if err := b.Fetch(t.Context(), 3, 0, fetchBytes, &in); err != nil {
			t.Fatal(err)
		}
		if age := time.Since(time.UnixMilli(in.records[0].at)); age > time.Second || age < -time.Second {
			t.Errorf("its time is %s ago", age)
		}
		if at := madeAt(&in.records[0]); at != heard {
			t.Errorf("it was made at %d, want %d", at, heard)
		}
		// So does what is counted of how long it took until it was seen elsewhere.
		rd, err := newReader(&Relay{store: newNode(2), log: slog.New(slog.DiscardHandler)}, 3)
		if err != nil {
			t.Fatal(err)
		}
		into := batch{reader: rd, facts: rd.facts, changed: map[trace.Origin]trace.Known{}}
		if h := into.take(&in.records[0]); h != nil || !slices.Equal(into.made, []int64{heard}) {
			t.Errorf("it is seen as made at %d (%v), want %d", into.made, h, heard)
		}
	})
}

// Clocks that Kafka finds wrong are named.
func TestWrongClock(t *testing.T) {
	inWorld(t, func(t *world) {
		a := newNode(1)
		t.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidTimestamp, Count: -1})
		a.hear(3, "one")
		r := t.join(a)
		time.Sleep(5 * time.Second)
		if s := r.glance(); !strings.Contains(s.LastError, "clock") || s.LastErrorAt == nil {
			t.Errorf("it says %q", s.LastError)
		}
	})
}

// What was parked was not replicated, though the bookmark passes it; what comes later is.
func TestParkedIsNotReplicated(t *testing.T) {
	inWorld(t, func(t *world) {
		a := newNode(1)
		r := t.join(a)
		a.hear(3, "one")
		if err := r.Replicated(t.Context(), 1<<3); err != nil {
			t.Fatal(err)
		}
		for _, late := range []time.Duration{0, 300 * time.Millisecond} { // it may have gone by before they ask
			a.hear(3, large(1000<<10))
			time.Sleep(late)
			if late > 0 && a.Bookmark(3).Own != 3 {
				t.Fatal("it has not gone by")
			}
			err := r.Replicated(t.Context(), 0xffff)
			var problem *trace.Problem
			if !errors.Is(err, trace.ErrUnavailable) || !errors.As(err, &problem) || problem.Code != "not_replicated" || !strings.Contains(err.Error(), "relay parked") {
				t.Errorf("%s later: %v", late, err)
			}
			if err := r.Replicated(t.Context(), 1<<4); err != nil {
				t.Errorf("another partition: %v", err)
			}
		}
		time.Sleep(2 * lately)
		a.hear(3, "three")
		if err := r.Replicated(t.Context(), 1<<3); err != nil {
			t.Error(err)
		}
	})
}
