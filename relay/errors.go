package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"waytrace/trace"
)

// errNoTopic is a topic that is not there; its text has the command that makes it.
var errNoTopic = errors.New("the topic is not there")

// explain finds out what an error came from: only Metadata names a login that was
// refused, or a topic that is missing. Its answer is in memory already.
func (b *broker) explain(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if errors.Is(err, protocol.ErrNoTopic) || errors.Is(err, protocol.ErrNoPartition) ||
		errors.Is(err, kafka.BrokerNotAvailable) || errors.Is(err, kafka.UnknownTopicOrPartition) || errors.Is(err, kafka.Unknown) {
		m, cause := b.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{b.topic}})
		switch {
		case cause != nil:
			err = b.unwelcome(cause)
		case len(m.Topics) == 1 && errors.Is(m.Topics[0].Error, kafka.UnknownTopicOrPartition):
			return fmt.Errorf("%w: create it: %s", errNoTopic, createCommand(b.addresses, b.topic, len(m.Brokers)))
		case len(m.Topics) == 1 && m.Topics[0].Error != nil:
			err = m.Topics[0].Error
		}
	}
	switch {
	case errors.Is(err, kafka.SASLAuthenticationFailed):
		return fmt.Errorf("the login is refused: look at kafka.user, kafka.password and kafka.sasl: %w", err)
	case errors.Is(err, kafka.UnsupportedSASLMechanism):
		return fmt.Errorf("the brokers do not know this way to log in: choose another kafka.sasl: %w", err)
	case errors.Is(err, kafka.TopicAuthorizationFailed), errors.Is(err, kafka.ClusterAuthorizationFailed):
		return fmt.Errorf("the user may not do this: it needs READ, WRITE and DESCRIBE on topic %s: %w", b.topic, err)
	}
	return err
}

// unwelcome says what may be behind a broker that hangs up before it has said anything.
func (b *broker) unwelcome(err error) error {
	switch {
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case b.login:
		return fmt.Errorf("the broker hangs up on the login: look at kafka.user, kafka.password and kafka.sasl, and at kafka.tls: %w", err)
	}
	return fmt.Errorf("the broker hangs up at once: does it want TLS (kafka.tls) or a login (kafka.sasl)?: %w", err)
}

// errorKind is what an error is counted under.
func errorKind(err error) string {
	for _, k := range errorKinds {
		if errors.Is(err, k.is) {
			return k.name
		}
	}
	var network net.Error
	switch {
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no_answer"
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "connection"
	case errors.Is(err, trace.ErrUnavailable):
		return "store"
	}
	return "other"
}

var errorKinds = []struct {
	is   error
	name string
}{
	{errNoTopic, "no_topic"},
	{kafka.NotLeaderForPartition, "leader"},
	{kafka.LeaderNotAvailable, "leader"},
	{protocol.ErrNoLeader, "leader"},
	{kafka.BrokerNotAvailable, "leader"},
	{kafka.RequestTimedOut, "timed_out"},
	{kafka.NotEnoughReplicas, "replicas"},
	{kafka.NotEnoughReplicasAfterAppend, "replicas"},
	{kafka.MessageSizeTooLarge, "too_large"},
	{kafka.RecordListTooLarge, "too_large"},
	{kafka.InvalidRecord, "invalid_record"},
	{kafka.InvalidTimestamp, "invalid_time"},
	{kafka.OffsetOutOfRange, "out_of_range"},
	{kafka.SASLAuthenticationFailed, "login"},
	{kafka.UnsupportedSASLMechanism, "login"},
	{kafka.TopicAuthorizationFailed, "permission"},
	{kafka.ClusterAuthorizationFailed, "permission"},
}

// refused reports whether an error is about the records themselves, so that the same
// records would fail for ever.
func refused(err error) bool {
	return errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.RecordListTooLarge) ||
		errors.Is(err, kafka.InvalidRecord)
}
