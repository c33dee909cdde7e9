package relay

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

	fetchWait  = time.Second    // how long a broker waits for a record
	fetchBytes = int64(1 << 20) // of one response
)

// A broker is Kafka as far as we need it. Its methods are safe for concurrent use, and
// do not try again by themselves.
type broker struct {
	topic       string
	addresses   string                 // as a command line names them
	secure      bool                   // by TLS
	login       bool                   // it is asked for one
	home        atomic.Pointer[string] // the topic that was accepted, see view.id; nil before
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
		return nil, say(trace.ErrInvalid, "kafka.brokers names no broker")
	}
	b := &broker{topic: s.Topic, addresses: strings.Join(s.Brokers, ","), conns: map[net.Conn]bool{}}
	if s.Compression != "none" {
		if err := b.compression.UnmarshalText([]byte(s.Compression)); err != nil {
			return nil, say(trace.ErrInvalid, "kafka.compression is %q: use lz4, none, snappy or zstd", s.Compression)
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
	b.secure, b.login = secure != nil, login != nil
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
// them. After an error it may have appended them, or may yet. To Kafka they are of this
// moment, for it counts from there how long it keeps them: what has waited for days must
// not be thrown away at once.
func (b *broker) Produce(ctx context.Context, partition uint16, items []trace.LoadItem) error {
	// A record's key and value can be read once, so each attempt needs new ones.
	now := time.Now()
	records := make([]kafka.Record, len(items))
	for i := range items {
		item := &items[i]
		records[i] = kafka.Record{
			Time:    now,
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
	if err == nil {
		return b.strayed(ctx)
	}
	return b.explain(ctx, err)
}

// A record is one of the topic, as it was read.
type record struct {
	offset int64
	at     int64  // when it was shipped, milliseconds since 1970
	kind   string // of the header; empty where there is none
	value  []byte
}

// fetched is what one request brought: perhaps nothing, for the topic may be quiet.
type fetched struct {
	records []record
	end     int64  // the offset that the next record of the partition will have
	bytes   []byte // of the values
}

// Fetch reads a partition from an offset on, about so many bytes and one batch at least,
// and waits a moment when nothing is there yet. What into held is overwritten. The error
// is kafka.OffsetOutOfRange where the offset is none of the partition's, and rotten where
// the first batch cannot be read: what is whole before a rotten one comes alone.
func (b *broker) Fetch(ctx context.Context, partition uint16, offset, most int64, into *fetched) error {
	into.records, into.bytes, into.end = into.records[:0], into.bytes[:0], 0
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	res, err := b.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: b.topic, Partition: int(partition), Offset: offset,
		MinBytes: 1, MaxBytes: most, MaxWait: fetchWait,
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return b.explain(ctx, err)
	}
	if err := b.strayed(ctx); err != nil {
		return err
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
		return o.FirstOffset, o.LastOffset, b.strayed(ctx)
	}
	return 0, 0, b.explain(ctx, kafka.UnknownTopicOrPartition)
}
