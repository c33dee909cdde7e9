package store

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/store/facttest"
	"waytrace/trace"
)

// The crash test needs no clock and no luck: callers push, at a moment in their
// midst the disk is cloned as a power cut would leave it, with a random part of
// what was not synced, and the clone is opened. What had been acknowledged when
// the clone was begun must be there.
var crashRounds = flag.Int("crash-rounds", 15, "rounds of the crash test")

func TestCrash(t *testing.T) {
	acknowledged, lost, err := crash(t, *crashRounds, func(fs vfs.FS) vfs.FS { return fs })
	t.Logf("%d rounds, %d facts and quarantined requests acknowledged, %d lost", *crashRounds, acknowledged, lost)
	if lost > 0 || err != nil {
		t.Errorf("%d of %d acknowledged facts are lost; %v", lost, acknowledged, err)
	}
}

// The same test over a disk that acknowledges syncs and does nothing must find
// losses, or it proves nothing.
func TestCrashFindsLosses(t *testing.T) {
	acknowledged, lost, err := crash(t, max(8, *crashRounds/8), func(fs vfs.FS) vfs.FS { return lyingDisk{fs} })
	t.Logf("%d facts acknowledged over a disk that does not sync, %d lost, %v", acknowledged, lost, err)
	if lost == 0 {
		t.Error("a disk that never syncs lost nothing: this test cannot find a loss")
	}
}

// lyingDisk says that the log is synced when it is not.
type lyingDisk struct{ vfs.FS }

func (d lyingDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	if strings.HasSuffix(name, ".log") && err == nil {
		return lyingFile{f}, nil
	}
	return f, err
}

func (d lyingDisk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(from, to, c)
	if strings.HasSuffix(to, ".log") && err == nil {
		return lyingFile{f}, nil
	}
	return f, err
}

type lyingFile struct{ vfs.File }

func (lyingFile) Sync() error                { return nil }
func (lyingFile) SyncData() error            { return nil }
func (lyingFile) SyncTo(int64) (bool, error) { return false, nil }

// crash plays rounds on a disk in memory that can crash, seen through wrap. The
// error is the first disagreement that a reopened directory showed.
func crash(t *testing.T, rounds int, wrap func(vfs.FS) vfs.FS) (acknowledged, lost int, first error) {
	const callers = 4
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for round := range rounds {
		disk := vfs.NewCrashableMem()
		var (
			stop  atomic.Bool
			count atomic.Int64
			wg    sync.WaitGroup
			mu    sync.Mutex
			told  = map[string]bool{}   // acknowledged facts, as tellings are named
			kept  = map[[16]byte]bool{} // acknowledged quarantine
			wall  atomic.Int64          // lists are believed by the hour
		)
		wall.Store(time.Now().UnixMilli())
		s, err := Open("data", Options{FS: wrap(disk), Log: quiet, CacheSize: 1 << 20, MemTableSize: 256 << 10, Wall: wall.Load})
		if err != nil {
			t.Fatal(err)
		}
		reached, enough := make(chan struct{}), int64(20+rng.IntN(200))
		for c := range callers {
			own := rand.New(rand.NewPCG(seed, uint64(round*callers+c)))
			wg.Go(func() {
				for i := 0; !stop.Load(); i++ {
					wall.Add(own.Int64N(20 * time.Minute.Milliseconds()))
					if own.IntN(8) == 0 {
						q := &trace.Quarantined{Heard: s.Now(), Carrier: "sf", Raw: fmt.Append(nil, "not understood ", own.Uint64())}
						if err := s.Quarantine(context.Background(), q); err != nil {
							return
						}
						mu.Lock()
						kept[q.Hash()] = true
						mu.Unlock()
					}
					facts := judged(t, s, func(f *trace.Facts) { facttest.Load(f, own) })
					if _, err := s.Append(context.Background(), facts); err != nil {
						return
					}
					mu.Lock()
					for _, name := range facttest.Names(facts) {
						told[name] = true
					}
					mu.Unlock()
					if count.Add(1) == enough {
						close(reached)
					}
				}
			})
		}
		select {
		case <-reached:
		case <-time.After(30 * time.Second):
			t.Fatal("the callers do not get on")
		}
		mu.Lock()
		before, keptBefore := maps.Clone(told), maps.Clone(kept)
		mu.Unlock()
		clone := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 20, 50, 100}[round%4], RNG: rand.New(rand.NewPCG(seed, uint64(round)))})
		stop.Store(true)
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		acknowledged += len(before) + len(keptBefore)
		n, err := survived(clone, before, keptBefore)
		lost += n
		if err != nil && first == nil {
			first = fmt.Errorf("round %d: %w", round, err)
		}
	}
	return acknowledged, lost, first
}

// survived opens what a crash left and counts what is missing of the
// acknowledged facts and of what was quarantined.
func survived(clone vfs.FS, acknowledged map[string]bool, kept map[[16]byte]bool) (lost int, err error) {
	s, err := Open("data", Options{FS: clone, Log: quiet, CacheSize: 1 << 20})
	if err != nil {
		return len(acknowledged) + len(kept), err
	}
	defer s.Close()
	err = s.EachQuarantined(func(hash [16]byte, _ *trace.Quarantined) bool {
		delete(kept, hash)
		return true
	})
	if err != nil {
		return len(acknowledged), err
	}
	lost = len(kept)
	told, err := consistent(s)
	if err != nil {
		return len(acknowledged), err
	}
	for id := range told.Events {
		delete(acknowledged, id.String())
	}
	for _, name := range facttest.Names(&told.Facts) {
		delete(acknowledged, name)
	}
	return lost + len(acknowledged), nil
}
