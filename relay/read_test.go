package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"waytrace/trace"
)

// stopped waits until a partition has stopped, and checks what is said of it.
func (w *world) stopped(r *Relay, partition uint16, state string, says ...string) {
	w.Helper()
	w.until("the partition "+state, func() bool { return stateOf(r, partition).State == state })
	s := stateOf(r, partition)
	for _, text := range says {
		if !strings.Contains(s.Reason+" "+s.Help, text) {
			w.Errorf("the partition is %s: %s: %s, want it to say %q", s.State, s.Reason, s.Help, text)
		}
	}
}

// shipsStill checks that what a node hears goes out.
func (w *world) shipsStill(n *node, partition uint16) {
	w.Helper()
	own := n.hear(partition, "still")
	w.until("shipped", func() bool { return n.Bookmark(partition).Own == own })
}

// stranger is a node that the test plays.
const stranger = trace.Origin(7)

func TestRepeatsAreSkipped(t *testing.T) {
	inWorld(t, func(t *world) {
		t.put(3, stranger, 70, 1, 2, 1, 2, 3, 3, 2, 3, 4)
		b := newNode(2)
		t.join(b)
		t.heardAll(b, 3, texts("n", 1, 4))
		// What comes twice is none of its business after a restart either.
		t.put(3, stranger, 70, 2, 3, 4, 5)
		t.heardAll(b, 3, texts("n", 1, 5))
	})
}

// A hole stops the partition, and no other; an operator's word makes it go on.
func TestGap(t *testing.T) {
	inWorld(t, func(t *world) {
		t.put(3, stranger, 70, 1, 2)
		t.put(3, 8, 80, 1)
		b := newNode(2)
		r := t.join(b)
		t.heardAll(b, 3, append(texts("n", 1, 2), "n 1"))
		t.put(3, stranger, 70, 5, 6)
		t.put(3, 8, 80, 2)
		t.put(4, stranger, 70, 1)
		t.stopped(r, 3, stateStopped, "number 3 of node 0000000000000007 is missing", "up to 4", "waytrace relay skip 3 --origin 0000000000000007 --to 5")
		t.heardAll(b, 4, texts("n", 1, 1))
		t.shipsStill(b, 3)
		if err := r.Ready(); err != nil {
			t.Errorf("a hole took the node down: %v", err)
		}
		t.until("its lag known", func() bool { return stateOf(r, 3).Lag == 4 && stateOf(r, 3).Offset == 3 })
		if s := stateOf(r, 3); s.LagSeconds < 1 || s.LagSeconds > 60 {
			t.Errorf("it is %v seconds behind", s.LagSeconds)
		}
		gauges := metricsOf(r)
		for _, line := range []string{"waytrace_relay_connected 1", "waytrace_relay_partitions_stopped 1", "waytrace_relay_partitions_needing_clone 0",
			"waytrace_relay_topic_ready 1", "waytrace_relay_skipped_total 0", `waytrace_relay_lag_records{partition="3"} 4`, `waytrace_relay_lag_records{partition="4"} 0`} {
			if !strings.Contains(gauges, line+"\n") {
				t.Errorf("the metrics lack %s:\n%s", line, gauges)
			}
		}
		for _, wrong := range []error{
			r.Skip(t.Context(), 4, stranger, 2),
			r.Skip(t.Context(), 16, stranger, 2),
			r.Skip(t.Context(), 3, 8, 2),
			r.Skip(t.Context(), 3, 0, 2),
			r.Skip(t.Context(), 3, stranger, 6),
			r.Skip(t.Context(), 3, stranger, 0),
			r.SkipTo(t.Context(), 3, 4),
		} {
			if !errors.Is(wrong, trace.ErrInvalid) {
				t.Errorf("a word that does not fit: %v", wrong)
			}
		}
		// The stop outlives a restart, for nothing was passed over.
		r.Close()
		r = t.join(b)
		t.stopped(r, 3, stateStopped, "--to 5")
		if err := r.Skip(t.Context(), 3, stranger, 4); err != nil {
			t.Fatal(err)
		}
		t.stopped(r, 3, stateStopped, "number 4 of", "up to 4", "--to 5")
		if err := r.Skip(t.Context(), 3, stranger, 5); err != nil {
			t.Fatal(err)
		}
		t.heardAll(b, 3, []string{"n 1", "n 2", "n 1", "n 5", "n 6", "n 2"})
		if s := stateOf(r, 3); s.State != stateRunning || s.Reason != "" {
			t.Errorf("it goes on, and is %+v", s)
		}
		if n := r.glance().Skipped; n != 2 {
			t.Errorf("%d numbers were passed by a word, want 3 and 4", n)
		}
	})
}

// The first record of a node must be its number 1.
func TestGapAtTheBeginning(t *testing.T) {
	inWorld(t, func(t *world) {
		t.put(3, stranger, 70, 4)
		b := newNode(2)
		r := t.join(b)
		t.stopped(r, 3, stateStopped, "number 1 of", "up to 3")
		if err := r.Skip(t.Context(), 3, stranger, 4); err != nil {
			t.Fatal(err)
		}
		t.heardAll(b, 3, []string{"n 4"})
	})
}

// One number under two starts comes from two nodes with one id.
func TestSisterMeetsTwins(t *testing.T) {
	inWorld(t, func(t *world) {
		t.put(3, stranger, 70, 1, 2)
		t.put(3, stranger, 71, 2, 3)
		b := newNode(2)
		r := t.join(b)
		t.stopped(r, 3, stateStopped, "number 2 of node 0000000000000007 came twice", "--to 2")
		t.shipsStill(b, 3)
		if got := b.heard(3); !slices.Equal(got, texts("n", 1, 2)) {
			t.Errorf("%q came in", got)
		}
		// Nothing of either is lost where the operator takes both.
		if err := r.Skip(t.Context(), 3, stranger, 2); err != nil {
			t.Fatal(err)
		}
		t.heardAll(b, 3, []string{"n 1", "n 2", "n 2", "n 3"})
	})
}

// What cannot be understood is never passed over, and what lies before it is applied.
func TestRecordsThatStop(t *testing.T) {
	news := func(edit func(n *trace.News, facts *trace.Facts)) trace.LoadItem {
		facts := factsOf(number(3, 0), "n 3")
		n := trace.News{Waybill: facts.Events[0].Waybill, Origin: stranger, Mark: 70, Own: 3}
		edit(&n, facts)
		return trace.LoadItem{Key: n.Number, Value: n.Append(nil, facts)}
	}
	for _, c := range []struct {
		name string
		item trace.LoadItem
		kind string // "" is what the item says
		says []string
	}{
		{"garbage", trace.LoadItem{Value: []byte("not a message")}, "", []string{"cannot be read", "--offset 3"}},
		{"nothing", trace.LoadItem{Value: []byte{}}, "", []string{"cannot be read", "--offset 3"}},
		{"an unknown kind", news(func(*trace.News, *trace.Facts) {}), "booking", []string{"upgrade this node", `"booking"`, "--offset 3"}},
		{"no kind", news(func(*trace.News, *trace.Facts) {}), "none", []string{"cannot be read", "no header kind", "--offset 3"}},
		{"a newer form", trace.LoadItem{Value: []byte{0x08, 99}}, "", []string{"upgrade this node", "form 99"}},
		{"a newer field", func() trace.LoadItem {
			item := news(func(*trace.News, *trace.Facts) {})
			item.Value = append(item.Value, 0xa0, 0x06, 1) // number 100
			return item
		}(), "", []string{"upgrade this node"}},
		{"another event's identity", news(func(_ *trace.News, f *trace.Facts) { f.Events[0].ID++ }), "", []string{"cannot be read"}},
		{"another partition's waybill", news(func(n *trace.News, f *trace.Facts) {
			*f = *factsOf(number(4, 0), "n 3")
			n.Number = number(4, 0)
		}), "", []string{"does not belong", "--offset 3"}},
		{"a node without an id", news(func(n *trace.News, _ *trace.Facts) { n.Origin = 0 }), "", []string{"cannot be read"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *world) {
				t.put(3, stranger, 70, 1, 2)
				if c.kind == "" {
					t.putItem(3, c.item)
				} else {
					t.putKind(3, c.kind, c.item)
				}
				t.put(3, stranger, 70, 3)
				b := newNode(2)
				r := t.join(b)
				t.stopped(r, 3, stateStopped, c.says...)
				if got := b.heard(3); !slices.Equal(got, texts("n", 1, 2)) {
					t.Errorf("%q came in before it", got)
				}
				t.shipsStill(b, 3)
				for _, offset := range []int64{2, -1, 100} {
					if err := r.SkipTo(t.Context(), 3, offset); !errors.Is(err, trace.ErrInvalid) {
						t.Errorf("to go on at %d: %v", offset, err)
					}
				}
				if err := r.SkipTo(t.Context(), 3, 3); err != nil {
					t.Fatal(err)
				}
				t.heardAll(b, 3, texts("n", 1, 3))
				r.Close()
				if place, _, _ := b.Place(3); place.Offset < 4 {
					t.Errorf("the next start would read from %d", place.Offset)
				}
			})
		})
	}
}

// A place of the log where Kafka gives nothing, such as the mark of a transaction's end,
// is not taken for its end.
func TestLogThatGivesNothing(t *testing.T) {
	inWorld(t, func(t *world) {
		client, err := kgo.NewClient(kgo.SeedBrokers(t.ListenAddrs()...), kgo.Dialer(t.net.DialContext),
			kgo.TransactionalID("another"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Partition: 3, Value: []byte("not ours")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
		client.Close()
		b := newNode(2)
		r := t.join(b)
		t.stopped(r, 3, stateStopped, "offset 0", "--offset 1")
		if err := r.SkipTo(t.Context(), 3, 1); err != nil {
			t.Fatal(err)
		}
		t.stopped(r, 3, stateStopped, "offset 1", "Kafka gives nothing", "--offset 2")
		t.shipsStill(b, 3)
		if err := r.SkipTo(t.Context(), 3, 2); err != nil {
			t.Fatal(err)
		}
		t.put(3, stranger, 70, 1)
		t.heardAll(b, 3, texts("n", 1, 1))
	})
}

// What retention took before it was read must be cloned; nothing is skipped by itself.
func TestRetention(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		t.Run(fmt.Sprintf("fresh %t", fresh), func(t *testing.T) {
			inWorld(t, func(t *world) {
				b := newNode(2)
				if !fresh {
					t.put(3, stranger, 70, 1)
					r := t.join(b)
					t.heardAll(b, 3, texts("n", 1, 1))
					r.Close()
					t.put(3, stranger, 70, 2, 3, 4, 5)
				} else {
					t.put(3, stranger, 70, 1, 2, 3, 4, 5)
				}
				if err := t.DeleteRecords(topic, 3, 3); err != nil {
					t.Fatal(err)
				}
				heard := len(b.heard(3))
				r := t.join(b)
				t.stopped(r, 3, stateNeedsClone, "begins at offset 3", "retention", "waytrace clone")
				if err := r.Ready(); !errors.Is(err, trace.ErrUnavailable) || !strings.Contains(err.Error(), "waytrace clone") {
					t.Errorf("it is ready: %v", err)
				}
				t.shipsStill(b, 3)
				if got := b.heard(3); len(got) != heard {
					t.Errorf("%q came in", got)
				}
				if err := r.SkipTo(t.Context(), 3, 2); !errors.Is(err, trace.ErrInvalid) {
					t.Errorf("to go on before the log begins: %v", err)
				}
				if err := r.SkipTo(t.Context(), 3, 3); err != nil {
					t.Fatal(err)
				}
				t.stopped(r, 3, stateStopped, "is missing", "--to 4")
			})
		})
	}
}

// Retention that took what was read already is nobody's loss.
func TestRetentionBehind(t *testing.T) {
	inWorld(t, func(t *world) {
		b := newNode(2)
		t.put(3, stranger, 70, 1, 2, 3)
		r := t.join(b)
		t.heardAll(b, 3, texts("n", 1, 3))
		r.Close()
		if err := t.DeleteRecords(topic, 3, 3); err != nil {
			t.Fatal(err)
		}
		t.put(3, stranger, 70, 4)
		r = t.join(b)
		t.heardAll(b, 3, texts("n", 1, 4))
		if err := r.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// A topic that was deleted and made anew is not read on, whether it is shorter than what
// was read or longer, at the start or under way.
func TestTopicMadeAnew(t *testing.T) {
	for _, longer := range []bool{false, true} {
		for _, running := range []bool{false, true} {
			t.Run(fmt.Sprintf("longer %t running %t", longer, running), func(t *testing.T) {
				inWorld(t, func(t *world) {
					b := newNode(2)
					t.put(3, stranger, 70, 1, 2, 3)
					r := t.join(b)
					t.heardAll(b, 3, texts("n", 1, 3))
					if !running {
						r.Close()
					}
					if err := t.DeleteTopic(topic); err != nil {
						t.Fatal(err)
					}
					time.Sleep(3 * time.Second)
					if err := t.CreateTopic(topic, trace.Partitions, nil); err != nil {
						t.Fatal(err)
					}
					says := "ends at offset 1"
					t.putEventually(3, 8, 80, 1)
					if longer {
						t.put(3, 8, 80, 2, 3, 4, 5)
						says = "another record is at offset 2"
					}
					if !running {
						r = t.join(b)
					}
					t.stopped(r, 3, stateNeedsClone, "made anew", says)
					t.shipsStill(b, 3)
					if got := b.heard(3); !slices.Equal(got, texts("n", 1, 3)) {
						t.Errorf("%q came in", got)
					}
					if err := r.SkipTo(t.Context(), 3, 0); err != nil {
						t.Fatal(err)
					}
					n := 1
					if longer {
						n = 5
					}
					t.heardAll(b, 3, append(texts("n", 1, 3), texts("n", 1, n)...))
				})
			})
		}
	}
}

// A topic that was made anew, and is longer, between two questions: no request fails, and
// perhaps no number is missing.
func TestTopicMadeAnewUnseen(t *testing.T) {
	for _, c := range []struct {
		gap  bool
		rest time.Duration // since the last look at the anchor, or the start
	}{{false, 0}, {false, 10 * time.Second}, {true, 0}, {true, 10 * time.Second}} {
		t.Run(fmt.Sprintf("gap %t after %s", c.gap, c.rest), func(t *testing.T) {
			inWorld(t, func(t *world) {
				gap := c.gap
				b := newNode(2)
				r := t.join(b)
				t.put(3, stranger, 70, 1, 2)
				t.heardAll(b, 3, texts("n", 1, 2))
				time.Sleep(c.rest)
				b.slow.Store(int64(500 * time.Millisecond))
				t.put(3, stranger, 70, 3)
				time.Sleep(300 * time.Millisecond) // the third is at the store
				if err := t.DeleteTopic(topic); err != nil {
					t.Fatal(err)
				}
				if err := t.CreateTopic(topic, trace.Partitions, nil); err != nil {
					t.Fatal(err)
				}
				t.putEventually(3, 8, 80, 1)
				t.put(3, 8, 80, 2, 3)
				if gap {
					t.put(3, stranger, 70, 5)
				} else {
					t.put(3, stranger, 70, 4)
				}
				b.slow.Store(0)
				t.stopped(r, 3, stateNeedsClone, "another record is at offset", "made anew")
				if got := b.heard(3); len(got) > 4 || gap && len(got) > 3 {
					t.Errorf("%q came in", got)
				}
				t.shipsStill(b, 3)
			})
		})
	}
}

// A log that is as long again as it was, for the broker that did not know all is no leader
// any more, is read on; it is no other one.
func TestShorterForAWhile(t *testing.T) {
	for _, same := range []bool{true, false} {
		t.Run(fmt.Sprintf("same %t", same), func(t *testing.T) {
			inWorld(t, func(t *world) {
				b := newNode(2)
				t.put(3, stranger, 70, 1, 2, 3)
				r := t.join(b)
				t.heardAll(b, 3, texts("n", 1, 3))
				if err := t.DeleteTopic(topic); err != nil {
					t.Fatal(err)
				}
				if err := t.CreateTopic(topic, trace.Partitions, nil); err != nil {
					t.Fatal(err)
				}
				t.putEventually(3, stranger, 70, 1)
				t.stopped(r, 3, stateNeedsClone, "ends at offset 1", "shows that nothing waits: stop this node, move its directory away, and run `waytrace clone --from URL`",
					"waytrace relay skip --all --offset 0")
				t.until("its lag grows", func() bool { return stateOf(r, 3).LagSeconds > 1 })
				if same {
					t.put(3, stranger, 70, 2, 3, 4)
					t.heardAll(b, 3, texts("n", 1, 4))
					if err := r.Ready(); err != nil {
						t.Error(err)
					}
				} else {
					t.put(3, 8, 80, 1, 2, 3)
					t.until("known to be another", func() bool { return strings.Contains(stateOf(r, 3).Reason, "another record is at offset 2") })
					t.stopped(r, 3, stateNeedsClone, "waytrace relay skip --all --offset 0")
				}
			})
		})
	}
}

// All partitions that need a clone go on by one word, and no others.
func TestSkipAll(t *testing.T) {
	inWorld(t, func(t *world) {
		b := newNode(2)
		r := t.join(b)
		for p := range uint16(4) {
			t.put(p, stranger, 70, 1, 2, 3)
			t.heardAll(b, p, texts("n", 1, 3))
		}
		if err := r.SkipAll(t.Context(), 0); !errors.Is(err, trace.ErrInvalid) {
			t.Errorf("nothing needs it: %v", err)
		}
		t.put(5, stranger, 70, 2)
		t.stopped(r, 5, stateStopped, "is missing")
		if err := t.DeleteTopic(topic); err != nil {
			t.Fatal(err)
		}
		if err := t.CreateTopic(topic, trace.Partitions, nil); err != nil {
			t.Fatal(err)
		}
		for p := range uint16(4) {
			t.stopped(r, p, stateNeedsClone)
		}
		if err := r.SkipAll(t.Context(), 1); !errors.Is(err, trace.ErrInvalid) {
			t.Errorf("behind the log's end: %v", err)
		}
		if err := r.SkipAll(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		for p := range uint16(4) {
			t.until("running", func() bool { return stateOf(r, p).State == stateRunning })
			t.putEventually(p, stranger, 70, 4)
			t.heardAll(b, p, texts("n", 1, 4))
		}
		t.stopped(r, 5, stateStopped)
	})
}

// How far it is behind is told by when things were heard, whenever they were shipped; and
// all reasons to stop are counted from 0.
func TestLagIsSinceItWasHeard(t *testing.T) {
	inWorld(t, func(t *world) {
		old := newNode(8)
		old.hear(3, "one")
		old.hear(3, "two")
		old.hear(4, "one")
		r := t.join(newNode(2))
		for _, reason := range reasons {
			if !strings.Contains(exposed(), `waytrace_relay_stops_total{reason="`+reason+`"}`) {
				t.Errorf("%s is not counted", reason)
			}
		}
		time.Sleep(time.Hour)
		slow := newNode(9)
		slow.slow.Store(int64(time.Minute))
		s := t.join(slow)
		t.putItem(4, trace.LoadItem{Key: number(4, 0), Value: old.parts[4].items[0].Value})
		t.until("being applied", func() bool { return stateOf(s, 4).LagSeconds >= 3600 })
		t.putItem(3, old.parts[3].items[1]) // the first is missing
		t.stopped(r, 3, stateStopped, "is missing")
		if s := stateOf(r, 3); s.LagSeconds < 3600 {
			t.Errorf("it is %v seconds behind", s.LagSeconds)
		}
	})
}

// exposed are all counters as text.
func exposed() string {
	var s strings.Builder
	metrics.WritePrometheus(&s, false)
	return s.String()
}

// A reader without work asks once a second.
func TestIdleReaders(t *testing.T) {
	inWorld(t, func(t *world) {
		r := t.join(newNode(2))
		t.until("ready", func() bool { return r.Ready() == nil })
		requests := t.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Count: -1, Observe: true})
		time.Sleep(10 * time.Second)
		if n := requests.Hits(); n > 16*11 || n < 16*9 {
			t.Errorf("%d requests of 16 readers in ten seconds", n)
		}
		if s := r.glance(); !s.Connected {
			t.Error("it does not count as connected")
		}
		// What comes is there at once all the same.
		start := time.Now()
		a := newNode(1)
		if err := t.join(a).Replicated(t.Context(), 1<<4); err != nil {
			t.Fatal(err)
		}
		a.hear(4, "one")
		t.until("shipped", func() bool { return a.Bookmark(4).Own == 1 })
		if took := time.Since(start); took > 200*time.Millisecond {
			t.Errorf("a node that starts ships after %s", took)
		}
		start = time.Now()
		t.put(3, stranger, 70, 1)
		t.until("heard", func() bool { return stateOf(r, 3).Offset == 1 })
		if took := time.Since(start); took > 200*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
}

// A broker that says for a moment that it is not as far yet is not believed at once.
func TestOutOfRangeForAMoment(t *testing.T) {
	inWorld(t, func(t *world) {
		b := newNode(2)
		t.put(3, stranger, 70, 1, 2, 3)
		r := t.join(b)
		t.heardAll(b, 3, texts("n", 1, 3))
		fault := t.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Partitions: []int32{3}, Err: kerr.OffsetOutOfRange, Count: 5})
		t.put(3, stranger, 70, 4, 5)
		t.heardAll(b, 3, texts("n", 1, 5))
		if fault.Hits() != 5 {
			t.Errorf("%d answers were wrong, want 5", fault.Hits())
		}
		if s := stateOf(r, 3); s.State != stateRunning {
			t.Errorf("it is %s", s.State)
		}
	})
}

func TestReadMeetsErrors(t *testing.T) {
	for _, err := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.KafkaStorageError, kerr.UnknownTopicOrPartition,
		kerr.OffsetNotAvailable, kerr.TopicAuthorizationFailed, kerr.UnknownServerError} {
		t.Run(err.Message, func(t *testing.T) {
			inWorld(t, func(t *world) {
				b := newNode(2)
				t.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets}, Topic: topic, Err: err, Count: 100})
				t.put(3, stranger, 70, 1, 2, 3)
				t.join(b)
				t.heardAll(b, 3, texts("n", 1, 3))
			})
		})
	}
}

// A store that cannot write for a while loses nothing and hears nothing twice.
func TestReadMeetsItsDisk(t *testing.T) {
	inWorld(t, func(t *world) {
		b := newNode(2)
		t.put(3, stranger, 70, 1, 2, 3)
		b.fail(trace.ErrUnavailable)
		t.join(b)
		time.Sleep(20 * time.Second)
		t.put(3, stranger, 70, 4)
		b.fail(nil)
		t.heardAll(b, 3, texts("n", 1, 4))
	})
}

// Records without facts, such as its own, cost one write a second, and none is read again
// after a stop.
func TestPositionsWithoutFacts(t *testing.T) {
	inWorld(t, func(t *world) {
		a := newNode(1)
		r := t.join(a)
		start := time.Now()
		for range 300 {
			a.hear(3, "mine")
			time.Sleep(20 * time.Millisecond)
		}
		seconds := int(time.Since(start).Seconds())
		if n := a.parts[3].batches; n < seconds-1 || n > seconds+1 {
			t.Errorf("%d writes in %d seconds", n, seconds)
		}
		t.until("all read", func() bool { return stateOf(r, 3).Offset == 300 })
		r.Close()
		if place, known, _ := a.Place(3); place.Offset != 300 || known[1].Own != 300 || place.Last == 0 {
			t.Errorf("it stopped at %+v, %+v", place, known)
		}
		for p := range a.parts {
			if p != 3 && a.parts[p].batches != 0 {
				t.Errorf("partition %d was written %d times", p, a.parts[p].batches)
			}
		}
	})
}

// Two nodes run with one id: whoever meets the other's records must not go on, and what
// both told under one number stops their sisters.
func TestTwinDirectories(t *testing.T) {
	for _, both := range []bool{false, true} {
		t.Run(fmt.Sprintf("both told %t", both), func(t *testing.T) {
			inWorld(t, func(t *world) {
				a := newNode(1)
				r := t.join(a)
				a.hear(3, "before")
				t.until("shipped", func() bool { return a.Bookmark(3).Own == 1 })
				r.Close()
				sister := newNode(2)
				s := t.join(sister)
				twin := a.copied()
				a.restart()
				twin.mark += 100 // its start writes another mark
				first, second := t.join(a), t.join(twin)
				outside := t.client()
				t.until("both at work", func() bool {
					return stateOf(first, 3).State == stateRunning && stateOf(second, 3).State == stateRunning
				})
				// Where both tell, neither reads before both have written.
				lift := func() {}
				if both {
					reads := t.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Partitions: []int32{3}, Err: kerr.KafkaStorageError, Count: -1})
					time.Sleep(2 * fetchWait)
					lift = reads.Remove
				}
				a.hear(3, "2")
				a.hear(5, "a 1")
				if both {
					twin.hear(3, "2")
					t.until("both told", func() bool {
						_, end, err := outside.Bounds(t.Context(), 3)
						return err == nil && end == 3
					})
				}
				lift()
				start := time.Now()
				var why error
				select {
				case why = <-first.Fatal():
				case why = <-second.Fatal():
				case <-time.After(time.Minute):
					t.Fatal("both go on")
				}
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("it was found after %s", took)
				}
				if !strings.Contains(why.Error(), "waytrace restore") {
					t.Errorf("it ended with %v", why)
				}
				if first.Ready() == nil && second.Ready() == nil {
					t.Error("both are ready")
				}
				t.heardAll(sister, 3, []string{"before", "2"})
				t.heardAll(sister, 5, []string{"a 1"})
				if both {
					t.stopped(s, 3, stateStopped, "two nodes have this id")
				}
			})
		})
	}
}

// A directory that is older than what it told must not tell anything.
func TestOlderThanItsLog(t *testing.T) {
	inWorld(t, func(t *world) {
		a := newNode(1)
		r := t.join(a)
		a.hear(3, "one")
		t.until("read", func() bool { return len(t.log(3)) == 1 })
		time.Sleep(2 * time.Second)
		r.Close()
		backup := a.copied()
		r = t.join(a)
		a.hear(3, "two")
		t.until("shipped", func() bool { return len(t.log(3)) == 2 })
		r.Close()

		backup.hear(4, "never")
		r = t.join(backup)
		select {
		case err := <-r.Fatal():
			if !strings.Contains(err.Error(), "older than its log") || !strings.Contains(err.Error(), "waytrace restore") {
				t.Errorf("it ended with %v", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("it goes on")
		}
		time.Sleep(10 * time.Second)
		if n := len(t.log(3)); n != 2 {
			t.Errorf("the log has %d records", n)
		}
		if r.Ready() == nil || r.glance().Fatal == "" {
			t.Error("it is ready")
		}
	})
}

// Once a twin is met nothing is written any more of what was read.
func TestTwinIsNotNoted(t *testing.T) {
	inWorld(t, func(t *world) {
		a := newNode(1)
		r := t.join(a)
		a.hear(3, "one")
		t.until("noted", func() bool { _, known, _ := a.Place(3); return known[1].Own == 1 })
		a.hear(3, "two")
		t.until("read", func() bool { return stateOf(r, 3).Offset == 2 })
		t.put(3, 1, 999, 3)
		<-r.Fatal()
		r.Close()
		if _, known, _ := a.Place(3); known[1].Own != 1 {
			t.Errorf("it noted %+v", known)
		}
	})
}

// Nor may one that has given out as many numbers as its log has, or more: what its former
// self told under them it lacks. Nothing of what it met is noted.
func TestOlderThanItsLogAndAsLong(t *testing.T) {
	for _, halted := range []bool{false, true} {
		t.Run(fmt.Sprintf("halted %t", halted), func(t *testing.T) {
			inWorld(t, func(t *world) {
				a := newNode(1)
				r := t.join(a)
				a.hear(3, "one")
				t.until("read", func() bool { return stateOf(r, 3).Offset == 1 })
				time.Sleep(3 * time.Second)
				r.Close()
				backup := a.copied()
				log := 2
				if halted { // before it has met that
					t.put(3, stranger, 70, 2)
					log = 3
				}
				r = t.join(a)
				a.hear(3, "two")
				t.until("shipped", func() bool { return len(t.log(3)) == log })
				r.Close()

				backup.restart()
				for range 5 {
					backup.hear(3, "another two")
				}
				r = t.join(backup)
				select {
				case err := <-r.Fatal():
					if text := err.Error(); !strings.Contains(text, "waytrace restore") || strings.HasSuffix(text, ": invalid") {
						t.Errorf("it ended with %v", err)
					}
				case <-time.After(time.Minute):
					t.Fatal("it goes on")
				}
				if s := r.glance(); s.Fatal == "" || strings.HasSuffix(s.Fatal, ": invalid") {
					t.Errorf("it says %q", s.Fatal)
				}
				r.Close()
				if _, known, _ := backup.Place(3); known[1].Own != 1 {
					t.Errorf("it noted %+v", known)
				}
				if n := len(t.log(3)); n != log {
					t.Errorf("the log has %d records", n)
				}
			})
		})
	}
}

// The same where the partition cannot be read on: its own records are looked for all the
// same, before it ships.
func TestOlderThanItsLogAndStopped(t *testing.T) {
	inWorld(t, func(t *world) {
		t.put(3, stranger, 70, 2)
		t.put(3, 1, newNode(1).mark, 1)
		a := newNode(1)
		a.hear(4, "fine")
		r := t.join(a)
		select {
		case err := <-r.Fatal():
			if !strings.Contains(err.Error(), "older than its log") {
				t.Errorf("it ended with %v", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("it goes on")
		}
	})
}

// Former ids are strangers.
func TestFormerSelf(t *testing.T) {
	inWorld(t, func(t *world) {
		t.put(3, 1, 11, 1, 2, 3)
		a := newNode(5)
		a.parts[3].known[1] = trace.Known{Own: 1, Runs: []trace.Run{{Mark: 11, From: 1}}}
		t.join(a)
		t.heardAll(a, 3, texts("n", 2, 3))
	})
}

// All kinds of facts come through as they were told.
func TestAllKindsOfFacts(t *testing.T) {
	inWorld(t, func(t *world) {
		a, b := newNode(1), newNode(2)
		t.join(a)
		t.join(b)
		w := trace.Waybill{Number: number(3, 0), Carrier: "sf"}
		facts := factsOf(w.Number, "with a list")
		facts.Lists = []trace.List{{Waybill: w, Source: "sf", Stamp: trace.Stamp{Heard: 5, Origin: 1}, Shows: []trace.ID{facts.Events[0].ID}}}
		facts.Legs = []trace.LegFact{{Waybill: w, To: trace.LegTo{Waybill: trace.Waybill{Number: "YT1234567890123", Carrier: "yto"}, Role: trace.LastMile}, Since: 1_600_000_000_000}}
		a.hearFacts(3, facts)
		t.heardAll(b, 3, []string{"with a list"})
		b.mu.Lock()
		defer b.mu.Unlock()
		got := b.parts[3].facts[0]
		if len(got.Lists) != 1 || got.Lists[0].Heard != 5 || len(got.Legs) != 1 || got.Legs[0].To.Number != "YT1234567890123" {
			t.Errorf("%+v came in", got)
		}
	})
}

// putKind writes a record under a kind of its own; none has no header at all.
func (w *world) putKind(partition uint16, kind string, item trace.LoadItem) {
	w.Helper()
	b := w.client()
	defer b.Close()
	if err := produceKind(context.Background(), b, partition, kind, item); err != nil {
		w.Fatal(err)
	}
}

// putEventually is put for a topic that has just been made: leaders are known a moment
// later.
func (w *world) putEventually(partition uint16, origin trace.Origin, mark uint64, own uint64) {
	w.Helper()
	b := w.client()
	defer b.Close()
	w.until("leaders known", func() bool {
		_, _, err := b.Bounds(context.Background(), partition)
		return err == nil
	})
	w.put(partition, origin, mark, own)
}
