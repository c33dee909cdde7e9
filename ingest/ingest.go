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
	"time"

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
}

const (
	defaultAtOnce        = 64
	defaultBytesInFlight = 256 << 20
)

// patience is how long the store may take over one request: what is left of the
// three seconds that every answer has is for reading and answering.
const patience = 2500 * time.Millisecond

// An Ingest takes pushes, many at a time.
type Ingest struct {
	store  Store
	log    *slog.Logger
	gate   gate
	visits sync.Pool // of *visit

	atOnce   int // of one key
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
		store: store, log: log, atOnce: o.AtOnce,
		gate:   gate{mostBytes: o.BytesInFlight, inside: make(map[place]int)},
		visits: sync.Pool{New: func() any { return new(visit) }},
		counts: countsOf(apiLabel), refusals: refusalsOf(apiLabel),
	}
}

// A visit is the memory of one request. It goes back to the pool with done,
// unless the store failed: then the store may still be reading from it.
type visit struct {
	facts  trace.Facts
	answer []byte
}

func (in *Ingest) visit() *visit { return in.visits.Get().(*visit) }

func (in *Ingest) done(v *visit) {
	v.facts.Reset()
	in.visits.Put(v)
}

// append hands checked facts to the store and waits until they are synced. What
// the store did not take, for its waybill is full, leaves a fault. After an error
// the facts are the store's.
func (in *Ingest) append(ctx context.Context, facts *trace.Facts, names carriers.Names) (fresh int, err error) {
	if facts.Empty() {
		return 0, nil
	}
	if fresh, err = in.store.Append(ctx, facts); err != nil {
		return 0, unavailable(err)
	}
	crowdedOut(facts, names)
	return fresh, nil
}

// unavailable makes sure that a failure of the store has the kind that makes
// the sender try again.
func unavailable(err error) error {
	if err == nil || errors.Is(err, trace.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", trace.ErrUnavailable, err)
}
