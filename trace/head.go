package trace

import (
	"cmp"
	"math/bits"
	"slices"
)

// MaxEvents is how many events one waybill may have. Beyond, an event is
// quarantined, else one dummy number would make every push cost the more.
const MaxEvents = 1000

// What others tell of a carrier's parcel may not crowd out the carrier: this many
// of MaxEvents are kept for its own source.
const ownEvents = 200

// MaxReferences is how many references a head names of one account: the first by
// order, so that it does not matter which came first. All of them lead to the
// waybill. One event has as many at most, and MaxTexts texts.
const (
	MaxReferences = 100
	MaxTexts      = 32
)

// A Head is what we know of a waybill without reading its texts: what it takes
// to answer its status, to recognise a repeat and to run the fold. It is
// canonical: the same facts give the same bytes on every node.
//
// The zero Head knows nothing yet. Take and its sisters add facts, Fold then says
// what they mean together, Append encodes it.
type Head struct {
	Meaning // of the newest epoch

	Earlier int   // epochs before the newest
	Legs    []Leg // of the newest epoch, as the fold drew them

	// Facts that are not in the entries.
	References []Reference
	Override   Override  // its waybill is empty; zero is none
	Told       []LegFact // in their order; their waybill is empty
	Records    uint64    // hash of all records of the waybill; 0 is none

	Entries []Entry  // in the fold's order
	Ghosts  []Ghost  // of events that have not come, by identity
	Sources []string // in byte order; entries count into it

	start int    // the entry that the newest epoch begins with
	own   uint64 // hash of what is shown of the entries

	raw             []byte // what was decoded, for AppendTag
	refsAt, refsEnd int    // where the references lie in it
}

// Reset makes h know nothing, and keeps its memory.
func (h *Head) Reset() {
	*h = Head{References: h.References[:0], Entries: h.Entries[:0], Sources: h.Sources[:0],
		Legs: h.Legs[:0], Told: h.Told[:0], Ghosts: h.Ghosts[:0]}
}

// A Meaning is what facts mean together: Fold derives it.
type Meaning struct {
	Pair       Pair
	Since      Moment // when the current run of the status began
	First      Moment // the first delivery
	Corrected  bool   // an end was taken back by later scans
	Overridden bool   // Pair is an operator's word
	Milestones [milestones]Moment
	Anomalies  int // scans that lowered the status without a reason to
}

// A Moment is when something was reached, if it was.
type Moment struct {
	At    Time // Raw is empty
	Known bool
	entry int // which of the head's entries it is, counted from 1; 0 is one of a leg's
}

// An Entry is what the fold needs of one event, and what tells a repeat.
type Entry struct {
	ID     ID
	At     Time // Raw is empty
	Pair   Pair
	Source uint16 // index into the head's Sources

	// Table, Fields and Hash are the event's mark. While a TextEdits event has
	// one text, Hash covers it too.
	Table       uint32
	Fields      uint8
	Hash        uint64
	Provisional bool
	Leg         LegTo
	Texts       []TextMark // of an event with several texts, as they are ordered

	Marks
}

// Marks are what lists said of an event: the greatest stamp of those that show
// it, and of those that hide it. Zero is none.
type Marks struct {
	Show, Hide Stamp
}

// Hidden reports whether the source took the event back.
func (m *Marks) Hidden() bool { return m.Hide.After(m.Show) }

// raise takes the greater stamps, and reports whether that changed anything.
func (m *Marks) raise(o Marks) (changed bool) {
	if o.Show.After(m.Show) {
		m.Show, changed = o.Show, true
	}
	if o.Hide.After(m.Hide) {
		m.Hide, changed = o.Hide, true
	}
	return changed
}

// A Ghost is what lists said of an event that has not come yet.
type Ghost struct {
	ID ID
	Marks
}

// A Leg is a stretch of the journey under a number of its own.
type Leg struct {
	LegTo        // the carrier as far as it is known
	Since int64  // milliseconds since 1970 UTC
	Child uint64 // hash of what is shown of the number's own events; 0 where nothing is known
}

// A TextMark stands in the head for one of several texts of an event.
type TextMark struct {
	Hash  uint64
	Heard HLC
}

// Taken says what an event brought.
type Taken uint8

const (
	Repeat  Taken = iota // nothing: we have it
	Fresh                // an event that we did not have
	Changed              // an event that we had gained a text, a fuller copy or a reference
	Earlier              // nothing but an earlier hearing of an event that we have: to be kept, but no news
	TooMany              // the waybill has as many events or sources, or the event as many references or texts, as it may; nothing was taken
)

// Take adds an event that Seal made ready. Where it is another copy of an event
// that we have, have must give that event; it is called only when the head
// alone cannot tell, and its error is returned. Then e becomes the union of
// both, and is to be encoded anew when the answer is Changed or Earlier. Fold is
// to be run when the answer is Fresh or Changed.
func (h *Head) Take(e *Event, have func() (*Event, error)) (Taken, error) {
	i := h.find(e.ID)
	if i < 0 || !ruleIdentity.on() {
		if !e.Judged && !h.hasRoom(e) {
			return TooMany, nil
		}
		h.References = cutReferences(uniteReferences(h.References, indexable(e.References)))
		x := h.entryOf(e)
		if i, known := h.ghost(e.ID); known {
			x.Marks = h.Ghosts[i].Marks
			h.Ghosts = slices.Delete(h.Ghosts, i, i+1)
		}
		h.insert(x)
		return Fresh, nil
	}
	if h.repeats(&h.Entries[i], e) {
		return Repeat, nil
	}
	old, err := have()
	if err != nil {
		return Repeat, err
	}
	if !old.Merge(e) {
		return Repeat, nil
	}
	if !e.Judged && (len(old.Revisions) > MaxTexts || len(old.References) > MaxReferences) {
		return TooMany, nil
	}
	old.Item, old.List, old.Judged, old.Unmapped = e.Item, e.List, e.Judged, e.Unmapped
	*e = *old
	e.mark()
	entry, knew := h.entryOf(e), h.knows(e.References)
	entry.Marks = h.Entries[i].Marks
	if knew && entry.same(&h.Entries[i]) {
		return Earlier, nil
	}
	h.Entries = slices.Delete(h.Entries, i, i+1)
	h.insert(entry)
	h.References = cutReferences(uniteReferences(h.References, indexable(e.References)))
	return Changed, nil
}

// hasRoom reports whether a waybill may have one more event.
func (h *Head) hasRoom(e *Event) bool {
	room := MaxEvents
	if e.Source != e.Carrier {
		room -= ownEvents
	}
	const mostSources = 255
	return len(h.Entries) < room && len(e.References) <= MaxReferences &&
		(len(h.Sources) < mostSources || slices.Contains(h.Sources, e.Source))
}

// TakeList adds what a list means, and reports whether that is news.
func (h *Head) TakeList(l *List) (news bool) {
	for _, id := range l.Shows {
		news = h.raise(id, Marks{Show: l.Stamp}) || news
	}
	if !l.Doubtful {
		for _, id := range l.Hides {
			news = h.raise(id, Marks{Hide: l.Stamp}) || news
		}
	}
	return news
}

func (h *Head) raise(id ID, m Marks) (changed bool) {
	if i := h.find(id); i >= 0 {
		return h.Entries[i].raise(m)
	}
	i, known := h.ghost(id)
	if !known {
		h.Ghosts = slices.Insert(h.Ghosts, i, Ghost{ID: id})
	}
	return h.Ghosts[i].raise(m)
}

func (h *Head) ghost(id ID) (i int, known bool) {
	return slices.BinarySearchFunc(h.Ghosts, id, func(g Ghost, id ID) int { return cmp.Compare(g.ID, id) })
}

// TakeLeg adds a leg that was told. Beyond a cap, which only the node that hears
// of it minds, it is TooMany.
func (h *Head) TakeLeg(l *LegFact, judged bool) Taken {
	l2 := LegFact{To: l.To, Since: l.Since}
	i, known := slices.BinarySearchFunc(h.Told, l2, func(a, b LegFact) int { return a.compare(&b) })
	switch {
	case known:
		return Repeat
	case !judged && len(h.Told) >= mostTold:
		return TooMany
	}
	h.Told = slices.Insert(h.Told, i, l2)
	return Fresh
}

// TakeOverride adds an operator's word; the one heard last counts.
func (h *Head) TakeOverride(o *Override) Taken {
	have := &h.Override
	if !o.Stamp.After(have.Stamp) {
		return Repeat
	}
	*have = Override{Pair: o.Pair, Author: o.Author, Reason: o.Reason, Stamp: o.Stamp}
	return Fresh
}

// find is the index of an event's entry, -1 where there is none.
func (h *Head) find(id ID) int {
	for i := range h.Entries {
		if h.Entries[i].ID == id {
			return i
		}
	}
	return -1
}

// repeats reports whether the head alone shows that e changes nothing.
func (h *Head) repeats(have *Entry, e *Event) bool {
	if !h.knows(e.References) {
		return false
	}
	same := have.Table == e.Mark.Table && have.Fields == e.Mark.Fields
	if len(have.Texts) == 0 {
		if e.TextEdits && e.Relayed {
			return false // the one text may have been heard earlier: the event knows when
		}
		return same && have.Hash == e.Mark.entryHash()
	}
	known := slices.ContainsFunc(have.Texts, func(t TextMark) bool {
		return t.Hash == e.Mark.Text && t.Heard <= e.Heard
	})
	return known && same && have.Hash == e.Mark.Hash
}

// allReferences is how many references a head names of all accounts together.
const allReferences = 2048

// cutReferences keeps the first MaxReferences of each account and the first
// allReferences of all, in place.
func cutReferences(refs []Reference) []Reference {
	kept, of := refs[:0], 0
	for i, r := range refs {
		if i == 0 || r.Account != refs[i-1].Account {
			of = 0
		}
		if of++; of <= MaxReferences && len(kept) < allReferences {
			kept = append(kept, r)
		}
	}
	return kept
}

// knows reports whether no reference of refs could be new to the waybill. One
// that the head has no room to name could.
func (h *Head) knows(refs []Reference) bool {
	for _, r := range refs {
		if ValidReference(r.Text) && !slices.Contains(h.References, r) {
			return false
		}
	}
	return true
}

// indexable leaves out references that lead nowhere.
func indexable(refs []Reference) []Reference {
	valid := func(r Reference) bool { return ValidReference(r.Text) }
	if !slices.ContainsFunc(refs, func(r Reference) bool { return !valid(r) }) {
		return refs
	}
	var out []Reference
	for _, r := range refs {
		if valid(r) {
			out = append(out, r)
		}
	}
	return out
}

// entryHash is the hash that stands in a head.
func (m Mark) entryHash() uint64 { return m.Hash ^ bits.RotateLeft64(m.Text, 1) }

func (h *Head) entryOf(e *Event) Entry {
	at := e.At
	at.Raw = ""
	x := Entry{ID: e.ID, At: at, Pair: e.Pair, Source: h.source(e.Source),
		Table: e.Mark.Table, Fields: e.Mark.Fields, Hash: e.Mark.entryHash(), Provisional: e.Provisional, Leg: e.Leg}
	for i := range e.Revisions {
		x.Texts = append(x.Texts, TextMark{e.Revisions[i].hash(), e.Revisions[i].Heard})
	}
	return x
}

func (x *Entry) same(o *Entry) bool {
	return x.ID == o.ID && x.At == o.At && x.Pair == o.Pair && x.Source == o.Source &&
		x.Table == o.Table && x.Fields == o.Fields && x.Hash == o.Hash && x.Leg == o.Leg && slices.Equal(x.Texts, o.Texts)
}

// source gives the index of a source's name, adding it if need be.
func (h *Head) source(name string) uint16 {
	i, found := slices.BinarySearch(h.Sources, name)
	if !found {
		h.Sources = slices.Insert(h.Sources, i, name)
		for j := range h.Entries {
			if int(h.Entries[j].Source) >= i {
				h.Entries[j].Source++
			}
		}
	}
	return uint16(i)
}

func (h *Head) insert(x Entry) {
	if !ruleLate.on() {
		h.Entries = append(h.Entries, x)
		return
	}
	i, _ := slices.BinarySearchFunc(h.Entries, x, func(a, b Entry) int { return a.compare(&b) })
	h.Entries = slices.Insert(h.Entries, i, x)
}

// compare is the fold's order: pinned instant, rank, identity; nothing else.
func (x *Entry) compare(o *Entry) int {
	return compareOrder(&x.At, &o.At, x.Pair.Status, o.Pair.Status, x.ID, o.ID)
}

func compareOrder(a, b *Time, s, t Status, x, y ID) int {
	if c := cmp.Compare(a.pinned(s), b.pinned(t)); c != 0 && ruleOrder.on() {
		return c
	}
	if c := cmp.Compare(s.Rank(), t.Rank()); c != 0 && ruleRank.on() {
		return c
	}
	return cmp.Compare(x, y)
}

// Empty reports whether the head knows no event of its own.
func (h *Head) Empty() bool { return len(h.Entries) == 0 }

// Silent reports whether there is nothing to answer with: no event has come, and
// nothing else was told.
func (h *Head) Silent() bool {
	return len(h.Entries)+len(h.Told) == 0 && h.Records == 0 && h.Override == (Override{})
}

// Has reports whether an event has come.
func (h *Head) Has(id ID) bool { return h.find(id) >= 0 }

// Hides reports whether an event has come, and was taken back.
func (h *Head) Hides(id ID) bool {
	i := h.find(id)
	return i >= 0 && h.Entries[i].Hidden()
}

// LocalOf is an event's place in time, see Time; 0 where it has not come.
func (h *Head) LocalOf(id ID) int64 {
	if i := h.find(id); i >= 0 {
		return h.Entries[i].At.Local
	}
	return 0
}

// Newest is the pinned instant of the last event that was not taken back, in
// milliseconds since 1970; where there is none, of the last leg.
func (h *Head) Newest() int64 {
	for i := len(h.Entries) - 1; i >= 0; i-- {
		if x := &h.Entries[i]; !x.Hidden() {
			return x.pinned()
		}
	}
	if n := len(h.Told); n > 0 {
		return h.Told[n-1].Since
	}
	return 0
}

func (x *Entry) pinned() int64 { return x.At.pinned(x.Pair.Status) }
