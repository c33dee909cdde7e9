package store

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/store/facttest"
	"waytrace/trace"
)

// What is written on the side keeps step with the log, and is held up by nothing else.
func TestPace(t *testing.T) {
	const mebi = 1 << 20
	for _, c := range []struct {
		name      string
		category  vfs.DiskWriteCategory
		logged    int // MiB a second
		sublevels int32
		debt      uint64
		hurried   bool
		want      float64 // MiB a second; 0 is what the disk can do
	}{
		{name: "a memtable", category: "pebble-memtable-flush", logged: 20, want: 40},
		{name: "a memtable of what came slowly", category: "pebble-memtable-flush", logged: 1, want: 16},
		{name: "a memtable, nothing is pushed", category: "pebble-memtable-flush"},
		{name: "a memtable before the end", category: "pebble-memtable-flush", logged: 20, hurried: true},
		{name: "a compaction", category: "pebble-compaction", logged: 20, want: 40},
		{name: "a compaction with debt", category: "pebble-compaction", logged: 20, debt: 1 << 30, want: 80},
		{name: "a compaction, tables pile up", category: "pebble-compaction", logged: 20, sublevels: 8, want: 90},
		{name: "a compaction, too many do", category: "pebble-compaction", logged: 20, sublevels: 12},
		{name: "anything else", category: "pebble-manifest", logged: 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &pace{}
				p.saw(c.sublevels, c.debt)
				p.hurried.Store(c.hurried)
				disk := pacedDisk{voidDisk{vfs.NewMem()}, p}
				log, err := disk.Create("000001.log", "pebble-wal")
				if err != nil {
					t.Fatal(err)
				}
				table, err := disk.Create("000002.sst", c.category)
				if err != nil {
					t.Fatal(err)
				}
				end := make(chan struct{})
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					piece := make([]byte, c.logged*mebi/100)
					for tick := time.NewTicker(10 * time.Millisecond); ; {
						select {
						case <-tick.C:
							if _, err := log.Write(piece); err != nil {
								t.Error(err)
							}
						case <-end:
							return
						}
					}
				}()
				block, written := make([]byte, 32<<10), 0
				write := func(d time.Duration) {
					for end := time.Now().Add(d); time.Now().Before(end); written += len(block) {
						if _, err := table.Write(block); err != nil {
							t.Fatal(err)
						}
					}
				}
				time.Sleep(time.Second)
				write(2 * time.Second) // the rate is found
				written = 0
				start := time.Now()
				write(4 * time.Second)
				took := time.Since(start)
				close(end)
				<-stopped
				if c.want == 0 {
					c.want = voidPace
				}
				if got := float64(written) / mebi / took.Seconds(); got < 0.95*c.want || got > 1.05*c.want {
					t.Errorf("%.1f MiB/s were written, want %.0f", got, c.want)
				}
			})
		})
	}
}

// A voidDisk keeps nothing, and takes its time.
type voidDisk struct{ vfs.FS }

type voidFile struct{ vfs.File }

const voidPace = 500 // MiB a second

func (d voidDisk) Create(name string, of vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, of)
	return voidFile{f}, err
}

func (f voidFile) Write(b []byte) (int, error) {
	time.Sleep(time.Duration(len(b)) * time.Second / (voidPace << 20))
	return len(b), nil
}

// When pushes end, nothing waits any more.
func TestPaceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pace{}
		for range 100 {
			p.logged.Add(1 << 20)
			p.wait(&p.flushes, p.flushing, 1<<10)
			time.Sleep(10 * time.Millisecond)
		}
		start := time.Now()
		for time.Since(start) < 5*time.Second {
			p.wait(&p.flushes, p.flushing, 1<<20)
			time.Sleep(10 * time.Millisecond)
		}
		start = time.Now()
		if p.wait(&p.flushes, p.flushing, 1<<30); time.Since(start) != 0 {
			t.Errorf("a GiB waited for %s", time.Since(start))
		}
	})
}

// The names under which the database writes are those that are looked for.
func TestDatabaseIsPaced(t *testing.T) {
	s := open(t, vfs.NewMem())
	hear(t, s, func(f *trace.Facts) { facttest.Load(f, rand.New(rand.NewPCG(3, 4))) })
	if s.pace.logged.Load() == 0 {
		t.Error("the log is not counted")
	}
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	if s.pace.flushes.due.IsZero() {
		t.Error("a memtable is not paced")
	}
	hear(t, s, func(f *trace.Facts) { facttest.Load(f, rand.New(rand.NewPCG(3, 5))) })
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.pace.compactions.due.IsZero() {
		t.Error("compactions are not paced")
	}
}
