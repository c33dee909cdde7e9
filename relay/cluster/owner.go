package cluster

import "time"

// patience is how long a node may be not ready before the next one acts for it: longer
// than a restart takes.
const patience = 30 * time.Second

// A standing is whether a node is ready, and since when that is so.
type standing struct {
	ready bool
	since time.Time
}

// set notes what was seen now.
func (s *standing) set(ready bool, now time.Time) {
	if s.ready != ready {
		s.ready, s.since = ready, now
	}
}

// out reports whether the node has been away for so long that others act for it.
func (s *standing) out(now time.Time) bool { return !s.ready && now.Sub(s.since) >= patience }

// owner is which of the nodes acts for a partition: the one at home there, or the next
// one in the list after it that is not out. Where all are out it is the one at home, so
// that there always is exactly one.
func owner(partition uint16, nodes []node, now time.Time) int {
	home := int(partition) % len(nodes)
	for i := range nodes {
		at := (home + i) % len(nodes)
		if !nodes[at].out(now) {
			return at
		}
	}
	return home
}
