package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"waytrace/trace"
)

// kafkaFor is a Kafka in this process with the topic that nodes share.
func kafkaFor(t *testing.T) *kfake.Cluster {
	t.Helper()
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(trace.Partitions, "waytrace"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	return kafka
}

// relayOf reads what a daemon says of its relay.
func (r *running) relayOf(t *testing.T) (among togetherness) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.do(t, "GET", r.admin+"/relay", "").body), &among); err != nil {
		t.Fatal(err)
	}
	return among
}

// What one node takes, the other one answers, whoever of them owns the parcel; and each
// says how far it is.
func TestTwoNodes(t *testing.T) {
	brokers := strings.Join(kafkaFor(t).ListenAddrs(), ",")
	a, b := start(t, "--kafka.brokers", brokers), start(t, "--kafka.brokers", brokers)
	if got := a.push(t, sampleJSON); got.body != success {
		t.Fatalf("the push was answered %+v", got)
	}
	within(t, 10*time.Second, "the other node has it", func() bool {
		return b.do(t, "GET", "/v1/status/SF7444400031887", "").status == 200
	})
	here, there := a.do(t, "GET", "/v1/traces/SF7444400031887", ""), b.do(t, "GET", "/v1/traces/SF7444400031887", "")
	if here.body != there.body || here.header.Get("ETag") != there.header.Get("ETag") {
		t.Errorf("the nodes answer\n%s\n%s", here.body, there.body)
	}
	within(t, 10*time.Second, "all is shipped", func() bool { return a.relayOf(t).Outbox.Records == 0 })
	if got := a.relayOf(t).Relay.Partitions[12]; got.Shipped != 1 || got.State != "running" {
		t.Errorf("partition 12 of the first is %+v, want one record shipped", got)
	}
	within(t, 10*time.Second, "the second has read it", func() bool { return b.relayOf(t).Relay.Partitions[12].Offset == 1 })
	for _, r := range []*running{a, b} {
		if got := r.do(t, "GET", r.admin+"/ready", ""); got.status != 200 {
			t.Errorf("/ready is %d %s", got.status, got.body)
		}
		for _, name := range []string{`waytrace_outbox_records{partition="12"} 0`, "waytrace_outbox_bytes 0", "waytrace_outbox_oldest_seconds 0",
			`waytrace_relay_lag_records{partition="12"} 0`, `waytrace_relay_lag_seconds{partition="12"} 0`, "waytrace_relay_connected 1"} {
			within(t, 10*time.Second, "/metrics has "+name, func() bool {
				return strings.Contains(r.do(t, "GET", r.admin+"/metrics", "").body, name+"\n")
			})
		}
	}
	if status, out, said := runs(t, "relay", "parked", "--admin", a.admin); status != 0 || out != "[]\n" {
		t.Errorf("relay parked: %d %s%s", status, out, said)
	}
	if status, out, said := runs(t, "relay", "skip", "12", "--offset", "5", "--admin", a.admin); status != 1 || !strings.Contains(said, "partition 12 is not stopped") {
		t.Errorf("relay skip of one that runs: %d %s%s", status, out, said)
	}
}

// A record that nobody can read stops its partition at every node, the node says which
// command goes on, and that command does.
func TestStoppedPartition(t *testing.T) {
	kafka := kafkaFor(t)
	r := start(t, "--kafka.brokers", strings.Join(kafka.ListenAddrs(), ","))
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	strange := &kgo.Record{Topic: "waytrace", Partition: 12, Value: []byte("hello"), Headers: []kgo.RecordHeader{{Key: trace.KindHeader, Value: []byte("parcel")}}}
	if err := client.ProduceSync(context.Background(), strange).FirstErr(); err != nil {
		t.Fatal(err)
	}
	var said, out string
	within(t, 10*time.Second, "the partition stops", func() bool {
		var status int
		status, out, said = runs(t, "relay", "status", "--admin", r.admin)
		return status == 1
	})
	if !strings.Contains(said, "partition 12:") || !strings.Contains(said, "upgrade this node") || !strings.Contains(out, `"state": "stopped"`) {
		t.Errorf("it says %s and shows %s", said, out)
	}
	if got := r.do(t, "GET", r.admin+"/ready", ""); got.status != 200 {
		t.Errorf("/ready is %d %s: reads must go on", got.status, got.body)
	}
	if got := r.do(t, "GET", r.admin+"/metrics", "").body; !strings.Contains(got, "waytrace_relay_partitions_stopped 1\n") {
		t.Error("/metrics does not tell of the partition that stopped")
	}
	if got := r.push(t, sampleJSON); got.body != success {
		t.Errorf("a push was answered %+v", got)
	}
	within(t, 10*time.Second, "it ships all the same", func() bool { return r.relayOf(t).Relay.Partitions[12].Shipped == 1 })

	_, command, found := strings.Cut(said, "waytrace relay skip ")
	if !found {
		t.Fatalf("no command in %s", said)
	}
	command, _, _ = strings.Cut(command, "\n")
	args := append([]string{"relay", "skip"}, append(strings.Fields(command), "--admin", r.admin)...)
	if status, _, said := runs(t, args...); status != 0 {
		t.Fatalf("%v: %s", args, said)
	}
	within(t, 10*time.Second, "it goes on", func() bool {
		status, _, _ := runs(t, "relay", "status", "--admin", r.admin)
		return status == 0
	})
	for _, bad := range [][]string{{"99", "--offset", "1"}, {"12", "--origin", "xyz", "--to", "1"}, {"12", "--origin", "9f86d081884c7d65", "--to", "1"}} {
		if status, _, said := runs(t, append(append([]string{"relay", "skip"}, bad...), "--admin", r.admin)...); status != 1 || said == "" {
			t.Errorf("relay skip %v: %d %s", bad, status, said)
		}
	}
	for _, wrong := range [][]string{{"12"}, {"12", "--to", "1"}, {"12", "--offset", "1", "--to", "3"}, {"--offset", "1"}, {"--all"}, {"12", "--all", "--offset", "0"}} {
		if status, _, said := runs(t, append([]string{"relay", "skip"}, wrong...)...); status != 2 {
			t.Errorf("relay skip %v: %d %s", wrong, status, said)
		}
	}
}

// Who is acknowledged when Kafka has it hears failure while Kafka is away, within the
// carrier's three seconds; what was stored is there all the same, and success comes for
// the repeat when Kafka is back. Others are not concerned.
func TestAcknowledgedByKafka(t *testing.T) {
	kafka := kafkaFor(t)
	r := start(t, "--kafka.brokers", strings.Join(kafka.ListenAddrs(), ","), "--carriers.sf.acknowledge", replicated)
	if got := r.push(t, sampleJSON); got.body != success {
		t.Fatalf("the push was answered %+v", got)
	}
	fault := kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
	again := strings.ReplaceAll(sampleJSON, "SF7444400031887", "SF7444400031888")
	for _, round := range []string{"fresh", "repeated"} {
		began := time.Now()
		got := r.push(t, again)
		if took := time.Since(began); got.status != 503 || !strings.Contains(got.body, "1000") || took > 3*time.Second {
			t.Errorf("%s without Kafka: %+v after %s, want failure within 3 s", round, got, took)
		}
	}
	if got := r.do(t, "GET", "/v1/status/SF7444400031888", ""); got.status != 200 {
		t.Errorf("what was stored is answered with %d %s", got.status, got.body)
	}
	event := fmt.Sprintf(`{"events":[{"number":"SF7444400031889","carrier":"sf","time":%q,"status":"picked_up"}]}`, time.Now().Format(time.RFC3339))
	if got := r.do(t, "POST", "/v1/events", event, "Content-Type", "application/json"); got.status != 200 {
		t.Errorf("a push by our own door was answered %d %s", got.status, got.body)
	}
	fault.Remove()
	within(t, 15*time.Second, "a repeat is acknowledged", func() bool { return r.push(t, again).body == success })
}

// A node whose place in the log is gone says so, is not ready, gives itself to nobody as a
// model, and goes on when an operator says where.
func TestNeedsClone(t *testing.T) {
	kafka := kafkaFor(t)
	brokers := strings.Join(kafka.ListenAddrs(), ",")
	a := start(t, "--kafka.brokers", brokers)
	for range 3 { // the same parcel again and again: one record each
		a.push(t, strings.ReplaceAll(sampleJSON, "2020-05-11 16", fmt.Sprintf("2020-05-11 %d", 10+int(runsOfNeed.Add(1)))))
	}
	within(t, 10*time.Second, "all is shipped", func() bool { return a.relayOf(t).Relay.Partitions[12].Shipped == 3 })
	kafka.DeleteRecords("waytrace", 12, 2)
	b := start(t, "--kafka.brokers", brokers)
	within(t, 10*time.Second, "it is not ready", func() bool {
		got := b.do(t, "GET", b.admin+"/ready", "")
		return got.status == 503 && strings.Contains(got.body, "partition 12") && strings.Contains(got.body, "waytrace clone --from")
	})
	if status, _, said := runs(t, "clone", "--from", b.admin, "--data", t.TempDir()); status != 1 || !strings.Contains(said, "needs a clone itself") {
		t.Errorf("clone from it: %d %s", status, said)
	}
	if status, _, said := runs(t, "relay", "skip", "12", "--offset", "3", "--admin", b.admin); status != 0 {
		t.Fatal(said)
	}
	within(t, 10*time.Second, "it is ready", func() bool { return b.do(t, "GET", b.admin+"/ready", "").status == 200 })
	if status, _, said := runs(t, "clone", "--from", b.admin, "--data", t.TempDir()); status != 0 {
		t.Errorf("clone from it once it goes on: %d %s", status, said)
	}
}

var runsOfNeed atomic.Int64

// A slip in the settings that leads to another topic ships and reads nothing, says so, and
// is passed on an operator's word alone.
func TestAnotherTopic(t *testing.T) {
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(trace.Partitions, "waytrace", "staging"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	brokers, data := strings.Join(kafka.ListenAddrs(), ","), filepath.Join(t.TempDir(), "data")
	r := startOn(t, data, "--kafka.brokers", brokers)
	r.push(t, sampleJSON)
	within(t, 10*time.Second, "it is shipped", func() bool { return r.relayOf(t).Outbox.Records == 0 })
	r.close(t)
	r = startOn(t, data, "--kafka.brokers", brokers, "--kafka.topic", "staging")
	r.push(t, strings.ReplaceAll(sampleJSON, "SF7444400031887", "SF7444400031888"))
	within(t, 10*time.Second, "it says so", func() bool {
		status, _, said := runs(t, "relay", "status", "--admin", r.admin)
		return status == 1 && strings.Contains(said, "waytrace relay adopt")
	})
	if got := r.do(t, "GET", r.admin+"/ready", ""); got.status != 503 {
		t.Errorf("/ready is %d %s", got.status, got.body)
	}
	if got := r.relayOf(t); got.Outbox.Records != 1 {
		t.Errorf("%d records wait, want the one that was pushed since", got.Outbox.Records)
	}
	if status, _, said := runs(t, "relay", "adopt", "--admin", r.admin); status != 0 {
		t.Fatal(said)
	}
	within(t, 10*time.Second, "it ships to the other topic", func() bool { return r.relayOf(t).Outbox.Records == 0 })
	if status, _, said := runs(t, "relay", "forget", "--admin", r.admin); status != 1 || !strings.Contains(said, "take kafka.brokers out") {
		t.Errorf("forget while it ships: %d %s", status, said)
	}
	r.close(t)
	r = startOn(t, data)
	if status, _, said := runs(t, "relay", "forget", "--admin", r.admin); status != 0 {
		t.Errorf("forget: %d %s", status, said)
	}
}
