package cluster

import (
	"slices"
	"time"

	"waytrace/trace"
)

// tooFar is how far a clock may be from the others'. Beyond it a node's word about what
// was newest would count for more, or less, than it should.
const tooFar = trace.MaxAhead

// A reading is what a sister's clock showed, and when that was by this process's own
// steady time, which no change of either clock moves.
type reading struct {
	clock int64 // milliseconds since 1970
	at    time.Time
}

// difference is how far the sister's clock is ahead of a wall clock now. That the wall
// clock was set in between shows at once, even when the sister is silent.
func (r reading) difference(wall int64, now time.Time) time.Duration {
	return time.Duration(r.clock-wall)*time.Millisecond + now.Sub(r.at)
}

// judge says how far the majority's clock is ahead of this node's, when it is too far
// away; else 0. ahead are the sisters' clocks, compared with this one's, and nodes is
// how many nodes there are in all.
//
// This node is wrong when the median is far away, and both medians where the count is
// even: so of two nodes neither is wrong, and nobody is where less than half have been
// heard.
func judge(ahead []time.Duration, nodes int) time.Duration {
	all := append(ahead, 0)
	if 2*len(all) <= nodes {
		return 0
	}
	slices.Sort(all)
	low, high := all[(len(all)-1)/2], all[len(all)/2]
	switch {
	case low >= tooFar:
		return low
	case high <= -tooFar:
		return high
	}
	return 0
}
