package trace

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// A doubtful list is firm when an earlier one doubted the same so long ago: the
// second, longer time where the list equals one that was firm before, as a replay
// does.
const (
	doubtFor       = 30 * time.Minute
	doubtReplayFor = 6 * time.Hour
)

// How many lists of a source a Judgement remembers.
const (
	firmKept    = 128
	doubtedKept = 32
)

// A doubt that is older than this is the first to be forgotten.
const doubtStale = 24 * time.Hour

// A Judgement is what judging the lists of one source of a waybill needs to
// remember: the newest firm lists, and what was doubted. It belongs to one node.
type Judgement struct {
	Firm    []FirmList  // newest first
	Doubted []DoubtedBy // oldest first
}

// A FirmList stands for a list that was believed.
type FirmList struct {
	Stamp
	Digest  uint64 // over its events
	Partial bool   // it had more that was not understood, so one like it is no replay
}

// A DoubtedBy is what a doubtful list would have hidden and shown again.
type DoubtedBy struct {
	Stamp
	Digest          uint64
	Hides, Restores []ID // ascending
}

// digest tells lists apart by their events.
func digest(ids []ID) uint64 {
	b := make([]byte, 0, 8*len(ids))
	for _, id := range ids {
		b = binary.BigEndian.AppendUint64(b, uint64(id))
	}
	return hash64(b)
}

// Judge says what a list means, whose events the head has taken: it fills in
// Shows, Hides, Doubtful and Restores, and reports whether it is news. of is the
// head's waybill.
//
// Left out is what came in lists of this source, is shown, is missing here, and is
// no older than the list's oldest event: a source may forget the beginning of a
// long journey. Restored is what was taken back and is here again.
func (h *Head) Judge(of Waybill, l *List, j *Judgement) (news bool) {
	v := h.view(of.Carrier)
	oldest, newest := h.bounds(l.Has)
	if newest < 0 {
		return false
	}
	first, last := h.Entries[oldest].pinned(), h.Entries[newest].pinned()
	epoch, source := v.epoch(newest), h.Entries[newest].Source
	var left, restored []ID
	listed, ends, behind := 0, false, true
	for i := range h.Entries {
		x := &h.Entries[i]
		if x.Source != source || v.epoch(i) != epoch {
			continue
		}
		_, here := slices.BinarySearch(l.Has, x.ID)
		shown := x.Show != (Stamp{}) && !x.Hidden() && l.Stamp.After(x.Show)
		switch {
		case here && x.Hidden() && l.Stamp.After(x.Hide):
			restored = append(restored, x.ID)
		case shown && x.pinned() >= first:
			listed++
			if !here && !l.Partial {
				left = append(left, x.ID)
				ends = ends || x.Pair.Status.Terminal()
				behind = behind && x.pinned() > last
			}
		}
	}
	slices.Sort(left)
	slices.Sort(restored)
	own := digest(l.Has)
	again := len(j.Firm) > 0 && j.Firm[0].Digest == own
	if n := len(j.Doubted); again && len(left)+len(restored) == 0 && (n == 0 || j.Firm[0].After(j.Doubted[n-1].Stamp)) {
		return false // the newest list again; after a doubtful one it speaks against the doubt
	}

	replay := !again && slices.ContainsFunc(j.Firm, func(f FirmList) bool { return f.Digest == own && !f.Partial })
	l.Shows, l.Hides, l.Doubtful, l.Restores = l.Has, left, false, nil
	if len(left)+len(restored) == 0 || !ruleDoubt.on() {
		return true
	}
	if ends || 2*len(left) > listed || len(left) > 0 && behind || replay {
		wait := doubtFor
		if replay {
			wait = doubtReplayFor
		}
		l.Doubtful = !h.doubtedBefore(j, l.Stamp, wait, left, restored)
	}
	if l.Doubtful {
		l.Restores = restored
		l.Shows = slices.DeleteFunc(slices.Clone(l.Has), func(id ID) bool {
			_, is := slices.BinarySearch(restored, id)
			return is
		})
		// The same doubt again, with nothing said against it since, says nothing new.
		return !slices.ContainsFunc(j.Doubted, func(d DoubtedBy) bool {
			return d.Digest == own && l.Stamp.After(d.Stamp) && h.upholds(d, left, restored)
		})
	}
	return true
}

// bounds are the first and the last entry of a list's events; -1 where none of them
// has been taken.
func (h *Head) bounds(ids []ID) (oldest, newest int) {
	oldest, newest = -1, -1
	for i := range h.Entries {
		if _, has := slices.BinarySearch(ids, h.Entries[i].ID); has {
			if oldest < 0 {
				oldest = i
			}
			newest = i
		}
	}
	return oldest, newest
}

// doubtedBefore reports whether a list that is older by wait at least doubted all
// of it, and none since showed any of it.
func (h *Head) doubtedBefore(j *Judgement, now Stamp, wait time.Duration, left, restored []ID) bool {
	return slices.ContainsFunc(j.Doubted, func(d DoubtedBy) bool {
		return now.Heard.Milli()-d.Heard.Milli() >= wait.Milliseconds() && h.upholds(d, left, restored)
	})
}

// upholds reports whether d doubted all of it, and no list since showed any of it.
func (h *Head) upholds(d DoubtedBy, left, restored []ID) bool {
	return h.stillDoubted(d.Stamp, d.Hides, left) && h.stillDoubted(d.Stamp, d.Restores, restored)
}

func (h *Head) stillDoubted(since Stamp, doubted, now []ID) bool {
	return !slices.ContainsFunc(now, func(id ID) bool {
		_, was := slices.BinarySearch(doubted, id)
		i := h.find(id)
		return !was || i < 0 || h.Entries[i].Show.After(since)
	})
}

// Note remembers a list that was judged, here or elsewhere, and reports whether it
// was not known.
func (j *Judgement) Note(l *List) (news bool) {
	if slices.ContainsFunc(j.Firm, func(f FirmList) bool { return f.Stamp == l.Stamp }) ||
		slices.ContainsFunc(j.Doubted, func(d DoubtedBy) bool { return d.Stamp == l.Stamp }) {
		return false
	}
	if l.Doubtful {
		if n := len(j.Doubted); n >= doubtedKept && !l.After(j.Doubted[n-1].Stamp) {
			return false // it was forgotten, or would be
		}
		all := slices.Concat(l.Shows, l.Restores)
		slices.Sort(all)
		j.Doubted = append(j.Doubted, DoubtedBy{l.Stamp, digest(all), l.Hides, l.Restores})
		slices.SortFunc(j.Doubted, func(a, b DoubtedBy) int { return a.Compare(b.Stamp) })
		j.forgetDoubt()
		return slices.ContainsFunc(j.Doubted, func(d DoubtedBy) bool { return d.Stamp == l.Stamp })
	}
	j.Firm = append(j.Firm, FirmList{l.Stamp, digest(l.Shows), l.Partial})
	slices.SortFunc(j.Firm, func(a, b FirmList) int { return b.Compare(a.Stamp) })
	j.Firm = j.Firm[:min(len(j.Firm), firmKept)]
	return slices.ContainsFunc(j.Firm, func(f FirmList) bool { return f.Stamp == l.Stamp })
}

// forgetDoubt makes room: for the oldest doubt is the one that makes a correction
// firm, it goes only when it is stale; else the second newest does.
func (j *Judgement) forgetDoubt() {
	n := len(j.Doubted)
	if n <= doubtedKept {
		return
	}
	at := n - 2
	if j.Doubted[n-1].Heard.Milli()-j.Doubted[0].Heard.Milli() > doubtStale.Milliseconds() {
		at = 0
	}
	j.Doubted = slices.Delete(j.Doubted, at, at+1)
}

// judgementForm is the first byte of a stored judgement.
const judgementForm = 1

// Append appends the stored form.
func (j *Judgement) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, judgementForm), uint64(len(j.Firm)))
	for _, f := range j.Firm {
		dst = append(binary.BigEndian.AppendUint64(appendStamp(dst, f.Stamp), f.Digest), flag(f.Partial))
	}
	dst = binary.AppendUvarint(dst, uint64(len(j.Doubted)))
	for _, d := range j.Doubted {
		dst = binary.BigEndian.AppendUint64(appendStamp(dst, d.Stamp), d.Digest)
		for _, ids := range [...][]ID{d.Hides, d.Restores} {
			dst = binary.AppendUvarint(dst, uint64(len(ids)))
			for _, id := range ids {
				dst = binary.BigEndian.AppendUint64(dst, uint64(id))
			}
		}
	}
	return dst
}

// DecodeJudgement reads the stored form. A value that Append did not write is
// ErrInvalid.
func DecodeJudgement(j *Judgement, value []byte) error {
	*j = Judgement{}
	r := headReader{b: value}
	if form := r.byte(); form != judgementForm {
		return fmt.Errorf("judgement of form %d: %w", form, ErrInvalid)
	}
	for range r.count() {
		f := FirmList{Stamp: r.stamp(), Digest: r.uint64()}
		partial := r.byte()
		f.Partial, r.bad = partial == 1, r.bad || partial > 1
		j.Firm = append(j.Firm, f)
	}
	for range r.count() {
		d := DoubtedBy{Stamp: r.stamp(), Digest: r.uint64()}
		for _, ids := range [...]*[]ID{&d.Hides, &d.Restores} {
			for range r.count() {
				*ids = append(*ids, ID(r.uint64()))
			}
		}
		j.Doubted = append(j.Doubted, d)
	}
	if r.bad || r.left() != 0 {
		return fmt.Errorf("judgement: broken value: %w", ErrInvalid)
	}
	return nil
}
