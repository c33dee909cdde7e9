package trace

import "cmp"

// A Stamp says when a fact was heard first, and by which node. Of two facts about
// one thing the one with the greater stamp counts.
type Stamp struct {
	Heard  HLC
	Origin Origin
}

// Compare orders stamps by clock reading, then by origin.
func (s Stamp) Compare(o Stamp) int {
	return cmp.Or(cmp.Compare(s.Heard, o.Heard), cmp.Compare(s.Origin, o.Origin))
}

// After reports whether s counts against o.
func (s Stamp) After(o Stamp) bool { return s.Compare(o) > 0 }

// A List is a fact too: at this moment this source's whole journey was exactly
// these events. A source that sends the whole journey each time (全量) corrects by
// it: what is missing was taken back.
//
// Its events join the set at once; what the list means for those that it leaves
// out is judged once, by the node that hears it, and written into the fact: what
// it shows and what it hides. Per event the greatest show and the greatest hide
// count, so lists merge in any order, even before their events have come.
type List struct {
	Waybill
	Source string
	Stamp

	Shows []ID // ascending
	Hides []ID // ascending
	// Doubtful: it leaves out more than a source is believed at once. Then it hides
	// nothing; Hides and Restores are what it would hide and show again.
	Doubtful bool
	Restores []ID // ascending; of a doubtful list only

	// Of a list that is still to be judged; not stored.
	Has     []ID // all that it has, ascending
	Partial bool // an item was not understood, so nothing is said of what is missing
	Item    int  // which item of its request it was, or -1
	Taken   Taken
}
