package trace

import "slices"

// A Position is how far this node has read one partition of the topic.
type Position struct {
	Offset int64 // of the record to read next
	// Last tells the record before Offset from others: when a topic was deleted and made
	// anew, another one is in its place. 0 is not known.
	Last uint64
}

// Known is what this node has read of another's news in one partition, or of its own.
type Known struct {
	Own  uint64 // the highest number that was applied
	Runs []Run  // under which marks, ascending by From; only the newest are kept
}

// A Run is a stretch of numbers that one start of a daemon gave out.
type Run struct {
	Mark uint64
	From uint64 // the first number that was read under it
}

// maxRuns is how many starts of one node are remembered in one partition.
const maxRuns = 64

// A Verdict says what a number is to who has read others of its origin.
type Verdict uint8

// The verdicts.
const (
	FollowsOn Verdict = iota // the next number: apply it
	Repeated                 // it was applied before
	Gap                      // numbers before it are missing
	Twin                     // it was given out twice, or after a later start had begun: two nodes have one id
)

// Take judges the next number of an origin, and notes it when it is news.
func (k *Known) Take(own, mark uint64) Verdict {
	switch {
	case own <= k.Own:
		for i := len(k.Runs) - 1; i >= 0; i-- {
			if k.Runs[i].From <= own {
				if k.Runs[i].Mark != mark {
					return Twin
				}
				break
			}
		}
		return Repeated
	case own > k.Own+1:
		return Gap
	case k.ended(mark):
		return Twin
	}
	k.note(own, mark)
	return FollowsOn
}

// ended reports whether a mark gave way to another: each start of a daemon draws its
// own, so one that comes again is of another daemon that runs still.
func (k *Known) ended(mark uint64) bool {
	n := len(k.Runs)
	return n > 0 && slices.ContainsFunc(k.Runs[:n-1], func(r Run) bool { return r.Mark == mark }) && k.Runs[n-1].Mark != mark
}

func (k *Known) note(own, mark uint64) {
	k.Own = own
	if n := len(k.Runs); n == 0 || k.Runs[n-1].Mark != mark {
		k.Runs = append(slices.Clone(k.Runs), Run{mark, own})
		if len(k.Runs) > maxRuns {
			k.Runs = k.Runs[1:]
		}
	}
}

// Skip goes on with number next, under whatever mark, on an operator's word. Numbers
// count from 1.
func (k *Known) Skip(next uint64) {
	k.Own, k.Runs = max(next, 1)-1, nil
}

// Progress is what is written in one batch with the facts that were read: how far.
type Progress struct {
	Partition uint16
	Position  Position
	Origins   map[Origin]Known // those that changed
}
