// Package relay carries the facts between nodes through Kafka: what this node was the
// first to hear goes out, what others heard comes in, each once and in order.
//
// A topic of sixteen partitions is shared by all nodes. Each partition has a goroutine
// that ships and one that reads, and one that cannot go on holds up nobody. Kafka need
// not be there: what was not shipped waits in the store, which is the outbox.
//
//	r, err := relay.Open(store, outbox, relay.Settings{Brokers: brokers})
//	err = <-r.Fatal() // this node must not go on
//	err = r.Close()
//
// # Going out
//
// A shipper takes what is synced from the outbox, batch by batch, and has one request
// under way. Whatever Kafka answers, the same batch is sent again until it is
// acknowledged by all replicas; only a record that Kafka will never take is parked, and
// a void holds its place. So the log may hold records twice, and never in the wrong
// order.
//
// # Coming in
//
// A reader asks for one record after the other. How far it is, and the highest number
// that it has of every node, is written in the same batch as the facts, so a record is
// applied once whenever the node crashes. What is missing is never passed over: the
// partition stops, and goes on when an operator says so.
//
// # The topic
//
// A directory belongs to the first topic that it works with, by name and cluster: how far
// it is means nothing in another. While the topic is another one, is not there or has too
// few partitions, nothing is shipped or read, and the status says what would help.
package relay

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"waytrace/trace"
)

// A Store is where facts come from and go to; store.Store is one.
type Store interface {
	Node() trace.Origin
	// Numbered says which start of this node gave an own number of a partition out; not
	// ok where none did.
	Numbered(partition uint16, own uint64) (mark uint64, ok bool)
	// Counted is the highest own number that a partition has given out.
	Counted(partition uint16) uint64
	// Place is how far a partition of the topic was read.
	Place(partition uint16) (trace.Position, map[trace.Origin]trace.Known, error)
	// ApplyNews merges facts of other nodes, and p in the same batch; it returns when
	// that is synced. facts may be empty. After an error they are the store's.
	ApplyNews(ctx context.Context, facts *trace.Facts, p *trace.Progress) error
	// Topic is which topic the directory belongs to, "" where it has none yet.
	Topic() (string, error)
	// SetTopic notes it, and returns when that is synced.
	SetTopic(topic string) error
}

// An Outbox is what the store holds for other nodes; store.Outbox is one.
type Outbox interface {
	// Bookmark is how far a partition was told.
	Bookmark(partition uint16) trace.Bookmark
	// Next is what comes behind the bookmark, so many records or bytes of it or a
	// little more; nothing of it can be lost any more by a crash. What was parked
	// comes as a void. Without items there is more to ask for where Upto moved.
	Next(partition uint16, records, bytes int) (trace.Load, error)
	// Told moves the bookmark.
	Told(partition uint16, to trace.Bookmark) error
	// Park puts a record aside for good.
	Park(trace.ParkedItem) error
	EachParked(func(trace.ParkedItem) bool) error
	// Bell rings when there is more.
	Bell(partition uint16) <-chan struct{}
	// Tip is the number of the newest change of a partition, synced or not.
	Tip(partition uint16) uint64
}

// A Relay is at work from Open to Close. Its methods are safe for concurrent use.
type Relay struct {
	store  Store
	outbox Outbox
	broker *broker
	maxLag int64
	log    *slog.Logger

	ctx      context.Context // ends when Close begins
	end      context.CancelFunc
	applying context.Context // ends a moment later, so that what was begun is finished
	giveUp   context.CancelFunc
	work     sync.WaitGroup
	closing  sync.Once
	topic    *footing
	look     chan struct{} // rings when the topic is to be looked at again
	fatal    chan error
	dead     atomic.Pointer[error]

	shippers [trace.Partitions]*shipper
	readers  [trace.Partitions]*reader

	opened   time.Time
	contact  atomic.Int64 // when Kafka answered last, since opened
	lost     atomic.Bool  // it was said in the log that Kafka does not answer
	caughtUp atomic.Bool
	said     complaints
}

// Open starts to ship and to read. Kafka need not answer. The error is of kind
// ErrInvalid where the settings are wrong; else a file or the store could not be read.
func Open(store Store, outbox Outbox, s Settings) (*Relay, error) {
	s = s.withDefaults()
	b, err := newBroker(s, nil)
	if err != nil {
		return nil, err
	}
	return open(store, outbox, b, s)
}

func open(store Store, outbox Outbox, b *broker, s Settings) (*Relay, error) {
	r := &Relay{
		store: store, outbox: outbox, broker: b, maxLag: int64(s.MaxLag), log: s.Log,
		topic: newFooting(), look: make(chan struct{}, 1), fatal: make(chan error, 1), opened: time.Now(),
	}
	for _, reason := range reasons {
		stops(reason)
	}
	r.ctx, r.end = context.WithCancel(context.Background())
	r.applying, r.giveUp = context.WithCancel(context.Background())
	for p := range uint16(trace.Partitions) {
		rd, err := newReader(r, p)
		if err != nil {
			r.end()
			r.giveUp()
			b.Close()
			return nil, err
		}
		r.readers[p], r.shippers[p] = rd, newShipper(r, p, rd.seen)
	}
	r.work.Go(r.watch)
	for p := range trace.Partitions {
		r.work.Go(r.readers[p].run)
		r.work.Go(r.shippers[p].run)
	}
	return r, nil
}

// finish is how long Close lets the store take over what was begun.
const finish = time.Second

// Close stops both ways, and writes how far each has got. What was on its way may be
// shipped again by the next start.
func (r *Relay) Close() error {
	r.closing.Do(func() {
		r.end()
		timer := time.AfterFunc(finish, r.giveUp)
		r.work.Wait()
		timer.Stop()
		r.giveUp()
		r.broker.Close()
	})
	return nil
}

// Fatal gives the reason why this node must not go on, if there ever is one: another
// has its id, or its directory is older than what it told. Nothing is shipped or read any
// more then.
func (r *Relay) Fatal() <-chan error { return r.fatal }

// die ends the work, and says why.
func (r *Relay) die(err error) {
	if r.dead.CompareAndSwap(nil, &err) {
		r.fatal <- err
		r.end()
		time.AfterFunc(finish, r.giveUp)
	}
}

// Replicated waits until Kafka has all that the store holds of some partitions, a bit
// each, at this moment. The error is of kind ErrUnavailable: ctx ended first, the relay
// closes, or something of it will never be shipped.
func (r *Relay) Replicated(ctx context.Context, partitions uint16) error {
	var from, tips [trace.Partitions]uint64
	for p, s := range r.shippers {
		if partitions>>p&1 == 0 {
			continue
		}
		from[p], tips[p] = r.outbox.Bookmark(uint16(p)).Seq, r.outbox.Tip(uint16(p))
		s.hurry.Add(1)
		defer s.hurry.Add(-1)
		ring(s.hurried)
	}
	for p, s := range r.shippers {
		if partitions>>p&1 == 0 {
			continue
		}
		switch err := s.passed(ctx, from[p], tips[p]); {
		case errors.Is(err, errVoid):
			return trace.Problemf(trace.ErrUnavailable, "not_replicated",
				"it is stored here, and Kafka does not take it or what came with it: other nodes lack it (waytrace relay parked)")
		case err != nil:
			return trace.Problemf(trace.ErrUnavailable, "not_replicated",
				"it is stored here, and Kafka has not taken it in time: it will be shipped, and may be sent again without harm")
		}
	}
	return nil
}

// lonely is how long a node that starts waits for an answer of Kafka's before it is
// ready without it.
const lonely = 10 * time.Second

// Ready says why this node should not be asked yet: nil when it can. The error is of
// kind ErrUnavailable.
func (r *Relay) Ready() error {
	if err := r.dead.Load(); err != nil {
		return say(trace.ErrUnavailable, "%v", *err)
	}
	if state, trouble := r.topic.what(); state == topicOther || state == topicNarrow {
		return say(trace.ErrUnavailable, "%s", trouble)
	}
	for _, rd := range r.readers {
		if h := rd.halted.Load(); h != nil && h.state == stateNeedsClone {
			return say(trace.ErrUnavailable, "partition %d of the topic cannot be read on: %s: %s", rd.p, h.why, h.help)
		}
	}
	lag, known := r.catchUp()
	switch {
	case r.caughtUp.Load():
		return nil
	case known:
		return say(trace.ErrUnavailable, "catching up, %d records behind", lag)
	}
	return say(trace.ErrUnavailable, "asking Kafka how far behind this node is")
}

// catchUp gives how many records of all partitions were not read yet, known once each
// has been asked for, and notes when this node has caught up for the first time.
// Partitions that stand still are not counted, nor those that Kafka does not answer for:
// its outage must not take nodes down.
func (r *Relay) catchUp() (records int64, known bool) {
	if r.caughtUp.Load() {
		return 0, true
	}
	for _, rd := range r.readers {
		if rd.halted.Load() != nil {
			continue
		}
		if since := rd.failing.Load(); since != 0 && time.Since(r.opened)-time.Duration(since) >= lonely {
			continue
		}
		if !rd.begun.Load() {
			return 0, false
		}
		records += max(0, rd.end.Load()-rd.offset.Load())
	}
	if records < r.maxLag {
		r.caughtUp.Store(true)
	}
	return records, true
}

// ring wakes who waits at a bell, or will.
func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}
