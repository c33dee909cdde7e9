package trace

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The same laws over journeys as carriers tell them: scans pushed one by one and
// polled again with more or fewer fields, texts that are edited, full lists with
// their glitches, replays and corrections, a number that is used again, another
// number, an operator. Two nodes hear of them in a random interleaving and tell
// each other what they heard.

// A hearing is one thing that a node hears.
type hearing struct {
	node   int
	until  int64         // the node's clock is not behind this, in milliseconds since 1970
	after  time.Duration // and so much later than at the hearing before
	events []Event
	list   bool // the events are a full list
	leg    *LegFact
	word   *Override
	talk   bool // nothing: the node tells the other one what it heard
}

func (h hearing) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "node %d, %s later:", h.node, h.after)
	switch {
	case h.list:
		b.WriteString(" list")
	case h.talk:
		b.WriteString(" tells the other")
	case h.leg != nil:
		fmt.Fprintf(&b, " leg %+v since %d", h.leg.To, h.leg.Since)
	case h.word != nil:
		fmt.Fprintf(&b, " word %+v", h.word.Pair)
	}
	for _, e := range h.events {
		fmt.Fprintf(&b, "\n\t%s %s %s %s.%s code %q text %q leg %v", e.Number, e.Source, e.At.Raw, e.Pair.Status, e.Pair.Sub, e.Code, e.Text.Text, e.Leg.Waybill)
	}
	return b.String()
}

// A lawNode hears facts, judges lists, and remembers.
type lawNode struct {
	*replica
	origin Origin
	clock  Clock
	wall   int64
	judged map[Waybill]*Judgement
	knows  []telling // what it heard, and what it was told
	own    []telling // what it heard first
	shared int       // how many of own the other was told
	odd    []telling // what it refused
	doubt  map[string]bool
}

func newLawNode(origin Origin) *lawNode {
	n := &lawNode{replica: newReplica(), origin: origin, judged: map[Waybill]*Judgement{}, doubt: map[string]bool{}}
	n.clock.Wall = func() int64 { return n.wall }
	return n
}

// learn takes facts that were judged, here or at the other node.
func (n *lawNode) learn(facts ...telling) []Taken {
	for i := range facts {
		if l := facts[i].list; l != nil {
			j := n.judgement(l.Waybill)
			j.Note(l)
			// As stores keep it.
			var back Judgement
			if err := DecodeJudgement(&back, j.Append(nil)); err != nil {
				panic(err)
			}
			*j = back
		}
	}
	n.knows = append(n.knows, facts...)
	return n.take(facts...)
}

func (n *lawNode) judgement(of Waybill) *Judgement {
	if n.judged[of] == nil {
		n.judged[of] = &Judgement{}
	}
	return n.judged[of]
}

// hear takes a hearing in, as ingest and a store do. The judgement of a list must be
// the oracle's.
func (n *lawNode) hear(h hearing, seen tally) error {
	n.wall = max(n.wall+h.after.Milliseconds(), h.until)
	var f Facts
	if h.list {
		f.OpenList(h.events[0].Waybill, h.events[0].Source, -1)
	}
	heard := n.clock.Now()
	for i, e := range h.events {
		x := f.Event()
		e.List, e.Item = x.List, i
		*x = e
	}
	if h.leg != nil {
		f.Legs = append(f.Legs, *h.leg)
	}
	if h.word != nil {
		f.Overrides = append(f.Overrides, *h.word)
	}
	f.Judge(heard, n.clock.Now, func(field string) string { return field })
	for _, fault := range f.Faults {
		e := h.events[fault.Index]
		e.Heard = heard
		n.odd = append(n.odd, telling{event: &e})
		seen["a time that is not believed"]++
	}
	var news []telling
	for i := range f.Events {
		news = append(news, telling{event: &f.Events[i]})
	}
	for i := range f.Legs {
		news = append(news, telling{leg: &f.Legs[i]})
	}
	for i := range f.Overrides {
		f.Overrides[i].Origin = n.origin
		news = append(news, telling{word: &f.Overrides[i]})
	}
	for i, did := range n.learn(news...) {
		e := news[i].event
		seen.when("copy replaced", did == Changed && e.Operator != "")
		seen.when("revision", did == Changed && e.Operator == "" && e.TextEdits)
		seen.when("repeat", did == Repeat)
	}
	n.own = append(n.own, news...)
	for i := range f.Lists {
		if len(f.Lists[i].Has) > 0 {
			if err := n.judge(&f.Lists[i], seen); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *lawNode) judge(l *List, seen tally) error {
	l.Origin = n.origin
	want, wantNews := naiveJudge(n.knows, l)
	news := n.head(l.Waybill).Judge(l.Waybill, l, n.judgement(l.Waybill))
	if news != wantNews {
		return fmt.Errorf("list %s: news is %t, the oracle says %t", idText(l.Has), news, wantNews)
	}
	if !news {
		seen["a list that is no news"]++
		return nil
	}
	if l.Doubtful != want.Doubtful || !slices.Equal(l.Shows, want.Shows) || !slices.Equal(l.Hides, want.Hides) || !slices.Equal(l.Restores, want.Restores) {
		return fmt.Errorf("list %s: doubtful %t, shows %s, hides %s, restores %s; the oracle says %t, %s, %s, %s", idText(l.Has),
			l.Doubtful, idText(l.Shows), idText(l.Hides), idText(l.Restores), want.Doubtful, idText(want.Shows), idText(want.Hides), idText(want.Restores))
	}
	has := idText(l.Has)
	seen.when("doubtful", l.Doubtful)
	seen.when("firm after doubt", !l.Doubtful && n.doubt[has] && len(l.Hides) > 0)
	n.doubt[has] = n.doubt[has] || l.Doubtful
	before := n.head(l.Waybill)
	fact := telling{list: l}
	n.learn(fact)
	n.own = append(n.own, fact)
	after := n.head(l.Waybill)
	for _, id := range l.Shows {
		if before.Hides(id) && !after.Hides(id) {
			seen["restored"]++
		}
	}
	return nil
}

// tell gives another node what this one heard since it did so last, in any order.
func (n *lawNode) tell(o *lawNode, rng *rand.Rand) {
	facts := slices.Clone(n.own[n.shared:])
	n.shared = len(n.own)
	rng.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
	o.clock.Start(n.clock.Now())
	o.learn(facts...)
}

// interleave plays hearings on two nodes, and gives the first law that does not
// hold.
func interleave(hearings []hearing, seed uint64, seen tally) (broken error) {
	defer func() {
		if p := recover(); p != nil {
			broken = fmt.Errorf("panic: %v", p)
		}
	}()
	rng := rand.New(rand.NewPCG(seed, 2))
	nodes := [2]*lawNode{newLawNode(11), newLawNode(5)}
	answers := answered{}
	for _, h := range hearings {
		n := nodes[h.node]
		if h.talk {
			n.tell(nodes[1-h.node], rng)
			continue
		}
		if err := n.hear(h, seen); err != nil {
			return err
		}
		if seed%tagsWatched == 0 {
			if err := answers.note(n.replica, seen); err != nil {
				return err
			}
		}
	}
	nodes[0].tell(nodes[1], rng)
	nodes[1].tell(nodes[0], rng)
	if err := nodes[0].differs(nodes[1].replica); err != nil {
		return fmt.Errorf("the nodes do not agree: %w", err)
	}
	all := slices.Concat(nodes[0].own, nodes[1].own)
	if len(all) == 0 {
		return nil
	}
	if err := nodes[0].isWhat(oracle(slices.Concat(all, nodes[0].odd, nodes[1].odd), seen)); err != nil {
		return err
	}
	if err := shuffled(all, rng).differs(nodes[0].replica); err != nil {
		return fmt.Errorf("in another order, with repeats: %w", err)
	}
	for of := range nodes[0].heads {
		h := nodes[0].head(of)
		seen.when("epoch", h.Earlier > 0)
		seen.when("leg", slices.ContainsFunc(h.Legs, func(l Leg) bool { return l.Child != 0 }))
		seen.when("a word that stands", h.Overridden)
		for i := range h.Entries {
			if i > 0 && h.Entries[i].pinned() == h.Entries[i-1].pinned() {
				seen["tie"]++
			}
		}
	}
	return nil
}

// tagsWatched: of so many journeys one is played with a look at what is answered
// after every hearing.
const tagsWatched = 15

// answered is what was answered under each tag, on whatever node.
type answered map[string]string

// note asks for every parcel, in the plain variant and in one that shows all there
// is: what is answered otherwise than before must have another tag.
func (a answered) note(r *replica, seen tally) error {
	for of := range r.heads {
		for _, v := range []Variant{{Events: true}, {Events: true, Retracted: true, Override: true, Epoch: 1}} {
			tr := r.trace(of, v)
			tag, answer := string(tr.AppendTag(nil, v)), string(tr.AppendJSON(nil, v))
			was, known := a[tag]
			if known && was != answer {
				return fmt.Errorf("one tag, %s, of two answers:\n%s and\n%s", tag, was, answer)
			}
			seen.when("an answer with a tag of its own", !known)
			a[tag] = answer
		}
	}
	return nil
}

// shrunk leaves hearings out for as long as a law is broken.
func shrunk(hearings []hearing, seed uint64) ([]hearing, error) {
	broken := interleave(hearings, seed, tally{})
	for size := len(hearings) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(hearings); {
			fewer := slices.Concat(hearings[:i], hearings[i+size:])
			if err := interleave(fewer, seed, tally{}); err != nil {
				hearings, broken = fewer, err
			} else {
				i += size
			}
		}
	}
	for i := range hearings { // then events out of hearings
		for j := 0; j < len(hearings[i].events) && len(hearings[i].events) > 1; {
			fewer := slices.Clone(hearings)
			fewer[i].events = slices.Delete(slices.Clone(fewer[i].events), j, j+1)
			if err := interleave(fewer, seed, tally{}); err != nil {
				hearings, broken = fewer, err
			} else {
				j++
			}
		}
	}
	return hearings, broken
}

// The parcels of the journeys: one, and what it may go on as.
var (
	parcel   = Waybill{"SF7444400031887", "sf"}
	children = []Waybill{{"YT1234567890123", "yto"}, {"YT1234567890123", "jd"}, {"JD0002", "jd"}}
)

// drawJourney draws 40 scans of a parcel and a few of the numbers that it may go on
// under, and how two nodes hear of them.
func drawJourney(seed uint64) (hearings []hearing) {
	rng := rand.New(rand.NewPCG(seed, 1))
	one := func(n int) bool { return rng.IntN(n) == 0 }
	when := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	reused := one(3)
	var pushed, listed []Event // increments, and what full lists are made of
	for i := range 40 {
		when = when.Add(someDelays[rng.IntN(len(someDelays))] / time.Duration(1+rng.IntN(8)))
		if reused && i == 20 {
			when = when.Add([]time.Duration{59, 60, 61, 75}[rng.IntN(4)] * 24 * time.Hour)
		}
		pair := someStatuses[rng.IntN(len(someStatuses))]
		switch {
		case reused && i == 19:
			pair = Pair{Delivered, "signed"}
		case reused && i == 20:
			pair = Pair{PreTransit, "label_created"}
		case one(3): // most of them move
			pair = Pair{InTransit, "arrived"}
		}
		e := scanAt(rng, when, pair)
		e.Waybill, e.Code = parcel, fmt.Sprint(i%9)
		e.Provisional = one(12)
		if one(60) {
			e = scanAt(rng, []time.Time{time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC), when.AddDate(1, 0, 0)}[rng.IntN(2)], pair)
			e.Waybill = parcel
		}
		if one(20) {
			e.Leg = LegTo{Waybill: children[rng.IntN(len(children))], Role: Role(rng.IntN(int(roles)))}
			if one(2) {
				e.Leg.Carrier = ""
			}
		}
		if !one(3) {
			e.Source, e.TextEdits = "sf", true
			pushed = append(pushed, e)
		}
		if len(pushed) == 0 || pushed[len(pushed)-1].At != e.At || one(4) { // or both tell of it
			e.Source, e.TextEdits, e.Code, e.Leg = "kuaidi100", false, "", LegTo{}
			e.Text.Text = someTexts[rng.IntN(len(someTexts))]
			listed = append(listed, e)
		}
	}
	end := when
	when = when.Add(-40 * time.Hour)
	for i := range 8 {
		when = when.Add(time.Duration(rng.IntN(12)) * time.Hour)
		e := scanAt(rng, when, someStatuses[rng.IntN(len(someStatuses))])
		e.Waybill, e.Source, e.Code = children[rng.IntN(len(children))], "yto", fmt.Sprint(i)
		pushed = append(pushed, e)
	}
	live := one(2) // heard as it happens, or long after
	hear := func(h hearing) {
		h.node = rng.IntN(2)
		h.after = []time.Duration{0, time.Second, time.Minute, 20 * time.Minute}[rng.IntN(4)]
		h.until = end.UnixMilli()
		if live && len(h.events) > 0 {
			h.until = h.events[len(h.events)-1].At.Instant() - int64(rng.IntN(30))*3_600_000
		}
		hearings = append(hearings, h)
	}
	for len(pushed) > 0 {
		k := min(len(pushed), 1+rng.IntN(4))
		var batch []Event
		for _, e := range pushed[:k] {
			batch = append(batch, e)
			if one(3) { // polled besides, with other fields
				e.Operator = []string{"Li", "Wang"}[rng.IntN(2)]
				if one(2) {
					e.CarrierID, e.Table = "7", e.Table+uint32(rng.IntN(2))
				}
				batch = append(batch, e)
			}
			if e.TextEdits && one(4) {
				e.Text.Text, e.ReasonCode = []string{"改派", "已 签收"}[rng.IntN(2)], "33"
				batch = append(batch, e)
			}
		}
		pushed = pushed[k:]
		hear(hearing{events: batch})
		if one(3) {
			hear(hearing{events: batch}) // by both, or twice
		}
	}
	lists := drawLists(rng, listed)
	order := rng.Perm(len(hearings))
	if live {
		slices.Sort(order)
		for i := range order { // nearly in order
			j := min(len(order)-1, i+rng.IntN(4))
			order[i], order[j] = order[j], order[i]
		}
	}
	increments := hearings
	hearings = nil
	for _, i := range order {
		hearings = append(hearings, increments[i])
		for len(lists) > 0 && one(2) {
			l := lists[0]
			lists = lists[1:]
			l.node, l.until = rng.IntN(2), max(increments[i].until, l.events[len(l.events)-1].At.Instant()-int64(rng.IntN(28))*3_600_000)
			hearings = append(hearings, l)
		}
		if one(8) {
			hearings = append(hearings, hearing{node: rng.IntN(2), talk: true})
		}
		if one(40) {
			to := LegTo{Waybill: children[rng.IntN(len(children))], Role: LastMile}
			switch rng.IntN(4) {
			case 0:
				to.Carrier = ""
			case 1:
				to.Number = ""
			}
			hear(hearing{leg: &LegFact{Waybill: parcel, To: to, Since: end.Add(-time.Duration(rng.IntN(90*24)) * time.Hour).UnixMilli()}})
		}
		if one(40) {
			hear(hearing{word: &Override{Waybill: parcel, Pair: []Pair{{Lost, "missing"}, {}, {Delivered, ""}}[rng.IntN(3)], Author: "ops", Reason: "seen"}})
			if live {
				hearings[len(hearings)-1].until = 0
			}
		}
	}
	return append(hearings, lists...)
}

// scanAt is an event of one of the precisions and zones.
func scanAt(rng *rand.Rand, at time.Time, pair Pair) (e Event) {
	layout := "2006-01-02 15:04:05"
	switch rng.IntN(10) {
	case 0:
		layout = "2006-01-02"
	case 1, 2:
		layout = "2006-01-02 15:04"
	}
	local := at.Add(8 * time.Hour).Format(layout)
	var err error
	if rng.IntN(12) == 0 {
		e.At, err = ParseLocal(local, 0, ZoneUnknown)
	} else {
		e.At, err = ParseLocal(local, China, ZoneCarrier)
	}
	if err != nil {
		panic(err)
	}
	e.Pair, e.Table = pair, 1
	return e
}

// drawLists draws what a source that sends the whole journey sends, one list after
// the other: it grows, lacks something for once, takes something back, is sent again
// and replayed.
func drawLists(rng *rand.Rand, all []Event) (lists []hearing) {
	one := func(n int) bool { return rng.IntN(n) == 0 }
	if len(all) < 2 {
		return nil
	}
	upto := 1 + rng.IntN(len(all))
	for range 10 {
		upto = min(len(all), upto+rng.IntN(4))
		events := slices.Clone(all[:upto])
		after := []time.Duration{time.Second, 10 * time.Minute, time.Hour, 26 * time.Hour}[rng.IntN(4)]
		if one(3) && len(lists) > 0 { // one of those before, often the last
			back := min(len(lists), 1+rng.IntN(2)*rng.IntN(4))
			events = lists[len(lists)-back].events
			after = []time.Duration{time.Second, 31 * time.Minute, 31 * time.Minute, 7 * time.Hour}[rng.IntN(4)]
		} else if len(events) > 1 {
			switch rng.IntN(8) {
			case 0, 1: // one is missing
				i := rng.IntN(len(events))
				events = slices.Delete(events, i, i+1)
			case 2: // the end is
				events = events[:1+rng.IntN(len(events)-1)]
			case 3: // the beginning is
				events = events[rng.IntN(len(events)):]
			case 4: // any are
				events = slices.DeleteFunc(events, func(Event) bool { return one(2) })
			}
		}
		if len(events) > 0 {
			lists = append(lists, hearing{after: after, events: events, list: true})
		}
	}
	return lists
}

// Journeys of 40 scans, each in an interleaving of its own.
func TestInterleavings(t *testing.T) {
	var next atomic.Int64 // round
	var broken atomic.Int64
	broken.Store(math.MaxInt64) // the first round that broke a law
	tallies := make([]tally, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range tallies {
		tallies[i] = tally{}
		wg.Go(func() {
			for {
				round := next.Add(1) - 1
				if round >= int64(*lawRounds) || round > broken.Load() {
					return
				}
				if interleave(drawJourney(uint64(round)), uint64(round), tallies[i]) == nil {
					continue
				}
				for first := broken.Load(); round < first && !broken.CompareAndSwap(first, round); first = broken.Load() {
				}
			}
		})
	}
	wg.Wait()
	if first := broken.Load(); first < math.MaxInt64 {
		hearings, err := shrunk(drawJourney(uint64(first)), uint64(first))
		t.Errorf("interleaving %d: %v", first, err)
		for _, h := range hearings {
			t.Log(h)
		}
		t.FailNow()
	}
	t.Logf("%d interleavings on two nodes agree with each other and with the oracle", *lawRounds)
	seen := tally{}
	for _, c := range tallies {
		for kind, n := range c {
			seen[kind] += n
		}
	}
	want := map[string]int{}
	for _, kind := range []string{"doubtful", "firm after doubt", "restored", "copy replaced", "revision", "epoch", "leg", "tie",
		"a list that is no news", "a time that is not believed", "a word that stands", "an anomaly", "an answer with a tag of its own"} {
		want[kind] = eachAtFull * *lawRounds / fullLaws
	}
	seen.atLeast(t, want)
}
