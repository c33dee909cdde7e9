package trace

import (
	"cmp"
	"encoding/binary"
	"fmt"
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
// The zero Head knows nothing yet. Take adds events, Fold then says what they
// mean together, Append encodes it.
type Head struct {
	Pair       Pair
	Since      int  // entry that began the current run of the status; -1 is none
	First      int  // entry of the first delivery; -1 is none
	Corrected  bool // a delivery was taken back by later scans
	Milestones [milestones]int

	References []Reference
	Entries    []Entry  // in the fold's order
	Sources    []string // in byte order; entries count into it

	raw             []byte // what was decoded, for AppendTag
	refsAt, refsEnd int    // where the references lie in it
}

// An Entry is what the fold needs of one event, and what tells a repeat.
type Entry struct {
	ID     ID
	At     Time // Raw is empty
	Pair   Pair
	Source uint8 // index into the head's Sources

	// Table, Fields and Hash are the event's mark. While a TextEdits event has
	// one text, Hash covers it too.
	Table  uint32
	Fields uint8
	Hash   uint64
	Texts  []TextMark // of an event with several texts, as they are ordered
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
	if i < 0 {
		room := MaxEvents
		if e.Source != e.Carrier {
			room -= ownEvents
		}
		if len(h.Entries) >= room || len(e.References) > MaxReferences ||
			len(h.Sources) >= mostSources && !slices.Contains(h.Sources, e.Source) {
			return TooMany, nil
		}
		h.References = cutReferences(uniteReferences(h.References, indexable(e.References)))
		h.insert(h.entryOf(e))
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
	if len(old.Revisions) > MaxTexts || len(old.References) > MaxReferences {
		return TooMany, nil
	}
	old.Item = e.Item
	*e = *old
	e.mark()
	entry, knew := h.entryOf(e), h.knows(e.References)
	if knew && entry.same(&h.Entries[i]) {
		return Earlier, nil
	}
	h.Entries = slices.Delete(h.Entries, i, i+1)
	h.insert(entry)
	h.References = cutReferences(uniteReferences(h.References, indexable(e.References)))
	return Changed, nil
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
		Table: e.Mark.Table, Fields: e.Mark.Fields, Hash: e.Mark.entryHash()}
	for i := range e.Revisions {
		x.Texts = append(x.Texts, TextMark{e.Revisions[i].hash(), e.Revisions[i].Heard})
	}
	return x
}

func (x *Entry) same(o *Entry) bool {
	return x.ID == o.ID && x.At == o.At && x.Pair == o.Pair && x.Source == o.Source &&
		x.Table == o.Table && x.Fields == o.Fields && x.Hash == o.Hash && slices.Equal(x.Texts, o.Texts)
}

// source gives the index of a source's name, adding it if need be.
func (h *Head) source(name string) uint8 {
	i, found := slices.BinarySearch(h.Sources, name)
	if !found {
		h.Sources = slices.Insert(h.Sources, i, name)
		for j := range h.Entries {
			if int(h.Entries[j].Source) >= i {
				h.Entries[j].Source++
			}
		}
	}
	return uint8(i)
}

func (h *Head) insert(x Entry) {
	i, _ := slices.BinarySearchFunc(h.Entries, x, func(a, b Entry) int { return a.compare(&b) })
	h.Entries = slices.Insert(h.Entries, i, x)
}

// compare is the fold's order: pinned instant, rank, identity; nothing else.
func (x *Entry) compare(o *Entry) int {
	return compareOrder(&x.At, &o.At, x.Pair.Status, o.Pair.Status, x.ID, o.ID)
}

func compareOrder(a, b *Time, s, t Status, x, y ID) int {
	if c := cmp.Compare(a.pinned(s), b.pinned(t)); c != 0 {
		return c
	}
	if c := cmp.Compare(s.Rank(), t.Rank()); c != 0 {
		return c
	}
	return cmp.Compare(x, y)
}

// Newest is the pinned instant of the last event, in milliseconds since 1970.
func (h *Head) Newest() int64 {
	if len(h.Entries) == 0 {
		return 0
	}
	last := &h.Entries[len(h.Entries)-1]
	return last.At.pinned(last.Pair.Status)
}

// The form of a head, its first byte.
const headForm = 1

const (
	entryPrecision  = 0b0000_0011
	entryZone       = 0b0001_1100
	entryZoneShift  = 2
	entryOwnOffset  = 0b0010_0000 // an offset follows; else that of the entry before
	entryOwnTable   = 0b0100_0000 // table and fields follow; else those of the entry before
	entryManyTexts  = 0b1000_0000
	headCorrected   = 0b0000_0001
	manyReferences  = allReferences // a length beyond is a broken value
	mostSources     = 255
	literalSubShift = 1
)

// Append appends the head's stored form: form, flags, status, the entries that
// since, first delivery and milestones point at, references, sources, entries.
func (h *Head) Append(dst []byte) []byte {
	flags := byte(0)
	if h.Corrected {
		flags |= headCorrected
	}
	dst = append(dst, headForm, flags, byte(h.Pair.Status))
	dst = appendSub(dst, h.Pair.Sub)
	dst = binary.AppendUvarint(dst, uint64(h.Since+1))
	dst = binary.AppendUvarint(dst, uint64(h.First+1))
	reached := uint64(0)
	for i, at := range h.Milestones {
		if at >= 0 {
			reached |= 1 << i
		}
	}
	dst = binary.AppendUvarint(dst, reached)
	for _, at := range h.Milestones {
		if at >= 0 {
			dst = binary.AppendUvarint(dst, uint64(at))
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(h.References)))
	for _, r := range h.References {
		dst = appendPart(dst, r.Account)
		dst = appendPart(dst, r.Text)
	}
	dst = binary.AppendUvarint(dst, uint64(len(h.Sources)))
	for _, s := range h.Sources {
		dst = appendPart(dst, s)
	}
	dst = binary.AppendUvarint(dst, uint64(len(h.Entries)))
	var before Entry
	for i := range h.Entries {
		dst = h.Entries[i].append(dst, &before)
		before = h.Entries[i]
	}
	return dst
}

func (x *Entry) append(dst []byte, before *Entry) []byte {
	flags := byte(x.At.Precision) | byte(x.At.Zone)<<entryZoneShift
	if x.At.Offset != before.At.Offset {
		flags |= entryOwnOffset
	}
	if x.Table != before.Table || x.Fields != before.Fields {
		flags |= entryOwnTable
	}
	if len(x.Texts) > 0 {
		flags |= entryManyTexts
	}
	dst = append(dst, flags, byte(x.Pair.Status), x.Source)
	dst = appendSub(dst, x.Pair.Sub)
	dst = appendMilli(dst, x.At.Local-before.At.Local)
	if flags&entryOwnOffset != 0 {
		dst = binary.AppendVarint(dst, int64(x.At.Offset))
	}
	if flags&entryOwnTable != 0 {
		dst = binary.AppendUvarint(dst, uint64(x.Table))
		dst = append(dst, x.Fields)
	}
	dst = binary.BigEndian.AppendUint64(dst, x.Hash)
	dst = binary.BigEndian.AppendUint64(dst, uint64(x.ID))
	if len(x.Texts) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(x.Texts)))
		for _, t := range x.Texts {
			dst = binary.BigEndian.AppendUint64(dst, t.Hash)
			dst = binary.BigEndian.AppendUint64(dst, uint64(t.Heard))
		}
	}
	return dst
}

// appendSub writes a known sub-status as its number, another as its text.
func appendSub(dst []byte, sub string) []byte {
	if n, known := subNumbers[sub]; known {
		return binary.AppendUvarint(dst, uint64(n)<<literalSubShift)
	}
	return append(binary.AppendUvarint(dst, uint64(len(sub))<<literalSubShift|1), sub...)
}

// appendMilli writes milliseconds, shorter where they are whole seconds.
func appendMilli(dst []byte, ms int64) []byte {
	if ms%1000 == 0 {
		return binary.AppendVarint(dst, ms/1000<<1)
	}
	return binary.AppendVarint(dst, ms<<1|1)
}

// DecodeHead reads a head from its stored form. Its strings are copies; value is
// borrowed until the head is dropped or decoded again, for AppendTag. A head of a newer
// form, or one that Append did not write, is ErrInvalid.
func DecodeHead(h *Head, value []byte) error {
	r := headReader{b: value}
	*h = Head{References: h.References[:0], Entries: h.Entries[:0], Sources: h.Sources[:0]}
	if form := r.byte(); form != headForm {
		return fmt.Errorf("head of form %d, this version reads form %d: %w", form, headForm, ErrInvalid)
	}
	flags := r.byte()
	if flags&^headCorrected != 0 {
		return fmt.Errorf("head: unknown flags %#x: %w", flags, ErrInvalid)
	}
	h.Corrected = flags&headCorrected != 0
	h.Pair = Pair{r.status(), r.sub()}
	h.Since, h.First = int(r.uvarint())-1, int(r.uvarint())-1
	reached := r.uvarint()
	for i := range h.Milestones {
		h.Milestones[i] = -1
		if reached>>i&1 != 0 {
			h.Milestones[i] = int(r.uvarint())
		}
	}
	before := len(value) - len(r.b)
	for range r.count(manyReferences) {
		h.References = append(h.References, Reference{r.string(), r.string()})
	}
	after := len(value) - len(r.b)
	for range r.count(mostSources) {
		h.Sources = append(h.Sources, r.string())
	}
	var last Entry
	for range r.count(MaxEvents) {
		x := r.entry(&last)
		if r.bad || int(x.Source) >= len(h.Sources) {
			return fmt.Errorf("head: broken entry: %w", ErrInvalid)
		}
		h.Entries = append(h.Entries, x)
		last = x
	}
	if r.bad || len(r.b) != 0 || reached>>milestones != 0 || !h.pointsInside() {
		return fmt.Errorf("head: broken value: %w", ErrInvalid)
	}
	h.raw, h.refsAt, h.refsEnd = value, before, after
	return nil
}

func (h *Head) pointsInside() bool {
	n := len(h.Entries)
	for _, at := range h.Milestones {
		if at >= n {
			return false
		}
	}
	return h.Since < n && h.First < n
}

// headReader takes a head apart; bad is set at the first fault and stays.
type headReader struct {
	b   []byte
	bad bool
}

func (r *headReader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad = true
		r.b = nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *headReader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *headReader) uvarint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > 1<<40 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *headReader) varint() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *headReader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *headReader) string() string { return string(r.take(int(r.uvarint()))) }

func (r *headReader) count(most int) int {
	n := r.uvarint()
	if n > uint64(most) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *headReader) status() Status {
	s := Status(r.byte())
	r.bad = r.bad || s >= statuses
	return s
}

func (r *headReader) sub() string {
	n := r.uvarint()
	if n&1 != 0 {
		return string(r.take(int(n >> literalSubShift)))
	}
	if n >>= literalSubShift; n < uint64(len(subTable)) {
		return subTable[n]
	}
	r.bad = true
	return ""
}

func (r *headReader) milli() int64 {
	n := r.varint()
	if n&1 != 0 {
		return n >> 1
	}
	return (n >> 1) * 1000
}

func (r *headReader) entry(before *Entry) Entry {
	flags := r.byte()
	x := Entry{Table: before.Table, Fields: before.Fields}
	x.At.Precision = Precision(flags & entryPrecision)
	x.At.Zone = Zone(flags & entryZone >> entryZoneShift)
	r.bad = r.bad || x.At.Precision >= precisions || x.At.Zone >= zones
	x.Pair.Status = r.status()
	x.Source = r.byte()
	x.Pair.Sub = r.sub()
	x.At.Local = before.At.Local + r.milli()
	r.bad = r.bad || x.At.Local < firstLocal || x.At.Local > lastLocal
	x.At.Offset = before.At.Offset
	if flags&entryOwnOffset != 0 {
		offset := r.varint()
		x.At.Offset = int16(offset)
		r.bad = r.bad || !validOffset(offset)
	}
	if flags&entryOwnTable != 0 {
		x.Table, x.Fields = uint32(r.uvarint()), r.byte()
	}
	x.Hash, x.ID = r.uint64(), ID(r.uint64())
	if flags&entryManyTexts != 0 {
		for range r.count(len(r.b) / 16) {
			x.Texts = append(x.Texts, TextMark{r.uint64(), HLC(r.uint64())})
		}
	}
	return x
}
