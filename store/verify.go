package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// A Verified says how far a verification has come, and what it found.
type Verified struct {
	Waybills uint64 `json:"waybills"` // read
	Total    uint64 `json:"total"`    // to be read
	Events   uint64 `json:"events"`
	Records  uint64 `json:"records"`

	Findings uint64    `json:"findings"`
	Found    []Finding `json:"found,omitempty"` // the first of them; set at the end
}

// A Finding is something that does not fit the rest.
type Finding struct {
	Number  string `json:"number,omitempty"` // empty where it is about the directory
	Carrier string `json:"carrier,omitempty"`
	What    string `json:"what"` // for people
}

const (
	maxFindings = 100
	tellAfter   = 64 // numbers
)

// Verify reads the whole store as it is at one moment, while pushes and reads go on,
// and compares every head with what its facts give: its events are taken anew; what
// lists, bookings and operators said is the head's own, for the feed that told of it is
// trimmed. The children of legs are as they were at the same moment. Beside that it
// looks for references, ways back and records that lead nowhere, and for those that are
// missing, and reads all the rest once, the feed too. progress is called now and then; false ends it.
//
// Heads that were folded under other settings than those of now are ErrUnavailable:
// they are to be folded anew first.
func (s *Store) Verify(progress func(Verified) bool) (Verified, error) {
	if err := s.enter(); err != nil {
		return Verified{}, err
	}
	defer s.leave()
	snapshot := s.db.NewSnapshot()
	defer snapshot.Close()
	return verify(snapshot, func(v Verified) bool {
		select {
		case <-s.closing:
			return false
		default:
			return progress(v)
		}
	})
}

// VerifyDirectory is Verify of a directory that no daemon has open. It writes nothing.
// What its heads were folded under becomes trace.Folding.
func VerifyDirectory(dir string, o Options, progress func(Verified) bool) (Verified, error) {
	s, err := openExisting(dir, o, true)
	if err != nil {
		return Verified{}, err
	}
	defer s.shut()
	b, err := s.metaGet(metaFolding)
	if err != nil {
		return Verified{}, err
	}
	if len(b) > 2 {
		after, _ := binary.Varint(b[1:])
		trace.Folding = trace.FoldSettings{EpochAfter: time.Duration(after), HidePreTransit: b[len(b)-1] != 0}
	}
	return verify(s.db, progress)
}

// metaOf gives a copy of what a directory says about itself; nil where it says nothing.
func metaOf(r pebble.Reader, name string) ([]byte, error) {
	value, closer, err := r.Get(keys.Meta(nil, name))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	defer closer.Close()
	return bytes.Clone(value), nil
}

// A verification is one under way.
type verification struct {
	r          pebble.Reader
	facts      trace.Facts
	done       Verified
	references uint64 // keys that the events ask for
	err        error  // the database could not be read
}

func verify(r pebble.Reader, progress func(Verified) bool) (done Verified, err error) {
	defer func() { err = unreadable(err) }()
	v := verification{r: r}
	folding, err := metaOf(r, metaFolding)
	if err != nil {
		return v.done, err
	}
	if !bytes.Equal(folding, trace.AppendFolding(nil)) {
		return v.done, trace.Problemf(trace.ErrUnavailable, "fold_first",
			"the heads were folded under other settings, or by another version: run `waytrace refold`, or wait until the daemon has folded them, and verify again")
	}
	next, err := metaOf(r, metaNext)
	if err != nil {
		return v.done, err
	}
	var count counters
	if err := count.decode(next); err != nil {
		return v.done, err
	}
	v.done.Total = count.waybills
	heads, numbers, more := uint64(0), 0, true
	err = walk(r, "", "", func(all []held) (bool, error) {
		for i := range all {
			if all[i].head != nil {
				heads++
			}
			v.waybill(&all[i])
		}
		if numbers++; numbers%tellAfter == 0 {
			told := v.done
			told.Found = nil
			more = progress(told)
		}
		return more, v.err
	})
	if err != nil || !more {
		return v.done, err
	}
	if heads != count.waybills {
		v.find(trace.Waybill{}, "the directory counts %d waybills and has the heads of %d", count.waybills, heads)
	}
	if err = v.indexes(); err == nil {
		err = v.rest()
	}
	return v.done, err
}

func (v *verification) find(w trace.Waybill, format string, args ...any) {
	if v.done.Findings++; len(v.done.Found) < maxFindings {
		// What was read of the feed lies in the database's memory.
		v.done.Found = append(v.done.Found, Finding{strings.Clone(w.Number), strings.Clone(w.Carrier), fmt.Sprintf(format, args...)})
	}
}

// waybill compares all that is stored of one waybill.
func (v *verification) waybill(h *held) {
	v.done.Waybills++
	v.done.Events += uint64(len(h.events))
	v.done.Records += uint64(len(h.records))
	var stored, built trace.Head
	if h.head == nil {
		v.find(h.Waybill, "it has %d events and %d records, and no head", len(h.events), len(h.records))
	} else if err := trace.DecodeHead(&stored, h.head); err != nil {
		v.find(h.Waybill, "its head cannot be read: %v", err)
		return
	} else if len(h.events) == 0 && stored.Silent() && len(stored.Ghosts) == 0 {
		v.find(h.Waybill, "it has a head and no facts")
	}
	built.Ghosts = slices.Clone(stored.Ghosts)
	references, legs := map[trace.Reference]bool{}, map[trace.Waybill]bool{}
	for i := range h.events {
		e := v.event(h, i, &built)
		if e == nil {
			continue
		}
		for _, r := range e.References {
			if trace.ValidReference(r.Text) {
				references[r] = true
			}
		}
		legs[e.Leg.Waybill] = true
	}
	for i := range stored.Told {
		legs[stored.Told[i].To.Waybill] = true
	}
	v.references += uint64(len(references))
	for r := range references {
		v.mustHave(h.Waybill, keys.Reference(nil, r, h.Waybill), "an event names reference %q of %s, which does not lead back", r.Text, r.Account)
	}
	for child := range legs {
		if child.Number != "" {
			v.mustHave(h.Waybill, keys.Leg(nil, child, h.Waybill), "it goes on under %s, from where no way leads back", child.Number)
		}
	}
	for i := range h.records {
		built.Records ^= v.record(h, &h.records[i])
	}
	if h.head == nil {
		return
	}
	built.Told, built.Override = stored.Told, stored.Override
	marks := make(map[trace.ID]trace.Marks, len(stored.Entries))
	for i := range stored.Entries {
		marks[stored.Entries[i].ID] = stored.Entries[i].Marks
	}
	for i := range built.Entries {
		if m, ours := marks[built.Entries[i].ID]; ours {
			built.Entries[i].Marks = m
		}
	}
	built.Fold(h.Waybill, v.kin)
	if !bytes.Equal(built.Append(nil), h.head) {
		v.find(h.Waybill, "its head is not the fold of its facts: %s", unlike(&stored, &built))
	}
}

// event takes one into the head that is built anew, and gives it, borrowed until the
// next; nil where it cannot be taken.
func (v *verification) event(h *held, i int, built *trace.Head) *trace.Event {
	key := &h.events[i]
	v.facts.Reset()
	e := v.facts.Event()
	if err := trace.DecodeEvent(e, h.Waybill, key.local, key.id, key.value); err != nil {
		v.find(h.Waybill, "it cannot be read: %v", err)
		return nil
	}
	v.facts.Seal(e, e.Heard)
	switch {
	case e.ID != key.id:
		v.find(h.Waybill, "event %s is stored as %s", e.ID, key.id)
		return nil
	case !bytes.Equal(e.Value, key.value):
		v.find(h.Waybill, "event %s is not stored as it is written", e.ID)
	}
	e.Judged = true
	_, err := built.Take(e, func() (*trace.Event, error) { return nil, trace.ErrInvalid })
	if err != nil {
		v.find(h.Waybill, "event %s is stored twice", e.ID)
		return nil
	}
	return e
}

// record gives what one adds to its head's hash.
func (v *verification) record(h *held, key *heldRecord) uint64 {
	var r trace.Record
	if err := trace.DecodeRecord(&r, h.Waybill, key.value); err != nil {
		v.find(h.Waybill, "it cannot be read: %v", err)
		return 0
	}
	if r.Kind != key.kind || r.Key() != key.id {
		v.find(h.Waybill, "record %s is stored as %s", r.Key(), key.id)
	}
	return recordHash(recordOf{r.Kind, r.Key()}, &r)
}

func (v *verification) mustHave(w trace.Waybill, key []byte, format string, args ...any) {
	has, err := v.get(key, nil)
	if err == nil && !has {
		v.find(w, format, args...)
	}
}

// get reads a value, if there is one, borrowed by read. What the database cannot read
// ends the verification.
func (v *verification) get(key []byte, read func([]byte) error) (has bool, err error) {
	value, closer, err := v.r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		v.err = fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
		return false, v.err
	}
	defer closer.Close()
	if read != nil {
		err = read(value)
	}
	return true, err
}

// head reads a head; nil where there is none, or none that can be read: that one is
// found by itself.
func (v *verification) head(w trace.Waybill) *trace.Head {
	h := &trace.Head{}
	has, err := v.get(keys.Head(nil, w), func(value []byte) error { return trace.DecodeHead(h, bytes.Clone(value)) })
	if err != nil || !has {
		return nil
	}
	return h
}

// kin is trace.Kin over the same moment.
func (v *verification) kin(child trace.Waybill) (carrier string, head *trace.Head) {
	if child.Carrier != "" {
		if h := v.head(child); h != nil && !h.Empty() {
			return child.Carrier, h
		}
		return child.Carrier, nil
	}
	err := scanOf(v.r, keys.Heads(nil, child.Number), func(key, value []byte) (bool, error) {
		k, err := keys.Parse(key)
		if err != nil {
			return false, err
		}
		h := &trace.Head{}
		if trace.DecodeHead(h, bytes.Clone(value)) == nil && !h.Empty() && (head == nil || h.Newest() > head.Newest()) {
			carrier, head = k.Waybill.Carrier, h
		}
		return true, nil
	})
	if err != nil {
		v.err = err
	}
	return carrier, head
}

// indexes compares references and ways back with the waybills that they lead to.
func (v *verification) indexes() error {
	stored := uint64(0)
	err := scanOf(v.r, []byte{keys.KindReference}, func(_, _ []byte) (bool, error) {
		stored++
		return true, nil
	})
	if err != nil {
		return err
	}
	// All that are asked for are there, or were found missing: only where there are
	// others is it worth to look for them one by one.
	if stored > v.references || v.done.Findings > 0 {
		if err := v.strays(); err != nil {
			return err
		}
	}
	return scanOf(v.r, []byte{keys.KindLeg}, func(key, _ []byte) (bool, error) {
		k, err := keys.Parse(key)
		if err != nil {
			return false, err
		}
		has, err := v.get(keys.Head(nil, k.Waybill), nil)
		if err == nil && !has {
			v.find(k.Waybill, "number %s leads back to it, and it is not there", k.Child.Number)
		}
		return true, err
	})
}

// strays looks for references that stand in no event of the waybill that they lead to.
func (v *verification) strays() error {
	return scanOf(v.r, []byte{keys.KindReference}, func(key, _ []byte) (bool, error) {
		k, err := keys.Parse(key)
		if err != nil {
			return false, err
		}
		if h := v.head(k.Waybill); h != nil && slices.Contains(h.References, k.Reference) {
			return true, v.err // the head was compared with the events
		}
		named := false
		err = scanOf(v.r, keys.Events(nil, k.Waybill), func(key, value []byte) (bool, error) {
			of, err := keys.Parse(key)
			if err != nil {
				return false, err
			}
			var e trace.Event
			named = trace.DecodeEvent(&e, of.Waybill, of.Local, of.ID, value) == nil && slices.Contains(e.References, k.Reference)
			return !named, nil
		})
		if err == nil && !named {
			v.find(k.Waybill, "reference %q of %s leads to it, and none of its events names that", k.Reference.Text, k.Reference.Account)
		}
		return true, errors.Join(err, v.err)
	})
}

// unlike says in which parts two heads of one waybill differ.
func unlike(stored, built *trace.Head) string {
	var parts []string
	part := func(name string, same bool) {
		if !same {
			parts = append(parts, name)
		}
	}
	if a, b := stored.Pair, built.Pair; a != b {
		parts = append(parts, fmt.Sprintf("it is %s and should be %s", pairName(a), pairName(b)))
	}
	events := map[trace.ID]*trace.Entry{}
	for i := range built.Entries {
		events[built.Entries[i].ID] = &built.Entries[i]
	}
	for i := range stored.Entries {
		x := &stored.Entries[i]
		switch y := events[x.ID]; {
		case y == nil:
			parts = append(parts, fmt.Sprintf("event %s is not stored", x.ID))
		case !reflect.DeepEqual(x, y):
			parts = append(parts, fmt.Sprintf("event %s is another", x.ID))
		}
		delete(events, x.ID)
	}
	for id := range events {
		parts = append(parts, fmt.Sprintf("event %s is not in it", id))
	}
	part("since when", stored.Since == built.Since)
	part("the first delivery", stored.First == built.First)
	part("milestones", stored.Milestones == built.Milestones)
	part("earlier parcels", stored.Earlier == built.Earlier)
	part("legs", slices.Equal(stored.Legs, built.Legs))
	part("references", slices.Equal(stored.References, built.References))
	part("records", stored.Records == built.Records)
	part("sources", slices.Equal(stored.Sources, built.Sources))
	part("what lists said of events that have not come", slices.Equal(stored.Ghosts, built.Ghosts))
	if len(parts) == 0 {
		return "what is shown of it, or how it is written"
	}
	const most = 6
	if len(parts) > most {
		parts = append(parts[:most], "and more")
	}
	return strings.Join(parts, "; ")
}

func pairName(p trace.Pair) string {
	if p.Sub == "" {
		return p.Status.String()
	}
	return p.Status.String() + "." + p.Sub
}
