package relay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"waytrace/trace"
)

// A Report is what the topic is like, beside what it should be.
type Report struct {
	Topic    string
	Brokers  int // that the cluster has now
	Findings []Finding
}

// A Finding is one thing about the topic.
type Finding struct {
	Level   Level
	Text    string
	Command string // that would mend it; empty where it is fine, or where none would
}

// A Level says how much a finding matters.
type Level uint8

// The levels.
const (
	Fine   Level = iota
	Risky        // records may be lost, or a node may have to be cloned
	Broken       // a node cannot work with this topic
)

// retention is how long the topic should keep records, from when they were shipped: as
// long as a node may be away and still catch up.
const retention = 7 * 24 * time.Hour

// largest is the batch that the topic must take: one record of the largest that is
// shipped, and what Kafka puts around it.
const largest = 1 << 20

// CheckTopic asks Kafka for the topic and its settings. A topic that is not there is a
// finding; the error says why Kafka could not be asked.
func CheckTopic(ctx context.Context, s Settings) (Report, error) {
	b, err := newBroker(s, nil)
	if err != nil {
		return Report{}, err
	}
	defer b.Close()
	return b.Check(ctx)
}

// Check is CheckTopic.
func (b *broker) Check(ctx context.Context) (Report, error) {
	report := Report{Topic: b.topic}
	v, err := b.look(ctx)
	if err != nil {
		return report, err
	}
	report.Brokers = v.brokers
	if v.missing {
		report.note(Broken, createCommand(b.addresses, b.topic, v.brokers), "topic %s is not there", b.topic)
		return report, nil
	}
	b.width(&report, len(v.partitions))
	report.replicas(v.partitions)
	if err := b.settings(ctx, &report); err != nil {
		report.note(Risky, "", "the topic's settings cannot be read, so nobody looks at them (may the user DESCRIBE_CONFIGS it?): %v", err)
	}
	return report, nil
}

// A view is the topic as the cluster has it.
type view struct {
	id         string // the cluster's id, and the topic's name behind a slash
	brokers    int    // that are up
	missing    bool
	partitions []kafka.Partition
}

// look reads the topic; once Kafka has answered, what it said last is in memory. The
// error says why Kafka could not be asked.
func (b *broker) look(ctx context.Context) (v view, err error) {
	m, err := b.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{b.topic}})
	if err != nil {
		return v, b.explain(ctx, b.unwelcome(bare(err)))
	}
	topic := m.Topics[0]
	v = view{id: m.ClusterID + "/" + b.topic, brokers: len(m.Brokers), partitions: topic.Partitions}
	switch {
	case errors.Is(topic.Error, kafka.UnknownTopicOrPartition):
		v.missing = true
	case topic.Error != nil:
		return v, b.explain(ctx, topic.Error)
	}
	return v, nil
}

// strayed is errStrayed where the brokers are not of the cluster that was accepted: their
// addresses are another's now.
func (b *broker) strayed(ctx context.Context) error {
	home := b.home.Load()
	if home == nil {
		return nil
	}
	m, err := b.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{b.topic}})
	if err == nil && m.ClusterID+"/"+b.topic != *home {
		return errStrayed
	}
	return nil
}

// greet asks a broker for something that is not in memory.
func (b *broker) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	res, err := b.client.ApiVersions(ctx, &kafka.ApiVersionsRequest{})
	if err == nil {
		err = res.Error
	}
	return err
}

// topicName names a topic for people, by its id.
func topicName(id string) string {
	cluster, topic, _ := strings.Cut(id, "/")
	return fmt.Sprintf("topic %s of Kafka cluster %s", topic, cluster)
}

func (r *Report) note(level Level, command, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{level, fmt.Sprintf(format, args...), command})
}

// width judges the number of partitions.
func (b *broker) width(r *Report, n int) {
	switch {
	case n == trace.Partitions:
		r.note(Fine, "", "%d partitions", n)
	case n < trace.Partitions:
		r.note(Broken, b.widenCommand(), "%s", narrow(n))
	default:
		r.note(Risky, "", "%d partitions, of which nodes use the first %d", n, trace.Partitions)
	}
}

// narrow says that there are too few partitions.
func narrow(n int) string {
	return fmt.Sprintf("%d partitions, and all nodes count on %d", n, trace.Partitions)
}

func (r *Report) replicas(all []kafka.Partition) {
	fewest, leaderless := len(all[0].Replicas), 0
	for _, p := range all {
		fewest = min(fewest, len(p.Replicas))
		if p.Leader.Host == "" {
			leaderless++
		}
	}
	switch {
	case fewest >= 2:
		r.note(Fine, "", "%d replicas", fewest)
	case r.Brokers < 2:
		r.note(Risky, "", "one replica, for there is one broker: what it loses is lost for the other nodes")
	default:
		r.note(Risky, "", "one replica: what its broker loses is lost for the other nodes; raise it with kafka-reassign-partitions.sh")
	}
	if leaderless > 0 {
		r.note(Risky, "", "%d partitions have no leader at this moment: are enough brokers up?", leaderless)
	}
}

// settings looks at the topic's own, and at the brokers' where it has none of its own.
func (b *broker) settings(ctx context.Context, r *Report) error {
	names := []string{"cleanup.policy", "retention.ms", "retention.bytes", "min.insync.replicas", "max.message.bytes",
		"unclean.leader.election.enable"}
	res, err := b.client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: b.topic, ConfigNames: names,
	}}})
	if err != nil {
		return b.explain(ctx, err)
	}
	is := map[string]string{}
	for _, resource := range res.Resources {
		if resource.Error != nil {
			return b.explain(ctx, resource.Error)
		}
		for _, entry := range resource.ConfigEntries {
			is[entry.ConfigName] = entry.ConfigValue
		}
	}
	for _, name := range names {
		if value, ok := is[name]; ok {
			b.setting(r, name, value)
		}
	}
	return nil
}

// setting judges one of the topic's settings.
func (b *broker) setting(r *Report, name, value string) {
	number, _ := strconv.ParseInt(value, 10, 64)
	should, why := "", ""
	switch name {
	case "cleanup.policy":
		if value != "delete" {
			should, why = "delete", "compaction removes records that nodes have not read, and they stop"
		}
	case "retention.ms":
		if number >= 0 && number < retention.Milliseconds() {
			should = strconv.FormatInt(retention.Milliseconds(), 10)
			why = "a node that is away for longer must be cloned"
		}
	case "retention.bytes":
		if number >= 0 {
			should, why = "-1", "a burst removes records that nodes have not read, and they must be cloned"
		}
	case "min.insync.replicas":
		if number < 2 && r.Brokers >= 2 {
			should, why = "2", "what is acknowledged may be on one broker alone"
		}
	case "max.message.bytes":
		if number < largest {
			should, why = strconv.Itoa(largest), "large records are parked, and other nodes lack them"
		}
	case "unclean.leader.election.enable":
		if value != "false" {
			should, why = "false", "what was acknowledged may be lost when a broker fails"
		}
	}
	if should == "" {
		r.note(Fine, "", "%s is %s", name, value)
		return
	}
	r.note(Risky, fmt.Sprintf("kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config %s=%s",
		b.addresses, b.topic, name, should), "%s is %s, should be %s: %s", name, value, should, why)
}

// widenCommand is what an operator types to give the topic the partitions that it lacks.
func (b *broker) widenCommand() string {
	return fmt.Sprintf("kafka-topics.sh --bootstrap-server %s --alter --topic %s --partitions %d", b.addresses, b.topic, trace.Partitions)
}

// createCommand is what an operator types to make the topic, with as many replicas as
// so many brokers can hold.
func createCommand(addresses, topic string, brokers int) string {
	replicas := min(max(brokers, 1), 3)
	settings := []string{
		"cleanup.policy=delete",
		fmt.Sprintf("retention.ms=%d", retention.Milliseconds()),
		fmt.Sprintf("min.insync.replicas=%d", min(replicas, 2)),
		fmt.Sprintf("max.message.bytes=%d", largest),
		"unclean.leader.election.enable=false",
	}
	return fmt.Sprintf("kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions %d --replication-factor %d --config %s",
		addresses, topic, trace.Partitions, replicas, strings.Join(settings, " --config "))
}
