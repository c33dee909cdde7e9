package relay

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"waytrace/trace"
)

// levels are what a report finds, by level.
func levels(r Report) (texts map[Level]string) {
	texts = map[Level]string{}
	for _, f := range r.Findings {
		texts[f.Level] += f.Text + " | " + f.Command + "\n"
	}
	return texts
}

// The topic that the command makes is fine; each setting that is not is named, with the
// command that mends it.
func TestCheckTopic(t *testing.T) {
	right := map[string]string{"cleanup.policy": "delete", "retention.ms": "604800000", "min.insync.replicas": "2",
		"max.message.bytes": "1048576", "unclean.leader.election.enable": "false"}
	for _, c := range []struct {
		name, setting, value, why string
	}{
		{"as it should be", "retention.ms", "-1", ""},
		{"compacted", "cleanup.policy", "compact", "nodes have not read"},
		{"compacted, too", "cleanup.policy", "compact,delete", "nodes have not read"},
		{"soon forgotten", "retention.ms", "3600000", "must be cloned"},
		{"small", "retention.bytes", "1000000", "must be cloned"},
		{"one of them is enough", "min.insync.replicas", "1", "one broker alone"},
		{"small records", "max.message.bytes", "100000", "are parked"},
		{"any leader", "unclean.leader.election.enable", "true", "may be lost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *world) {
				configs := map[string]string{c.setting: c.value}
				for name, value := range right {
					if name != c.setting {
						configs[name] = value
					}
				}
				if err := t.CreateTopic("settings", trace.Partitions, configs); err != nil {
					t.Fatal(err)
				}
				report, err := t.check("settings")
				if err != nil {
					t.Fatal(err)
				}
				found := levels(report)
				if report.Brokers != 3 || found[Broken] != "" || !strings.Contains(found[Fine], "16 partitions") {
					t.Errorf("%+v", report)
				}
				if c.why == "" {
					if found[Risky] != "" {
						t.Errorf("found: %s", found[Risky])
					}
					return
				}
				want := "--alter --entity-type topics --entity-name settings --add-config " + c.setting + "="
				if n := strings.Count(found[Risky], "\n"); n != 1 || !strings.Contains(found[Risky], c.why) || !strings.Contains(found[Risky], want) {
					t.Errorf("found: %s", found[Risky])
				}
			})
		})
	}
}

// check is CheckTopic in the world.
func (w *world) check(topic string) (Report, error) {
	w.Helper()
	s := w.settings()
	s.Topic = topic
	b, err := newBroker(s, w.net.DialContext)
	if err != nil {
		w.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return b.Check(ctx)
}

func TestCheckTopicThatIsMissing(t *testing.T) {
	inWorld(t, func(t *world) {
		report, err := t.check("nowhere")
		if err != nil {
			t.Fatal(err)
		}
		found := levels(report)
		for _, part := range []string{"is not there", "kafka-topics.sh --bootstrap-server ", " --create --topic nowhere --partitions 16 --replication-factor 3 ",
			"--config min.insync.replicas=2", "--config cleanup.policy=delete", "--config retention.ms=604800000"} {
			if !strings.Contains(found[Broken], part) {
				t.Errorf("found %s, want %q", found[Broken], part)
			}
		}
	})
}

func TestCheckTopicOfOtherPartitions(t *testing.T) {
	inWorld(t, func(t *world) {
		for name, partitions := range map[string]int32{"large": 32, "small": 8} {
			if err := t.CreateTopic(name, partitions, nil); err != nil {
				t.Fatal(err)
			}
		}
		report, err := t.check("large")
		if err != nil {
			t.Fatal(err)
		}
		if found := levels(report); found[Broken] != "" || !strings.Contains(found[Risky], "32 partitions") {
			t.Errorf("found %+v", report)
		}
		if report, err = t.check("small"); err != nil {
			t.Fatal(err)
		}
		if found := levels(report); !strings.Contains(found[Broken], "8 partitions") || !strings.Contains(found[Broken], "--alter --topic small --partitions 16") {
			t.Errorf("found %+v", report)
		}
	})
}

// A user who may not see the settings is told so, and Kafka that is away is an error.
func TestCheckTopicInTheDark(t *testing.T) {
	inWorld(t, func(t *world) {
		t.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		report, err := t.check(topic)
		if err != nil {
			t.Fatal(err)
		}
		if found := levels(report); !strings.Contains(found[Risky], "DESCRIBE_CONFIGS") || found[Broken] != "" {
			t.Errorf("found %+v", report)
		}
		// A node works all the same.
		n := newNode(1)
		r := t.join(n)
		n.hear(3, "one")
		if err := r.Replicated(t.Context(), 1<<3); err != nil {
			t.Error(err)
		}
		t.refuse()
		if report, err := t.check(topic); err == nil {
			t.Errorf("Kafka is away, and it found %+v", report)
		}
	})
}

// One broker is enough to try things out, and is said to be a risk.
func TestCheckTopicOfOneBroker(t *testing.T) {
	cluster := kfake.MustCluster(kfake.NumBrokers(1), kfake.SeedTopics(trace.Partitions, topic))
	defer cluster.Close()
	report, err := CheckTopic(t.Context(), Settings{Brokers: cluster.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	found := levels(report)
	if !strings.Contains(found[Risky], "one replica, for there is one broker") || strings.Contains(found[Risky], "min.insync") || found[Broken] != "" {
		t.Errorf("found %+v", report)
	}
}
