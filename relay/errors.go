package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"waytrace/trace"
)

var (
	// errNoTopic is a topic that is not there; its text has the command that makes it.
	errNoTopic = errors.New("the topic is not there")
	// errStrayed is an answer of another cluster than the one that was accepted.
	errStrayed = errors.New("the brokers are of another Kafka cluster than before")
)

// A sentence is an error for people: its text does not end in its kind.
type sentence struct {
	text string
	kind error
}

func (s *sentence) Error() string { return s.text }
func (s *sentence) Unwrap() error { return s.kind }

// say makes a sentence of some kind.
func say(kind error, format string, args ...any) error {
	return &sentence{fmt.Sprintf(format, args...), kind}
}

// bare takes off what the library puts before its errors: names of its own functions.
func bare(err error) error {
	for strings.HasPrefix(err.Error(), "kafka.(*Client).") {
		within := errors.Unwrap(err)
		if within == nil {
			break
		}
		err = within
	}
	return err
}

// explain finds out what an error came from: only Metadata names a login that was
// refused, or a topic that is missing. Its answer is in memory already.
func (b *broker) explain(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	err = bare(err)
	if errors.Is(err, protocol.ErrNoTopic) || errors.Is(err, protocol.ErrNoPartition) ||
		errors.Is(err, kafka.BrokerNotAvailable) || errors.Is(err, kafka.UnknownTopicOrPartition) || errors.Is(err, kafka.Unknown) {
		m, cause := b.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{b.topic}})
		switch {
		case cause != nil:
			err = b.unwelcome(bare(cause))
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
	case errors.Is(err, kafka.IllegalSASLState):
		return fmt.Errorf("the brokers want no login here: leave kafka.sasl out, or name their listener that has one: %w", err)
	case errors.Is(err, kafka.InvalidTimestamp):
		return fmt.Errorf("the brokers find this node's clock wrong, or theirs is: give all clocks to NTP: %w", err)
	case errors.Is(err, kafka.TopicAuthorizationFailed), errors.Is(err, kafka.ClusterAuthorizationFailed):
		return fmt.Errorf("the user may not do this: it needs READ, WRITE and DESCRIBE on topic %s: %w", b.topic, err)
	}
	return err
}

// unwelcome says what may be behind a connection that broke off before Kafka has said
// anything.
func (b *broker) unwelcome(err error) error {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var certificate *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &authority):
		return fmt.Errorf("nobody who is trusted has signed the broker's certificate: name the file of its authority in kafka.ca: %w", err)
	case errors.As(err, &host):
		return fmt.Errorf("the broker's certificate is for another host: name the broker in kafka.brokers as its certificate does: %w", err)
	case errors.As(err, &certificate):
		return fmt.Errorf("the broker's certificate is not valid: look at it, and at kafka.ca: %w", err)
	case errors.As(err, &header):
		return fmt.Errorf("the broker does not speak TLS here: leave kafka.tls out, or name its listener that does: %w", err)
	case b.secure && errors.As(err, &op) && op.Op == "read" && op.Timeout():
		return fmt.Errorf("the broker says nothing: does it speak TLS here (kafka.tls)?: %w", err)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET):
		return err
	case b.secure && b.login:
		return fmt.Errorf("the broker hangs up: look at kafka.user, kafka.password and kafka.sasl, and whether it speaks TLS here (kafka.tls): %w", err)
	case b.secure:
		return fmt.Errorf("the broker hangs up at once: does it speak TLS here (kafka.tls), and does it want a login (kafka.sasl)?: %w", err)
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
	case rotten(err):
		return "rotten"
	}
	return "other"
}

var errorKinds = []struct {
	is   error
	name string
}{
	{errNoTopic, "topic_missing"},
	{errStrayed, "other_cluster"},
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
	{kafka.IllegalSASLState, "login"},
	{kafka.TopicAuthorizationFailed, "permission"},
	{kafka.ClusterAuthorizationFailed, "permission"},
}

// refused reports whether an error is about the records themselves, so that the same
// records would fail for ever.
func refused(err error) bool {
	return errors.Is(err, kafka.MessageSizeTooLarge) || errors.Is(err, kafka.RecordListTooLarge) ||
		errors.Is(err, kafka.InvalidRecord)
}

// rotten reports whether an error seems to be about what came, not about how it came: a
// checksum that is wrong, or what cannot be decompressed. Whoever can ask for something
// else will know.
func rotten(err error) bool {
	var network net.Error
	var code kafka.Error
	var layout protocol.Error
	var header tls.RecordHeaderError
	var alert tls.AlertError
	var certificate *tls.CertificateVerificationError
	switch {
	case err == nil, errors.As(err, &network), errors.As(err, &code), errors.As(err, &layout):
	case errors.As(err, &header), errors.As(err, &alert), errors.As(err, &certificate):
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded):
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case errors.Is(err, errNoTopic), errors.Is(err, errStrayed), errors.Is(err, trace.ErrUnavailable):
	default:
		return true
	}
	return false
}
