package store

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/store/facttest"
	"waytrace/trace"
)

// What has left a node is on its disk, whenever the power is cut: no number is given out
// again for something else, and nothing that others were told is unknown here. Events
// are edited all the time, so that what leaves is often newer than the feed says.
func TestCrashOfShipping(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	shipped := 0
	for round := range *crashRounds / 4 {
		rng := rand.New(rand.NewPCG(seed, uint64(round)))
		disk := vfs.NewCrashableMem()
		s, err := Open("data", Options{FS: disk, Log: quiet, CacheSize: 1 << 20, MemTableSize: 256 << 10})
		if err != nil {
			t.Fatal(err)
		}
		o := ship(t, s)
		var (
			stop atomic.Bool
			wg   sync.WaitGroup
			mu   sync.Mutex
			left [][]byte // values of records that were given out
		)
		reached, enough := make(chan struct{}), 50+rng.IntN(300)
		for c := range 3 {
			own := rand.New(rand.NewPCG(seed, uint64(1000+round*3+c)))
			wg.Go(func() {
				for !stop.Load() {
					facts := judged(t, s, func(f *trace.Facts) {
						for range 1 + own.IntN(3) {
							e := scan(neighbours(uint16(own.IntN(3)), 1)[0], "50", trace.InTransit, own.IntN(100))
							e.Text.Text = fmt.Sprint("改派 ", own.IntN(20))
							*f.Event() = e
						}
					})
					if _, err := s.Append(context.Background(), facts); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for p := range uint16(3) {
			wg.Go(func() {
				for !stop.Load() {
					load, err := o.Next(p, 20, math.MaxInt)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					before := len(left)
					for _, item := range load.Items {
						left = append(left, item.Value)
					}
					if before < enough && len(left) >= enough {
						close(reached)
					}
					mu.Unlock()
					if p > 0 { // one of them is shipped again and again
						if err := o.Told(p, load.Upto); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		select {
		case <-reached:
		case <-time.After(30 * time.Second):
			t.Fatal("nothing is shipped")
		}
		mu.Lock()
		gone := left[:len(left):len(left)]
		mu.Unlock()
		clone := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 0, 20, 50}[round%4], RNG: rng})
		stop.Store(true)
		wg.Wait()
		o.Close()
		s.Close()
		shipped += len(gone)
		c := open(t, clone)
		before, err := facttest.Dump(c.scan)
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range gone {
			var n trace.News
			facts := &trace.Facts{}
			if err := trace.DecodeNews(&n, value, facts); err != nil {
				t.Fatal(err)
			}
			if p := trace.PartitionOf(n.Number); n.Own > c.Counted(p) {
				t.Fatalf("round %d: record %d of partition %d has left, and %d is the last here", round, n.Own, p, c.Counted(p))
			}
			if err := c.ApplyNews(t.Context(), facts, nil); err != nil {
				t.Fatal(err)
			}
		}
		after, err := facttest.Dump(c.scan)
		if err != nil {
			t.Fatal(err)
		}
		if before != after {
			t.Fatalf("round %d: others were told what is not here: %s", round, facttest.Difference(before, after))
		}
		ship(t, c)
		mustAgree(t, c)
		c.Close()
	}
	t.Logf("%d records had left", shipped)
}
