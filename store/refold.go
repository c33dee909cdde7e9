package store

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// A Mapping maps an event anew by its source's code table as it is now: it sets the
// event's Pair and Provisional, and gives the version of the table, 0 where the
// source has none. known is false where the table does not have the event's code.
// An event that has but its source is asked about for the version.
type Mapping func(e *trace.Event) (version uint32, known bool)

// refolding is a request to fold some waybills anew.
type refolding struct {
	waybills []trace.Waybill
	mapping  Mapping
	notify   bool
}

// refoldAtOnce is how many waybills the writer folds anew between two pushes.
const refoldAtOnce = 64

// A Refolded says how far a refold has come.
type Refolded struct {
	Waybills uint64 `json:"waybills"` // looked at
	Changed  uint64 `json:"changed"`  // of them, those that mean something else now
	Total    uint64 `json:"total"`    // to be looked at, when it began
	Codes    uint64 `json:"codes"`    // reported as unmapped before, and known now; set at the end
}

// Refold maps all events anew whose code table has changed since, and folds every
// waybill, while pushes and reads go on. Followers hear nothing of it unless notify.
// progress is called now and then; false stops it. What was folded stays so when it
// stops, and Refold may begin again at any time.
func (s *Store) Refold(ctx context.Context, mapping Mapping, notify bool, progress func(Refolded) bool) (done Refolded, err error) {
	done.Total = s.waybills.Load()
	var chunk []trace.Waybill
	flush := func() (bool, error) {
		if len(chunk) == 0 {
			return true, nil
		}
		r := &request{refold: &refolding{chunk, mapping, notify}, done: make(chan struct{}, 1)}
		if err := s.submit(ctx, r); err != nil {
			return false, err
		}
		if r.err != nil {
			return false, r.err
		}
		done.Waybills += uint64(len(chunk))
		done.Changed += uint64(r.fresh)
		chunk = nil // the writer's, from here
		return progress(done), nil
	}
	more := true
	err = s.eachHead(func(w trace.Waybill) (bool, error) {
		if chunk = append(chunk, w); len(chunk) < refoldAtOnce {
			return true, nil
		}
		more, err = flush()
		return more, err
	})
	if err == nil && more {
		more, err = flush()
	}
	if err == nil && more {
		done.Codes, err = s.forgetMapped(mapping)
	}
	if err == nil && more && s.stale.Load() {
		err = s.folded()
	}
	return done, err
}

// folded notes that all heads were folded under the settings of now.
func (s *Store) folded() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := s.db.Set(keys.Meta(nil, metaFolding), trace.AppendFolding(nil), pebble.Sync); err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	s.stale.Store(false)
	return nil
}

// eachHead calls yield for every waybill. It reads on from where it was, a stretch
// at a time, so that it holds nothing open for long.
func (s *Store) eachHead(yield func(trace.Waybill) (bool, error)) error {
	const stretch = 4096
	from := []byte{keys.KindWaybill}
	for {
		var found []trace.Waybill
		if err := s.headsFrom(&from, stretch, &found); err != nil {
			return err
		}
		for _, w := range found {
			if more, err := yield(w); err != nil || !more {
				return err
			}
		}
		if len(found) < stretch {
			return nil
		}
	}
}

// headsFrom reads the waybills of the next heads, and moves from behind them.
func (s *Store) headsFrom(from *[]byte, most int, found *[]trace.Waybill) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: *from, UpperBound: keys.End(nil, []byte{keys.KindWaybill})})
	if err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	defer it.Close()
	for ok := it.First(); ok && len(*found) < most; {
		k, err := keys.Parse(it.Key())
		if err != nil {
			return err
		}
		if k.IsEvent { // past all events of the number
			ok = it.SeekGE(keys.End(nil, keys.Waybill(nil, k.Waybill.Number)))
			continue
		}
		*found = append(*found, k.Waybill)
		*from = append(keys.Head((*from)[:0], k.Waybill), 0)
		ok = it.Next()
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	return nil
}

// forgetMapped removes those codes from the report that the tables know by now.
func (s *Store) forgetMapped(mapping Mapping) (n uint64, err error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	b := s.db.NewBatch()
	defer b.Close()
	err = s.eachUnmapped(func(source, code string, u *trace.Unmapped) bool {
		_, known := mapping(&trace.Event{Waybill: trace.Waybill{Number: u.Number}, Source: source, Code: code, ReasonCode: u.Reason})
		if known {
			n++
			b.Delete(keys.Unmapped(nil, source, code), nil)
		}
		return true
	})
	if err != nil || n == 0 {
		return n, err
	}
	if err := b.Commit(pebble.Sync); err != nil {
		return 0, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	return n, nil
}

// refold maps and folds waybills anew, and gives how many mean something else now.
func (w *writer) refold(r *refolding) (changed int, err error) {
	for _, of := range r.waybills {
		h, err := w.live(of)
		if err != nil {
			return changed, err
		}
		if err := w.remap(h, r.mapping); err != nil {
			return changed, err
		}
		if !w.foldAnew(h) {
			continue
		}
		changed++
		if r.notify {
			h.changed(true, trace.Change{Kind: trace.Refolded, Heard: w.heard})
		}
	}
	return changed, nil
}

// remap maps those events of a waybill anew whose table is older than their
// source's is now.
func (w *writer) remap(h *liveHead, mapping Mapping) error {
	for _, x := range append([]trace.Entry(nil), h.head.Entries...) {
		source := h.head.Sources[x.Source]
		if version, _ := mapping(&trace.Event{Waybill: h.Waybill, Source: source}); version <= x.Table {
			continue
		}
		e, err := w.have(h, &trace.Event{ID: x.ID, At: x.At})
		if err != nil {
			return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
		}
		e.Table, _ = mapping(e)
		e.Judged, e.Relayed = true, true
		e.Value = e.Append(nil)
		e.Taken, err = h.head.Take(e, func() (*trace.Event, error) { return w.have(h, e) })
		if err != nil {
			return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
		}
		if e.Taken == trace.Changed {
			h.dirty = true // also where it is not shown
			h.write(liveEvent{e.At.Local, e.ID, e.Append(nil)}, trace.EventRevised)
		}
	}
	return nil
}
