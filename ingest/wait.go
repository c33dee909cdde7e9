package ingest

import (
	"context"
	"sync/atomic"
	"time"
)

// patience is how long the store may take over one request: what is left of the
// three seconds that every answer has is for reading and answering.
const patience = 2500 * time.Millisecond

// waits gives requests the context that ends their patience. Those that come within
// waitsShared of each other share one, and so the later ones have up to that much less:
// a push need not pay for a timer of its own, which hardly ever rings. The zero value
// works; safe for concurrent use.
type waits struct{ newest atomic.Pointer[wait] }

const waitsShared = 100 * time.Millisecond

type wait struct {
	context.Context
	began time.Time
}

// context gives one that ends in patience, or up to waitsShared before.
func (w *waits) context() context.Context {
	now := time.Now()
	if newest := w.newest.Load(); newest != nil && now.Sub(newest.began) < waitsShared {
		return newest.Context
	}
	ctx, stop := context.WithTimeout(context.Background(), patience)
	context.AfterFunc(ctx, stop) // nobody can stop it before: others may wait by it
	w.newest.Store(&wait{ctx, now})
	return ctx
}
