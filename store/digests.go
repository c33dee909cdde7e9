package store

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"strconv"

	"waytrace/trace"
)

// A Sum stands for many bytes: the first eight of SHA-256 over them. As text it is
// sixteen hexadecimal digits.
type Sum uint64

func (s Sum) String() string { return trace.ID(s).String() }

// MarshalText gives the digits.
func (s Sum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the digits.
func (s *Sum) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil || len(text) != 16 {
		return fmt.Errorf("sum %.40q: %w", text, trace.ErrInvalid)
	}
	*s = Sum(n)
	return nil
}

// A Digest stands for what a node has of one waybill.
type Digest struct {
	Number  string `json:"number"`
	Carrier string `json:"carrier"`
	// Facts is over all on which nodes that heard the same must agree, whatever code
	// tables and settings they have: events without the status that a table gave them,
	// texts, references, what lists said, told legs, records, the operator's word.
	Facts Sum `json:"facts"`
	// Head is over the head, where the tables and the settings count too.
	Head Sum `json:"head"`
}

// A Range stands for all waybills of a run of numbers.
type Range struct {
	From     string `json:"from"` // begins behind this number; empty is the first
	To       string `json:"to"`   // ends with this one; empty is the last
	Waybills uint64 `json:"count"`
	Facts    Sum    `json:"facts"`
	Heads    Sum    `json:"heads"`
}

// A Part is one fact of a waybill, as it counts in Digest.Facts.
type Part struct {
	Name string `json:"name"` // what it is, and which one, for people
	Sum  Sum    `json:"sum"`  // over what it says
}

// eventsAWaybill is how many events cost as much as a waybill, where reading is to be
// done in pieces.
const eventsAWaybill = 16

// Digests gives the digests of the numbers behind after and up to upto, in the order of
// number and carrier, as they are at one moment; "" is no bound. Once there are about
// most of them it ends behind the number that it was at, and more says that there may
// be others.
func (s *Store) Digests(after, upto string, most int) (found []Digest, more bool, err error) {
	if err := s.enter(); err != nil {
		return nil, false, err
	}
	defer s.leave()
	snapshot := s.db.NewSnapshot()
	defer snapshot.Close()
	var d digester
	cost := 0
	err = walk(snapshot, after, upto, func(all []held) (bool, error) {
		for i := range all {
			one, err := d.digest(&all[i])
			if err != nil {
				return false, err
			}
			found = append(found, one)
			cost += 1 + len(all[i].events)/eventsAWaybill
		}
		more = cost >= most
		return !more, nil
	})
	return found, more, err
}

// Parts gives the digest of one waybill, and what its facts are made of. One that is not
// there is ErrNotFound.
func (s *Store) Parts(w trace.Waybill) (one Digest, parts []Part, err error) {
	if err := s.enter(); err != nil {
		return one, nil, err
	}
	defer s.leave()
	snapshot := s.db.NewSnapshot()
	defer snapshot.Close()
	found := false
	d := digester{each: func(p Part) { parts = append(parts, p) }}
	err = walkNumber(snapshot, w.Number, func(all []held) (bool, error) {
		for i := range all {
			if all[i].Carrier == w.Carrier {
				found = true
				one, err = d.digest(&all[i])
			}
		}
		return false, err
	})
	if err == nil && !found {
		err = fmt.Errorf("number %s of %s: %w", w.Number, w.Carrier, trace.ErrNotFound)
	}
	return one, parts, err
}

// AddUp makes a range of the digests of all of its waybills, in order.
type AddUp struct {
	waybills     uint64
	facts, heads hash.Hash
}

// Add adds the next ones.
func (a *AddUp) Add(digests []Digest) {
	if a.facts == nil {
		a.facts, a.heads = sha256.New(), sha256.New()
	}
	var b []byte
	for i := range digests {
		d := &digests[i]
		a.waybills++
		b = append(append(b[:0], d.Number...), 0)
		b = append(append(b, d.Carrier...), 0)
		name := len(b)
		a.facts.Write(binary.BigEndian.AppendUint64(b, uint64(d.Facts)))
		a.heads.Write(binary.BigEndian.AppendUint64(b[:name], uint64(d.Head)))
	}
}

// Range is what was added, as the range behind from and up to upto.
func (a *AddUp) Range(from, upto string) Range {
	a.Add(nil)
	return Range{from, upto, a.waybills, sumOf(a.facts), sumOf(a.heads)}
}

func sumOf(h hash.Hash) Sum { return Sum(binary.BigEndian.Uint64(h.Sum(nil))) }

// A digester makes digests; it is used for one waybill after the other.
type digester struct {
	each func(Part) // is told of each fact; nil is nobody

	head  trace.Head
	facts trace.Facts
	all   hash.Hash
	of    []byte // which fact: a letter for its kind, and its key
	says  []byte // what the fact says
}

func (d *digester) digest(h *held) (one Digest, err error) {
	one.Number, one.Carrier = h.Number, h.Carrier
	d.head = trace.Head{}
	if h.head != nil {
		if err := trace.DecodeHead(&d.head, h.head); err != nil {
			return one, broken(h, err)
		}
		sum := sha256.Sum256(h.head)
		one.Head = Sum(binary.BigEndian.Uint64(sum[:8]))
	}
	d.all = sha256.New()
	for i := range h.events {
		if err := d.event(h, &h.events[i]); err != nil {
			return one, broken(h, err)
		}
	}
	d.lists()
	for i := range d.head.Told {
		l := &d.head.Told[i]
		d.of = append(d.of, 'g', byte(l.To.Role))
		d.of = binary.BigEndian.AppendUint64(d.of, uint64(l.Since))
		d.of = append(append(append(d.of, l.To.Number...), 0), l.To.Carrier...)
		d.fact(func() string { return fmt.Sprintf("leg %s to %q of %q", l.To.Role, l.To.Number, l.To.Carrier) })
	}
	if o := &d.head.Override; *o != (trace.Override{}) {
		d.of = append(d.of, 'o')
		d.says = append(d.says, byte(o.Pair.Status))
		for _, text := range [...]string{o.Pair.Sub, o.Author, o.Reason} {
			d.text(text)
		}
		d.stamp(o.Stamp)
		d.fact(func() string { return "the operator's word" })
	}
	for i := range h.records {
		r := &h.records[i]
		d.of = binary.BigEndian.AppendUint64(append(d.of, 'c', byte(r.kind)), uint64(r.id))
		d.says = append(d.says, r.value...)
		d.fact(func() string { return fmt.Sprintf("record %s of kind %d", r.id, r.kind) })
	}
	one.Facts = sumOf(d.all)
	return one, nil
}

func broken(h *held, err error) error {
	return trace.Problemf(trace.ErrUnavailable, "damaged", "waybill %s of %s cannot be read: run `waytrace verify` (%s)", h.Number, h.Carrier, trace.Words(err))
}

// event adds one without what a code table made of it, and without when this node heard
// it; then its texts with the first hearings that all nodes agree on; then its
// references.
func (d *digester) event(h *held, key *heldEvent) error {
	d.facts.Reset()
	e := d.facts.Event()
	if err := trace.DecodeEvent(e, h.Waybill, key.local, key.id, key.value); err != nil {
		return err
	}
	bare := *e
	bare.Pair, bare.Table, bare.Provisional, bare.Heard, bare.References = trace.Pair{}, 0, false, 0, nil
	if e.TextEdits {
		bare.Text, bare.Revisions = trace.Text{}, nil
	}
	id := func(kind byte) { d.of = binary.BigEndian.AppendUint64(append(d.of, kind), uint64(key.id)) }
	id('e')
	d.says = bare.Append(d.says)
	d.fact(func() string { return "event " + key.id.String() })
	if e.TextEdits {
		texts := e.Revisions
		if len(texts) == 0 {
			texts = []trace.Text{e.Text}
		}
		for i := range texts {
			t := &texts[i]
			id('t')
			for _, text := range [...]string{t.Text, t.Reason, t.EN, t.ZH, t.Lang} {
				d.of = append(binary.AppendUvarint(d.of, uint64(len(text))), text...)
			}
			d.says = binary.BigEndian.AppendUint64(d.says, uint64(t.Heard))
			d.fact(func() string { return fmt.Sprintf("text %.40q of event %s", t.Text, key.id) })
		}
	}
	for i := range e.References {
		r := &e.References[i]
		id('r')
		d.of = append(append(append(d.of, r.Account...), 0), r.Text...)
		d.fact(func() string { return fmt.Sprintf("reference %.40q of %s, of event %s", r.Text, r.Account, key.id) })
	}
	return nil
}

// lists adds what lists said of events, those that came and those that did not.
func (d *digester) lists() {
	var said []trace.Ghost
	for i := range d.head.Entries {
		if x := &d.head.Entries[i]; x.Marks != (trace.Marks{}) {
			said = append(said, trace.Ghost{ID: x.ID, Marks: x.Marks})
		}
	}
	said = append(said, d.head.Ghosts...)
	slices.SortFunc(said, func(a, b trace.Ghost) int { return cmp.Compare(a.ID, b.ID) })
	for i := range said {
		d.of = binary.BigEndian.AppendUint64(append(d.of, 'l'), uint64(said[i].ID))
		d.stamp(said[i].Show)
		d.stamp(said[i].Hide)
		d.fact(func() string { return "what lists say of event " + said[i].ID.String() })
	}
}

func (d *digester) text(s string) {
	d.says = append(binary.AppendUvarint(d.says, uint64(len(s))), s...)
}

func (d *digester) stamp(s trace.Stamp) {
	d.says = binary.BigEndian.AppendUint64(d.says, uint64(s.Heard))
	d.says = binary.BigEndian.AppendUint64(d.says, uint64(s.Origin))
}

// fact adds the fact whose key and words were gathered, and begins the next.
func (d *digester) fact(name func() string) {
	var size [8]byte
	for _, b := range [...][]byte{d.of, d.says} {
		d.all.Write(binary.BigEndian.AppendUint64(size[:0], uint64(len(b))))
		d.all.Write(b)
	}
	if d.each != nil {
		sum := sha256.Sum256(d.says)
		d.each(Part{name(), Sum(binary.BigEndian.Uint64(sum[:8]))})
	}
	d.of, d.says = d.of[:0], d.says[:0]
}
