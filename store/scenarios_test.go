package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/store/facttest"
	"waytrace/store/keys"
	"waytrace/trace"
)

// noon is when the nodes of these tests begin, in milliseconds since 1970: the day
// after the scans, 2020-05-12T04:00:00Z.
const noon = 1_589_256_000_000

// A tb is a test or a round of a property.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// A node is a store whose clock stands still until it is moved.
type node struct {
	*Store
	wall atomic.Int64
}

func newNode(t testing.TB) *node {
	t.Helper()
	n := &node{}
	n.wall.Store(noon)
	n.Store = openAt(t, vfs.NewMem(), n.wall.Load)
	return n
}

func (n *node) pass(d time.Duration) { n.wall.Add(d.Milliseconds()) }

// lists makes a node hear one list, and reports whether it was news and doubtful.
func (n *node) lists(t testing.TB, events ...trace.Event) (news, doubtful bool) {
	t.Helper()
	f := hear(t, n.Store, func(f *trace.Facts) { list(f, events...) })
	return f.Lists[0].Taken == trace.Fresh, f.Lists[0].Doubtful
}

// shipped are a node's own groups behind a bookmark for each partition, which it
// moves, as a sister would get them.
func (n *node) shipped(t tb, bookmarks *[trace.Partitions]uint64) (all []*trace.Facts) {
	t.Helper()
	o := &Outbox{store: n.Store}
	for p := range uint16(trace.Partitions) {
		o.parts[p].at.Seq = bookmarks[p]
		load, err := o.Next(p, math.MaxInt, math.MaxInt)
		if err != nil {
			t.Fatal(err)
		}
		bookmarks[p] = load.Upto.Seq
		for _, item := range load.Items {
			all = append(all, newsOf(t, item.Value))
		}
	}
	return all
}

// newsOf is what a record says to a sister.
func newsOf(t tb, value []byte) *trace.Facts {
	t.Helper()
	facts := &trace.Facts{}
	if err := trace.DecodeNews(new(trace.News), value, facts); err != nil {
		t.Fatal(err)
	}
	return facts
}

// apply gives a node facts of another one.
func (n *node) apply(t testing.TB, all ...*trace.Facts) {
	t.Helper()
	for _, facts := range all {
		if err := n.ApplyNews(t.Context(), facts, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// exchange tells two nodes all that the other one has, and wants them to agree.
func exchange(t testing.TB, a, b *node) {
	t.Helper()
	ours, theirs := a.shipped(t, &[trace.Partitions]uint64{}), b.shipped(t, &[trace.Partitions]uint64{})
	a.apply(t, theirs...)
	b.apply(t, ours...)
	if here, there := truth(t, a.Store), truth(t, b.Store); here != there {
		t.Fatalf("the nodes do not agree: %s", facttest.Difference(here, there))
	}
	mustAgree(t, a.Store)
	mustAgree(t, b.Store)
}

// truth is all that two nodes with the same facts must have alike: what is stored, and
// what is answered, but for when a node heard it.
func truth(t tb, s *Store) string {
	t.Helper()
	dump, err := facttest.Dump(s.scan)
	if err != nil {
		t.Fatal(err)
	}
	b := strings.Builder{}
	b.WriteString(dump)
	err = s.eachHead(func(w trace.Waybill) (bool, error) {
		for _, v := range []trace.Variant{{Account: "main", Events: true}, {Account: "main", Events: true, Retracted: true, Epoch: 1, Business: true}, {}} {
			if tag, answer := answered(t, s, w, v); tag != "" { // else lists spoke of it, and nothing more
				fmt.Fprintf(&b, "%s %s\n", tag, answer)
			}
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// answered is what is answered about a parcel, but for when a node heard it, and the
// tag of that; the carrier may be empty. Both are empty where nothing is known.
func answered(t tb, s *Store, w trace.Waybill, v trace.Variant) (tag, answer string) {
	t.Helper()
	var tr trace.Trace
	err := s.Trace(&tr, w.Number, w.Carrier, v.Wants())
	if errors.Is(err, trace.ErrNotFound) {
		return "", ""
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range tr.Events {
		tr.Events[i].Heard = 0
	}
	for i := range tr.Legs {
		for j := range tr.Legs[i].Events {
			tr.Legs[i].Events[j].Heard = 0
		}
	}
	return string(tr.AppendTag(nil, v)), string(tr.AppendJSON(nil, v))
}

// head reads the one head of a number, also where nobody is shown it.
func (n *node) head(t testing.TB, number string) *trace.Head {
	t.Helper()
	h := &trace.Head{}
	found := 0
	err := n.scan(keys.Heads(nil, number), func(_, value []byte) (bool, error) {
		found++
		return true, trace.DecodeHead(h, slices.Clone(value))
	})
	if err != nil || found != 1 {
		t.Fatalf("%s has %d heads, %v", number, found, err)
	}
	return h
}

func (n *node) mustBe(t testing.TB, number string, want trace.Status) {
	t.Helper()
	if got := n.head(t, number).Pair.Status; got != want {
		t.Errorf("%s is %s, want %s", number, got, want)
	}
}

// seen is what a reader sees of a number.
func (n *node) seen(t testing.TB, number string) string {
	t.Helper()
	var tr trace.Trace
	v := trace.Variant{Events: true}
	if err := n.Trace(&tr, number, "", v.Wants()); err != nil {
		t.Fatal(err)
	}
	return string(tr.AppendJSON(tr.AppendTag(nil, v), v))
}

const yt = "YT1234567890123"

// first is a YTO parcel's journey as Kuaidi100 tells it, up to a step.
func first(steps int) (events []trace.Event) {
	for i, status := range []trace.Status{trace.PreTransit, trace.PickedUp, trace.InTransit, trace.InTransit, trace.OutForDelivery, trace.Delivered}[:steps] {
		events = append(events, fedBy100(yt, status, 10*i))
	}
	return events
}

func without(events []trace.Event, left ...int) (kept []trace.Event) {
	for i := range events {
		if !slices.Contains(left, i) {
			kept = append(kept, events[i])
		}
	}
	return kept
}

// A list of the day before yesterday changes nothing that is seen, sent once or for
// hours.
func TestReplayedList(t *testing.T) {
	n := newNode(t)
	n.lists(t, first(3)...)
	n.pass(20 * time.Hour)
	n.lists(t, first(6)...)
	n.pass(28 * time.Hour)
	before := n.seen(t, yt)
	for i := range 10 {
		if _, doubtful := n.lists(t, first(3)...); i == 0 && !doubtful {
			t.Error("the replay is believed")
		}
		if got := n.seen(t, yt); got != before {
			t.Fatalf("replay %d: %s\nwas %s", i+1, got, before)
		}
		n.pass(39 * time.Minute)
	}
	n.mustBe(t, yt, trace.Delivered)
	mustAgree(t, n.Store)

	// What is still said after six hours is taken for a withdrawal.
	n.lists(t, first(3)...)
	n.mustBe(t, yt, trace.InTransit)
	mustAgree(t, n.Store)
}

// A source that sends a list with every scan has sent forty of them by the end: one
// of the first is known for a replay all the same, when it comes twice.
func TestReplayOfALongJourney(t *testing.T) {
	n := newNode(t)
	var all []trace.Event
	for i := range 40 {
		status := trace.InTransit
		if i == 39 {
			status = trace.Delivered
		}
		all = append(all, fedBy100(yt, status, i))
		n.lists(t, all...)
		n.pass(75 * time.Minute)
	}
	before := n.seen(t, yt)
	for i := range 2 {
		if _, doubtful := n.lists(t, all[:3]...); i == 0 && !doubtful {
			t.Error("the list of two days before is believed")
		}
		if got := n.seen(t, yt); got != before {
			t.Fatalf("replay %d: %s\nwas %s", i+1, got, before)
		}
		n.pass(31 * time.Minute)
	}
	mustAgree(t, n.Store)
}

// Several lists of one parcel in one push: the last is the source's word, and what
// the others have joins.
func TestListsOfOneParcelInOnePush(t *testing.T) {
	n := newNode(t)
	f := hear(t, n.Store, func(f *trace.Facts) {
		list(f, first(5)...)
		list(f, first(6)[4:]...)
		list(f, first(6)[0], first(6)[5])
	})
	for i, l := range f.Lists {
		if news := l.Taken == trace.Fresh; news != (i == 2) || l.Doubtful {
			t.Errorf("list %d: news %t, doubtful %t", i+1, news, l.Doubtful)
		}
	}
	if got := strings.Count(n.seen(t, yt), `"id":`); got != 6 {
		t.Errorf("%d scans are shown, want all 6", got)
	}
	mustAgree(t, n.Store)
}

// A delivery that was none: hidden when a second list agrees half an hour later, or
// six hours later when the list is one that was heard before.
func TestFalseDeliveryIsWithdrawn(t *testing.T) {
	for _, c := range []struct {
		name string
		then []trace.Event
		wait time.Duration
	}{
		{"a list of its own", append(first(4), fedBy100(yt, trace.InTransit, 55)), 30 * time.Minute},
		{"a list that was heard before", first(4), 6 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			n.lists(t, first(4)...)
			n.pass(time.Hour)
			n.lists(t, append(first(4), fedBy100(yt, trace.Delivered, 50))...)
			n.mustBe(t, yt, trace.Delivered)
			n.pass(time.Hour)
			if news, doubtful := n.lists(t, c.then...); !news || !doubtful {
				t.Errorf("the first list without it: news %t, doubtful %t", news, doubtful)
			}
			n.pass(c.wait - time.Second)
			if _, doubtful := n.lists(t, c.then...); !doubtful {
				t.Error("believed a second too early")
			}
			n.mustBe(t, yt, trace.Delivered)
			n.pass(time.Second)
			if news, doubtful := n.lists(t, c.then...); !news || doubtful {
				t.Errorf("the list that agrees: news %t, doubtful %t", news, doubtful)
			}
			n.mustBe(t, yt, trace.InTransit)
			mark := n.SafeMark()
			if news, _ := n.lists(t, c.then...); news || n.SafeMark() != mark {
				t.Error("once more is news")
			}
			mustAgree(t, n.Store)
		})
	}
}

// One list lacks a scan in the middle; the next has it again, with one that is new.
func TestGlitchIsMended(t *testing.T) {
	n := newNode(t)
	n.lists(t, first(5)...)
	n.pass(time.Minute)
	if _, doubtful := n.lists(t, without(first(5), 2)...); doubtful {
		t.Error("one scan of five: doubtful")
	}
	if got := strings.Count(n.seen(t, yt), `"id":`); got != 4 {
		t.Errorf("%d scans are shown, want 4", got)
	}
	n.pass(time.Minute)
	if _, doubtful := n.lists(t, first(6)...); doubtful {
		t.Error("the scan is back, and doubted")
	}
	n.mustBe(t, yt, trace.Delivered)
	if got := strings.Count(n.seen(t, yt), `"id":`); got != 6 {
		t.Errorf("%d scans are shown, want 6", got)
	}
	mustAgree(t, n.Store)
}

// A list that is doubted for what it lacks still tells what is new.
func TestNewScansOfADoubtfulList(t *testing.T) {
	n := newNode(t)
	n.lists(t, first(5)...)
	n.pass(time.Minute)
	if _, doubtful := n.lists(t, first(6)[0], first(6)[5]); !doubtful {
		t.Error("two scans in place of five are believed")
	}
	n.mustBe(t, yt, trace.Delivered)
	if got := strings.Count(n.seen(t, yt), `"id":`); got != 6 {
		t.Errorf("%d scans are shown, want all 6", got)
	}
	mustAgree(t, n.Store)
}

// One node hears of the delivery, the other a second later a list from before it.
func TestOlderListAtAnotherNode(t *testing.T) {
	for _, knew := range []bool{false, true} {
		t.Run(fmt.Sprintf("the older list was known: %t", knew), func(t *testing.T) {
			a, b := newNode(t), newNode(t)
			if knew {
				a.lists(t, first(4)...)
				exchange(t, a, b)
			}
			a.lists(t, append(first(4), fedBy100(yt, trace.Delivered, 50))...)
			b.pass(time.Second)
			b.lists(t, first(4)...)
			exchange(t, a, b)
			for _, n := range []*node{a, b} {
				n.mustBe(t, yt, trace.Delivered)
			}
		})
	}
}

// What a list meant may come before its events, and in pieces.
func TestListBeforeItsEvents(t *testing.T) {
	a, b := newNode(t), newNode(t)
	a.lists(t, first(5)...)
	a.pass(time.Minute)
	a.lists(t, without(first(5), 2)...)
	all := a.shipped(t, &[trace.Partitions]uint64{})
	for i := len(all) - 1; i >= 0; i-- {
		b.apply(t, &trace.Facts{Lists: all[i].Lists})
	}
	if h := b.head(t, yt); !h.Empty() || len(h.Ghosts) != 5 {
		t.Errorf("%d events and %d that have not come, want 0 and 5", len(h.Entries), len(h.Ghosts))
	}
	for i := range all {
		b.apply(t, &trace.Facts{Events: all[i].Events})
	}
	if h := b.head(t, yt); len(h.Entries) != 5 || len(h.Ghosts) != 0 {
		t.Errorf("%d events and %d that have not come, want 5 and 0", len(h.Entries), len(h.Ghosts))
	}
	exchange(t, a, b)
}

// What a sister told is no news when it tells it again, also of lists so old that
// their judgement has forgotten them.
func TestListsThatAreForgotten(t *testing.T) {
	a, b := newNode(t), newNode(t)
	var all []trace.Event
	lists := 0
	for i := range 150 {
		all = append(all, fedBy100(yt, trace.InTransit, i))
		a.pass(time.Minute)
		a.lists(t, all[max(0, i-4):]...)
		lists++
	}
	for i := range 40 { // each without the four before the first of them
		a.pass(40 * time.Second)
		if _, doubtful := a.lists(t, all[145], fedBy100(yt, trace.InTransit, 150+i)); !doubtful {
			t.Fatalf("list %d is believed", lists+1)
		}
		lists++
	}
	facts := a.shipped(t, &[trace.Partitions]uint64{})
	b.apply(t, facts...)
	var j trace.Judgement
	err := b.scan(keys.Judgement(nil, all[0].Waybill, "kuaidi100"), func(_, value []byte) (bool, error) {
		return true, trace.DecodeJudgement(&j, value)
	})
	if err != nil || len(j.Firm) == 0 || len(j.Firm) >= 150 || len(j.Doubted) == 0 || len(j.Doubted) >= 40 {
		t.Fatalf("%d lists and %d doubts are remembered, %v: none was forgotten", len(j.Firm), len(j.Doubted), err)
	}
	before, mark := truth(t, b.Store), b.SafeMark()
	rng := rand.New(rand.NewPCG(13, 1))
	for range 3 {
		facts := a.shipped(t, &[trace.Partitions]uint64{})
		rng.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
		b.apply(t, facts...)
		if b.SafeMark() != mark {
			t.Fatalf("told again, the feed went from %d to %d", mark, b.SafeMark())
		}
	}
	if got := truth(t, b.Store); got != before {
		t.Error(facttest.Difference(got, before))
	}
}

// A parcel goes on under another number: its head carries the child's status on
// every node, and follows it.
func TestLegsOverNodes(t *testing.T) {
	onward := scan("SF0001", "648", trace.InTransit, 5)
	onward.Leg = trace.LegTo{Waybill: trace.Waybill{Number: yt}, Role: trace.Forwarded}
	named := trace.LegFact{Waybill: trace.Waybill{Number: "SF0001", Carrier: "sf"},
		To: trace.LegTo{Waybill: trace.Waybill{Number: yt, Carrier: "yto"}, Role: trace.LastMile}, Since: onward.At.Instant()}
	for name, parent := range map[string]func(f *trace.Facts){
		"an event names the number": func(f *trace.Facts) { *f.Event() = onward },
		"a booking names it": func(f *trace.Facts) {
			*f.Event() = scan("SF0001", "50", trace.InTransit, 5)
			f.Legs = append(f.Legs, named)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newNode(t), newNode(t)
			hear(t, a.Store, parent)
			hear(t, b.Store, func(f *trace.Facts) { *f.Event() = fedBy100(yt, trace.OutForDelivery, 40) })
			exchange(t, a, b)
			for _, n := range []*node{a, b} {
				n.mustBe(t, "SF0001", trace.OutForDelivery)
			}
			// One node alone hears how it ends.
			mark, owned := b.SafeMark(), len(b.shipped(t, &[trace.Partitions]uint64{}))
			hear(t, a.Store, func(f *trace.Facts) { *f.Event() = fedBy100(yt, trace.Delivered, 50) })
			a.mustBe(t, "SF0001", trace.Delivered)
			b.mustBe(t, "SF0001", trace.OutForDelivery)
			exchange(t, a, b)
			b.mustBe(t, "SF0001", trace.Delivered)
			if got := len(b.shipped(t, &[trace.Partitions]uint64{})); b.SafeMark() <= mark || got != owned {
				t.Errorf("the feed went from %d to %d, %d groups are shipped, want %d", mark, b.SafeMark(), got, owned)
			}
			if got := refoldsOf(t, b, "SF0001"); got == 0 {
				t.Error("whoever follows the parcel heard nothing")
			}
		})
	}
}

// refoldsOf counts the changes that tell of a number what follows from others.
func refoldsOf(t testing.TB, n *node, number string) (count int) {
	t.Helper()
	err := n.EachFeedEntry(trace.PartitionOf(number), 0, func(_ uint64, e *trace.FeedEntry) bool {
		for _, g := range e.Groups {
			for _, c := range g.Changes {
				if g.Number == number && c.Kind == trace.Refolded {
					if count++; g.Own != 0 {
						t.Errorf("what follows from another number has own %d", g.Own)
					}
				}
			}
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// Of the words of two operators the one that was heard later stands, on both nodes.
func TestOverridesOverNodes(t *testing.T) {
	word := func(n *node, p trace.Pair) {
		hear(t, n.Store, func(f *trace.Facts) {
			f.Overrides = append(f.Overrides, trace.Override{Waybill: trace.Waybill{Number: yt, Carrier: "yto"}, Pair: p, Author: "ops", Reason: "seen"})
		})
	}
	a, b := newNode(t), newNode(t)
	a.lists(t, first(3)...)
	b.pass(time.Second)
	word(b, trace.Pair{Status: trace.Lost, Sub: "missing"})
	a.pass(2 * time.Second)
	word(a, trace.Pair{Status: trace.Exception, Sub: "on_hold"})
	b.mustBe(t, yt, trace.Lost)
	exchange(t, a, b)
	b.mustBe(t, yt, trace.Exception)
	// The same word again is the last word, also against one that came between elsewhere.
	b.pass(3 * time.Second)
	word(b, trace.Pair{Status: trace.Lost, Sub: "missing"})
	a.pass(4 * time.Second)
	word(a, trace.Pair{Status: trace.Exception, Sub: "on_hold"})
	exchange(t, a, b)
	a.mustBe(t, yt, trace.Exception)
	b.mustBe(t, yt, trace.Exception)
	b.pass(time.Hour)
	word(b, trace.Pair{})
	exchange(t, a, b)
	a.mustBe(t, yt, trace.InTransit)
}

// Who speaks last has the last word: also when he says what he said before, and when
// the clock of the node that heard the other word runs ahead.
func TestTheLastWord(t *testing.T) {
	word := func(n *node, status trace.Status) {
		t.Helper()
		f := hear(t, n.Store, func(f *trace.Facts) {
			f.Overrides = append(f.Overrides, trace.Override{Waybill: trace.Waybill{Number: yt, Carrier: "yto"}, Pair: trace.Pair{Status: status}, Author: "ops", Reason: "seen"})
		})
		if f.Overrides[0].Taken != trace.Fresh {
			t.Errorf("the word %s is taken as %d", status, f.Overrides[0].Taken)
		}
	}
	t.Run("said again", func(t *testing.T) {
		a, b := newNode(t), newNode(t)
		word(a, trace.Lost)
		b.pass(time.Minute)
		word(b, trace.Delivered)
		a.pass(2 * time.Minute)
		word(a, trace.Lost) // a has not heard of b's word
		exchange(t, a, b)
		a.mustBe(t, yt, trace.Lost)
		b.mustBe(t, yt, trace.Lost)
	})
	t.Run("behind a clock that runs ahead", func(t *testing.T) {
		a, b := newNode(t), newNode(t)
		b.pass(10 * time.Minute)
		word(b, trace.Lost)
		a.apply(t, b.shipped(t, &[trace.Partitions]uint64{})...)
		a.mustBe(t, yt, trace.Lost)
		word(a, trace.Delivered)
		a.mustBe(t, yt, trace.Delivered)
		exchange(t, a, b)
		b.mustBe(t, yt, trace.Delivered)
	})
	t.Run("behind a clock that is absurd", func(t *testing.T) {
		a, b := newNode(t), newNode(t)
		b.pass(30 * 24 * time.Hour) // further than a's own clock lets itself be moved
		word(b, trace.Lost)
		a.apply(t, b.shipped(t, &[trace.Partitions]uint64{})...)
		word(a, trace.Delivered)
		a.mustBe(t, yt, trace.Delivered)
		exchange(t, a, b)
		b.mustBe(t, yt, trace.Delivered)
	})
}

// The same batch of charges replaces what it said before; the same again is no
// news, on any node.
func TestRecordsOverNodes(t *testing.T) {
	tell := func(n *node, r trace.Record) trace.Taken {
		return hear(t, n.Store, func(f *trace.Facts) { f.Records = append(f.Records, r) }).Records[0].Taken
	}
	a, b := newNode(t), newNode(t)
	a.lists(t, first(3)...)
	if got := tell(a, charges(yt, "batch 1", 1)); got != trace.Fresh {
		t.Errorf("the first batch is taken as %d", got)
	}
	mark, records := a.SafeMark(), a.head(t, yt).Records
	if got := tell(a, charges(yt, "batch 1", 1)); got != trace.Repeat || a.SafeMark() != mark {
		t.Errorf("the same again is taken as %d, and moved the feed to %d", got, a.SafeMark())
	}
	b.pass(time.Second)
	tell(b, charges(yt, "batch 1", 2))
	tell(b, charges(yt, "batch 2", 7))
	exchange(t, a, b)
	var tr trace.Trace
	if err := a.Trace(&tr, yt, "", trace.Want{Records: true}); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for i := range tr.Records {
		got[tr.Records[i].Batch] = tr.Records[i].Items[0].Quantity
	}
	if len(tr.Records) != 2 || got["batch 1"] != 2 || got["batch 2"] != 7 || a.head(t, yt).Records == records {
		t.Errorf("kept are %v", got)
	}
	a.pass(time.Hour)
	tell(a, charges(yt, "batch 1", 1))
	exchange(t, a, b)
}

// A code that is mapped tomorrow gives the head that it would have had from the
// start, and says so to nobody who did not ask.
func TestRefold(t *testing.T) {
	mapping := func(e *trace.Event) (uint32, bool) {
		if e.Code == "80" {
			e.Pair = trace.Pair{Status: trace.Delivered, Sub: "signed"}
		}
		return 2, e.Code == "80" || e.Code == "50"
	}
	journey := func(table uint32) (events []trace.Event) {
		events = []trace.Event{scan("SF0001", "50", trace.PickedUp, 1), scan("SF0001", "80", trace.Unknown, 9)}
		events[1].Unmapped = true
		edited := events[1]
		edited.Text.Text = "已签收"
		fuller := events[1]
		fuller.CarrierID = "1"
		events = append(events, edited, fuller)
		for i := range events {
			events[i].Table = table
			if table == 2 {
				mapping(&events[i])
			}
		}
		return events
	}
	parent := trace.LegFact{Waybill: trace.Waybill{Number: "SF0000", Carrier: "sf"},
		To: trace.LegTo{Waybill: trace.Waybill{Number: "SF0001", Carrier: "sf"}}, Since: journey(1)[0].At.Instant()}
	fill := func(table uint32) func(*trace.Facts) {
		return func(f *trace.Facts) {
			for _, e := range journey(table) {
				*f.Event() = e
			}
			f.Legs = append(f.Legs, parent)
		}
	}
	always := func(Refolded) bool { return true }
	for _, notify := range []bool{false, true} {
		t.Run(fmt.Sprintf("notify: %t", notify), func(t *testing.T) {
			n, start := newNode(t), newNode(t)
			hear(t, n.Store, fill(1))
			hear(t, start.Store, fill(2))
			n.mustBe(t, "SF0001", trace.PickedUp)
			mark := n.SafeMark()
			done, err := n.Refold(t.Context(), mapping, notify, always)
			if err != nil || done.Waybills != 2 || done.Changed == 0 || done.Codes != 1 {
				t.Errorf("refolded %+v, %v", done, err)
			}
			n.mustBe(t, "SF0001", trace.Delivered)
			n.mustBe(t, "SF0000", trace.Delivered)
			if got, want := truth(t, n.Store), truth(t, start.Store); got != want {
				t.Errorf("refolded, and from the start: %s", facttest.Difference(got, want))
			}
			if moved := n.SafeMark() != mark; moved != notify {
				t.Errorf("the feed went from %d to %d", mark, n.SafeMark())
			}
			mark = n.SafeMark()
			if done, err := n.Refold(t.Context(), mapping, true, always); err != nil || done.Changed != 0 || n.SafeMark() != mark {
				t.Errorf("refolded again: %+v, %v, the feed went from %d to %d", done, err, mark, n.SafeMark())
			}
			// The old reading from a sister that was not refolded yet changes nothing.
			before := truth(t, n.Store)
			hear(t, n.Store, fill(1))
			if got := truth(t, n.Store); got != before {
				t.Errorf("after the old table again, and before: %s", facttest.Difference(got, before))
			}
		})
	}
}

// told is an event of SF's at a time as it is written, all that it says in its code.
func told(number, code string, status trace.Status, written string) trace.Event {
	e := scan(number, code, status, 0)
	var err error
	if e.At, err = trace.ParseLocal(written, trace.China, trace.ZoneCarrier); err != nil {
		panic("BUG: " + err.Error())
	}
	return e
}

// usedTwice is a number under which a parcel came in January and another in May.
func usedTwice(number string) []trace.Event {
	return []trace.Event{told(number, "50", trace.PickedUp, "2020-01-01 10:00:00"), told(number, "99", trace.InTransit, "2020-01-02 10:00:00"),
		told(number, "80", trace.Delivered, "2020-01-03 10:00:00"), told(number, "50", trace.PickedUp, "2020-05-11 10:00:00")}
}

// Refold maps anew what the newest head does not show, too: scans of the parcel
// before, and those that a list took back.
func TestRefoldOfWhatIsNotShown(t *testing.T) {
	delayed := trace.Pair{Status: trace.Exception, Sub: "delay"}
	of := func(n *node, number string) string {
		_, answer := answered(t, n.Store, trace.Waybill{Number: number}, trace.Variant{Events: true, Retracted: true, Epoch: 1})
		return answer
	}
	n, start := newNode(t), newNode(t)
	for i, x := range []*node{n, start} {
		events := usedTwice("SF0001")
		taken := append(first(5), fedBy100(yt, trace.Unknown, 25))
		for _, all := range [][]trace.Event{events, taken} {
			for j := range all {
				all[j].Table = 2 // but for the one that is not shown all are as they should be
			}
		}
		for _, e := range []*trace.Event{&events[1], &taken[5]} {
			if e.Pair = delayed; i == 0 {
				e.Table, e.Pair = 1, trace.Pair{}
			}
		}
		push(t, x.Store, events...)
		x.lists(t, taken...)
		x.pass(time.Minute)
		x.lists(t, taken[:5]...)
		if !x.head(t, yt).Hides(sealed(t, x.Store, taken[5]).Events[0].ID) {
			t.Fatal("the scan was not taken back")
		}
	}
	for _, number := range []string{"SF0001", yt} {
		if of(n, number) == of(start, number) {
			t.Fatalf("%s: the code is known before the refold", number)
		}
	}
	done, err := n.Refold(t.Context(), func(e *trace.Event) (uint32, bool) {
		if e.Pair.Status == trace.Unknown {
			e.Pair = delayed
		}
		return 2, true
	}, false, func(Refolded) bool { return true })
	if err != nil || done.Changed != 2 {
		t.Errorf("refolded %+v, %v", done, err)
	}
	for _, number := range []string{"SF0001", yt} {
		if got, want := of(n, number), of(start, number); got != want {
			t.Errorf("%s refolded: %s\nfrom the start: %s", number, got, want)
		}
	}
	mustAgree(t, n.Store)
}

// A store whose heads were folded under other settings says so until it was refolded
// to the end; then it is as if they had been the settings from the start.
func TestFoldSettingChanged(t *testing.T) {
	defer func(before trace.FoldSettings) { trace.Folding = before }(trace.Folding)
	fs := vfs.NewMem()
	mapping := func(*trace.Event) (uint32, bool) { return 0, true }
	reopen := func(s *Store, stale bool) *Store {
		t.Helper()
		if s != nil {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		s = open(t, fs)
		if s.Stale() != stale {
			t.Errorf("opened: stale %t, want %t", s.Stale(), stale)
		}
		return s
	}
	s := reopen(nil, false)
	push(t, s, usedTwice("SF0001")...)
	s = reopen(s, false)
	under60 := truth(t, s)

	trace.Folding.EpochAfter = 200 * 24 * time.Hour
	s = reopen(s, true)
	start := open(t, vfs.NewMem())
	push(t, start, usedTwice("SF0001")...)
	under200 := truth(t, start)
	if under200 == under60 {
		t.Fatal("the setting changes nothing")
	}
	if _, err := s.Refold(t.Context(), mapping, false, func(Refolded) bool { return false }); err != nil || !s.Stale() {
		t.Errorf("a refold that was stopped: stale %t, %v", s.Stale(), err)
	}
	s = reopen(s, true)
	if _, err := s.Refold(t.Context(), mapping, false, func(Refolded) bool { return true }); err != nil || s.Stale() {
		t.Errorf("refolded: stale %t, %v", s.Stale(), err)
	}
	if got := truth(t, s); got != under200 {
		t.Errorf("refolded, and from the start: %s", facttest.Difference(got, under200))
	}
	s = reopen(s, false)

	trace.Folding.EpochAfter = 60 * 24 * time.Hour
	s = reopen(s, true)
	if _, err := s.Refold(t.Context(), mapping, false, func(Refolded) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if got := truth(t, s); got != under60 {
		t.Errorf("and back: %s", facttest.Difference(got, under60))
	}
	mustAgree(t, s)
}

// What is answered otherwise has another tag, also where it hangs on a leg: of an
// older parcel, or with what was taken back.
func TestTagsOfLegs(t *testing.T) {
	n, sister := newNode(t), newNode(t)
	onward := usedTwice("SF0001")
	onward[1].Leg = trace.LegTo{Waybill: trace.Waybill{Number: "YT0001", Carrier: "yto"}, Role: trace.Forwarded}
	push(t, n.Store, onward...)
	now := told("SF0002", "99", trace.InTransit, "2020-05-11 07:00:00")
	now.Leg = trace.LegTo{Waybill: trace.Waybill{Number: yt, Carrier: "yto"}, Role: trace.Forwarded}
	push(t, n.Store, now)
	sister.lists(t, first(5)...)
	sister.pass(time.Minute)
	sister.lists(t, without(first(5), 2)...)
	hidden := sealed(t, n.Store, first(5)[2]).Events[0].ID
	facts := sister.shipped(t, &[trace.Partitions]uint64{})
	for _, f := range facts {
		n.apply(t, &trace.Facts{Lists: f.Lists})
	}
	apart := func(wanted bool) {
		for _, f := range facts {
			some := &trace.Facts{}
			for _, e := range f.Events {
				if (e.ID == hidden) == wanted {
					*some.Event() = e
				}
			}
			n.apply(t, some)
		}
	}
	apart(false)

	for _, c := range []struct {
		name, number string
		v            trace.Variant
		then         func()
	}{
		{"a scan under the older parcel's new number", "SF0001", trace.Variant{Events: true, Epoch: 1}, func() {
			e := told("YT0001", "1", trace.InTransit, "2020-01-02 12:00:00")
			e.Carrier, e.Source = "yto", "yto"
			push(t, n.Store, e)
		}},
		{"a scan that was taken back before it came", "SF0002", trace.Variant{Events: true, Retracted: true}, func() { apart(true) }},
	} {
		tag, was := answered(t, n.Store, trace.Waybill{Number: c.number}, c.v)
		c.then()
		tagNow, is := answered(t, n.Store, trace.Waybill{Number: c.number}, c.v)
		if tag == tagNow || was == is {
			t.Errorf("%s: the tag was %s and is %s, of\n%s and\n%s", c.name, tag, tagNow, was, is)
		}
	}
	mustAgree(t, n.Store)
}

// A carrier of which lists spoke, and nothing has come, is not named beside the one
// that is asked for, or found.
func TestAlsoOfWhatHasNotCome(t *testing.T) {
	n, sister := newNode(t), newNode(t)
	push(t, n.Store, scan(yt, "99", trace.InTransit, 90))
	sister.lists(t, first(3)...)
	facts := sister.shipped(t, &[trace.Partitions]uint64{})
	also := func() (found []string) {
		for _, carrier := range []string{"", "sf"} {
			var tr trace.Trace
			if err := n.Trace(&tr, yt, carrier, trace.Want{}); err != nil {
				t.Fatal(err)
			}
			found = append(found, tr.Carrier+" also "+strings.Join(tr.Also, " "))
		}
		return found
	}
	for _, f := range facts {
		n.apply(t, &trace.Facts{Lists: f.Lists})
	}
	if got, want := also(), []string{"sf also ", "sf also "}; !slices.Equal(got, want) {
		t.Errorf("while its scans have not come: %q, want %q", got, want)
	}
	n.apply(t, facts...)
	if got, want := also(), []string{"sf also yto", "sf also yto"}; !slices.Equal(got, want) {
		t.Errorf("with its scans: %q, want %q", got, want)
	}
}

// Of the carriers that have a number the one is shown whose newest scan stands.
func TestCarrierOfTheNewestScan(t *testing.T) {
	n := newNode(t)
	n.lists(t, append(first(4), fedBy100(yt, trace.InTransit, 300))...)
	push(t, n.Store, scan(yt, "99", trace.OutForDelivery, 180))
	carrier := func() string {
		var tr trace.Trace
		if err := n.Trace(&tr, yt, "", trace.Want{}); err != nil {
			t.Fatal(err)
		}
		return tr.Carrier
	}
	if got := carrier(); got != "yto" {
		t.Errorf("shown is %s, want yto", got)
	}
	for range 2 {
		n.pass(31 * time.Minute)
		n.lists(t, append(first(4), fedBy100(yt, trace.InTransit, 35))...)
	}
	if got := carrier(); got != "sf" {
		t.Errorf("when the newest scan was taken back: %s, want sf", got)
	}
}

// Beyond its caps a leg or record is not taken, and says so; what is known is a
// repeat, and what a sister took is taken.
func TestCapsOfLegsAndRecords(t *testing.T) {
	n, sister := newNode(t), newNode(t)
	child := trace.Waybill{Number: yt, Carrier: "yto"}
	parent := func(i int) trace.Waybill { return trace.Waybill{Number: fmt.Sprintf("SF%04d", i), Carrier: "sf"} }
	leg := func(i int, to trace.Waybill) trace.LegFact {
		return trace.LegFact{Waybill: parent(i), To: trace.LegTo{Waybill: to, Role: trace.LastMile}, Since: noon}
	}
	one := func(x *node, fact any) trace.Taken {
		f := hear(t, x.Store, func(f *trace.Facts) {
			switch fact := fact.(type) {
			case trace.Event:
				*f.Event() = fact
			case trace.LegFact:
				f.Legs = append(f.Legs, fact)
			case trace.Record:
				f.Records = append(f.Records, fact)
			}
		})
		switch {
		case len(f.Events) > 0:
			return f.Events[0].Taken
		case len(f.Legs) > 0:
			return f.Legs[0].Taken
		}
		return f.Records[0].Taken
	}
	onward := scan(parent(trace.MaxParents).Number, "99", trace.InTransit, 1)
	onward.Leg = trace.LegTo{Waybill: child, Role: trace.LastMile}
	for _, c := range []struct {
		name   string
		most   int
		fact   func(i int) any // each another one
		beyond any
	}{
		{"parcels that go on under one number", trace.MaxParents, func(i int) any { return leg(i, child) }, onward},
		{"parcels that go on under one number, told", trace.MaxParents, func(i int) any { return leg(i, child) }, leg(trace.MaxParents, child)},
		{"legs of one parcel", 64, func(i int) any { return leg(100, trace.Waybill{Number: fmt.Sprintf("YT%04d", i)}) }, leg(100, trace.Waybill{Number: "YT9999"})},
		{"records of one parcel", trace.MaxRecords, func(i int) any { return charges(yt, fmt.Sprint(i), 1) }, charges(yt, "one more", 1)},
	} {
		for i := range c.most {
			if got := one(n, c.fact(i)); got == trace.TooMany {
				t.Fatalf("%s: number %d finds no room", c.name, i+1)
			}
		}
		mark := n.SafeMark()
		if got := one(n, c.beyond); got != trace.TooMany || n.SafeMark() != mark {
			t.Errorf("%s: one more is taken as %d, the feed went from %d to %d", c.name, got, mark, n.SafeMark())
		}
		if got := one(n, c.fact(c.most-1)); got != trace.Repeat {
			t.Errorf("%s: the last again is taken as %d, want a repeat", c.name, got)
		}
		if got := one(sister, c.beyond); got != trace.Fresh {
			t.Errorf("%s: a sister took it as %d", c.name, got)
		}
	}
	exchange(t, n, sister)
}

// Ten times the same increments, in any order: one tag, and after the first time
// nothing in the feed.
func TestTenTimes(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 10))
	n := newNode(t)
	var events []trace.Event
	for i := range 12 {
		e := scan("SF0001", fmt.Sprint(30+i%5), trace.Status(1+i%5), 7*i)
		events = append(events, e)
		if i%3 == 0 {
			e.Text.Text, e.ReasonCode = "改派", "33"
			events = append(events, e)
		}
		if i%4 == 0 {
			e.CarrierID = fmt.Sprint(i)
			events = append(events, e)
		}
	}
	push(t, n.Store, events...)
	before, mark := truth(t, n.Store), n.SafeMark()
	for range 10 {
		n.pass(time.Minute)
		rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		rest := slices.Clone(events)
		for len(rest) > 0 {
			k := 1 + rng.IntN(len(rest))
			if fresh := push(t, n.Store, rest[:k]...); fresh != 0 {
				t.Fatalf("%d of the repeats are fresh", fresh)
			}
			rest = rest[k:]
		}
	}
	if got := truth(t, n.Store); got != before || n.SafeMark() != mark {
		t.Errorf("the feed went from %d to %d; %s", mark, n.SafeMark(), facttest.Difference(got, before))
	}
	mustAgree(t, n.Store)
}

// A poll gives fewer fields than a push, or more: heard in either order on two
// nodes, the same head.
func TestFullerAndPoorerCopies(t *testing.T) {
	poor := scan("SF0001", "50", trace.PickedUp, 1)
	full := poor
	full.CarrierID, full.Operator, full.Latitude, full.Longitude = "158918741444476", "Li", 22.5, 114.1
	other := poor
	other.CarrierID = "7"
	a, b := newNode(t), newNode(t)
	for i, e := range []trace.Event{poor, full, other} {
		push(t, a.Store, e)
		push(t, b.Store, []trace.Event{other, full, poor}[i])
	}
	if got, want := truth(t, a.Store), truth(t, b.Store); got != want {
		t.Errorf("before they talk: %s", facttest.Difference(got, want))
	}
	exchange(t, a, b)
	if got := read(t, a.Store, "SF0001"); len(got.Events) != 1 || got.Events[0].Operator != "Li" {
		t.Errorf("got %+v, want the fuller copy", got.Events)
	}
}

// A daemon that is killed again and again, each time before its clock has caught up,
// does not run away from the time of day.
func TestKilledAgainAndAgain(t *testing.T) {
	now := int64(1_700_000_000_000)
	disk := vfs.NewCrashableMem()
	last := trace.HLC(0)
	for range 40 {
		s, err := Open("data", Options{FS: disk, Log: quiet, CacheSize: 8 << 20, MemTableSize: 1 << 20, Wall: func() int64 { return now }})
		if err != nil {
			t.Fatal(err)
		}
		heard := s.Now()
		if heard <= last {
			t.Fatalf("a reading of %d again, after %d", heard, last)
		}
		last = heard
		if _, err := s.Append(context.Background(), sealed(t, s, scan("SF7444400031887", fmt.Sprint(heard), trace.InTransit, 0))); err != nil {
			t.Fatal(err)
		}
		disk = disk.CrashClone(vfs.CrashCloneCfg{})
		s.Close()
	}
	if ahead := last.Milli() - now; ahead > 4000 {
		t.Errorf("%d ms ahead after 40 kills", ahead)
	}
}

// A clock that was set back by minutes gives no reading twice, over any restart.
func TestClockSetBack(t *testing.T) {
	now := int64(1_700_000_000_000)
	disk := vfs.NewCrashableMem()
	last := trace.HLC(0)
	for range 5 {
		s, err := Open("data", Options{FS: disk, Log: quiet, CacheSize: 8 << 20, MemTableSize: 1 << 20, Wall: func() int64 { return now }})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			heard := s.Now()
			if heard <= last {
				t.Fatalf("a reading of %d again, after %d", heard, last)
			}
			last = heard
			facts := sealed(t, s, scan("SF7444400031887", fmt.Sprint(heard), trace.InTransit, 0))
			last = max(last, facts.Events[0].Heard)
			if _, err := s.Append(context.Background(), facts); err != nil {
				t.Fatal(err)
			}
		}
		disk = disk.CrashClone(vfs.CrashCloneCfg{})
		s.Close()
		now -= 5 * 60_000
	}
}

// A sister's clock may run ahead: a correction that is heard here later counts all the
// same, and everywhere.
func TestChargesBehindASistersClock(t *testing.T) {
	a, b := newNode(t), newNode(t)
	a.pass(10 * time.Minute)
	hear(t, a.Store, func(f *trace.Facts) { f.Records = append(f.Records, charges(yt, "batch 1", 1)) })
	b.apply(t, a.shipped(t, &[trace.Partitions]uint64{})...)
	b.pass(5 * time.Minute)
	f := hear(t, b.Store, func(f *trace.Facts) { f.Records = append(f.Records, charges(yt, "batch 1", 2)) })
	if f.Records[0].Taken != trace.Fresh {
		t.Errorf("the correction is taken as %d, want news", f.Records[0].Taken)
	}
	a.apply(t, b.shipped(t, &[trace.Partitions]uint64{})...)
	if here, there := truth(t, a.Store), truth(t, b.Store); here != there {
		t.Errorf("the nodes do not agree: %s", facttest.Difference(here, there))
	}
	var tr trace.Trace
	if err := a.Trace(&tr, yt, "yto", trace.Want{Records: true}); err == nil && (len(tr.Records) != 1 || tr.Records[0].Items[0].Quantity != 2) {
		t.Errorf("the charges are %+v, want the correction", tr.Records)
	}
}

// The same holds of lists: what a sister heard with a clock far ahead does not outlive
// what is left out here, later.
func TestListsBehindASistersClock(t *testing.T) {
	a, b := newNode(t), newNode(t)
	a.pass(10 * time.Minute)
	journey := first(5)
	a.lists(t, journey...)
	b.apply(t, a.shipped(t, &[trace.Partitions]uint64{})...)
	b.pass(5 * time.Minute)
	for _, left := range []int{2, 3} { // the second is judged over the first
		journey = slices.Delete(slices.Clone(journey), 2, 3)
		if news, doubtful := b.lists(t, journey...); !news || doubtful {
			t.Fatalf("the list without step %d: news %t, doubtful %t", left, news, doubtful)
		}
	}
	a.apply(t, b.shipped(t, &[trace.Partitions]uint64{})...)
	for _, n := range []*node{a, b} {
		h := n.head(t, yt)
		hidden := 0
		for i := range h.Entries {
			if h.Entries[i].Hidden() {
				hidden++
			}
		}
		if hidden != 2 {
			t.Errorf("%d events are taken back, want 2", hidden)
		}
	}
	if here, there := truth(t, a.Store), truth(t, b.Store); here != there {
		t.Errorf("the nodes do not agree: %s", facttest.Difference(here, there))
	}
	// Back in step, the one whose clock was wrong is believed as before.
	b.pass(time.Hour)
	if news, doubtful := b.lists(t, first(5)...); !news || !doubtful {
		t.Errorf("the whole journey again: news %t, doubtful %t", news, doubtful)
	}
}
