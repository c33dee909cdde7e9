package relay

import (
	"errors"
	"fmt"
	"io"
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
	// taken for one that cannot be read, and spoils how often what cannot be read.
	blanks = 20
	spoils = 5
	// spoilt is how many records are tried behind one that cannot be read, to say where
	// reading goes on: a batch has no more as a rule.
	spoilt = 1000
	// anchorEvery is how long a reader moves on before it looks at its anchor.
	anchorEvery = 5 * time.Second
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

	goal     int64          // the log's end at the start
	opened   bool           // seen is closed
	anchor   trace.Position // a place that at was at, see doubt
	sure     time.Time      // when the anchor was looked at last
	suspect  bool           // it is to be looked at next
	looked   int            // for so many more responses that look counts
	short    int            // so often the topic ended before at
	blank    int            // so often nothing came
	rotten   int            // so often what came from rottenAt on could not be read
	rottenAt int64
	retry    backoff // of requests to Kafka
	stuck    backoff // of the store
	in       fetched
	facts    *trace.Facts

	// For others to read.
	begun       atomic.Bool  // end is known
	failing     atomic.Int64 // since when Kafka does not answer for it, since the relay was opened; 0 is that it does
	offset, end atomic.Int64
	oldest      atomic.Int64  // when the oldest record that is not applied was made, ms since 1970; 0 is none
	skipped     atomic.Uint64 // numbers that were passed by an operator's word
	halted      atomic.Pointer[halt]
}

func newReader(r *Relay, p uint16) (*reader, error) {
	at, known, err := r.store.Place(p)
	if err != nil {
		return nil, err
	}
	rd := &reader{
		r: r, p: p, words: make(chan word), seen: make(chan struct{}),
		at: at, anchor: at, known: known, pending: map[trace.Origin]trace.Known{}, facts: new(trace.Facts),
	}
	rd.doubt()
	rd.failing.Store(1)
	rd.offset.Store(at.Offset)
	return rd, nil
}

// run reads until the relay closes.
func (rd *reader) run() {
	defer rd.save()
	for rd.r.ctx.Err() == nil {
		switch {
		case !rd.may():
		case !rd.begun.Load():
			rd.begin()
		case rd.halted.Load() != nil:
			rd.stand()
		default:
			rd.step()
		}
	}
}

// may waits while the topic is none to work with. It reports whether it is.
func (rd *reader) may() bool {
	ready := rd.r.topic.ready()
	select {
	case <-ready:
		return true
	default:
	}
	rd.save()
	select {
	case <-ready:
		rd.doubt() // who knows what it was meanwhile
	case w := <-rd.listen():
		w.answer <- rd.obey(w)
	case <-rd.r.ctx.Done():
	}
	return false
}

// listen is where an operator's word may come from: while the reader is halted, for it
// is about that.
func (rd *reader) listen() <-chan word {
	if rd.halted.Load() == nil {
		return nil
	}
	return rd.words
}

// begin asks for the log's end.
func (rd *reader) begin() {
	if _, end, ok := rd.bounds(); ok {
		rd.goal = end
		rd.end.Store(end)
		rd.begun.Store(true)
		if !rd.suspect && rd.at.Offset == end {
			rd.pass(end) // else it would wait for a record, and the shipper with it
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
	rd.rest(rd.retry.next())
}

// rest pauses. A word that comes meanwhile is obeyed.
func (rd *reader) rest(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case w := <-rd.listen():
		w.answer <- rd.obey(w)
	case <-rd.r.ctx.Done():
	}
}

// step reads one response, and applies what is in it.
func (rd *reader) step() {
	if rd.anchor != rd.at && time.Since(rd.sure) >= anchorEvery {
		rd.doubt()
	}
	from, most := rd.at.Offset, fetchBytes
	if rd.suspect {
		from = rd.anchor.Offset - 1
		if rd.anchor != rd.at {
			most = 1 // one batch
		}
	}
	err := rd.r.broker.Fetch(rd.r.ctx, rd.p, from, most, &rd.in)
	switch {
	case rd.r.ctx.Err() != nil:
		return
	case errors.Is(err, kafka.OffsetOutOfRange):
		rd.answered()
		rd.outOfRange()
		return
	case rotten(err):
		rd.decayed(from, err)
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
	rd.short, rd.rotten, rd.retry = 0, 0, backoff{}
	rd.end.Store(rd.in.end)
	records := rd.in.records
	switch {
	case len(records) == 0 && (rd.suspect || rd.in.end > rd.at.Offset):
		rd.goneBlank()
	case rd.suspect && !rd.same(&records[0], from):
		rd.stop(&halt{state: stateNeedsClone, reason: "another_topic", help: newTopicHelp,
			why: fmt.Sprintf("another record is at offset %d than this node read there: the topic was deleted and made anew", from)})
		return
	}
	for len(records) > 0 && records[0].offset < rd.at.Offset {
		records = records[1:]
	}
	if len(records) > 0 {
		rd.blank = 0
		asked, end := time.Now(), rd.in.end
		rd.apply(records)
		if rd.at.Offset >= end {
			rd.r.pause(linger - time.Since(asked))
		}
	}
	if rd.unsaved && time.Since(rd.saved) >= saveEvery {
		rd.save()
	}
	rd.looked = max(0, rd.looked-1)
	rd.pass(rd.at.Offset)
	rd.r.catchUp()
}

// A topic that is deleted and made anew may be longer than what was read by the time it
// is asked again, and then nothing fails. So the reader remembers a record that it read,
// its anchor, and looks now and then whether that is still there: at the start, after
// every error, before it stops for what it read, and when it has moved on for a while.
// If so, all that was read before that look came from the same log, and the anchor moves
// up to at. What was read of another log meanwhile does no harm, for facts merge without
// order; what would be passed over is what counts.

// doubt makes the next response begin with the anchor. Of a place that an operator chose
// the record is not known.
func (rd *reader) doubt() {
	if rd.suspect = rd.anchor.Last != 0 && rd.anchor.Offset > 0; !rd.suspect {
		rd.anchor, rd.sure = rd.at, time.Now()
	}
}

// same reports whether a record is the anchor, which is at an offset, and then moves the
// anchor up.
func (rd *reader) same(rec *record, offset int64) bool {
	if rec.offset != offset || stampOf(rec) != rd.anchor.Last {
		return false
	}
	rd.suspect, rd.anchor, rd.sure, rd.looked = false, rd.at, time.Now(), 2
	return true
}

// certain reports whether the log was found to be the same up to at just now: with this
// response, or the one before. If not, it is looked at next. How long ago a look was says
// nothing: a topic is made anew within milliseconds.
func (rd *reader) certain() bool {
	if rd.anchor == rd.at && rd.looked > 0 {
		return true
	}
	rd.doubt()
	return !rd.suspect
}

// outOfRange looks for the reason why the log has not what is asked for.
func (rd *reader) outOfRange() {
	first, end, ok := rd.bounds()
	if !ok {
		return
	}
	needs := halt{state: stateNeedsClone, help: newTopicHelp}
	switch at := rd.at.Offset; {
	case at < first:
		needs.reason, needs.help = "retention", cloneHelp
		needs.why = fmt.Sprintf("the log begins at offset %d, and this node has read up to %d: what lies between was removed by the topic's retention", first, at)
	case at > end:
		if rd.short++; rd.short < sureAfter {
			rd.r.pause(sureEvery)
			return
		}
		needs.reason = "shorter"
		needs.why = fmt.Sprintf("the log ends at offset %d, and this node has read up to %d: the topic was deleted and made anew, or lost what it had acknowledged", end, at)
	default:
		// The anchor is gone, and what is read next is there: nothing is missing.
		if rd.anchor.Offset <= first {
			rd.anchor = rd.at
			rd.suspect = rd.suspect && at > first
		}
		rd.r.pause(rd.retry.next())
		return
	}
	rd.stop(&needs)
}

// What helps a node that cannot read on. What it has not shipped is nowhere else, so that
// comes first.
const (
	cloneHelp = "when `waytrace relay status` shows that nothing waits: stop this node, move its directory away, " +
		"and run `waytrace clone --from URL` of a node that is well"
	newTopicHelp = cloneHelp + "; if all nodes say this, the topic itself was lost: waytrace relay skip --all --offset 0 on each"
)

// decayed meets a response whose first batch cannot be read: it has rotted on a broker's
// disk, or was spoilt on its way. It is asked for again.
func (rd *reader) decayed(from int64, err error) {
	if rd.rottenAt != from {
		rd.rotten, rd.rottenAt = 0, from
	}
	if rd.rotten++; rd.rotten < patience(err) {
		rd.missed("fetch", err)
		return
	}
	_, end, ok := rd.bounds()
	switch {
	case !ok:
	case from < rd.at.Offset:
		// It was the anchor, which tells nothing any more; what is behind was not asked for.
		rd.rotten, rd.suspect, rd.anchor, rd.sure = 0, false, rd.at, time.Now()
	default:
		rd.rotten = 0
		rd.stop(rd.unreadable(from, rd.readable(from+1, end), 0, err.Error()))
	}
}

// patience is how often something that cannot be read is asked for.
func patience(err error) int {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return blanks // connections that break off look like this, too
	}
	return spoils
}

// readable looks for the first offset from one on where something can be read.
func (rd *reader) readable(from, end int64) int64 {
	for at := from; at < min(end, from+spoilt); at++ {
		switch err := rd.r.broker.Fetch(rd.r.ctx, rd.p, at, 1, &rd.in); {
		case err == nil:
			return at
		case !rotten(err):
			return from
		}
	}
	return from
}

// goneBlank meets a response without records of a log that has some.
func (rd *reader) goneBlank() {
	if rd.blank++; rd.blank < blanks {
		rd.r.pause(shortestPause)
		return
	}
	rd.blank = 0
	rd.stop(rd.unreadable(rd.at.Offset, rd.at.Offset+1, 0, "Kafka gives nothing for it: was the topic compacted, or written by a transaction?"))
}

// apply hands records to the store, chunk by chunk.
func (rd *reader) apply(records []record) {
	for len(records) > 0 && rd.halted.Load() == nil && rd.r.ctx.Err() == nil {
		n := min(len(records), chunk)
		rd.oldest.Store(madeAt(&records[0]))
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
	if h != nil && !rd.certain() || !rd.write(&b) {
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
			rd.r.pause(rd.stuck.next())
			return false
		}
		rd.stuck = backoff{}
		clear(rd.pending)
		rd.unsaved, rd.saved = false, time.Now()
	} else {
		maps.Copy(rd.pending, b.changed)
		rd.unsaved = true
	}
	maps.Copy(rd.known, b.changed)
	rd.at = b.next
	if rd.anchor.Last == 0 {
		rd.anchor = rd.at
	}
	rd.offset.Store(rd.at.Offset)
	return true
}

// save writes how far this reader is; not once the node was found to be a copy, for what
// it took for its own may be another's.
func (rd *reader) save() {
	if !rd.unsaved || rd.r.dead.Load() != nil {
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
