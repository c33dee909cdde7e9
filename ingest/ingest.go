// Package ingest takes pushes: decode, check, append to the store, answer in
// the sender's own words. An answer of success means on disk, synced.
//
// A carrier's door is the pair of Push and Refuse; whoever opens the doors has
// authenticated the sender before, and hands every error, its own too, to
// Refuse:
//
//	in := ingest.New(store, log, ingest.Options{})
//	push, refuse := in.Push(sf), in.Refuse(sf)
//	if err := push(ctx, who); err != nil {
//		refuse(ctx, err)
//	}
//
// Events is our own door, POST /v1/events; its errors become problem documents.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"waytrace/carriers"
	"waytrace/trace"
)

// A Store keeps what was pushed. *store.Store is one.
type Store interface {
	// Now reads the node's clock.
	Now() trace.HLC
	// Append returns when all of f is synced, and says of each event what it
	// brought. An error is of kind ErrUnavailable; f is the store's from then on.
	Append(ctx context.Context, f *trace.Facts) (fresh int, err error)
	// Quarantine returns when q is synced. It keeps a request once. After an
	// error q is the store's.
	Quarantine(ctx context.Context, q *trace.Quarantined) error
}

// Options are the limits of what is taken at a time. The zero value has the
// defaults.
type Options struct {
	// AtOnce is how many requests of one key may be under way at once: 64. Each
	// carrier's door has its own.
	AtOnce int
	// BytesInFlight is how much all bodies in work may weigh together: 256 MiB.
	BytesInFlight int64
	// Replicated waits until other nodes can have all that the store holds of some
	// partitions, a bit each: until Kafka has it. Its error is ErrUnavailable. nil where
	// nobody is acknowledged so.
	Replicated func(ctx context.Context, partitions uint16) error
	// Clock says why no full list may be judged now: the node's clock is wrong, and its
	// word would count for more or less than it should. The error is ErrUnavailable. nil
	// is a clock that nobody doubts.
	Clock func() error
	// Busy says whether the store has so much to do that what comes now would wait too
	// long, and why, in a word for the metrics: then pushes are refused before they are
	// decoded, until it has caught up. It is asked at each push. nil is a store that is
	// never busy.
	Busy func() (reason string, busy bool)
}

const (
	defaultAtOnce        = 64
	defaultBytesInFlight = 256 << 20
)

// An Ingest takes pushes, many at a time.
type Ingest struct {
	store  Store
	log    *slog.Logger
	gate   gate
	visits sync.Pool // of *visit
	waits  waits
	now    func() trace.HLC

	options  Options
	api      entrance // of /v1/events
	counts   *counts
	refusals *refusals
}

// New makes the doors of a store. log hears of what a person should look at,
// once a minute each; nil is silence.
func New(store Store, log *slog.Logger, o Options) *Ingest {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if o.AtOnce <= 0 {
		o.AtOnce = defaultAtOnce
	}
	if o.BytesInFlight <= 0 {
		o.BytesInFlight = defaultBytesInFlight
	}
	return &Ingest{
		store: store, log: log, now: store.Now, options: o,
		gate:   gate{mostBytes: o.BytesInFlight, busy: o.Busy, inside: make(map[place]int)},
		visits: sync.Pool{New: func() any { return new(visit) }},
		counts: countsOf(apiLabel), refusals: refusalsOf(apiLabel),
		api: entrance{name: "/v1/events", atOnce: o.AtOnce, setting: "at_once", sheds: shedsOf(apiLabel)},
	}
}

// A visit is the memory of one request. It goes back to the pool with done,
// unless the store failed: then the store may still be reading from it.
type visit struct {
	request carriers.Request // borrowed from the server
	facts   trace.Facts
	answer  []byte
}

func (in *Ingest) visit() *visit { return in.visits.Get().(*visit) }

func (in *Ingest) done(v *visit) {
	v.request = carriers.Request{}
	v.facts.Reset()
	in.visits.Put(v)
}

// append hands checked facts to the store and waits until they are synced, and for
// whoever wants that until Kafka has them: repeats too, for what they repeat may be on
// its way still. What the store did not take, for its waybill is full, leaves a fault.
// After an error the facts are the store's.
func (in *Ingest) append(ctx context.Context, facts *trace.Facts, names carriers.Names, who trace.Asker) (fresh int, err error) {
	if facts.Empty() {
		return 0, nil
	}
	if len(facts.Lists) > 0 && in.options.Clock != nil {
		if err := in.options.Clock(); err != nil {
			return 0, unavailable(err)
		}
	}
	if fresh, err = in.store.Append(ctx, facts); err != nil {
		return 0, unavailable(err)
	}
	if who.Replicated && in.options.Replicated != nil {
		if err := in.options.Replicated(ctx, partitionsOf(facts)); err != nil {
			return 0, unavailable(err)
		}
	}
	crowdedOut(facts, names)
	return fresh, nil
}

// partitionsOf are those of all facts, a bit each.
func partitionsOf(facts *trace.Facts) (partitions uint16) {
	add := func(number string) { partitions |= 1 << trace.PartitionOf(number) }
	for i := range facts.Events {
		add(facts.Events[i].Number)
	}
	for i := range facts.Lists {
		add(facts.Lists[i].Number)
	}
	for i := range facts.Legs {
		add(facts.Legs[i].Number)
	}
	for i := range facts.Records {
		add(facts.Records[i].Number)
	}
	for i := range facts.Overrides {
		add(facts.Overrides[i].Number)
	}
	return partitions
}

// unavailable makes sure that a failure of the store has the kind that makes
// the sender try again.
func unavailable(err error) error {
	if err == nil || errors.Is(err, trace.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", trace.ErrUnavailable, err)
}
