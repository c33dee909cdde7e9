package store

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"waytrace/store/facttest"
	"waytrace/trace"
)

// The laws of promise 3, over two stores: whatever each of them heard, in whatever
// order and however often, once they have told each other they are alike, byte for
// byte.
var lawRounds = flag.Int("laws", 30, "rounds of the laws over two stores")

// fullLaws is how many rounds a full run has; then each kind of fact is to be seen
// so often, and in a shorter run in proportion.
const (
	fullLaws   = 500
	eachAtFull = 100
)

func TestLaws(t *testing.T) {
	// The same rounds each time: the counts below are facts, not chances.
	for name, value := range map[string]string{"rapid.seed": "4004", "rapid.checks": strconv.Itoa(*lawRounds), "rapid.nofailfile": "true"} {
		old := flag.Lookup(name).Value.String()
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
		defer flag.Set(name, old)
	}
	seen := map[string]int{}
	rapid.Check(t, func(r *rapid.T) {
		round := newRound(t, r, seen)
		defer round.close()
		watched := seen["a round"]%tagsWatched == 0
		seen["a round"]++
		for range 60 {
			if at := round.step(r); watched {
				round.watch(r, at)
			}
		}
		round.settle(r)
	})
	for _, kind := range []string{"doubtful", "firm after doubt", "restored", "copy replaced", "revision", "epoch", "leg", "tie", "an answer with a tag of its own"} {
		if want := eachAtFull * *lawRounds / fullLaws; seen[kind] < want {
			t.Errorf("%q was seen %d times, want at least %d: the laws were hardly tried on it", kind, seen[kind], want)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%6d %s", seen[kind], kind)
	}
}

// A round is two nodes that hear what steps draw.
type round struct {
	t     *testing.T
	nodes [2]*node
	read  [2][trace.Partitions]uint64 // how far each node's feed was given to the other
	seen  map[string]int
	last  [2][]trace.Event   // the list that a node heard last
	doubt [2]map[string]bool // lists that a node doubted
	tags  map[string]string  // what was answered under each, by either node
}

// tagsWatched: of so many rounds one is played with a look at what is answered after
// every step.
const tagsWatched = 6

// watch asks a node for every parcel, in the plain variant and in one that shows all
// there is: what is answered otherwise than before must have another tag.
func (x *round) watch(r *rapid.T, at int) {
	for _, w := range lawNumbers {
		for _, v := range []trace.Variant{{Events: true}, {Events: true, Retracted: true, Override: true, Business: true, Epoch: 1}} {
			tag, answer := answered(r, x.nodes[at].Store, w, v)
			was, known := x.tags[tag]
			if known && was != answer {
				r.Fatalf("one tag, %s, of two answers:\n%s and\n%s", tag, was, answer)
			}
			if !known && tag != "" {
				x.seen["an answer with a tag of its own"]++
			}
			x.tags[tag] = answer
		}
	}
}

func newRound(t *testing.T, r *rapid.T, seen map[string]int) *round {
	x := &round{t: t, seen: seen, tags: map[string]string{}}
	for i := range x.nodes {
		x.nodes[i] = newNode(t)
		x.nodes[i].pass(80 * 24 * time.Hour) // beyond the parcel that has the number next
		x.doubt[i] = map[string]bool{}
	}
	return x
}

func (x *round) close() {
	for _, n := range x.nodes {
		n.Close()
	}
}

// lawNumbers are few, so that facts meet.
var lawNumbers = []trace.Waybill{{Number: yt, Carrier: "yto"}, {Number: "SF0001", Carrier: "sf"}, {Number: "YT0002", Carrier: "yto"}}

// lawJourney is what a source may tell of a parcel: six steps, of which the third
// and the fourth are in one second.
func lawJourney(w trace.Waybill, source string, epoch int) (events []trace.Event) {
	for i, status := range []trace.Status{trace.PickedUp, trace.InTransit, trace.OutForDelivery, trace.OutForDelivery, trace.InTransit, trace.Delivered} {
		at := time.Date(2020, 5, 11, 8, 0, 0, 0, time.UTC).AddDate(0, 0, 70*epoch).Add(time.Duration(i-i/3) * 40 * time.Minute)
		e := scan(w.Number, fmt.Sprint(30+i), status, 0)
		e.Carrier, e.Source, e.TextEdits = w.Carrier, source, source == "sf"
		var err error
		if e.At, err = trace.ParseLocal(at.Format(time.DateTime), trace.China, trace.ZoneCarrier); err != nil {
			panic("BUG: " + err.Error())
		}
		events = append(events, e)
	}
	return events
}

// drawNumber draws whose fact it is, or where a leg leads.
func drawNumber(r *rapid.T, label string) trace.Waybill {
	return lawNumbers[rapid.IntRange(0, len(lawNumbers)-1).Draw(r, label)]
}

// step draws one thing that happens, and gives the node that it happens to. To rest
// is the first, so that a failure is shrunk to few other steps.
func (x *round) step(r *rapid.T) (at int) {
	at = rapid.IntRange(0, 1).Draw(r, "node")
	n := x.nodes[at]
	of := drawNumber(r, "parcel")
	epoch := rapid.SampledFrom([]int{0, 0, 1}).Draw(r, "epoch")
	switch rapid.SampledFrom([]string{"rest", "list", "the list again", "push", "list", "time", "time", "push", "talk", "leg", "record", "word"}).Draw(r, "what") {
	case "list":
		all := lawJourney(of, "kuaidi100", epoch)
		kept := all[:rapid.SampledFrom([]int{6, 5, 3, 6, 4, 2}).Draw(r, "steps")]
		lost := rapid.SampledFrom([]int{9, 1, 9, 0, 2, 5}).Draw(r, "lost")
		x.last[at] = without(kept, lost)
		x.hear(at, func(f *trace.Facts) { list(f, x.last[at]...) })
	case "the list again":
		if x.last[at] == nil {
			return at
		}
		n.pass(rapid.SampledFrom([]time.Duration{31 * time.Minute, 7 * time.Hour, 0}).Draw(r, "after"))
		x.hear(at, func(f *trace.Facts) { list(f, x.last[at]...) })
	case "push":
		f := &trace.Facts{}
		for range rapid.IntRange(1, 4).Draw(r, "events") {
			e := lawJourney(of, of.Carrier, epoch)[rapid.IntRange(0, 5).Draw(r, "event")]
			if rapid.Bool().Draw(r, "edited") {
				e.Text.Text = "改派"
			}
			if rapid.Bool().Draw(r, "fuller") {
				e.Operator = rapid.SampledFrom([]string{"Li", "Wang"}).Draw(r, "operator")
			}
			if e.Pair.Status == trace.InTransit && rapid.Bool().Draw(r, "leads on") {
				e.Leg = trace.LegTo{Waybill: drawNumber(r, "child"), Role: trace.Forwarded}
				if rapid.Bool().Draw(r, "nobody named") {
					e.Leg.Carrier = ""
				}
			}
			*f.Event() = e
		}
		x.hear(at, func(to *trace.Facts) { *to = *f })
	case "time":
		d := rapid.SampledFrom([]time.Duration{31 * time.Minute, 7 * time.Hour, time.Second, 0}).Draw(r, "passes")
		n.pass(d)
		if rapid.Bool().Draw(r, "at both") {
			x.nodes[1-at].pass(d)
		}
	case "talk":
		x.tell(r, at, rapid.IntRange(0, 9).Draw(r, "all at once") > 0)
	case "leg":
		to := trace.LegTo{Waybill: drawNumber(r, "child"), Role: trace.LastMile}
		if rapid.IntRange(0, 3).Draw(r, "carrier alone") == 3 {
			to.Number = ""
		}
		x.hear(at, func(f *trace.Facts) {
			f.Legs = append(f.Legs, trace.LegFact{Waybill: of, To: to, Since: lawJourney(of, "sf", epoch)[1].At.Instant()})
		})
	case "record":
		c := charges(of.Number, "batch 1", rapid.Int64Range(1, 2).Draw(r, "quantity"))
		c.Carrier = of.Carrier
		x.hear(at, func(f *trace.Facts) { f.Records = append(f.Records, c) })
	case "word":
		status := rapid.SampledFrom([]trace.Status{trace.Unknown, trace.Lost, trace.Delivered}).Draw(r, "word")
		x.hear(at, func(f *trace.Facts) {
			f.Overrides = append(f.Overrides, trace.Override{Waybill: of, Pair: trace.Pair{Status: status}, Author: "ops", Reason: "seen"})
		})
	}
	return at
}

// hear gives a node facts, and counts what they turned out to be.
func (x *round) hear(at int, fill func(*trace.Facts)) {
	f := hear(x.t, x.nodes[at].Store, fill)
	for i := range f.Events {
		if e := &f.Events[i]; e.Taken == trace.Changed {
			kind := "revision"
			if e.Operator != "" {
				kind = "copy replaced"
			}
			x.seen[kind]++
		}
	}
	for i := range f.Lists {
		l := &f.Lists[i]
		has := fmt.Sprint(l.Waybill, l.Has)
		switch {
		case l.Taken == trace.Repeat:
			x.seen["a list again"]++
		case l.Doubtful:
			x.seen["doubtful"]++
			x.doubt[at][has] = true
		case len(l.Hides) > 0 && x.doubt[at][has]:
			x.seen["firm after doubt"]++
		}
	}
}

// tell gives one node what the other heard since it was told last: group by group
// in any order, or every kind of fact of them apart.
func (x *round) tell(r *rapid.T, from int, whole bool) {
	facts := x.nodes[from].shipped(r, &x.read[from])
	if !whole {
		var parts []*trace.Facts
		for _, f := range facts {
			parts = append(parts, &trace.Facts{Lists: f.Lists}, &trace.Facts{Overrides: f.Overrides, Records: f.Records},
				&trace.Facts{Events: f.Events}, &trace.Facts{Legs: f.Legs})
		}
		facts = parts
	}
	order := make([]int, len(facts))
	for i := range order {
		order[i] = i
	}
	if len(facts) > 1 {
		order = rapid.Permutation(order).Draw(r, "order of groups")
	}
	for _, i := range order {
		x.nodes[1-from].apply(x.t, facts[i])
	}
}

// settle lets the nodes tell each other the rest, some of it again, and compares
// them.
func (x *round) settle(r *rapid.T) {
	for from := range x.nodes {
		if rapid.Bool().Draw(r, "all of it again") {
			x.read[from] = [trace.Partitions]uint64{}
		}
		x.tell(r, from, rapid.Bool().Draw(r, "whole"))
	}
	if here, there := truth(r, x.nodes[0].Store), truth(r, x.nodes[1].Store); here != there {
		r.Fatalf("the nodes do not agree: %s", facttest.Difference(here, there))
	}
	for _, n := range x.nodes {
		if err := disagreement(n.Store); err != nil {
			r.Fatal(err)
		}
		x.count(n)
	}
}

// count notes what the node's heads and feed show.
func (x *round) count(n *node) {
	for _, w := range lawNumbers {
		var tr trace.Trace
		if n.Trace(&tr, w.Number, w.Carrier, trace.Want{}) != nil {
			continue
		}
		h := &tr.Head
		if h.Earlier > 0 {
			x.seen["epoch"]++
		}
		if slices.ContainsFunc(h.Legs, func(l trace.Leg) bool { return l.Child != 0 }) {
			x.seen["leg"]++
		}
		for i := range h.Entries {
			if i > 0 && h.Entries[i].At == h.Entries[i-1].At {
				x.seen["tie"]++
			}
		}
	}
	for p := range uint16(trace.Partitions) {
		n.EachFeedEntry(p, 0, func(_ uint64, e *trace.FeedEntry) bool {
			for _, g := range e.Groups {
				for _, c := range g.Changes {
					if c.Kind == trace.EventRestored {
						x.seen["restored"]++
					}
				}
			}
			return true
		})
	}
}
