package trace

import (
	"cmp"
	"slices"
	"time"
)

// A view says of each entry of a head, in the fold's order, whether it is shown,
// in which epoch, and who else tells of it.
type view struct {
	h       *Head
	carrier string
	epochs  int // 1 at least
	// All of one epoch and shown: then there is nothing else here.
	plain bool
	marks []seen
}

// seen is what a view knows of one entry.
type seen struct {
	epoch  int32
	hidden bool     // taken back
	aside  bool     // told better by another source, or not wanted
	by     []uint16 // the sources that tell of it, where it is more than one
}

// A scan is what two sources mean when they tell of the same: the status that it
// was mapped to, in the local minute, or on the day where no clock time is known.
type scan struct {
	minute int64
	status Status
	day    bool
}

func (s scan) compare(o scan) int {
	return cmp.Or(cmp.Compare(s.minute, o.minute), cmp.Compare(s.status, o.status), cmp.Compare(flag(s.day), flag(o.day)))
}

func floor(n, by int64) int64 {
	if n < 0 {
		n -= by - 1
	}
	return n / by
}

// plain reports whether all entries are shown, in one epoch, each on its own.
func (h *Head) plain() bool {
	if len(h.Sources) > 1 {
		return false
	}
	ended := false
	for i := range h.Entries {
		x := &h.Entries[i]
		if x.Hidden() || x.early() {
			return false
		}
		ended = ended || x.Pair.Status.Terminal()
	}
	return !(ended && h.spans(Folding.EpochAfter))
}

// view looks at the entries, which are in order. carrier is whose parcel it is.
func (h *Head) view(carrier string) view {
	v := view{h: h, carrier: carrier, epochs: 1, plain: h.plain()}
	if !v.plain {
		v.look()
	}
	return v // a value, so that it stays on the caller's stack
}

// look fills in the marks.
func (v *view) look() {
	h := v.h
	v.marks = make([]seen, len(h.Entries))
	for i := range h.Entries {
		v.marks[i].hidden = ruleRetracted.on() && h.Entries[i].Hidden()
		v.marks[i].aside = h.Entries[i].early()
	}
	if len(h.Sources) > 1 && ruleSources.on() {
		v.unite()
	}
	v.split()
}

// early reports whether an event is left out by the settings.
func (x *Entry) early() bool { return Folding.HidePreTransit && x.Pair.Status == PreTransit }

// spans reports whether so much time lies between the first and the last entry.
func (h *Head) spans(d time.Duration) bool {
	return h.Entries[len(h.Entries)-1].pinned()-h.Entries[0].pinned() >= d.Milliseconds()
}

// unite finds the scans that several sources tell of. The carrier's own source is
// shown, else the first by name.
func (v *view) unite() {
	type telling struct {
		scan
		source uint16
		entry  int
	}
	all := make([]telling, 0, len(v.h.Entries))
	for i := range v.h.Entries {
		if x := &v.h.Entries[i]; v.shown(i) && x.Pair.Status != Unknown {
			all = append(all, telling{scan{floor(x.At.Local, 60_000), x.Pair.Status, x.At.Precision == Day}, x.Source, i})
		}
	}
	slices.SortFunc(all, func(a, b telling) int { return cmp.Or(a.compare(b.scan), cmp.Compare(a.source, b.source)) })
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].scan == all[0].scan {
			n++
		}
		same := all[:n]
		all = all[n:]
		if same[0].source == same[n-1].source {
			continue
		}
		var by []uint16
		for _, t := range same {
			by = append(by, t.source)
		}
		by = slices.Compact(by)
		for _, t := range same {
			v.marks[t.entry].by, v.marks[t.entry].aside = by, t.source != v.first(by)
		}
	}
}

// first is the source that is shown of several.
func (v *view) first(sources []uint16) uint16 {
	for _, s := range sources {
		if v.h.Sources[s] == v.carrier {
			return s
		}
	}
	return sources[0]
}

// split begins an epoch where a parcel begins under a number long after another
// ended under it.
func (v *view) split() {
	var f folding
	epoch, last := int32(0), int64(0)
	for i := range v.h.Entries {
		x := &v.h.Entries[i]
		if !v.marks[i].hidden && !v.marks[i].aside {
			at := x.pinned()
			if begins := x.Pair.Status == PreTransit || x.Pair.Status == PickedUp; begins && ruleEpoch.on() &&
				f.Pair.Status.Terminal() && at-last >= Folding.EpochAfter.Milliseconds() {
				f = folding{}
				epoch++
			}
			f.step(x)
			last = at
		}
		v.marks[i].epoch = epoch
	}
	v.epochs = int(epoch) + 1
}

func (v *view) epoch(i int) int {
	if v.plain {
		return 0
	}
	return int(v.marks[i].epoch)
}

// shown reports whether an entry counts.
func (v *view) shown(i int) bool {
	return v.plain || !v.marks[i].hidden && !v.marks[i].aside
}

// sources are all that tell of an entry that is shown, where it is more than one.
func (v *view) sources(i int) (names []string) {
	if v.plain {
		return nil
	}
	for _, s := range v.marks[i].by {
		names = append(names, v.h.Sources[s])
	}
	return names
}

// start is the first entry of an epoch.
func (v *view) start(epoch int) int {
	for i := range v.h.Entries {
		if v.epoch(i) == epoch {
			return i
		}
	}
	return len(v.h.Entries)
}

// epochAt is the epoch that a moment belongs to, in milliseconds since 1970: the
// last that had begun by then, or the first. Where that one had ended so long before
// that the number was free, it is the next, if there is one: what is booked comes
// before its parcel.
func (v *view) epochAt(ms int64) int {
	epoch := 0
	for i := range v.h.Entries {
		if n := v.epoch(i); n > epoch && v.h.Entries[i].pinned() <= ms {
			epoch = n
		}
	}
	if epoch+1 < v.epochs && v.free(epoch, ms) {
		epoch++
	}
	return epoch
}
