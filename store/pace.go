package store

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A pace spreads over time what the database does beside answering: writing memtables
// out, and compactions. Each by itself would take a whole core for some seconds, in which
// answers and acknowledgements wait; what they have to keep up with is the log, so they go
// as fast as a few times that. When nothing is pushed they go as fast as they can.
type pace struct {
	logged    atomic.Int64 // bytes written to the log
	sublevels atomic.Int64 // of the first level, and
	debt      atomic.Int64 // bytes to compact, when they were looked at last
	hurried   atomic.Bool  // nobody is to wait any more

	mu     sync.Mutex
	looked time.Time // when arriving was, and
	before int64     // logged then
	rate   float64   // of logging, bytes a second

	flushes, compactions side
}

// A side is what goes at one pace.
type side struct{ due time.Time } // when the next byte may be written

const (
	// A memtable is written out in half of the time that the next one takes to fill.
	flushGear = 2
	// Compactions begin with so many bytes for each of the log, and get faster with
	// what is left to do; at fastSublevels they are not held up at all.
	compactionGear = 2
	gearDebt       = 512 << 20 // debt of one gear more
	calmSublevels  = 6
	fastSublevels  = 12

	seldom     = 64 << 10               // bytes of log a second that are as good as none
	slowest    = 16 << 20               // bytes a second: what comes seldom is nothing to wait for
	paceEvery  = 250 * time.Millisecond // how often the rate is taken
	shortestOf = time.Millisecond       // waits that are worth it
	longestOf  = 100 * time.Millisecond
)

// saw tells what is to be compacted.
func (p *pace) saw(sublevels int32, debt uint64) {
	p.sublevels.Store(int64(sublevels))
	p.debt.Store(int64(debt))
}

// flushing is the rate at which memtables are written out, in bytes a second; 0 is any.
func (p *pace) flushing() float64 { return flushGear * p.rate }

// compacting is the rate of compactions.
func (p *pace) compacting() float64 {
	sublevels := p.sublevels.Load()
	if sublevels >= fastSublevels {
		return 0
	}
	gear := compactionGear + float64(p.debt.Load())/gearDebt
	for ; sublevels > calmSublevels; sublevels-- {
		gear *= 1.5
	}
	return gear * p.rate
}

// wait returns when the next n bytes of a side may be written.
func (p *pace) wait(s *side, at func() float64, n int) {
	if p.hurried.Load() {
		return
	}
	p.mu.Lock()
	now := time.Now()
	if past := now.Sub(p.looked); past >= paceEvery {
		logged := p.logged.Load()
		rate := float64(logged-p.before) / past.Seconds()
		if past < 2*paceEvery {
			rate = (rate + p.rate) / 2
		}
		p.rate, p.looked, p.before = rate, now, logged
	}
	rate := 0.0
	if p.rate >= seldom {
		rate = at()
	}
	if rate == 0 {
		s.due = now
		p.mu.Unlock()
		return
	}
	if earliest := now.Add(-shortestOf); s.due.Before(earliest) {
		s.due = earliest
	}
	s.due = s.due.Add(time.Duration(float64(n) / max(rate, slowest) * float64(time.Second)))
	left := s.due.Sub(now)
	p.mu.Unlock()
	if left >= shortestOf {
		time.Sleep(min(left, longestOf))
	}
}

// pacedDisk is a disk on which tables are written at a pace, and the log is counted.
type pacedDisk struct {
	vfs.FS
	pace *pace
}

func (d pacedDisk) Create(name string, of vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, of)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasSuffix(name, ".log"):
		return loggedFile{f, d.pace}, nil
	case of == "pebble-memtable-flush":
		return pacedFile{f, d.pace, &d.pace.flushes, d.pace.flushing}, nil
	case of == "pebble-compaction":
		return pacedFile{f, d.pace, &d.pace.compactions, d.pace.compacting}, nil
	}
	return f, nil
}

func (d pacedDisk) ReuseForWrite(old, name string, of vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(old, name, of)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return loggedFile{f, d.pace}, nil
}

func (d pacedDisk) Unwrap() vfs.FS { return d.FS }

type loggedFile struct {
	vfs.File
	pace *pace
}

func (f loggedFile) Write(b []byte) (int, error) {
	f.pace.logged.Add(int64(len(b)))
	return f.File.Write(b)
}

type pacedFile struct {
	vfs.File
	pace *pace
	side *side
	at   func() float64
}

func (f pacedFile) Write(b []byte) (int, error) {
	f.pace.wait(f.side, f.at, len(b))
	return f.File.Write(b)
}
