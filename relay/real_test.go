package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"waytrace/trace"
)

// real gives the brokers of a real Kafka, and a topic of its own that is not there yet.
func real(t *testing.T) Settings {
	t.Helper()
	named := os.Getenv("KAFKA_BROKERS")
	if named == "" {
		t.Skip("KAFKA_BROKERS names no real Kafka")
	}
	return Settings{Brokers: strings.Split(named, ","), Topic: fmt.Sprintf("waytrace-relay-%d", time.Now().UnixNano()), Log: slog.New(slog.DiscardHandler)}
}

// eventually waits for what a real Kafka does, for half a minute at most.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for start := time.Now(); time.Since(start) < 30*time.Second; time.Sleep(10 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("half a minute later: not %s", what)
}

func openReal(t *testing.T, n *node, s Settings) *Relay {
	t.Helper()
	r, err := Open(n, n, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// A real topic comes later than the node, is found to be as it should, and carries what
// is heard, but for a record that is too large for it.
func TestReal(t *testing.T) {
	s := real(t)
	a, b := newNode(1), newNode(2)
	r := openReal(t, a, s)
	openReal(t, b, s)
	a.hear(3, "one")
	eventually(t, "told how to make the topic", func() bool {
		s := r.glance()
		return s.Connected && s.TopicState == topicMissing && strings.Contains(s.Trouble, "kafka-topics.sh")
	})
	report, err := CheckTopic(t.Context(), s)
	if err != nil || !strings.Contains(levels(report)[Broken], "is not there") {
		t.Errorf("found %+v, %v", report, err)
	}
	makeTopic(t, s.Brokers, s.Topic)
	a.hear(3, large(800<<10))
	a.hear(3, large(1000<<10))
	a.hear(3, "four")
	eventually(t, "all heard", func() bool { return len(b.heard(3)) == 3 })
	if got := b.heard(3); got[0] != "one" || got[1] != large(800<<10) || got[2] != "four" {
		t.Errorf("%d, %d and %d bytes came in", len(got[0]), len(got[1]), len(got[2]))
	}
	if report, err = CheckTopic(t.Context(), s); err != nil || levels(report)[Broken] != "" || !strings.Contains(levels(report)[Fine], "cleanup.policy is delete") {
		t.Errorf("found %+v, %v", report, err)
	}
	// A batch that is too large for the topic goes one by one.
	setReal(t, s, "max.message.bytes", "100000")
	for i := range 6 {
		a.hear(4, large(40<<10)+fmt.Sprint(i))
	}
	a.hear(4, large(200<<10))
	a.hear(4, "last")
	eventually(t, "all heard", func() bool { return len(b.heard(4)) == 7 })
	if st, err := r.Status(); err != nil || st.Partitions[4].Parked != 1 || st.Partitions[3].Parked != 1 {
		t.Errorf("%+v, %v", st, err)
	}
}

func setReal(t *testing.T, s Settings, name, value string) {
	t.Helper()
	b, err := newBroker(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	res, err := b.client.IncrementalAlterConfigs(t.Context(), &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: s.Topic,
		Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: name, Value: value, ConfigOperation: kafka.ConfigOperationSet}},
	}}})
	if err == nil {
		err = res.Resources[0].Error
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A real topic that was deleted and made anew, shorter or longer, is not read on; nor is
// one whose retention has passed.
func TestRealTopicMadeAnew(t *testing.T) {
	for _, c := range []struct {
		name    string
		records int
		says    string
	}{{"shorter", 1, "ends at offset"}, {"longer", 6, "another record is at offset 2"}} {
		t.Run(c.name, func(t *testing.T) {
			s := real(t)
			makeTopic(t, s.Brokers, s.Topic)
			a, b := newNode(1), newNode(2)
			r := openReal(t, a, s)
			reader := openReal(t, b, s)
			for range 3 {
				a.hear(3, "before")
			}
			eventually(t, "all heard", func() bool { return len(b.heard(3)) == 3 })
			r.Close()
			admin, err := newBroker(s, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer admin.Close()
			if _, err := admin.client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{s.Topic}}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "missed", func() bool { return reader.glance().TopicState == topicMissing })
			eventually(t, "made anew", func() bool {
				res, err := admin.client.CreateTopics(context.Background(), &kafka.CreateTopicsRequest{
					Topics: []kafka.TopicConfig{{Topic: s.Topic, NumPartitions: trace.Partitions, ReplicationFactor: 1}}})
				return err == nil && res.Errors[s.Topic] == nil
			})
			eventually(t, "leaders known", func() bool {
				_, _, err := admin.Bounds(context.Background(), 3)
				return err == nil
			})
			other := newNode(3)
			openReal(t, other, s)
			for range c.records {
				other.hear(3, "after")
			}
			eventually(t, "stopped", func() bool { return stateOf(reader, 3).State == stateNeedsClone })
			if st := stateOf(reader, 3); !strings.Contains(st.Reason, c.says) {
				t.Errorf("it says %s", st.Reason)
			}
			if got := b.heard(3); !slices.Equal(got, []string{"before", "before", "before"}) {
				t.Errorf("%q came in", got)
			}
			own := b.hear(3, "still")
			eventually(t, "shipped", func() bool { return b.Bookmark(3).Own == own })
		})
	}
}

// What was heard long ago, or by a clock that was ahead, is of the moment that it is
// shipped, which Kafka takes and keeps.
func TestRealTimes(t *testing.T) {
	s := real(t)
	makeTopic(t, s.Brokers, s.Topic)
	a := newNode(1)
	for i, off := range []time.Duration{-8 * 24 * time.Hour, 0, 2 * time.Hour} {
		a.hear(3, fmt.Sprint(i))
		a.parts[3].items[i].At += off.Milliseconds()
	}
	r := openReal(t, a, s)
	eventually(t, "shipped", func() bool { return a.Bookmark(3).Own == 3 })
	var in fetched
	if err := r.broker.Fetch(t.Context(), 3, 0, fetchBytes, &in); err != nil {
		t.Fatal(err)
	}
	for i := range in.records {
		if age := time.Since(time.UnixMilli(in.records[i].at)); age < -time.Minute || age > time.Minute {
			t.Errorf("record %d is %s old to Kafka", i, age)
		}
	}
}

// A real Kafka that wants neither TLS nor a login says so to who brings one.
func TestRealPlain(t *testing.T) {
	s := real(t)
	secure, login := s, s
	secure.TLS = true
	if _, err := CheckTopic(t.Context(), secure); err == nil || !strings.Contains(err.Error(), "speak TLS here (kafka.tls)") {
		t.Errorf("with TLS: %v", err)
	}
	for _, login.SASL = range []string{"plain", "scram-sha-256"} {
		login.User, login.Password = "u", "p"
		if _, err := CheckTopic(t.Context(), login); err == nil || !strings.Contains(err.Error(), "kafka.sasl") {
			t.Errorf("%s: %v", login.SASL, err)
		} else {
			t.Log(err)
		}
	}
}

// KAFKA_SASL_BROKERS names a real Kafka that wants TLS and a login: those that are right
// get in, and those that are wrong hear why.
func TestRealLogins(t *testing.T) {
	named := os.Getenv("KAFKA_SASL_BROKERS")
	if named == "" {
		t.Skip("KAFKA_SASL_BROKERS names no real Kafka")
	}
	s := Settings{Brokers: strings.Split(named, ","), Topic: "nowhere", TLS: true, CA: os.Getenv("KAFKA_SASL_CA"),
		User: os.Getenv("KAFKA_SASL_USERNAME"), Password: os.Getenv("KAFKA_SASL_PASSWORD")}
	for _, s.SASL = range []string{"plain", "scram-sha-256", "scram-sha-512"} {
		if _, err := CheckTopic(t.Context(), s); err != nil {
			t.Errorf("%s: %v", s.SASL, err)
		}
		wrong := s
		wrong.Password += "x"
		_, err := CheckTopic(t.Context(), wrong)
		if err == nil || !strings.Contains(err.Error(), "kafka.password") || !errors.Is(err, kafka.SASLAuthenticationFailed) {
			t.Errorf("%s with a wrong password: %v", s.SASL, err)
		}
	}
	s.CA = ""
	if _, err := CheckTopic(t.Context(), s); err == nil || !strings.Contains(err.Error(), "name the file of its authority in kafka.ca") {
		t.Errorf("its authority is not trusted: %v", err)
	}
	s.TLS = false
	if _, err := CheckTopic(t.Context(), s); err == nil || !strings.Contains(err.Error(), "kafka.tls") {
		t.Errorf("without TLS: %v", err)
	}
}
