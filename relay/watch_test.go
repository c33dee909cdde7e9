package relay

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"waytrace/trace"
)

// A topic with too few partitions is neither shipped to nor read, until it has them.
func TestNarrowTopic(t *testing.T) {
	inWorld(t, func(t *world) {
		if err := t.CreateTopic("other", 8, nil); err != nil {
			t.Fatal(err)
		}
		s := t.settings()
		s.Topic = "other"
		a := newNode(1)
		a.hear(3, "one")
		r := t.joinAs(a, s)
		time.Sleep(time.Minute)
		const says = "8 partitions, and all nodes count on 16; add the others: kafka-topics.sh"
		if g := r.glance(); g.TopicState != topicNarrow || !strings.Contains(g.Trouble, says) || g.Fatal != "" || !g.Connected {
			t.Errorf("it is %+v", g)
		}
		if err := r.Ready(); !errors.Is(err, trace.ErrUnavailable) || !strings.Contains(err.Error(), says) {
			t.Errorf("it is ready: %v", err)
		}
		if info := t.PartitionInfo("other", 3); info.HighWatermark != 0 {
			t.Error("it was shipped to")
		}
		b := t.client()
		res, err := b.client.CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: "other", Count: 16}}})
		if err != nil || res.Errors["other"] != nil {
			t.Fatal(err, res)
		}
		t.until("shipped", func() bool { return a.Bookmark(3).Own == 1 })
		t.until("ready", func() bool { return r.Ready() == nil && r.glance().Trouble == "" })
	})
}

// A topic that is wider than it need be is used.
func TestWideTopic(t *testing.T) {
	inWorld(t, func(t *world) {
		if err := t.CreateTopic("other", 32, nil); err != nil {
			t.Fatal(err)
		}
		s := t.settings()
		s.Topic = "other"
		a, b := newNode(1), newNode(2)
		t.joinAs(a, s)
		t.joinAs(b, s)
		a.hear(15, "one")
		t.heardAll(b, 15, []string{"one"})
	})
}

// metricsOf are a relay's gauges as text.
func metricsOf(r *Relay) string {
	var s strings.Builder
	r.WriteMetrics(&s)
	return s.String()
}

// A topic that is not there is waited for, and it is said how to make it; that takes no
// node down, and is not Kafka's being away.
func TestTopicIsMissing(t *testing.T) {
	inWorld(t, func(t *world) {
		s := t.settings()
		s.Topic = "later"
		a := newNode(1)
		a.hear(3, "one")
		r := t.joinAs(a, s)
		missing := func() {
			t.Helper()
			g := r.glance()
			for _, said := range []string{g.Trouble, g.LastError} {
				if !strings.Contains(said, "kafka-topics.sh --bootstrap-server") || !strings.Contains(said, "--create --topic later --partitions 16") {
					t.Errorf("it says %q", said)
				}
			}
			if g.TopicState != topicMissing || !g.Connected || g.LastErrorAt == nil || time.Since(*g.LastErrorAt) > 5*time.Second {
				t.Errorf("it is %+v", g)
			}
			if m := metricsOf(r); !strings.Contains(m, "waytrace_relay_topic_ready 0\n") || !strings.Contains(m, "waytrace_relay_connected 1\n") {
				t.Error(m)
			}
			if r.lost.Load() {
				t.Error("it is said that Kafka does not answer")
			}
		}
		time.Sleep(20 * time.Second)
		missing()
		if err := r.Ready(); err != nil {
			t.Errorf("it is not ready: %v", err)
		}
		if err := t.CreateTopic("later", trace.Partitions, nil); err != nil {
			t.Fatal(err)
		}
		t.until("shipped", func() bool { return a.Bookmark(3).Own == 1 })
		if g := r.glance(); g.TopicState != topicReady || g.Trouble != "" {
			t.Errorf("it is %+v", g)
		}
		if err := t.DeleteTopic("later"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		missing()
		if err := r.Ready(); err != nil {
			t.Errorf("it is not ready: %v", err)
		}
		// Where Kafka goes away as well, that is said.
		t.refuse()
		time.Sleep(20 * time.Second)
		if r.glance().Connected {
			t.Error("it says that Kafka answers")
		}
	})
}

// second is another Kafka cluster beside the world's.
func (w *world) second() *kfake.Cluster {
	w.Helper()
	c := kfake.MustCluster(kfake.NumBrokers(3), kfake.Ports(9192, 9193, 9194), kfake.ClusterID("second"),
		kfake.ListenFn(w.net.Listen), kfake.SeedTopics(trace.Partitions, topic))
	w.Cleanup(c.Close)
	return c
}

// A directory that meets another topic than its own ships and reads nothing; set back, it
// goes on; adopted, it goes on where the topic was moved with its offsets, and else wants
// a clone.
func TestAnotherTopic(t *testing.T) {
	for _, c := range []string{"set back", "moved", "empty"} {
		t.Run(c, func(t *testing.T) {
			inWorld(t, func(t *world) {
				a := newNode(1)
				r := t.join(a)
				a.hear(3, "one")
				t.put(3, stranger, 70, 1)
				t.heardAll(a, 3, []string{"n 1"})
				t.until("all read", func() bool { return stateOf(r, 3).Offset == 2 })
				if err := r.Adopt(t.Context()); !errors.Is(err, trace.ErrInvalid) {
					t.Errorf("its own is adopted: %v", err)
				}
				r.Close()
				log := t.log(3)

				other := t.second()
				s := t.settings()
				s.Brokers = other.ListenAddrs()
				elsewhere := &world{T: t.T, Cluster: other, net: t.net}
				if c == "moved" {
					for _, l := range log {
						if l.origin == stranger {
							elsewhere.put(3, l.origin, l.mark, l.own)
							continue
						}
						item := a.parts[3].items[0]
						elsewhere.putItem(3, item)
					}
				}
				end := other.PartitionInfo(topic, 3).HighWatermark
				a.hear(3, "two")
				r = t.joinAs(a, s)
				time.Sleep(30 * time.Second)
				g := r.glance()
				for _, text := range []string{"belongs to topic waytrace of Kafka cluster ", "name topic waytrace of Kafka cluster second", "waytrace relay adopt"} {
					if g.TopicState != topicOther || !strings.Contains(g.Trouble, text) || !g.Connected || g.Fatal != "" {
						t.Errorf("it is %+v", g)
					}
					if err := r.Ready(); !errors.Is(err, trace.ErrUnavailable) || !strings.Contains(err.Error(), text) {
						t.Errorf("it is ready: %v", err)
					}
				}
				if now := other.PartitionInfo(topic, 3).HighWatermark; now != end || a.Bookmark(3).Own != 1 {
					t.Errorf("it was shipped to: %d, %+v", now, a.Bookmark(3))
				}
				switch c {
				case "set back":
					r.Close()
					r = t.join(a)
				default:
					if err := r.Adopt(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				t.until("shipped", func() bool { return a.Bookmark(3).Own == 2 })
				if c == "empty" {
					t.stopped(r, 3, stateNeedsClone, "waytrace clone", "waytrace relay skip --all --offset 0")
					if err := r.SkipAll(t.Context(), 0); err != nil {
						t.Fatal(err)
					}
				}
				t.until("ready", func() bool { return r.Ready() == nil && stateOf(r, 3).State == stateRunning })
				if id, _ := a.Topic(); strings.HasPrefix(id, "second/") != (c != "set back") {
					t.Errorf("it belongs to %s", id)
				}
				r.Close() // it is known next time
				if c != "set back" {
					r = t.joinAs(a, s)
					t.until("ready", func() bool { return r.Ready() == nil && stateOf(r, 3).State == stateRunning })
				}
			})
		})
	}
}

// The same where the name in kafka.brokers begins to lead to another cluster under way:
// not one record counts as shipped.
func TestAnotherClusterUnderWay(t *testing.T) {
	inWorld(t, func(t *world) {
		other := t.second()
		elsewhere := &world{T: t.T, Cluster: other, net: t.net}
		elsewhere.put(3, 8, 80, 1, 2, 3, 4, 5, 6)
		var moved atomic.Bool
		s := t.settings()
		s.Brokers = []string{"kafka:9090"}
		b, err := newBroker(s, func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "kafka:9090" && moved.Load() {
				address = "localhost:9192"
			} else if address == "kafka:9090" {
				address = "localhost:9092"
			}
			return t.net.DialContext(ctx, network, address)
		})
		if err != nil {
			t.Fatal(err)
		}
		a := newNode(1)
		r, err := open(a, a, b, s.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for p := range uint16(16) {
			a.hear(p, "one")
		}
		if err := r.Replicated(t.Context(), 0xffff); err != nil {
			t.Fatal(err)
		}
		t.put(3, stranger, 70, 1)
		t.heardAll(a, 3, []string{"n 1"})
		moved.Store(true)
		t.Cluster.Close()
		for range 100 {
			for p := range uint16(16) {
				a.hear(p, "two")
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.until("noticed", func() bool { return r.glance().TopicState == topicOther })
		if got := a.heard(3); !slices.Equal(got, []string{"n 1"}) {
			t.Errorf("%q came in", got)
		}
		for p := range uint16(16) {
			if own := a.Bookmark(p).Own; own != 1 {
				t.Errorf("partition %d: number %d counts as shipped", p, own)
			}
		}
	})
}

// An answer of another cluster is none.
func TestStrayed(t *testing.T) {
	inWorld(t, func(t *world) {
		t.put(3, stranger, 70, 1)
		b := t.client()
		away := "another/" + topic
		b.home.Store(&away)
		var in fetched
		_, _, bounds := b.Bounds(t.Context(), 3)
		for what, err := range map[string]error{"Bounds": bounds, "Fetch": b.Fetch(t.Context(), 3, 0, fetchBytes, &in),
			"Produce": b.Produce(t.Context(), 3, []trace.LoadItem{{Key: "x"}})} {
			if !errors.Is(err, errStrayed) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
