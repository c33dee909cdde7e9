package relay

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"waytrace/trace"
)

// A halt is why a reader does not go on.
type halt struct {
	state  string // stateStopped or stateNeedsClone
	reason string // for the metric
	why    string
	help   string
	origin trace.Origin // whose number it is about; 0 is none's
	own    uint64       // the number
	at     int64        // when the record was made, ms since 1970; 0 is not known
	fatal  error        // the node must not go on at all
}

// The states of a partition.
const (
	stateStarting   = "starting" // Kafka was not asked yet
	stateRunning    = "running"
	stateStopped    = "stopped"
	stateNeedsClone = "needs clone"
)

// standEvery is how often a halted reader asks how much it is missing.
const standEvery = 5 * time.Second

// reasons are all that there are, so that each is counted from 0.
var reasons = []string{"gap", "twin", "newer", "unreadable", "retention", "shorter", "another_topic"}

// stop halts the reader, and says so.
func (rd *reader) stop(h *halt) {
	rd.halted.Store(h)
	// How old the oldest of what it lacks is; where nobody knows, since now.
	rd.oldest.Store(cmp.Or(h.at, time.Now().UnixMilli()))
	stops(h.reason).Inc()
	rd.r.log.Error("relay: this node reads a partition no more, and lacks what others put there",
		"partition", rd.p, "offset", rd.at.Offset, "reason", h.why, "help", h.help)
	rd.r.catchUp()
}

// stand is a halted reader: what it ships must still not contradict the log, so it looks
// through that first; then it waits for an operator's word.
func (rd *reader) stand() {
	rd.save()
	if !rd.opened {
		rd.scan()
		return
	}
	rd.rest(standEvery)
	h := rd.halted.Load()
	if h == nil || rd.r.ctx.Err() != nil {
		return
	}
	_, end, ok := rd.bounds()
	if !ok || rd.halted.Load() == nil {
		return
	}
	rd.end.Store(end)
	if h.reason == "shorter" && end >= rd.at.Offset && rd.at.Last != 0 {
		// A broker that led without knowing all was deposed: what was read is there.
		rd.r.log.Info("relay: the log is as long again as this node has read, which reads on if it is the same", "partition", rd.p)
		rd.anchor = rd.at
		rd.resume()
	}
}

// resume lets a halted reader go on.
func (rd *reader) resume() {
	rd.doubt()
	rd.short, rd.blank, rd.rotten, rd.retry = 0, 0, 0, backoff{}
	rd.oldest.Store(0)
	rd.halted.Store(nil)
}

// scan looks through the log, up to where it ended at the start, for records of this node
// that it should not have. A word that comes meanwhile is obeyed, and it looks through
// the rest all the same.
func (rd *reader) scan() {
	from := rd.at.Offset
	if rd.halted.Load().state == stateNeedsClone {
		from = 0
	}
	for blank, spoil := 0, 0; rd.r.ctx.Err() == nil && from < rd.goal && blank < blanks; {
		rd.rest(0)
		err := rd.r.broker.Fetch(rd.r.ctx, rd.p, from, fetchBytes, &rd.in)
		switch {
		case rd.r.ctx.Err() != nil:
			return
		case errors.Is(err, kafka.OffsetOutOfRange):
			if first, end, ok := rd.bounds(); ok {
				from, rd.goal = max(from, first), min(rd.goal, end)
				rd.rest(shortestPause)
			}
			continue
		case rotten(err):
			if spoil++; spoil < patience(err) {
				rd.missed("fetch", err)
			} else if _, _, ok := rd.bounds(); ok {
				from++ // until what can be read begins
			}
			continue
		case err != nil:
			rd.missed("fetch", err)
			continue
		case len(rd.in.records) == 0:
			blank++
			rd.rest(shortestPause)
			continue
		}
		rd.answered()
		blank, spoil, rd.retry = 0, 0, backoff{}
		for i := range rd.in.records {
			var news trace.News
			if trace.DecodeNewsHead(&news, rd.in.records[i].value) == nil && news.Origin == rd.r.store.Node() {
				if err := rd.mine(&news); err != nil {
					rd.r.die(err)
					return
				}
			}
			from = rd.in.records[i].offset + 1
		}
	}
	if rd.r.ctx.Err() == nil {
		rd.pass(rd.goal)
	}
}

// A word is an operator's: how to go on.
type word struct {
	origin trace.Origin // 0 is to go on at an offset
	own    uint64
	offset int64
	answer chan error // buffered
}

// Skip makes a partition go on that stopped at a number of another node: at that number,
// so that those missing before it stay missing, or at an earlier one. The error is of
// kind ErrInvalid where the partition did not stop there, ErrUnavailable where it could
// not be written, or ctx ended before.
func (r *Relay) Skip(ctx context.Context, partition uint16, origin trace.Origin, to uint64) error {
	h, err := r.halt(partition)
	switch {
	case err != nil:
		return err
	case origin == 0 || h.origin != origin:
		return trace.Invalid("not_stopped", "origin", "partition %d did not stop at a number of %s: %s", partition, origin, h.help)
	case to == 0 || to > h.own:
		return trace.Invalid("not_stopped", "to", "partition %d stopped at number %d, so it can go on at any from 1 to %d", partition, h.own, h.own)
	}
	return r.tell(ctx, partition, word{origin: origin, own: to})
}

// SkipTo makes a partition go on at an offset, which stopped at a record that cannot be
// read, or needs a clone. What lies between was not read then. The error is as Skip's.
func (r *Relay) SkipTo(ctx context.Context, partition uint16, offset int64) error {
	h, err := r.halt(partition)
	if err != nil {
		return err
	}
	if at := r.readers[partition].offset.Load(); h.origin != 0 || h.state == stateStopped && offset <= at {
		return trace.Invalid("not_stopped", "offset", "partition %d goes on otherwise: %s", partition, h.help)
	}
	first, end, err := r.broker.Bounds(ctx, partition)
	if err != nil {
		return trace.Problemf(trace.ErrUnavailable, "unavailable", "Kafka does not say which offsets there are: %v", err)
	}
	if offset < first || offset > end {
		return trace.Invalid("not_stopped", "offset", "partition %d has the offsets %d to %d", partition, first, end)
	}
	return r.tell(ctx, partition, word{offset: offset})
}

// SkipAll is SkipTo for every partition that needs a clone. The error is as Skip's; some
// may go on all the same.
func (r *Relay) SkipAll(ctx context.Context, offset int64) error {
	var errs [trace.Partitions]error
	var all sync.WaitGroup
	some := false
	for p := range uint16(trace.Partitions) {
		if h := r.readers[p].halted.Load(); h != nil && h.state == stateNeedsClone {
			some = true
			all.Go(func() { errs[p] = r.SkipTo(ctx, p, offset) })
		}
	}
	all.Wait()
	if !some {
		return trace.Invalid("not_stopped", "offset", "no partition needs a clone")
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Relay) halt(partition uint16) (*halt, error) {
	if int(partition) >= len(r.readers) {
		return nil, trace.Invalid("not_stopped", "partition", "the topic has the partitions 0 to %d", trace.Partitions-1)
	}
	h := r.readers[partition].halted.Load()
	if h == nil {
		return nil, trace.Invalid("not_stopped", "partition", "partition %d is not stopped", partition)
	}
	return h, nil
}

// tell hands a word to a reader, and waits until it is obeyed.
func (r *Relay) tell(ctx context.Context, partition uint16, w word) error {
	w.answer = make(chan error, 1)
	select {
	case r.readers[partition].words <- w:
	case <-ctx.Done():
		return trace.Problemf(trace.ErrUnavailable, "unavailable", "the partition is busy with something else: try again")
	case <-r.ctx.Done():
		return trace.Problemf(trace.ErrUnavailable, "unavailable", "the relay is closing")
	}
	select {
	case err := <-w.answer:
		return err
	case <-ctx.Done():
		return trace.Problemf(trace.ErrUnavailable, "unavailable", "the store does not answer in time: look whether the partition goes on")
	}
}

// obey writes where the reader is to go on, and lets it go on.
func (rd *reader) obey(w word) error {
	at, changed, passed := rd.at, maps.Clone(rd.pending), uint64(0)
	if w.origin == 0 {
		at = trace.Position{Offset: w.offset}
	} else {
		k := rd.known[w.origin]
		if w.own > k.Own+1 {
			passed = w.own - k.Own - 1
		}
		k.Skip(w.own)
		changed[w.origin] = k
	}
	p := trace.Progress{Partition: rd.p, Position: at, Origins: changed}
	if err := rd.r.store.ApplyNews(rd.r.applying, &trace.Facts{Judged: true}, &p); err != nil {
		return err
	}
	maps.Copy(rd.known, changed)
	clear(rd.pending)
	rd.unsaved, rd.saved = false, time.Now()
	rd.r.log.Warn("relay: a partition goes on by an operator's word", "partition", rd.p,
		"origin", w.origin, "number", w.own, "offset", at.Offset)
	if w.origin == 0 {
		rd.anchor = at
	}
	rd.at = at
	rd.offset.Store(at.Offset)
	rd.skipped.Add(passed)
	rd.resume()
	return nil
}
