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

	"waytrace/trace"
)

// The crash test needs no clock and no luck: callers push, at a moment in their
// midst the disk is cloned as a power cut would leave it, with a random part of
// what was not synced, and the clone is opened. What had been acknowledged when
// the clone was begun must be there.
var crashRounds = flag.Int("crash-rounds", 60, "rounds of the crash test")

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
		s, err := Open("data", Options{fs: wrap(disk), Log: quiet, CacheSize: 1 << 20, MemTableSize: 256 << 10, Wall: wall.Load})
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
					facts := judged(t, s, func(f *trace.Facts) { load(f, own) })
					if _, err := s.Append(context.Background(), facts); err != nil {
						return
					}
					mu.Lock()
					for _, name := range names(facts) {
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
	s, err := Open("data", Options{fs: clone, Log: quiet, CacheSize: 1 << 20})
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
	told, err := fed(s)
	if err != nil {
		return len(acknowledged), err
	}
	for id := range told.events {
		delete(acknowledged, id.String())
	}
	for _, name := range names(&told.facts) {
		delete(acknowledged, name)
	}
	return lost + len(acknowledged), disagreement(s)
}

// load adds what a push may bring: scans of few parcels, and now and then a text
// that was edited, a reference, another number, a full list, charges, a word.
func load(f *trace.Facts, rng *rand.Rand) {
	one := func(n int) bool { return rng.IntN(n) == 0 }
	sf := func() string { return fmt.Sprintf("SF%04d", rng.IntN(40)) }
	yt := func() string { return fmt.Sprintf("YT%04d", rng.IntN(10)) }
	for range 1 + rng.IntN(10) {
		e := scan(sf(), fmt.Sprint(rng.IntN(30)), trace.Status(rng.IntN(12)), rng.IntN(600))
		if one(4) {
			e.Text.Text = fmt.Sprint("改派 ", rng.IntN(3))
		}
		if one(4) {
			e.References = []trace.Reference{{Account: "main", Text: fmt.Sprint("order ", rng.IntN(20))}}
		}
		if one(16) {
			e.Leg = trace.LegTo{Waybill: trace.Waybill{Number: yt()}, Role: trace.Forwarded}
		}
		*f.Event() = e
	}
	if one(2) {
		var events []trace.Event
		number := yt()
		for minute := range 3 + rng.IntN(6) {
			if !one(6) {
				events = append(events, fedBy100(number, trace.Status(1+minute), 10*minute))
			}
		}
		if len(events) > 0 {
			list(f, events...)
		}
	}
	if one(8) {
		f.Legs = append(f.Legs, trace.LegFact{Waybill: trace.Waybill{Number: sf(), Carrier: "sf"},
			To:    trace.LegTo{Waybill: trace.Waybill{Number: yt(), Carrier: "yto"}, Role: trace.LastMile},
			Since: scan("", "", 0, 60*rng.IntN(10)).At.Instant()})
	}
	if one(8) {
		f.Records = append(f.Records, charges(yt(), fmt.Sprint("batch ", rng.IntN(3)), rng.Int64N(3)))
	}
	if one(16) {
		f.Overrides = append(f.Overrides, trace.Override{Waybill: trace.Waybill{Number: sf(), Carrier: "sf"},
			Pair: trace.Pair{Status: trace.Status(rng.IntN(12))}, Author: "ops", Reason: "seen"})
	}
}

// names tells the facts apart that were news; an event once, however often it came.
func names(f *trace.Facts) (all []string) {
	for i := range f.Events {
		if f.Events[i].Taken != trace.TooMany {
			all = append(all, f.Events[i].ID.String())
		}
	}
	stamped := func(kind string, s trace.Stamp, taken trace.Taken) {
		if taken == trace.Fresh || f.Judged {
			all = append(all, fmt.Sprint(kind, s.Heard, s.Origin))
		}
	}
	for i := range f.Lists {
		stamped("list ", f.Lists[i].Stamp, f.Lists[i].Taken)
	}
	for i := range f.Records {
		stamped("record ", f.Records[i].Stamp, f.Records[i].Taken)
	}
	for i := range f.Overrides {
		stamped("override ", f.Overrides[i].Stamp, f.Overrides[i].Taken)
	}
	for i := range f.Legs {
		stamped("leg ", trace.Stamp{Heard: f.Legs[i].Heard}, f.Legs[i].Taken)
	}
	return all
}
