package relay_test

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"waytrace/trace"
)

// The consumer that docs/KAFKA.md shows to data teams is run as it stands there: it has every
// fact once, whatever came twice, from two nodes, was taken back or could not be told, and
// goes on where it stopped. KAFKA_BROKERS names a real Kafka; without it one is played here.
func TestConsumerExample(t *testing.T) {
	c := newConsumer(t)
	topic, send := newTopic(t, c.brokers)

	w := trace.Waybill{Number: "SF7444400031887", Carrier: "sf"}
	collected, signed := scan(w, "50", "顺丰速运 已收取快件", 8), scan(w, "80", "已签收", 10)
	mapped := signed
	mapped.Pair, mapped.Table = trace.Pair{Status: trace.Delivered, Sub: "signed"}, 7

	tell := &trace.Facts{Events: []trace.Event{collected}, Lists: []trace.List{{
		Waybill: w, Source: "sf", Stamp: trace.Stamp{Heard: 1 << 16, Origin: 1}, Hides: []trace.ID{idOf(signed)},
	}}}
	send(w.Number, trace.KindWaybill, trace.News{Waybill: w, Origin: 1, Mark: 9, Own: 1}, tell)
	send(w.Number, trace.KindWaybill, trace.News{Waybill: w, Origin: 1, Mark: 9, Own: 1}, tell) // its acknowledgement was lost
	send(w.Number, trace.KindVoid, trace.News{Origin: 1, Mark: 9, Own: 2}, nil)
	send(w.Number, trace.KindWaybill, trace.News{Waybill: w, Origin: 2, Mark: 8, Own: 5}, &trace.Facts{
		Events:    []trace.Event{collected, signed}, // the second node has heard both
		Legs:      []trace.LegFact{{Waybill: w, To: trace.LegTo{Waybill: trace.Waybill{Number: "YT1234567890123", Carrier: "yto"}, Role: trace.LastMile}}},
		Overrides: []trace.Override{{Waybill: w, Pair: trace.Pair{Status: trace.Lost}, Author: "main", Stamp: trace.Stamp{Heard: 1, Origin: 2}}},
	})
	c.run(topic, "3 records, 1 repeats")
	c.ask(`SELECT number, carrier, happened, status, sub, text FROM scan`,
		"SF7444400031887|sf|2024-06-02T08:00:00.000+08:00|unknown||顺丰速运 已收取快件") // the other one was taken back
	c.ask(`SELECT kind FROM fact ORDER BY kind`, "leg", "override")

	send(w.Number, trace.KindWaybill, trace.News{Waybill: w, Origin: 1, Mark: 9, Own: 3}, &trace.Facts{
		Events: []trace.Event{mapped}, // by a newer table
		Lists: []trace.List{{Waybill: w, Source: "sf", Stamp: trace.Stamp{Heard: 2 << 16, Origin: 1},
			Shows: []trace.ID{idOf(signed)}}},
	})
	c.run(topic, "1 records, 0 repeats")
	c.ask(`SELECT status, sub, tbl FROM scan ORDER BY happened`, "unknown||0", "delivered|signed|7")
	c.ask(`SELECT origin, own FROM told ORDER BY origin`, "0000000000000001|3", "0000000000000002|5")

	send(w.Number, trace.KindWaybill, trace.News{Waybill: w, Origin: 2, Mark: 8, Own: 7}, &trace.Facts{Events: []trace.Event{signed}})
	c.run(topic, "0000000000000002 goes from 5 to 7")

	send(w.Number, "hologram", trace.News{Waybill: w, Origin: 2, Mark: 8, Own: 8}, nil)
	c.fails(topic, "kind 'hologram'")
	c.fails(topic, "kind 'hologram'") // it does not pass by the second time either
	c.ask(`SELECT max(own) FROM told`, "7")

	none, send := newTopic(t, c.brokers)
	send(w.Number, "", trace.News{Waybill: w, Origin: 2, Mark: 8, Own: 1}, nil)
	c.forget()
	c.fails(none, "no kind, so no waytrace wrote it")
	c.forget()
	newer, send := newTopic(t, c.brokers)
	send(w.Number, "hologram", trace.News{}, nil) // what it is in must not be decoded
	c.fails(newer, "kind 'hologram'")
	if said, err := c.start("waytrace-nowhere"); err == nil || !strings.Contains(said, "topic waytrace-nowhere: ") || strings.Contains(said, "Traceback") {
		t.Errorf("a topic that is not there: %v, it said %q", err, said)
	}
}

// scan is an event at an hour of one day, in China.
func scan(w trace.Waybill, code, text string, hour int64) trace.Event {
	at, err := trace.ParseLocal("2024-06-02 00:00:00", 480, trace.ZoneCarrier)
	if err != nil {
		panic(err)
	}
	at.Local += hour * 3_600_000
	at.Raw = ""
	return trace.Event{Waybill: w, Source: "sf", Code: code, At: at, Text: trace.Text{Text: text, Lang: "zh-Hans"}}
}

func idOf(e trace.Event) trace.ID {
	(&trace.Facts{}).Seal(&e, 1)
	return e.ID
}

// newTopic makes a topic of its own with as many partitions as ours have, and says how
// records get into it.
func newTopic(t *testing.T, brokers string) (string, func(key, kind string, n trace.News, facts *trace.Facts)) {
	t.Helper()
	topic := "waytrace-consumer-" + strings.ToLower(rand.Text()[:8])
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	create := kmsg.NewPtrCreateTopicsRequest()
	create.TimeoutMillis = 10_000
	create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: topic, NumPartitions: trace.Partitions, ReplicationFactor: 1}}
	res, err := create.RequestWith(t.Context(), client)
	if err != nil || res.Topics[0].ErrorCode != 0 {
		t.Fatalf("create %s: %v %+v", topic, err, res)
	}
	t.Cleanup(func() {
		remove := kmsg.NewPtrDeleteTopicsRequest()
		remove.TimeoutMillis = 10_000
		remove.TopicNames = []string{topic}
		remove.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: &topic}}
		if _, err := remove.RequestWith(context.Background(), client); err != nil {
			t.Errorf("delete %s: %v", topic, err)
		}
	})
	return topic, func(key, kind string, n trace.News, facts *trace.Facts) {
		t.Helper()
		if facts != nil {
			for i := range facts.Events {
				facts.Seal(&facts.Events[i], 1<<16)
			}
		}
		r := &kgo.Record{
			Topic: topic, Partition: int32(trace.PartitionOf(key)), Key: []byte(key), Value: n.Append(nil, facts),
		}
		if kind != "" {
			r.Headers = []kgo.RecordHeader{{Key: trace.KindHeader, Value: []byte(kind)}}
		}
		if kind == "hologram" {
			r.Value = []byte("seen from all sides") // its form is nobody's business here
		}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// A consumer is the example in a directory of its own.
type consumer struct {
	t                    *testing.T
	python, dir, brokers string
}

func newConsumer(t *testing.T) *consumer {
	t.Helper()
	c := &consumer{t: t, dir: t.TempDir(), brokers: os.Getenv("KAFKA_BROKERS")}
	// The distribution's Python has the distribution's modules; another may stand before it.
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import confluent_kafka, google.protobuf.json_format").Run() == nil {
			c.python = python
			break
		}
	}
	protoc, err := exec.LookPath("protoc")
	switch {
	case (c.python == "" || err != nil) && c.brokers == "":
		t.Skip("needs python3-confluent-kafka, python3-protobuf and protobuf-compiler")
	case c.python == "" || err != nil: // who has a real Kafka wants to see it all
		t.Fatal("needs python3-confluent-kafka, python3-protobuf and protobuf-compiler: apt-get install them")
	case c.brokers == "":
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		c.brokers = strings.Join(cluster.ListenAddrs(), ",")
	}
	if said, err := exec.Command(protoc, "-I", "../docs", "--python_out="+c.dir, "trace.proto").CombinedOutput(); err != nil {
		t.Fatalf("protoc: %v\n%s", err, said)
	}
	page, err := os.ReadFile("../docs/KAFKA.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(page), "\n```python\n")
	code, _, found := strings.Cut(code, "\n```\n")
	if !found {
		t.Fatal("docs/KAFKA.md has no block of Python")
	}
	if err := os.WriteFile(filepath.Join(c.dir, "consumer.py"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *consumer) start(topic string) (said string, err error) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), c.python, "consumer.py", "--brokers", c.brokers, "--topic", topic, "--once")
	cmd.Dir = c.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// forget removes what it has written: it was of another topic.
func (c *consumer) forget() {
	c.t.Helper()
	if err := os.Remove(filepath.Join(c.dir, "waytrace.db")); err != nil {
		c.t.Fatal(err)
	}
}

// run goes to the topic's end, and looks for words in what was said.
func (c *consumer) run(topic, want string) {
	c.t.Helper()
	if said, err := c.start(topic); err != nil || !strings.Contains(said, want) {
		c.t.Fatalf("the consumer: %v, it said %q, want %q", err, said, want)
	}
}

func (c *consumer) fails(topic, want string) {
	c.t.Helper()
	if said, err := c.start(topic); err == nil || !strings.Contains(said, want) {
		c.t.Fatalf("the consumer: %v, it said %q, want a failure and %q", err, said, want)
	}
}

// ask reads what it has written, a line a row.
func (c *consumer) ask(query string, want ...string) {
	c.t.Helper()
	cmd := exec.Command(c.python, "-c", `import sqlite3, sys
for row in sqlite3.connect("waytrace.db").execute(sys.argv[1]): print(*row, sep="|")`, query)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8")
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatal(err)
	}
	got := slices.Collect(strings.Lines(string(out)))
	for i := range got {
		got[i] = strings.TrimSuffix(got[i], "\n")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("%s (-want +got):\n%s", query, diff)
	}
}
