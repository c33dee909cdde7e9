package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"waytrace/trace"
)

const (
	// Kafka is given half of it to get a batch to all replicas.
	requestTimeout = 30 * time.Second
	// A read waits for nobody, so what is not answered by then never will be.
	readTimeout = 10 * time.Second
	dialTimeout = 3 * time.Second
	idleTimeout = 60 * time.Second
	// A leader that moved is found again after about half of this: the library asks
	// for nothing when a broker says that it leads no more.
	metadataTTL = time.Second

	fetchWait  = 250 * time.Millisecond // how long a broker waits for a record
	fetchBytes = 1 << 20                // of one response; one batch is always whole
)

// A broker is Kafka as far as we need it. Its methods are safe for concurrent use, and
// do not try again by themselves.
type broker struct {
	topic       string
	addresses   string // as a command line names them
	login       bool   // it is asked for one
	client      *kafka.Client
	compression kafka.Compression
	end         context.CancelFunc // of what the library does in the background

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

// dialer opens a connection, as net.Dialer's DialContext does.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// newBroker reads the files that s names, and connects to nothing yet.
func newBroker(s Settings, dial dialer) (*broker, error) {
	s = s.withDefaults()
	if len(s.Brokers) == 0 {
		return nil, fmt.Errorf("kafka: no broker is named: %w", trace.ErrInvalid)
	}
	b := &broker{topic: s.Topic, addresses: strings.Join(s.Brokers, ","), conns: map[net.Conn]bool{}}
	if s.Compression != "none" {
		if err := b.compression.UnmarshalText([]byte(s.Compression)); err != nil {
			return nil, fmt.Errorf("kafka: compression %q: %w", s.Compression, trace.ErrInvalid)
		}
	}
	secure, err := s.tls()
	if err != nil {
		return nil, err
	}
	login, err := s.login()
	if err != nil {
		return nil, err
	}
	b.login = login != nil
	ctx, cancel := context.WithCancel(context.Background())
	b.end = cancel
	b.client = &kafka.Client{
		Addr:    kafka.TCP(s.Brokers...),
		Timeout: requestTimeout,
		Transport: &kafka.Transport{
			Dial:           b.dial(dial),
			DialTimeout:    dialTimeout,
			IdleTimeout:    idleTimeout,
			MetadataTTL:    metadataTTL,
			MetadataTopics: []string{s.Topic},
			ClientID:       s.ClientID,
			TLS:            secure,
			SASL:           login,
			Context:        ctx,
		},
	}
	return b, nil
}

// dial keeps count of what is open: the library leaves connections that wait for an
// answer to themselves, for as long as a request may take.
func (b *broker) dial(dial dialer) dialer {
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.closed {
			c.Close()
			return nil, net.ErrClosed
		}
		b.conns[c] = true
		return &conn{c, b}, nil
	}
}

// A conn is an open connection, until it is closed.
type conn struct {
	net.Conn
	b *broker
}

func (c *conn) Close() error {
	c.b.mu.Lock()
	delete(c.b.conns, c.Conn)
	c.b.mu.Unlock()
	return c.Conn.Close()
}

// Close breaks off what is under way.
func (b *broker) Close() {
	b.end()
	b.client.Transport.(*kafka.Transport).CloseIdleConnections()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for c := range b.conns {
		c.Close()
	}
}

// The header is the same slice for all records: nobody writes to it.
var (
	waybillHeader = []kafka.Header{{Key: trace.KindHeader, Value: []byte(trace.KindWaybill)}}
	voidHeader    = []kafka.Header{{Key: trace.KindHeader, Value: []byte(trace.KindVoid)}}
)

// Produce appends items to a partition, in order, and returns when all its replicas have
// them. After an error it may have appended them, or may yet.
func (b *broker) Produce(ctx context.Context, partition uint16, items []trace.LoadItem) error {
	// A record's key and value can be read once, so each attempt needs new ones.
	records := make([]kafka.Record, len(items))
	for i := range items {
		item := &items[i]
		records[i] = kafka.Record{
			Time:    time.UnixMilli(item.At),
			Key:     kafka.NewBytes([]byte(item.Key)),
			Value:   kafka.NewBytes(item.Value),
			Headers: waybillHeader,
		}
		if item.Void {
			records[i].Headers = voidHeader
		}
	}
	res, err := b.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: b.topic, Partition: int(partition),
		RequiredAcks: kafka.RequireAll,
		Records:      kafka.NewRecordReader(records...),
		Compression:  b.compression,
	})
	if err == nil {
		err = res.Error
	}
	return b.explain(ctx, err)
}

// A record is one of the topic, as it was read.
type record struct {
	offset int64
	at     int64  // milliseconds since 1970
	kind   string // of the header; empty where there is none
	value  []byte
}

// fetched is what one request brought: perhaps nothing, for the topic may be quiet.
type fetched struct {
	records []record
	end     int64  // the offset that the next record of the partition will have
	bytes   []byte // of the values
}

// Fetch reads a partition from an offset on, and waits a moment when nothing is there
// yet. What into held is overwritten. The error is kafka.OffsetOutOfRange where the
// offset is none of the partition's.
func (b *broker) Fetch(ctx context.Context, partition uint16, offset int64, into *fetched) error {
	into.records, into.bytes, into.end = into.records[:0], into.bytes[:0], 0
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	res, err := b.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: b.topic, Partition: int(partition), Offset: offset,
		MinBytes: 1, MaxBytes: fetchBytes, MaxWait: fetchWait,
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return b.explain(ctx, err)
	}
	into.end = res.HighWatermark
	for {
		r, err := res.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := into.add(r, offset); err != nil {
			return err
		}
	}
	// The buffer may have moved while it grew.
	rest := into.bytes
	for i := range into.records {
		n := len(into.records[i].value)
		into.records[i].value, rest = rest[:n:n], rest[n:]
	}
	return nil
}

func (f *fetched) add(r *kafka.Record, from int64) error {
	if r.Key != nil {
		defer r.Key.Close()
	}
	if r.Value != nil {
		defer r.Value.Close()
	}
	// A broker sends whole batches: what comes first may lie before what was asked for.
	if r.Offset < from {
		return nil
	}
	in := record{offset: r.Offset, at: r.Time.UnixMilli()}
	for _, h := range r.Headers {
		if h.Key == trace.KindHeader {
			in.kind = kindOf(h.Value)
		}
	}
	if r.Value != nil {
		start := len(f.bytes)
		f.bytes = slices.Grow(f.bytes, r.Value.Len())[:start+r.Value.Len()]
		if _, err := io.ReadFull(r.Value, f.bytes[start:]); err != nil {
			return err
		}
		in.value = f.bytes[start:]
	}
	f.records = append(f.records, in)
	return nil
}

// kindOf is a kind as a string, without a copy of those that are known.
func kindOf(value []byte) string {
	switch string(value) {
	case trace.KindWaybill:
		return trace.KindWaybill
	case trace.KindVoid:
		return trace.KindVoid
	}
	return string(value)
}

// Bounds are the offsets of the first record that a partition still has, and of the
// next one that it will have.
func (b *broker) Bounds(ctx context.Context, partition uint16) (first, end int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	p := int(partition)
	res, err := b.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		b.topic: {kafka.FirstOffsetOf(p), kafka.LastOffsetOf(p)},
	}})
	if err != nil {
		return 0, 0, b.explain(ctx, err)
	}
	for _, o := range res.Topics[b.topic] {
		if o.Partition != p {
			continue
		}
		if o.Error != nil || o.FirstOffset < 0 || o.LastOffset < 0 {
			return 0, 0, b.explain(ctx, cmp.Or(o.Error, error(kafka.OffsetNotAvailable)))
		}
		return o.FirstOffset, o.LastOffset, nil
	}
	return 0, 0, b.explain(ctx, kafka.UnknownTopicOrPartition)
}
