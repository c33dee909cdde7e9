package trace

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// The form of a head, its first byte.
const headForm = 2

// What stands in a head only now and then has a flag.
const (
	headCorrected  = 1 << iota
	headOverridden // the status is an operator's word
	headOverride   // there is one, or was
	headRecords
	headMarks // lists spoke of its events
	headFlags = headMarks<<1 - 1
)

// The flags of an entry.
const (
	entryPrecision   = 0b0000_0011
	entryZone        = 0b0001_1100
	entryZoneShift   = 2
	entryOwnOffset   = 1 << 5 // an offset follows; else that of the entry before
	entryOwnTable    = 1 << 6 // table and fields follow; else those of the entry before
	entryManyTexts   = 1 << 7
	entryMarked      = 1 << 8 // a list spoke of it
	entryProvisional = 1 << 9
	entryLeg         = 1 << 10
	entryFlags       = 1<<11 - 1
)

const literalSubShift = 1

// Append appends the head's stored form. First stands what it means, then the
// facts: so that two heads of the same facts are the same bytes.
func (h *Head) Append(dst []byte) []byte {
	stamps := h.stamps()
	flags := uint64(0)
	set := func(flag uint64, is bool) {
		if is {
			flags |= flag
		}
	}
	set(headCorrected, h.Corrected)
	set(headOverridden, h.Overridden)
	set(headOverride, h.Override != (Override{}))
	set(headRecords, h.Records != 0)
	set(headMarks, len(stamps) > 0)
	dst = binary.AppendUvarint(append(dst, headForm), flags)
	dst = appendPair(dst, h.Pair)
	dst = appendMoment(appendMoment(dst, h.Since), h.First)
	reached := uint64(0)
	for i := range h.Milestones {
		if h.Milestones[i].Known {
			reached |= 1 << i
		}
	}
	dst = binary.AppendUvarint(dst, reached)
	for i := range h.Milestones {
		if h.Milestones[i].Known {
			dst = appendMoment(dst, h.Milestones[i])
		}
	}
	for _, n := range [...]int{h.Anomalies, h.Earlier, h.start} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	dst = binary.BigEndian.AppendUint64(dst, h.own)
	dst = binary.AppendUvarint(dst, uint64(len(h.Legs)))
	for i := range h.Legs {
		l := &h.Legs[i]
		dst = binary.AppendVarint(appendLegTo(dst, l.LegTo), l.Since)
		dst = binary.BigEndian.AppendUint64(dst, l.Child)
	}

	if h.Override != (Override{}) {
		dst = appendStamp(appendPair(dst, h.Override.Pair), h.Override.Stamp)
		dst = appendPart(appendPart(dst, h.Override.Author), h.Override.Reason)
	}
	if h.Records != 0 {
		dst = binary.BigEndian.AppendUint64(dst, h.Records)
	}
	dst = binary.AppendUvarint(dst, uint64(len(h.Told)))
	for i := range h.Told {
		dst = binary.AppendVarint(appendLegTo(dst, h.Told[i].To), h.Told[i].Since)
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
	if len(stamps) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(stamps)))
		for _, s := range stamps {
			dst = appendStamp(dst, s)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(h.Entries)))
	var before Entry
	for i := range h.Entries {
		dst = h.Entries[i].append(dst, &before, stamps)
		before = h.Entries[i]
	}
	if len(stamps) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(h.Ghosts)))
		for i := range h.Ghosts {
			dst = binary.BigEndian.AppendUint64(dst, uint64(h.Ghosts[i].ID))
			dst = appendMarks(dst, h.Ghosts[i].Marks, stamps)
		}
	}
	return dst
}

// stamps are those of all marks, each once, in order: a list marks many events
// with one stamp.
func (h *Head) stamps() (all []Stamp) {
	add := func(m *Marks) {
		for _, s := range [...]Stamp{m.Show, m.Hide} {
			if s == (Stamp{}) {
				continue
			}
			if i, known := slices.BinarySearchFunc(all, s, Stamp.Compare); !known {
				all = slices.Insert(all, i, s)
			}
		}
	}
	for i := range h.Entries {
		add(&h.Entries[i].Marks)
	}
	for i := range h.Ghosts {
		add(&h.Ghosts[i].Marks)
	}
	return all
}

func appendStamp(dst []byte, s Stamp) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, uint64(s.Heard)), uint64(s.Origin))
}

// appendMarks writes where the two stamps stand among all, counted from 1; 0 is none.
func appendMarks(dst []byte, m Marks, stamps []Stamp) []byte {
	for _, s := range [...]Stamp{m.Show, m.Hide} {
		at := 0
		if s != (Stamp{}) {
			i, _ := slices.BinarySearchFunc(stamps, s, Stamp.Compare)
			at = i + 1
		}
		dst = binary.AppendUvarint(dst, uint64(at))
	}
	return dst
}

// appendMoment writes which entry a moment is, or the time itself of one of a
// leg's: 0 is none, 1 a time, more an entry.
func appendMoment(dst []byte, m Moment) []byte {
	switch {
	case !m.Known:
		return append(dst, 0)
	case m.entry > 0:
		return binary.AppendUvarint(dst, uint64(m.entry)+1)
	}
	dst = append(dst, 1, byte(m.At.Precision)|byte(m.At.Zone)<<entryZoneShift)
	return binary.AppendVarint(binary.AppendVarint(dst, m.At.Local), int64(m.At.Offset))
}

func appendPair(dst []byte, p Pair) []byte { return appendSub(append(dst, byte(p.Status)), p.Sub) }

func appendLegTo(dst []byte, l LegTo) []byte {
	return append(appendPart(appendPart(dst, l.Number), l.Carrier), byte(l.Role))
}

func (x *Entry) append(dst []byte, before *Entry, stamps []Stamp) []byte {
	flags := uint64(x.At.Precision) | uint64(x.At.Zone)<<entryZoneShift
	set := func(flag uint64, is bool) {
		if is {
			flags |= flag
		}
	}
	set(entryOwnOffset, x.At.Offset != before.At.Offset)
	set(entryOwnTable, x.Table != before.Table || x.Fields != before.Fields)
	set(entryManyTexts, len(x.Texts) > 0)
	set(entryMarked, x.Marks != (Marks{}))
	set(entryProvisional, x.Provisional)
	set(entryLeg, x.Leg != (LegTo{}))
	dst = append(binary.AppendUvarint(dst, flags), byte(x.Pair.Status))
	dst = appendSub(binary.AppendUvarint(dst, uint64(x.Source)), x.Pair.Sub)
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
	if flags&entryMarked != 0 {
		dst = appendMarks(dst, x.Marks, stamps)
	}
	if flags&entryLeg != 0 {
		dst = appendLegTo(dst, x.Leg)
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
// borrowed until the head is dropped or decoded again, for AppendTag. A head of another
// form, or one that Append did not write, is ErrInvalid.
func DecodeHead(h *Head, value []byte) error {
	return h.decode(headReader{b: value})
}

// BorrowHead is DecodeHead whose strings lie in value.
func BorrowHead(h *Head, value []byte) error {
	return h.decode(headReader{b: value, borrow: true})
}

func (h *Head) decode(r headReader) error {
	h.reset()
	if form := r.byte(); form != headForm {
		return fmt.Errorf("head of form %d, this version reads form %d: %w", form, headForm, ErrInvalid)
	}
	flags := r.uvarint()
	if flags&^headFlags != 0 {
		return fmt.Errorf("head: unknown flags %#x: %w", flags, ErrInvalid)
	}
	h.Corrected, h.Overridden = flags&headCorrected != 0, flags&headOverridden != 0
	h.Pair = r.pair()
	h.Since, h.First = r.moment(), r.moment()
	reached := r.uvarint()
	for i := range h.Milestones {
		if reached>>i&1 != 0 {
			h.Milestones[i] = r.moment()
		}
	}
	h.Anomalies, h.Earlier, h.start = int(r.uvarint()), int(r.uvarint()), int(r.uvarint())
	h.own = r.uint64()
	for range r.count() {
		h.Legs = append(h.Legs, Leg{r.legTo(), r.instant(), r.uint64()})
	}

	if flags&headOverride != 0 {
		h.Override = Override{Pair: r.pair(), Stamp: r.stamp(), Author: r.string(), Reason: r.string()}
		r.bad = r.bad || h.Override == (Override{})
	}
	if flags&headRecords != 0 {
		h.Records = r.uint64()
		r.bad = r.bad || h.Records == 0
	}
	for range r.count() {
		h.Told = append(h.Told, LegFact{To: r.legTo(), Since: r.instant()})
	}
	refsAt := r.at
	for range r.count() {
		h.References = append(h.References, Reference{r.string(), r.string()})
	}
	refsEnd := r.at
	for range r.count() {
		h.Sources = append(h.Sources, r.string())
	}
	var stamps []Stamp
	if flags&headMarks != 0 {
		for range r.count() {
			stamps = append(stamps, r.stamp())
		}
	}
	entries := r.count()
	if entries > r.left()/leastEntry {
		return fmt.Errorf("head: %d entries in %d bytes: %w", entries, r.left(), ErrInvalid)
	}
	// Entries are large: each is made in its place.
	h.Entries = slices.Grow(h.Entries, entries)[:entries]
	before := new(Entry)
	for i := range h.Entries {
		x := &h.Entries[i]
		r.entry(x, before, stamps)
		if r.bad || int(x.Source) >= len(h.Sources) {
			h.Entries = h.Entries[:i]
			return fmt.Errorf("head: broken entry: %w", ErrInvalid)
		}
		before = x
	}
	if flags&headMarks != 0 {
		for range r.count() {
			h.Ghosts = append(h.Ghosts, Ghost{ID(r.uint64()), r.marks(stamps)})
		}
	}
	if r.bad || r.left() != 0 || reached>>milestones != 0 || h.start > len(h.Entries) || !h.place() {
		return fmt.Errorf("head: broken value: %w", ErrInvalid)
	}
	h.raw, h.refsAt, h.refsEnd = r.b, refsAt, refsEnd
	return nil
}

// reset empties a head and keeps its memory.
func (h *Head) reset() {
	// A head is large: emptied like this it is not made elsewhere and copied.
	references, entries, sources, legs, told, ghosts := h.References[:0], h.Entries[:0], h.Sources[:0], h.Legs[:0], h.Told[:0], h.Ghosts[:0]
	*h = Head{}
	h.References, h.Entries, h.Sources, h.Legs, h.Told, h.Ghosts = references, entries, sources, legs, told, ghosts
}

// place fills in the times of those moments that are entries.
func (h *Head) place() bool {
	fill := func(m *Moment) bool {
		if m.entry > len(h.Entries) {
			return false
		}
		if m.entry > 0 {
			m.At = h.Entries[m.entry-1].At
		}
		return true
	}
	ok := fill(&h.Since) && fill(&h.First)
	for i := range h.Milestones {
		ok = ok && fill(&h.Milestones[i])
	}
	return ok
}

// headReader takes a head apart; bad is set at the first fault and stays.
type headReader struct {
	b      []byte
	at     int  // what is before it was read
	borrow bool // strings lie in b
	bad    bool
}

func (r *headReader) left() int { return len(r.b) - r.at }

// fail ends the reading: all that is asked for now is nothing.
func (r *headReader) fail() { r.bad, r.at = true, len(r.b) }

func (r *headReader) take(n int) []byte {
	if n < 0 || n > r.left() {
		r.fail()
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

func (r *headReader) byte() byte {
	if r.at >= len(r.b) {
		r.fail()
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

// uvarint reads a number. Nearly all are of one byte.
func (r *headReader) uvarint() uint64 {
	if at := r.at; at < len(r.b) && r.b[at] < 0x80 {
		r.at++
		return uint64(r.b[at])
	}
	return r.longUvarint()
}

func (r *headReader) longUvarint() uint64 {
	n, size := binary.Uvarint(r.b[r.at:])
	if size <= 0 || n > 1<<40 {
		r.fail()
		return 0
	}
	r.at += size
	return n
}

func (r *headReader) varint() int64 {
	n, size := binary.Varint(r.b[r.at:])
	if size <= 0 {
		r.fail()
		return 0
	}
	r.at += size
	return n
}

func (r *headReader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *headReader) text(n int) string {
	b := r.take(n)
	if r.borrow {
		return alias(b)
	}
	return string(b)
}

func (r *headReader) string() string { return r.text(int(r.uvarint())) }

// count reads how many of something follow; each takes a byte at least.
func (r *headReader) count() int {
	n := r.uvarint()
	if n > uint64(r.left()) {
		r.fail()
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
		return r.text(int(n >> literalSubShift))
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

func (r *headReader) pair() Pair { return Pair{r.status(), r.sub()} }

func (r *headReader) stamp() Stamp { return Stamp{HLC(r.uint64()), Origin(r.uint64())} }

func (r *headReader) marks(stamps []Stamp) (m Marks) {
	for _, s := range [...]*Stamp{&m.Show, &m.Hide} {
		switch i := r.uvarint(); {
		case i > uint64(len(stamps)):
			r.bad = true
		case i > 0:
			*s = stamps[i-1]
		}
	}
	return m
}

func (r *headReader) legTo() (l LegTo) {
	l.Number, l.Carrier, l.Role = r.string(), r.string(), Role(r.byte())
	r.bad = r.bad || l.Role >= roles
	return l
}

func (r *headReader) instant() int64 {
	n := r.varint()
	r.bad = r.bad || n < firstLocal || n > lastLocal
	return n
}

// moment reads a moment; which entry it is stays to be filled in.
func (r *headReader) moment() (m Moment) {
	switch n := r.uvarint(); {
	case n == 0:
	case n == 1:
		m.Known = true
		flags := r.byte()
		m.At = Time{Local: r.instant(), Precision: Precision(flags & entryPrecision), Zone: Zone(flags & entryZone >> entryZoneShift)}
		offset := r.varint()
		m.At.Offset = int16(offset)
		r.bad = r.bad || !validOffset(offset) || m.At.Precision >= precisions || m.At.Zone >= zones || flags&^(entryPrecision|entryZone) != 0
	default:
		m.Known, m.entry = true, int(n-1)
	}
	return m
}

// leastEntry is the length of the shortest entry, in bytes.
const leastEntry = 5 + 8 + 8

// entry reads an entry into x. before is the one that it is told apart from.
func (r *headReader) entry(x, before *Entry, stamps []Stamp) {
	flags := r.uvarint()
	r.bad = r.bad || flags&^entryFlags != 0
	*x = Entry{}
	x.Table, x.Fields, x.Provisional = before.Table, before.Fields, flags&entryProvisional != 0
	x.At.Precision = Precision(flags & entryPrecision)
	x.At.Zone = Zone(flags & entryZone >> entryZoneShift)
	r.bad = r.bad || x.At.Precision >= precisions || x.At.Zone >= zones
	x.Pair.Status = r.status()
	x.Source = uint16(min(r.uvarint(), 1<<16-1))
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
		for range r.count() {
			x.Texts = append(x.Texts, TextMark{r.uint64(), HLC(r.uint64())})
		}
	}
	if flags&entryMarked != 0 {
		x.Marks = r.marks(stamps)
	}
	if flags&entryLeg != 0 {
		x.Leg = r.legTo()
	}
}
