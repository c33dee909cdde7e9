package store

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// take merges the facts of one push, or of a sister, into their heads: repeats are
// dropped, for the head shows that they are; news goes into the batch. Events come
// first: a list is judged over what it brought.
func (w *writer) take(facts *trace.Facts) (fresh int, err error) {
	n, err := w.takeEvents(facts)
	if err != nil {
		return n, err
	}
	fresh += n
	for i := range facts.Lists {
		l := &facts.Lists[i]
		if len(l.Has) == 0 && !facts.Judged {
			continue // nothing of it was understood
		}
		if err := w.takeList(l, facts); err != nil {
			return fresh, err
		}
	}
	for i := range facts.Legs {
		if err := w.takeLeg(&facts.Legs[i], facts.Judged); err != nil {
			return fresh, err
		}
	}
	for i := range facts.Records {
		if err := w.takeRecord(&facts.Records[i], facts.Judged); err != nil {
			return fresh, err
		}
	}
	for i := range facts.Overrides {
		o := &facts.Overrides[i]
		h, err := w.live(o.Waybill)
		if err != nil {
			return fresh, err
		}
		borrowed := facts.Judged // the reading is not our clock's
		if !facts.Judged {
			o.Origin = w.store.node
			// A sister's clock may run ahead: who speaks last here has the last word.
			if h.head.Override.Heard >= o.Heard {
				o.Heard, borrowed = h.head.Override.Heard+1, true
			}
		}
		if o.Taken = h.head.TakeOverride(o); o.Taken == trace.Fresh {
			w.hear(o.Heard, borrowed)
			h.changed(facts.Judged, trace.Change{Kind: trace.Overrode, Heard: o.Heard, Override: o})
		}
	}
	return fresh, nil
}

// hear notes a reading that goes into the batch, so that the clock is reserved
// beyond it. One from elsewhere moves the clock, unless it is absurd; our own counts
// always, also after the physical clock was set back.
func (w *writer) hear(heard trace.HLC, elsewhere bool) {
	if !elsewhere || w.store.clock.Observe(heard) {
		w.heard = max(w.heard, heard)
	}
}

func (w *writer) takeEvents(facts *trace.Facts) (fresh int, err error) {
	var h *liveHead
	for i := range facts.Events {
		e := &facts.Events[i]
		if h == nil || h.Waybill != e.Waybill {
			if h, err = w.live(e.Waybill); err != nil {
				return fresh, err
			}
		}
		e.Judged = facts.Judged
		if e.Leg.Number != "" {
			if room, err := w.adoptable(e.Waybill, e.Leg.Waybill, e.Judged); err != nil {
				return fresh, err
			} else if !room {
				e.Taken = trace.TooMany
				continue
			}
		}
		// Readings are taken before the queue: one may come behind a later one.
		e.Relayed = e.Relayed || e.Judged || e.Heard < w.latest
		if !e.Judged {
			w.latest = max(w.latest, e.Heard)
		}
		heard, text := e.Heard, e.Mark.Text // a union has others
		brought, named := e.References, h.head.References
		e.Taken, err = h.head.Take(e, func() (*trace.Event, error) { return w.have(h, e) })
		if err != nil {
			return fresh, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
		}
		kind := trace.EventAdded
		switch e.Taken {
		case trace.Repeat, trace.TooMany:
			continue
		case trace.Changed:
			fresh++
			kind = trace.EventRevised
			e.Value = e.Append(nil)
		case trace.Earlier:
			e.Taken, kind = trace.Repeat, trace.EventRevised
			e.Value = e.Append(nil)
		case trace.Fresh:
			fresh++
			if e.Unmapped {
				w.meet(e)
			}
		}
		w.hear(heard, e.Judged)
		h.write(liveEvent{e.At.Local, e.ID, e.Value}, kind)
		h.changed(e.Judged, trace.Change{Kind: kind, Local: e.At.Local, ID: e.ID, Text: text, Heard: heard})
		w.adopt(e.Waybill, e.Leg.Waybill)
		for _, r := range brought {
			// One that the head names leads here already: the row came with the name.
			if trace.ValidReference(r.Text) && !slices.Contains(named, r) {
				w.buf = keys.Reference(w.buf[:0], r, e.Waybill)
				w.set(w.buf, nil)
			}
		}
	}
	return fresh, nil
}

// takeList judges a list that was heard here, or takes one that a sister judged,
// and notes which events it takes back and which it shows again.
func (w *writer) takeList(l *trace.List, facts *trace.Facts) error {
	h, err := w.live(l.Waybill)
	if err != nil {
		return err
	}
	j, err := w.judgement(h, l.Source)
	if err != nil {
		return err
	}
	borrowed := facts.Judged // the reading is not our clock's
	if !facts.Judged {
		l.Origin = w.store.node
		// Where a sister's clock is so far ahead that ours has not followed, what it said
		// would outlive this list, which is judged over hers and is the newer one. Lists of ours that came in another
		// order than they were heard keep theirs.
		if newest := newestList(j); newest >= l.Heard && newest >= w.store.clock.Now() {
			l.Heard, borrowed = newest+1, true
		}
		for i := range facts.Events {
			if e := &facts.Events[i]; e.Taken == trace.TooMany && e.Waybill == l.Waybill {
				l.Partial = true
			}
		}
		l.Has = slices.DeleteFunc(l.Has, func(id trace.ID) bool { return !h.head.Has(id) })
		if !h.head.Judge(l.Waybill, l, j) {
			l.Taken = trace.Repeat
			return nil
		}
	}
	l.Taken = trace.Fresh
	ids := slices.Concat(l.Shows, l.Hides)
	before := make([]bool, len(ids))
	for i, id := range ids {
		before[i] = h.head.Hides(id)
	}
	raised := h.head.TakeList(l)
	if noted := j.Note(l); !raised && !noted {
		l.Taken = trace.Repeat
		return nil
	}
	w.hear(l.Heard, borrowed)
	h.changed(facts.Judged, trace.Change{Kind: trace.Listed, Heard: l.Heard, List: l})
	for i, id := range ids {
		if after := h.head.Hides(id); after != before[i] {
			kind := trace.EventRestored
			if after {
				kind = trace.EventRetracted
			}
			h.changed(facts.Judged, trace.Change{Kind: kind, Local: h.head.LocalOf(id), ID: id, Heard: l.Heard})
		}
	}
	if l.Doubtful {
		doubtful(l.Source).Inc()
	}
	return nil
}

// newestList is when the newest list of a source was heard, firm or doubtful.
func newestList(j *trace.Judgement) (newest trace.HLC) {
	if len(j.Firm) > 0 {
		newest = j.Firm[0].Heard
	}
	if n := len(j.Doubted); n > 0 {
		newest = max(newest, j.Doubted[n-1].Heard)
	}
	return newest
}

// judgement gives what judging a source's lists needs, from the batch or from the
// database.
func (w *writer) judgement(h *liveHead, source string) (*trace.Judgement, error) {
	if j := h.judged[source]; j != nil {
		return j, nil
	}
	j := new(trace.Judgement)
	w.buf = keys.Judgement(w.buf[:0], h.Waybill, source)
	if err := w.get(w.buf, func(value []byte) error { return trace.DecodeJudgement(j, value) }); err != nil {
		return nil, err
	}
	if h.judged == nil {
		h.judged = make(map[string]*trace.Judgement)
	}
	h.judged[source] = j
	return j, nil
}

// get reads a value, if there is one.
func (w *writer) get(key []byte, read func(value []byte) error) error {
	value, closer, err := w.store.db.Get(key)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	defer closer.Close()
	if err := read(value); err != nil {
		w.store.log.Error("a value cannot be read", "key", fmt.Sprintf("%q", key), "err", err)
		return fmt.Errorf("%w (%s)", trace.ErrUnavailable, err)
	}
	return nil
}

func (w *writer) takeLeg(l *trace.LegFact, judged bool) error {
	h, err := w.live(l.Waybill)
	if err != nil {
		return err
	}
	if l.To.Number != "" {
		if room, err := w.adoptable(l.Waybill, l.To.Waybill, judged); err != nil {
			return err
		} else if !room {
			l.Taken = trace.TooMany
			return nil
		}
	}
	if l.Taken = h.head.TakeLeg(l, judged); l.Taken == trace.Fresh {
		w.hear(l.Heard, judged)
		w.adopt(l.Waybill, l.To.Waybill)
		h.changed(judged, trace.Change{Kind: trace.LegTold, Heard: l.Heard, Leg: l})
	}
	return nil
}

// takeRecord keeps the record that was heard last of those with its key, and its
// hash in the head.
func (w *writer) takeRecord(r *trace.Record, judged bool) error {
	h, err := w.live(r.Waybill)
	if err != nil {
		return err
	}
	if !judged {
		r.Origin = w.store.node
	}
	of := recordOf{r.Kind, r.Key()}
	have := h.records[of]
	if have == nil {
		have = new(trace.Record)
		w.buf = keys.Record(w.buf[:0], r.Waybill, of.kind, of.id)
		err := w.get(w.buf, func(value []byte) error { return trace.DecodeRecord(have, r.Waybill, slices.Clone(value)) })
		if err != nil {
			return err
		}
	}
	known, borrowed := have.Kind != 0, judged
	if known && !judged && r.Says() != have.Says() && have.Heard >= r.Heard {
		// A sister's clock may run ahead: who speaks last here has the last word.
		r.Heard, borrowed = have.Heard+1, true
	}
	if known && (!r.Stamp.After(have.Stamp) || !judged && r.Says() == have.Says()) {
		r.Taken = trace.Repeat
		return nil
	}
	if !known && !judged {
		n, err := w.countRecords(h)
		if err != nil {
			return err
		}
		if n >= trace.MaxRecords {
			r.Taken = trace.TooMany
			return nil
		}
	}
	if known {
		h.head.Records ^= recordHash(of, have)
	}
	h.head.Records ^= recordHash(of, r)
	if h.records == nil {
		h.records = make(map[recordOf]*trace.Record)
	}
	h.records[of] = r
	r.Taken = trace.Fresh
	w.hear(r.Heard, borrowed)
	h.changed(judged, trace.Change{Kind: trace.RecordKept, Heard: r.Heard, Record: r})
	return nil
}

func (w *writer) countRecords(h *liveHead) (n int, err error) {
	n = len(h.records)
	prefix := keys.Records(nil, h.Waybill)
	it, err := w.store.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.End(nil, prefix)})
	if err != nil {
		return 0, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	defer it.Close()
	return n, each(it, func(_, _ []byte) (bool, error) {
		n++
		return n < trace.MaxRecords, nil
	})
}

// recordHash is what a record adds to its head's hash of all.
func recordHash(of recordOf, r *trace.Record) uint64 {
	h := uint64(of.kind)*0x9E3779B97F4A7C15 ^ uint64(of.id)
	h = (h ^ r.Says()) * 0xFF51AFD7ED558CCD
	return h ^ h>>32
}

// A codeOf names a code of a source.
type codeOf struct{ source, code string }

// meet counts an event whose code is not in its source's table.
func (w *writer) meet(e *trace.Event) {
	unmappedEvents(e.Source).Inc()
	of := codeOf{e.Source, trace.PrintableCode(e.Code)}
	u := w.unmapped[of]
	if u == nil {
		u = new(trace.Unmapped)
		w.unmapped[of] = u
	}
	if u.Count++; u.Count == 1 {
		*u = trace.Unmapped{Count: 1, First: e.Heard, Number: e.Number, Text: e.Text.Text, Reason: e.ReasonCode}
	}
}
