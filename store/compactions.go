package store

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// compactions says when the database may compact: as often as its own settings
// allow, until Refuse. Closing waits for the compactions that run, so whoever is
// about to close refuses new ones first.
//
// The database calls TrySchedule with its own lock held, and GetWaitingCompaction
// and Schedule take that lock: so neither is called with ours.
type compactions struct {
	db pebble.DBForCompaction

	mu       sync.Mutex
	idle     sync.Cond // granting became false
	running  int
	refused  bool
	granting bool

	stop chan struct{}
	done chan struct{}
}

// How often a waiting compaction is looked for besides the moments when one
// ends: what is allowed grows with debt, and nothing tells us so.
const grantEvery = 100 * time.Millisecond

// Refuse grants no further compaction. Those that run go on.
func (c *compactions) Refuse() { c.refuse(true) }

// refuse says whether no compaction may begin, until it is said again.
func (c *compactions) refuse(yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = yes
}

// Register is called once by the database when it opens.
func (c *compactions) Register(_ int, db pebble.DBForCompaction) {
	c.db = db
	c.idle.L = &c.mu
	c.stop, c.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(c.done)
		tick := time.NewTicker(grantEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.grant()
			case <-c.stop:
				return
			}
		}
	}()
}

// Unregister is called once by the database when it closes.
func (c *compactions) Unregister() {
	close(c.stop)
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = true
	for c.granting {
		c.idle.Wait()
	}
}

// TrySchedule reports whether the database may start a compaction now.
func (c *compactions) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused || c.running >= c.db.GetAllowedWithoutPermission() {
		return false, nil
	}
	c.running++
	return true, c
}

// UpdateGetAllowedWithoutPermission is called when more may be allowed than
// before. The next tick is soon enough.
func (c *compactions) UpdateGetAllowedWithoutPermission() {}

// grant starts what waits, as far as is allowed.
func (c *compactions) grant() {
	c.mu.Lock()
	if c.granting {
		c.mu.Unlock()
		return
	}
	c.granting = true
	for !c.refused && c.running < c.db.GetAllowedWithoutPermission() {
		c.running++
		c.mu.Unlock()
		waiting, _ := c.db.GetWaitingCompaction()
		started := waiting && c.db.Schedule(c)
		c.mu.Lock()
		if !started {
			c.running--
			break
		}
	}
	c.granting = false
	c.idle.Broadcast()
	c.mu.Unlock()
}

// Started, MeasureCPU and CumulativeStats report on a compaction that runs.
func (c *compactions) Started()                                          {}
func (c *compactions) MeasureCPU(pebble.CompactionGoroutineKind)         {}
func (c *compactions) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// Done is called when a compaction has ended.
func (c *compactions) Done() {
	c.mu.Lock()
	c.running--
	c.mu.Unlock()
	c.grant()
}
