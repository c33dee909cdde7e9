package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"waytrace/trace"
)

// A slowStore takes one push after the other, a millisecond each, in the order in which
// they came, whether or not anybody still waits for them. It is busy when the next one
// has waited for half a second.
type slowStore struct {
	quiet

	mu      sync.Mutex
	waiting []queued
	longest int
}

type queued struct {
	since time.Time
	done  chan struct{}
}

const (
	pushTakes = time.Millisecond
	tooOld    = 500 * time.Millisecond
)

func (s *slowStore) Append(ctx context.Context, f *trace.Facts) (int, error) {
	q := queued{time.Now(), make(chan struct{})}
	s.mu.Lock()
	s.waiting = append(s.waiting, q)
	s.longest = max(s.longest, len(s.waiting))
	s.mu.Unlock()
	select {
	case <-q.done:
		return s.quiet.Append(ctx, f)
	case <-ctx.Done():
		return 0, trace.ErrUnavailable
	}
}

// work answers what waits until the context ends.
func (s *slowStore) work(ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(pushTakes)
		s.mu.Lock()
		if len(s.waiting) > 0 {
			close(s.waiting[0].done)
			s.waiting = s.waiting[1:]
		}
		s.mu.Unlock()
	}
}

func (s *slowStore) busy() (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "queue", len(s.waiting) > 0 && time.Since(s.waiting[0].since) > tooOld
}

// Three times as many pushes as the store can take, from more senders than a limit for
// each would stop: what is acknowledged does not become less, nothing gathers, and
// whoever is exempt still enters.
func TestOverloadIsShed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const offered, seconds = 3, 10
		const canTake = seconds * int(time.Second/pushTakes)
		store := new(slowStore)
		in := New(store, nil, Options{Busy: store.busy})
		c := demo(fresh("flooded"))
		push, refuse := in.Push(c), in.Refuse(c)
		working, stop := context.WithCancel(context.Background())
		var worker sync.WaitGroup
		worker.Go(func() { store.work(working) })

		var mu sync.Mutex
		taken, shed, inside, most := 0, 0, 0, 0
		var all sync.WaitGroup
		for i := range canTake * offered {
			if i%offered == 0 {
				time.Sleep(pushTakes)
			}
			all.Go(func() {
				mu.Lock()
				inside++
				most = max(most, inside)
				mu.Unlock()
				ctx := requestOf(twoScans)
				err := push(ctx, trace.Asker{Account: "main", Sender: fmt.Sprint("sender ", i%1000)})
				if err != nil {
					refuse(ctx, err)
				}
				mu.Lock()
				defer mu.Unlock()
				inside--
				switch got := fmt.Sprint(ctx.Response.StatusCode(), string(ctx.Response.Header.Peek("Retry-After")), string(ctx.Response.Body())); {
				case err == nil:
					taken++
				case got == "5031"+no && errors.Is(err, trace.ErrUnavailable) && strings.HasPrefix(err.Error(), "busy: "):
					shed++
				default:
					t.Errorf("refused with %v, answered %s", err, got)
				}
			})
		}
		if _, busy := store.busy(); !busy {
			t.Error("at the end of the flood the store is not busy")
		}
		if err := push(requestOf(twoScans), trace.Asker{Account: "main", Sender: "ours", Exempt: true}); err != nil {
			t.Errorf("exempt: %v", err)
		}
		all.Wait()
		stop()
		worker.Wait()
		if taken < canTake*9/10 {
			t.Errorf("%d of %d pushes were acknowledged, want nine tenths of the %d that the store can take", taken, canTake*offered, canTake)
		}
		if counted := shedBy(c.Code, "queue"); counted != shed || taken+shed != canTake*offered {
			t.Errorf("%d taken and %d shed of %d; %d are counted as shed", taken, shed, canTake*offered, counted)
		}
		// What came in half a second, three for each one that left; then as many a push
		// later as find the queue young enough again.
		if limit := 2 * offered * int(tooOld/pushTakes); store.longest > limit || most > limit {
			t.Errorf("%d waited for the store and %d were inside, want %d at most", store.longest, most, limit)
		}
		if len(in.gate.inside) != 0 || in.gate.bytes != 0 {
			t.Errorf("everybody left, the gate still holds %v, %d bytes", in.gate.inside, in.gate.bytes)
		}
	})
}

// shedBy is how many requests of a door have been shed for a reason.
func shedBy(label, reason string) int {
	return int(metrics.GetOrCreateCounter(fmt.Sprintf(`waytrace_ingest_shed_total{carrier=%q,reason=%q}`, label, reason)).Get())
}
