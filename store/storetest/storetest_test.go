package storetest

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"waytrace/store/facttest"
	"waytrace/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A node that crashes again and again under load has all that was acknowledged, and
// what it gave out to be shipped.
func TestCrash(t *testing.T) {
	n := New(t, 7)
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	shipped := map[uint16]uint64{} // highest own that was given out
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for c := range 3 {
		rng := rand.New(rand.NewPCG(uint64(c), 1))
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				n.Pass(time.Duration(rng.IntN(20)) * time.Minute)
				if facts, err := n.Push(func(f *trace.Facts) { facttest.Load(f, rng) }); err == nil {
					mu.Lock()
					for _, name := range facttest.Names(facts) {
						acknowledged[name] = true
					}
					mu.Unlock()
				}
				p := uint16(rng.IntN(trace.Partitions))
				if load, err := n.Outbox().Next(p, 50, math.MaxInt); err == nil && len(load.Items) > 0 {
					mu.Lock()
					shipped[p] = max(shipped[p], load.Items[len(load.Items)-1].Own)
					mu.Unlock()
				}
			}
		})
	}
	for _, kept := range []int{0, 20, 50, 100, 0} {
		before := n.Store().SafeMark()
		for n.Store().SafeMark() < before+100 {
			time.Sleep(time.Millisecond)
		}
		n.Crash(kept)
	}
	close(stop)
	wg.Wait()
	if err := n.Disagreement(); err != nil {
		t.Error(err)
	}
	n.raw(func(scan facttest.Scanner) error {
		told, err := facttest.ReadFeed(scan)
		if err != nil {
			return err
		}
		for id := range told.Events {
			delete(acknowledged, id.String())
		}
		for _, name := range facttest.Names(&told.Facts) {
			delete(acknowledged, name)
		}
		for p, own := range shipped {
			if own > told.Own[p] {
				t.Errorf("partition %d: record %d was given out, and the feed ends at %d", p, own, told.Own[p])
			}
		}
		return nil
	})
	if len(acknowledged) > 0 {
		t.Errorf("%d acknowledged facts are lost", len(acknowledged))
	}
}

// Two nodes with the same facts have one dump, after a crash, a restart and a rebirth
// of one of them as well.
func TestDump(t *testing.T) {
	a, b := New(t, 1), New(t, 2)
	rng := rand.New(rand.NewPCG(3, 1))
	for range 20 {
		if _, err := a.Push(func(f *trace.Facts) { facttest.Load(f, rng) }); err != nil {
			t.Fatal(err)
		}
	}
	for p := range uint16(trace.Partitions) {
		load, err := a.Outbox().Next(p, math.MaxInt, math.MaxInt)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range load.Items {
			facts := &trace.Facts{}
			if err := trace.DecodeNews(new(trace.News), item.Value, facts); err != nil {
				t.Fatal(err)
			}
			if err := b.Store().ApplyNews(t.Context(), facts, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := a.Dump()
	if got := b.Dump(); got != want || got == "" {
		t.Error(facttest.Difference(got, want))
	}
	a.Crash(0)
	a.Restart()
	was := a.Store().Node()
	if r := a.Rebirth(); r.Was != was || r.Is != a.Store().Node() || r.Is == was {
		t.Errorf("reborn %+v", r)
	}
	if got := a.Dump(); got != want {
		t.Error(facttest.Difference(got, want))
	}
	if got := a.Copy(4).Dump(); got != want {
		t.Error(facttest.Difference(got, want))
	}
	if err := a.Disagreement(); err != nil {
		t.Error(err)
	}
	if err := b.Disagreement(); err != nil {
		t.Error(err)
	}
}
