package relay

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"waytrace/trace"
)

// A batch is what a run of records adds up to.
type batch struct {
	*reader
	facts   *trace.Facts
	changed map[trace.Origin]trace.Known
	next    trace.Position // behind the last record that was taken

	own, repeated, voids int
	made                 []int64 // when the records that are news were, ms since 1970
}

// take adds a record, or says why the reader must not pass it.
func (b *batch) take(rec *record) *halt {
	switch rec.kind {
	case trace.KindWaybill, trace.KindVoid:
	case "":
		return b.unreadable(rec.offset, rec.offset+1, rec.at, "it has no header "+trace.KindHeader+", so no waytrace wrote it")
	default:
		return b.newer(rec, fmt.Sprintf("a record of kind %q", rec.kind))
	}
	var news trace.News
	if err := trace.DecodeNewsHead(&news, rec.value); err != nil {
		return b.wrong(rec, err)
	}
	if news.Origin == b.r.store.Node() {
		if err := b.mine(&news); err != nil {
			return &halt{fatal: err}
		}
		if err := b.note(&news); err != nil {
			return &halt{fatal: err}
		}
		b.own++
		b.behind(rec, &news)
		return nil
	}
	k := b.of(news.Origin)
	switch k.Take(news.Own, news.Mark) {
	case trace.Repeated:
		b.repeated++
		b.behind(rec, &news)
		return nil
	case trace.Gap:
		return b.gap(rec, &news, k.Own)
	case trace.Twin:
		return b.twin(rec, &news)
	}
	if rec.kind == trace.KindVoid {
		b.voids++
	} else {
		if err := b.decode(rec, &news); err != nil {
			return b.wrong(rec, err)
		}
		b.made = append(b.made, cmp.Or(news.At, rec.at))
	}
	b.changed[news.Origin] = k
	b.behind(rec, &news)
	return nil
}

// of is what is known of an origin, with what the batch has of it.
func (b *batch) of(origin trace.Origin) trace.Known {
	if k, ok := b.changed[origin]; ok {
		return k
	}
	return b.known[origin]
}

// decode appends the record's facts, all or none.
func (b *batch) decode(rec *record, news *trace.News) error {
	f := b.facts
	events, lists, legs, records, overrides := len(f.Events), len(f.Lists), len(f.Legs), len(f.Records), len(f.Overrides)
	err := trace.DecodeNews(news, rec.value, f)
	if err == nil && (news.Number == "" || trace.PartitionOf(news.Number) != b.p) {
		err = fmt.Errorf("waybill %q does not belong into this partition: %w", news.Number, trace.ErrInvalid)
	}
	if err != nil {
		f.Events = slices.Delete(f.Events, events, len(f.Events))
		f.Lists = slices.Delete(f.Lists, lists, len(f.Lists))
		f.Legs = slices.Delete(f.Legs, legs, len(f.Legs))
		f.Records = slices.Delete(f.Records, records, len(f.Records))
		f.Overrides = slices.Delete(f.Overrides, overrides, len(f.Overrides))
	}
	return err
}

// behind moves to the place after a record.
func (b *batch) behind(rec *record, news *trace.News) {
	b.next = trace.Position{Offset: rec.offset + 1, Last: stamp(news)}
}

// mine checks a record under this node's own id: this directory must have given out its
// number, and in the same start. Else it says something that this directory lacks, and
// must not be passed by.
func (rd *reader) mine(news *trace.News) error {
	mark, given := rd.r.store.Numbered(rd.p, news.Own)
	switch {
	case !given:
		return say(trace.ErrInvalid, "this directory is older than its log: partition %d of the topic has number %d of node %s, which counts to %d here. "+
			"Stop the node and run `waytrace restore` on the directory: it gets a new id, and then reads what it lacks",
			rd.p, news.Own, news.Origin, rd.r.store.Counted(rd.p))
	case mark != news.Mark:
		return say(trace.ErrInvalid, "partition %d of the topic has number %d of node %s, and this directory gave that number to something else: "+
			"two directories have this id, or this one is older than its log. "+
			"Stop the node and run `waytrace restore` on the directory, and on the copy if there is one: each gets a new id, and then reads what it lacks",
			rd.p, news.Own, news.Origin)
	}
	return nil
}

// note keeps what the log has of our own numbers.
func (b *batch) note(news *trace.News) error {
	k := b.of(news.Origin)
	before := k.Own
	switch k.Take(news.Own, news.Mark) {
	case trace.Twin:
		return say(trace.ErrInvalid, "partition %d of the topic has number %d of this node, %s, under two of its starts: its disk lost what it had synced. "+
			"Stop the node and run `waytrace restore` on the directory: it gets a new id, and then reads what it lacks", b.p, news.Own, news.Origin)
	case trace.Gap:
		// An operator skipped them, or the log lost them: others stop there, not we.
		b.r.log.Error("relay: the log has not all of what this node told", "partition", b.p, "from", before+1, "to", news.Own-1,
			"help", "nodes that stop there must be cloned from this one")
		k.Skip(news.Own)
		k.Take(news.Own, news.Mark)
	}
	b.changed[news.Origin] = k
	return nil
}

func (b *batch) gap(rec *record, news *trace.News, before uint64) *halt {
	return &halt{
		state: stateStopped, reason: "gap", origin: news.Origin, own: news.Own, at: madeAt(rec),
		why: fmt.Sprintf("number %d of node %s is missing before offset %d, and all up to %d", before+1, news.Origin, rec.offset, news.Own-1),
		help: fmt.Sprintf("clone this node anew, or go on without them: waytrace relay skip %d --origin %s --to %d",
			b.p, news.Origin, news.Own),
	}
}

func (b *batch) twin(rec *record, news *trace.News) *halt {
	return &halt{
		state: stateStopped, reason: "twin", origin: news.Origin, own: news.Own, at: madeAt(rec),
		why: fmt.Sprintf("number %d of node %s came twice, at offset %d under another start: two nodes have this id", news.Own, news.Origin, rec.offset),
		help: fmt.Sprintf("stop both and run `waytrace restore` on each, then take what both told: waytrace relay skip %d --origin %s --to %d",
			b.p, news.Origin, news.Own),
	}
}

// wrong is a record that cannot be taken for what it should be.
func (b *batch) wrong(rec *record, err error) *halt {
	if errors.Is(err, trace.ErrNewer) {
		return b.newer(rec, trace.Words(err))
	}
	return b.unreadable(rec.offset, rec.offset+1, rec.at, trace.Words(err))
}

func (b *batch) newer(rec *record, what string) *halt {
	return &halt{
		state: stateStopped, reason: "newer", at: rec.at,
		why:  fmt.Sprintf("the record at offset %d is from a newer waytrace: %s", rec.offset, what),
		help: fmt.Sprintf("upgrade this node; or, if it is nobody's, pass it: waytrace relay skip %d --offset %d", b.p, rec.offset+1),
	}
}

// unreadable is a record at an offset that cannot be read; it goes on at next.
func (rd *reader) unreadable(offset, next, at int64, why string) *halt {
	return &halt{
		state: stateStopped, reason: "unreadable", at: at,
		why:  fmt.Sprintf("the record at offset %d cannot be read: %s", offset, why),
		help: fmt.Sprintf("pass it, and what it says stays unknown here: waytrace relay skip %d --offset %d", rd.p, next),
	}
}

// madeAt is when a record's node numbered it, or else when Kafka got it, milliseconds
// since 1970.
func madeAt(rec *record) int64 {
	var news trace.News
	if trace.DecodeNewsHead(&news, rec.value) != nil {
		return rec.at
	}
	return cmp.Or(news.At, rec.at)
}

// stampOf tells a record from others; 0 is one that cannot be read.
func stampOf(rec *record) uint64 {
	var news trace.News
	if trace.DecodeNewsHead(&news, rec.value) != nil {
		return 0
	}
	return stamp(&news)
}

// stamp tells news from others, as Position.Last does: FNV-1a over whose, when and which
// it is. It is never 0.
func stamp(news *trace.News) uint64 {
	h := uint64(14695981039346656037)
	for _, n := range [...]uint64{uint64(news.Origin), news.Mark, news.Own} {
		for range 8 {
			h = (h ^ n&0xff) * 1099511628211
			n >>= 8
		}
	}
	return max(h, 1)
}
