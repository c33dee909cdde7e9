package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/store/keys"
	"waytrace/trace"
)

// A tableFile is a table that is being written, in ascending order of keys.
type tableFile struct {
	*sstable.Writer
	size int // bytes of keys and values
}

// create begins a table as the lowest level has them, where those lie that no other is
// below: nothing else is in the directory.
func (b *Bulk) create() (*tableFile, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name := path.Join(b.store.dir, fmt.Sprintf("table-%06d%s", b.made, bulkEnding))
	file, err := b.store.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	b.made++
	b.tables = append(b.tables, name)
	const lowest = 6
	o := b.pebble.MakeWriterOptions(lowest, b.store.db.TableFormat())
	o.DisableValueBlocks = true // events are read together: see the span policy
	return &tableFile{Writer: sstable.NewWriter(objstorageprovider.NewFileWritable(file), o)}, nil
}

func (t *tableFile) set(key, value []byte) error {
	t.size += len(key) + len(value)
	return t.Set(key, value)
}

// close ends the table, synced.
func (t *tableFile) close() error { return t.Close() }

// A bulkTable makes one table of events that come in the order of their waybills. What
// they mean is the writer's to say, which finds no head in the database for them.
type bulkTable struct {
	bulk   *Bulk
	file   *tableFile // nil before the first number
	writer writer
	number []*liveHead // heads of the number that is coming in
	values []byte      // of its events
	buf    []byte
	value  []byte
	done   Imported
	heard  trace.HLC
}

// table makes a table of what fill takes, or none where that is nothing.
func (b *Bulk) table(fill func(*bulkTable) error) error {
	t := &bulkTable{bulk: b, writer: writer{store: b.store, batch: b.store.db.NewBatch(),
		heads: map[trace.Waybill]*liveHead{}, adopted: map[string][]trace.Waybill{}, unmapped: map[codeOf]*trace.Unmapped{}}}
	defer t.writer.batch.Close()
	err := fill(t)
	if err == nil {
		err = t.flush()
	}
	if t.file != nil {
		if e := t.file.close(); err == nil {
			err = e
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done.Waybills += t.done.Waybills
	b.done.Events += t.done.Events
	b.done.Known += t.done.Known
	b.done.Refused += t.done.Refused
	b.heard = max(b.heard, t.heard)
	return err
}

// atOnce is how many events of a waybill are taken together.
const atOnce = 256

// takeBlocks takes the events of a portion.
func (t *bulkTable) takeBlocks(ctx context.Context, s portion) error {
	var facts trace.Facts
	var last trace.Waybill
	take := func() error {
		if len(facts.Events) == 0 {
			return nil
		}
		err := t.take(&facts)
		facts.Reset()
		return err
	}
	for {
		var block []byte
		select {
		case block = <-s:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if block == nil {
			return take()
		}
		for len(block) > 0 {
			var key, value []byte
			key, value, block = pairIn(block)
			var e trace.Event
			if err := readBulk(&e, key, value, last); err != nil {
				return err
			}
			if e.Waybill != last || len(facts.Events) == atOnce {
				if err := take(); err != nil {
					return err
				}
				last = e.Waybill
			}
			*facts.Event() = e
		}
	}
}

// take merges events of one waybill into its head, in their order.
func (t *bulkTable) take(facts *trace.Facts) error {
	w := &t.writer
	of := facts.Events[0].Waybill
	h := w.heads[of]
	if h == nil {
		if len(t.number) > 0 && t.number[0].Number != of.Number {
			if err := t.flush(); err != nil {
				return err
			}
		}
		h = w.empty()
		h.Waybill, h.isNew, h.alone = of, true, true
		w.heads[of], w.latest = h, 0
		t.number = append(t.number, h)
	}
	for i := range facts.Events {
		e := &facts.Events[i]
		if e.Waybill != of {
			return fmt.Errorf("events of %s and of %s come together: %w", of.Number, e.Number, trace.ErrInvalid)
		}
		start := len(t.values)
		t.values = append(t.values, e.Value...)
		e.Value = t.values[start:len(t.values):len(t.values)]
	}
	if _, err := w.takeEvents(facts); err != nil {
		return err
	}
	h.changes = h.changes[:0] // nobody is told
	for i := range facts.Events {
		switch e := &facts.Events[i]; e.Taken {
		case trace.Fresh:
			t.done.Events++
		case trace.TooMany:
			t.done.Refused++
			if err := t.bulk.refused(e); err != nil {
				return err
			}
		default:
			t.done.Known++
		}
	}
	return nil
}

// refused tells of an event that was not taken, one at a time.
func (b *Bulk) refused(e *trace.Event) error {
	b.refusing.Lock()
	defer b.refusing.Unlock()
	return b.options.Refused(e)
}

// flush folds the heads of the number that came in and writes all that is under it.
func (t *bulkTable) flush() (err error) {
	w := &t.writer
	if t.file == nil && len(t.number) > 0 {
		if t.file, err = t.bulk.create(); err != nil {
			return err
		}
	}
	for _, h := range t.number {
		h.head.Fold(h.Waybill, nil)
		t.buf, t.value = keys.Head(t.buf[:0], h.Waybill), h.head.Append(t.value[:0])
		if err := t.file.set(t.buf, t.value); err != nil {
			return err
		}
		slices.SortFunc(h.events, func(a, b liveEvent) int {
			return cmp.Or(cmp.Compare(a.local, b.local), cmp.Compare(a.id, b.id))
		})
	}
	for _, h := range t.number {
		for i := range h.events {
			e := &h.events[i]
			t.buf = keys.Event(t.buf[:0], h.Waybill, e.local, e.id)
			if err := t.file.set(t.buf, e.value); err != nil {
				return err
			}
		}
	}
	if err := t.index(); err != nil {
		return err
	}
	t.done.Waybills += uint64(len(t.number))
	t.heard = max(t.heard, w.heard)
	t.number, t.values = t.number[:0], t.values[:0]
	w.forget()
	return nil
}

// index passes on what the writer put into its batch: where references lead.
func (t *bulkTable) index() error {
	batch := t.writer.batch
	var last []byte
	for r := batch.Reader(); ; {
		kind, key, _, ok, err := r.Next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if kind != pebble.InternalKeyKindSet || key[0] != keys.KindReference {
			panic("BUG: an event that is imported writes " + fmt.Sprintf("%q", key))
		}
		if !bytes.Equal(key, last) {
			if err := t.bulk.references.add(key, nil); err != nil {
				return err
			}
			last = key
		}
	}
	batch.Reset()
	return nil
}
