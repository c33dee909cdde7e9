package trace

import (
	"sync"
	"time"
)

// HLC is a reading of a hybrid logical clock: 48 bits of milliseconds since 1970
// UTC, then 16 bits of a counter. Readings of one node never repeat and never go
// back; between nodes they follow the physical clocks.
type HLC uint64

// HLCAt is the first reading of a moment, given in milliseconds since 1970 UTC.
func HLCAt(ms int64) HLC { return HLC(uint64(ms) << 16) }

// Milli is the reading's moment, in milliseconds since 1970 UTC.
func (h HLC) Milli() int64 { return int64(h >> 16) }

// Time is the reading's moment in UTC.
func (h HLC) Time() time.Time { return time.UnixMilli(h.Milli()).UTC() }

// An Origin is the id of the node that heard a fact first: eight random bytes,
// born with its directory.
type Origin uint64

// String is the origin as sixteen hexadecimal digits.
func (o Origin) String() string { return hex16(uint64(o)) }

func hex16(n uint64) string {
	return string(appendHex16(make([]byte, 0, 16), n))
}

func appendHex16(dst []byte, n uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, digits[n>>shift&15])
	}
	return dst
}

// MaxAhead is how far ahead of the physical clock a reading from elsewhere may
// be and still move ours.
const MaxAhead = 60 * time.Second

// A Clock gives the readings of one node. The zero value starts at the physical
// clock; Start moves it past what was given out before. Safe for concurrent use.
type Clock struct {
	// Wall is the physical clock in milliseconds since 1970; nil is the system's.
	Wall func() int64

	mu   sync.Mutex
	last HLC
}

// Now gives the next reading: the physical clock, or one more than the last
// reading where that is not behind it.
func (c *Clock) Now() HLC {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last+1, HLCAt(c.wall()))
	return c.last
}

// Start makes every later reading greater than h.
func (c *Clock) Start(h HLC) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last, h)
}

// Observe moves the clock past a reading from another node, unless that is more
// than MaxAhead ahead of the physical clock: then it changes nothing and
// reports false.
func (c *Clock) Observe(h HLC) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.Milli() > c.wall()+MaxAhead.Milliseconds() {
		return false
	}
	c.last = max(c.last, h)
	return true
}

// Ahead reports whether a reading is ahead of the physical clock.
func (c *Clock) Ahead(h HLC) bool { return h.Milli() > c.wall() }

func (c *Clock) wall() int64 {
	if c.Wall != nil {
		return c.Wall()
	}
	return time.Now().UnixMilli()
}
