package relay

import (
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"waytrace/trace"
)

const (
	// chunk is how many records go to the store in one batch.
	chunk = 512
	// saveEvery is how often a position is written that moved without any facts.
	saveEvery = time.Second
	// A topic that ends before what was read is asked so often before it is believed: a
	// new leader may not know at once how far it is.
	sureAfter = 3
	sureEvery = 300 * time.Millisecond
	// blanks is how often nothing may come of a log that goes on before the place is
	// taken for one that cannot be read.
	blanks = 20
)

// A reader applies what other nodes have put into one partition of the topic. Its
// goroutine owns all that is not said to be for others.
type reader struct {
	r     *Relay
	p     uint16
	words chan word     // from operators, while it is halted
	seen  chan struct{} // closed when all of our own that the log held at the start was seen

	at      trace.Position
	known   map[trace.Origin]trace.Known
	pending map[trace.Origin]trace.Known // what of known is not on disk yet
	unsaved bool                         // at is not on disk yet
	saved   time.Time                    // when the disk was told last

	goal    int64 // the log's end at the start
	opened  bool  // seen is closed
	suspect bool  // whether the record before at is still the same is to be looked at
	short   int   // so often the topic ended before at
	blank   int   // so often nothing came
	retry   backoff
	in      fetched
	facts   *trace.Facts

	// For others to read.
	begun       atomic.Bool  // end is known
	failing     atomic.Int64 // since when Kafka does not answer for it, since the relay was opened; 0 is that it does
	offset, end atomic.Int64
	oldest      atomic.Int64 // when the oldest record that is not applied was made, ms since 1970; 0 is none
	halted      atomic.Pointer[halt]
}

func newReader(r *Relay, p uint16) (*reader, error) {
	at, known, err := r.store.Place(p)
	if err != nil {
		return nil, err
	}
	if known == nil {
		known = map[trace.Origin]trace.Known{}
	}
	rd := &reader{
		r: r, p: p, words: make(chan word), seen: make(chan struct{}),
		at: at, known: known, pending: map[trace.Origin]trace.Known{}, facts: new(trace.Facts),
	}
	rd.doubt()
	rd.failing.Store(1)
	rd.offset.Store(at.Offset)
	return rd, nil
}

// run reads until the relay closes.
func (rd *reader) run() {
	defer rd.save()
	select {
	case <-rd.r.checked:
	case <-rd.r.ctx.Done():
		return
	}
	rd.begin()
	for rd.r.ctx.Err() == nil {
		if rd.halted.Load() != nil {
			rd.stand()
		} else {
			rd.step()
		}
	}
}

// begin asks for the log's end, until Kafka answers.
func (rd *reader) begin() {
	for rd.r.ctx.Err() == nil {
		if _, end, ok := rd.bounds(); ok {
			rd.goal = end
			rd.end.Store(end)
			rd.begun.Store(true)
			return
		}
	}
}

// bounds asks for the log's first and next offset. When it fails, it has paused.
func (rd *reader) bounds() (first, end int64, ok bool) {
	first, end, err := rd.r.broker.Bounds(rd.r.ctx, rd.p)
	if err != nil {
		rd.missed("bounds", err)
		return 0, 0, false
	}
	rd.answered()
	return first, end, true
}

// answered notes that Kafka has.
func (rd *reader) answered() {
	rd.r.reached()
	rd.failing.Store(0)
}

// missed notes that Kafka has not, and pauses.
func (rd *reader) missed(request string, err error) {
	rd.r.failed(request, err)
	rd.failing.CompareAndSwap(0, int64(time.Since(rd.r.opened)))
	rd.r.pause(rd.retry.next())
}

// step reads one response, and applies what is in it.
func (rd *reader) step() {
	from := rd.at.Offset
	if rd.suspect {
		from--
	}
	err := rd.r.broker.Fetch(rd.r.ctx, rd.p, from, &rd.in)
	switch {
	case rd.r.ctx.Err() != nil:
		return
	case errors.Is(err, kafka.OffsetOutOfRange):
		rd.answered()
		rd.outOfRange()
		return
	case err != nil:
		// Whatever broke off may have been the topic's end.
		rd.doubt()
		rd.missed("fetch", err)
		return
	}
	rd.answered()
	if rd.in.end < rd.at.Offset {
		rd.outOfRange()
		return
	}
	rd.short, rd.retry = 0, backoff{}
	records := rd.in.records
	if rd.suspect && len(records) > 0 {
		if last := &records[0]; last.offset != from || stampOf(last) != rd.at.Last {
			rd.stop(&halt{state: stateNeedsClone, reason: "another_topic", help: rd.cloneHelp(),
				why: fmt.Sprintf("another record is at offset %d than this node read there: the topic was deleted and made anew", from)})
			return
		}
		rd.suspect = false
		records = records[1:]
	}
	rd.end.Store(rd.in.end)
	switch {
	case len(records) > 0:
		rd.blank = 0
		asked := time.Now()
		rd.apply(records)
		if rd.at.Offset >= rd.in.end {
			rd.r.pause(linger - time.Since(asked))
		}
	case rd.suspect || rd.in.end > rd.at.Offset:
		rd.goneBlank()
	}
	if rd.unsaved && time.Since(rd.saved) >= saveEvery {
		rd.save()
	}
	rd.pass(rd.at.Offset)
	rd.r.catchUp()
}

// doubt makes the next response begin with the record before, which tells one log from
// another. Of a place that an operator chose it is not known.
func (rd *reader) doubt() { rd.suspect = rd.at.Last != 0 && rd.at.Offset > 0 }

// outOfRange looks for the reason why the log has not what is asked for.
func (rd *reader) outOfRange() {
	first, end, ok := rd.bounds()
	if !ok {
		return
	}
	needs := halt{state: stateNeedsClone, help: rd.cloneHelp()}
	switch at := rd.at.Offset; {
	case at < first:
		needs.reason = "retention"
		needs.why = fmt.Sprintf("the log begins at offset %d, and this node has read up to %d: what lies between was removed by the topic's retention", first, at)
	case at > end:
		if rd.short++; rd.short < sureAfter {
			rd.r.pause(sureEvery)
			return
		}
		needs.reason = "shorter"
		needs.why = fmt.Sprintf("the log ends at offset %d, and this node has read up to %d: the topic was deleted and made anew, or lost what it had acknowledged", end, at)
	default:
		// The record before is gone, and ours is there: nothing is missing.
		rd.suspect = rd.suspect && at > first
		rd.r.pause(rd.retry.next())
		return
	}
	rd.stop(&needs)
}

func (rd *reader) cloneHelp() string {
	return "stop this node, move its directory away, and run `waytrace clone --from URL` of a node that is well"
}

// goneBlank meets a response without records of a log that has some.
func (rd *reader) goneBlank() {
	if rd.blank++; rd.blank < blanks {
		rd.r.pause(shortestPause)
		return
	}
	rd.blank = 0
	rd.stop(rd.unreadable(rd.at.Offset, 0, "Kafka gives nothing for it: was the topic compacted, or written by a transaction?"))
}

// apply hands records to the store, chunk by chunk.
func (rd *reader) apply(records []record) {
	for len(records) > 0 && rd.halted.Load() == nil {
		n := min(len(records), chunk)
		rd.oldest.Store(records[0].at)
		if !rd.applyChunk(records[:n]) {
			return
		}
		records = records[n:]
	}
	if rd.halted.Load() == nil && rd.at.Offset >= rd.end.Load() {
		rd.oldest.Store(0)
	}
}

// applyChunk applies records in one batch, up to the first that stops the reader. It
// reports whether they are applied.
func (rd *reader) applyChunk(records []record) bool {
	rd.facts.Reset()
	rd.facts.Judged = true
	b := batch{reader: rd, facts: rd.facts, changed: map[trace.Origin]trace.Known{}, next: rd.at}
	var h *halt
	for i := range records {
		if h = b.take(&records[i]); h != nil {
			break
		}
	}
	if h != nil && h.fatal != nil {
		rd.r.die(h.fatal)
		return false
	}
	if !rd.write(&b) {
		return false
	}
	readOwn.Add(b.own)
	readRepeated.Add(b.repeated)
	readVoid.Add(b.voids)
	readApplied.Add(len(b.made))
	now := time.Now().UnixMilli()
	for _, at := range b.made {
		visibleAfter.Update(float64(max(0, now-at)) / 1000)
	}
	if h != nil {
		rd.stop(h)
	}
	return true
}

// write hands a batch to the store. One without facts waits for the next that has some,
// or for saveEvery.
func (rd *reader) write(b *batch) bool {
	if !b.facts.Empty() {
		changed := maps.Clone(rd.pending)
		maps.Copy(changed, b.changed)
		p := trace.Progress{Partition: rd.p, Position: b.next, Origins: changed}
		if err := rd.r.store.ApplyNews(rd.r.applying, b.facts, &p); err != nil {
			rd.r.failed("apply", err)
			// They are the store's from now on.
			rd.facts, rd.in = new(trace.Facts), fetched{}
			rd.r.pause(rd.retry.next())
			return false
		}
		clear(rd.pending)
		rd.unsaved, rd.saved = false, time.Now()
	} else {
		maps.Copy(rd.pending, b.changed)
		rd.unsaved = true
	}
	maps.Copy(rd.known, b.changed)
	rd.at = b.next
	rd.offset.Store(rd.at.Offset)
	return true
}

// save writes how far this reader is.
func (rd *reader) save() {
	if !rd.unsaved {
		return
	}
	p := trace.Progress{Partition: rd.p, Position: rd.at, Origins: maps.Clone(rd.pending)}
	if err := rd.r.store.ApplyNews(rd.r.applying, &trace.Facts{Judged: true}, &p); err != nil {
		rd.r.failed("apply", err)
		rd.saved = time.Now() // and try again later
		return
	}
	clear(rd.pending)
	rd.unsaved, rd.saved = false, time.Now()
}

// pass opens the gate for the shipper once offset is where the log ended at the start.
func (rd *reader) pass(offset int64) {
	if !rd.opened && offset >= rd.goal {
		rd.opened = true
		close(rd.seen)
	}
}
