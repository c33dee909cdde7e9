package ingest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/VictoriaMetrics/metrics"

	"waytrace/carriers"
	"waytrace/trace"
)

// A Kept is a request in quarantine with its hash.
type Kept struct {
	Hash [16]byte
	*trace.Quarantined
}

// A Shelf is where quarantined requests lie, as far as a replay needs it.
type Shelf interface {
	// Next gives some of those behind a hash, in the order of hashes, from the first
	// where it is nil; none is the end.
	Next(after *[16]byte) ([]Kept, error)
	// Refault and Drop return when that is synced. What has gone is no error.
	Refault(hash [16]byte, faults []trace.Fault) error
	Drop(hashes ...[16]byte) (n int, err error)
}

// A Replayed says what became of a request that was replayed.
type Replayed struct {
	Replayed bool          // all of it was understood, and it has left the quarantine
	Fresh    int           // events that were news
	Faults   []trace.Fault // of what is still not understood
}

// Replays say how far a replay of many has come.
type Replays struct {
	Requests uint64 `json:"requests"` // tried
	Replayed uint64 `json:"replayed"` // of them, those that have left the quarantine
	Fresh    uint64 `json:"fresh"`    // events that were news
}

// A Replayer has quarantined requests decoded again by the dialects as they are
// now. What is understood gets the hearing of its first coming, so that a trace
// becomes what it would have been from the start, and a replay done twice changes
// nothing. Only the full lists that came in between stay as they were judged when
// they came: what they might have taken back of it, the source's next list does.
type Replayer struct {
	in       *Ingest
	shelf    Shelf
	dialects map[string]*carriers.Push
}

// Replayer makes one that knows the dialects of carriers.
func (in *Ingest) Replayer(shelf Shelf, known []carriers.Carrier) *Replayer {
	r := &Replayer{in, shelf, make(map[string]*carriers.Push)}
	for _, c := range known {
		if c.Push != nil {
			r.dialects[c.Code] = c.Push
		}
	}
	return r
}

// One replays a request. What is understood of it is appended, and synced, before
// it leaves the quarantine; it stays, with its new faults, while anything of it is
// not. An error is ErrUnavailable, and doing it again completes it.
func (r *Replayer) One(ctx context.Context, k Kept) (Replayed, error) {
	done, err := r.decodeAgain(ctx, k.Quarantined)
	if err == nil && done.Replayed {
		_, err = r.shelf.Drop(k.Hash)
	}
	return done, r.settle(k, done, err)
}

// replayedAtOnce is how many requests of a replay of many are decoded at once: they
// share the wait for the disk.
const replayedAtOnce = 16

// All replays every request that of says yes to. progress is called now and then; false stops it. An error is as One's.
func (r *Replayer) All(ctx context.Context, of func(*trace.Quarantined) bool, progress func(Replays) bool) (sum Replays, err error) {
	for after := (*[16]byte)(nil); ; {
		items, err := r.shelf.Next(after)
		if err != nil || len(items) == 0 {
			return sum, err
		}
		last := items[len(items)-1].Hash
		after = &last
		items = slices.DeleteFunc(items, func(k Kept) bool { return !of(k.Quarantined) })
		for some := range slices.Chunk(items, replayedAtOnce) {
			if err := r.some(ctx, some, &sum); err != nil {
				return sum, err
			}
			if !progress(sum) {
				return sum, nil
			}
		}
	}
}

// some replays requests side by side, and drops those that were understood.
func (r *Replayer) some(ctx context.Context, items []Kept, sum *Replays) error {
	results, errs := make([]Replayed, len(items)), make([]error, len(items))
	var all sync.WaitGroup
	for i := range items {
		all.Go(func() {
			results[i], errs[i] = r.decodeAgain(ctx, items[i].Quarantined)
			errs[i] = r.settle(items[i], results[i], errs[i])
		})
	}
	all.Wait()
	var mended [][16]byte
	for i := range items {
		if errs[i] == nil && results[i].Replayed {
			mended = append(mended, items[i].Hash)
		}
	}
	if _, err := r.shelf.Drop(mended...); err != nil {
		return unavailable(err)
	}
	for i := range items {
		if errs[i] != nil {
			continue
		}
		sum.Requests++
		sum.Fresh += uint64(results[i].Fresh)
		if results[i].Replayed {
			sum.Replayed++
		}
	}
	return errors.Join(errs...)
}

// settle notes what is still not understood of a request.
func (r *Replayer) settle(k Kept, done Replayed, err error) error {
	if err == nil && !done.Replayed && !slices.Equal(done.Faults, k.Faults) {
		err = r.shelf.Refault(k.Hash, done.Faults)
	}
	switch {
	case err != nil:
		return unavailable(err)
	case done.Replayed:
		mended.Inc()
	default:
		stillFaulty.Inc()
	}
	return nil
}

// decodeAgain reads a request anew and appends what is understood of it.
func (r *Replayer) decodeAgain(ctx context.Context, q *trace.Quarantined) (Replayed, error) {
	facts := new(trace.Facts) // the store's after an error
	names, err := r.decode(q, facts)
	switch {
	case errors.Is(err, trace.ErrUnavailable):
		return Replayed{}, err
	case err != nil:
		return Replayed{Faults: []trace.Fault{faultOf(err)}}, nil
	}
	facts.Judge(q.Heard, func() trace.HLC { return q.Heard }, names.Of)
	asHeardFirst(facts, q.Heard)
	wait, stop := context.WithTimeout(ctx, patience)
	defer stop()
	fresh, err := r.in.append(wait, facts, names, trace.Asker{})
	if err != nil {
		return Replayed{}, err
	}
	return Replayed{len(facts.Faults) == 0, fresh, firstOf(facts.Faults)}, nil
}

// decode has the door's dialect read a request.
func (r *Replayer) decode(q *trace.Quarantined, facts *trace.Facts) (carriers.Names, error) {
	if q.Carrier == "" {
		return nil, decode(q.Raw, trace.Asker{Account: q.Account, Carriers: carriersOf(q.Call)}, facts)
	}
	dialect := r.dialects[q.Carrier]
	if dialect == nil {
		return nil, trace.Invalid("unknown_carrier", "", "there is no carrier %s any more", q.Carrier)
	}
	return dialect.Names, dialect.Decode(&carriers.Request{
		Body: q.Raw, ContentType: q.ContentType, Query: q.Query, Path: q.Path, Call: q.Call,
		Account: q.Account, Kept: true,
	}, facts)
}

// asHeardFirst marks judged facts as heard long ago. Of two lists that one source
// sent of one waybill in one request the later one is heard later.
func asHeardFirst(facts *trace.Facts, heard trace.HLC) {
	for i := range facts.Events {
		facts.Events[i].Relayed = true
	}
	for i := range facts.Lists {
		l := &facts.Lists[i]
		l.Heard = heard
		for j := range facts.Lists[:i] {
			if facts.Lists[j].Waybill == l.Waybill && facts.Lists[j].Source == l.Source {
				l.Heard = facts.Lists[j].Heard + 1
			}
		}
	}
}

// faultOf is the fault of a request of which nothing can be read.
func faultOf(err error) trace.Fault {
	var p *trace.Problem
	if errors.As(err, &p) {
		return trace.Fault{Index: -1, Code: p.Code, Field: p.Field, Detail: p.Detail}
	}
	detail, _, _ := strings.Cut(trace.Words(err), "\n")
	return trace.Fault{Index: -1, Code: "unreadable", Detail: detail}
}

var (
	mended      = metrics.NewCounter(`waytrace_quarantine_replays_total{result="understood"}`)
	stillFaulty = metrics.NewCounter(`waytrace_quarantine_replays_total{result="faulty"}`)
)
