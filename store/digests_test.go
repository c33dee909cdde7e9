package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"waytrace/store/facttest"
	"waytrace/store/keys"
	"waytrace/trace"
)

// digests are all of a store's.
func digests(t *testing.T, s *Store) []Digest {
	t.Helper()
	all, more, err := s.Digests("", "", 1<<40)
	if err != nil || more {
		t.Fatal(more, err)
	}
	return all
}

// Two nodes that heard different halves, and told each other, have the same digests.
func TestDigestsOfEqualNodes(t *testing.T) {
	a, b, rng := newNode(t), newNode(t), rand.New(rand.NewPCG(9, 9))
	for i := range 120 {
		n := []*node{a, b}[i%2]
		hear(t, n.Store, func(f *trace.Facts) { facttest.Load(f, rng) })
		a.pass(time.Second)
		b.pass(time.Second)
	}
	exchange(t, a, b)
	ours, theirs := digests(t, a.Store), digests(t, b.Store)
	if diff := cmp.Diff(ours, theirs); diff != "" || len(ours) < 40 {
		t.Errorf("%d digests; -ours +theirs\n%s", len(ours), diff)
	}
	heard := func(n *node) (all []trace.HLC) {
		for _, d := range ours {
			var tr trace.Trace
			if n.Trace(&tr, d.Number, d.Carrier, trace.Want{Events: true}) == nil {
				for i := range tr.Events {
					all = append(all, tr.Events[i].Heard)
				}
			}
		}
		return all
	}
	if cmp.Equal(heard(a), heard(b)) {
		t.Error("the nodes heard all at the same moments: nothing shows that hearings do not count")
	}

	// A node whose code table was mended has other heads of the same facts.
	mended := func(e *trace.Event) (version uint32, known bool) {
		e.Pair.Status = (e.Pair.Status + 1) % 12
		return 3, true
	}
	if _, err := a.Refold(t.Context(), mended, false, func(Refolded) bool { return true }); err != nil {
		t.Fatal(err)
	}
	heads := 0
	for i, d := range digests(t, a.Store) {
		if d.Facts != theirs[i].Facts {
			t.Errorf("%s %s: a code table changed the facts", d.Number, d.Carrier)
		}
		if d.Head != theirs[i].Head {
			heads++
		}
	}
	if heads == 0 {
		t.Error("a code table changed no head")
	}
	sound(t, a.Store)
	sound(t, b.Store)
}

// In pieces they are the same as at once, and each piece ends with a number.
func TestDigestsInPieces(t *testing.T) {
	n := manyHeard(t, 60)
	number := func(i int) string { return fmt.Sprintf("TWIN%d", i) }
	for i := range 20 { // several carriers under one number
		for _, carrier := range []string{"sf", "yto"} {
			e := scan(number(i), "50", trace.PickedUp, 1)
			e.Carrier = carrier
			push(t, n.Store, e)
		}
	}
	whole := digests(t, n.Store)
	for _, most := range []int{1, 2, 7, 1000} {
		var all []Digest
		var sum, parts AddUp
		after := ""
		for {
			some, more, err := n.Digests(after, "", most)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, some...)
			parts.Add(some)
			if !more {
				break
			}
			after = some[len(some)-1].Number
		}
		sum.Add(whole)
		if diff := cmp.Diff(whole, all); diff != "" {
			t.Errorf("in pieces of %d: -whole +pieces\n%s", most, diff)
		}
		if got, want := parts.Range("", ""), sum.Range("", ""); got != want || got.Waybills != uint64(len(whole)) {
			t.Errorf("in pieces of %d the range is %+v, want %+v", most, got, want)
		}
	}
	got, _, err := n.Digests(number(3), number(5), 1000)
	if err != nil || len(got) != 4 || got[0].Number != number(4) || got[3].Number != number(5) {
		t.Errorf("between two numbers: %+v, %v", got, err)
	}
	if got, more, err := n.Digests("ZZZZ", "", 1000); err != nil || len(got) != 0 || more {
		t.Errorf("behind the last number: %+v, %v, %v", got, more, err)
	}
	var none AddUp
	if r := none.Range("A", "B"); r.Waybills != 0 || r.From != "A" || r.To != "B" {
		t.Errorf("a range of nothing is %+v", r)
	}
}

// What changes which sum, and under which name it is found. Each case is told to one of
// two nodes that are alike.
func TestWhatIsInADigest(t *testing.T) {
	const number = "YT1234567890123"
	w := trace.Waybill{Number: number, Carrier: "yto"}
	base := func() []trace.Event {
		events := []trace.Event{fedBy100(number, trace.PickedUp, 1), fedBy100(number, trace.InTransit, 20), fedBy100(number, trace.OutForDelivery, 30)}
		own := scan(number, "80", trace.Delivered, 60)
		own.Carrier, own.Source = "yto", "yto"
		return append(events, own)
	}
	again := func(change func(e *trace.Event)) func(t *testing.T, n *node) {
		return func(t *testing.T, n *node) {
			e := base()[3]
			change(&e)
			push(t, n.Store, e)
		}
	}
	for _, c := range []struct {
		name        string
		then        func(t *testing.T, n *node)
		facts, head bool
		parts       string // that differ
	}{
		{"the same again", again(func(*trace.Event) {}), false, false, ""},
		{"a status by a newer table", again(func(e *trace.Event) { e.Pair, e.Table = trace.Pair{Status: trace.Lost}, 2 }), false, true, ""},
		{"drawn from the text by a newer table", again(func(e *trace.Event) { e.Provisional, e.Table = true, 2 }), false, true, ""},
		{"a fuller copy", again(func(e *trace.Event) { e.Operator = "Li" }), true, true, "event "},
		{"another text", again(func(e *trace.Event) { e.Text.Text = "改派" }), true, true, "text "},
		{"a reference", again(func(e *trace.Event) { e.References = []trace.Reference{{Account: "main", Text: "PO 7"}} }), true, true, `reference "PO 7" of main, `},
		{"one more event", again(func(e *trace.Event) { e.Code = "81" }), true, true, "event "},
		{"a list", func(t *testing.T, n *node) { n.lists(t, base()[:2]...) }, true, true, "what lists say of event "},
		{"a leg", func(t *testing.T, n *node) {
			hear(t, n.Store, func(f *trace.Facts) {
				f.Legs = append(f.Legs, trace.LegFact{Waybill: w, To: trace.LegTo{Waybill: trace.Waybill{Number: "AAAA1"}, Role: trace.LastMile}, Since: base()[0].At.Instant()})
			})
		}, true, true, `leg last_mile to "AAAA1" of ""`},
		{"a record", func(t *testing.T, n *node) {
			hear(t, n.Store, func(f *trace.Facts) { f.Records = append(f.Records, charges(number, "batch 1", 2)) })
		}, true, true, "record "},
		{"an operator's word", func(t *testing.T, n *node) {
			hear(t, n.Store, func(f *trace.Facts) {
				f.Overrides = append(f.Overrides, trace.Override{Waybill: w, Pair: trace.Pair{Status: trace.Lost}, Author: "ops", Reason: "seen"})
			})
		}, true, true, "the operator's word"},
	} {
		a, b := newNode(t), newNode(t)
		b.pass(time.Hour) // it hears all an hour later
		for _, n := range []*node{a, b} {
			push(t, n.Store, base()...)
		}
		c.then(t, b)
		ours, ourParts, err := a.Parts(w)
		if err != nil {
			t.Fatal(err)
		}
		theirs, theirParts, err := b.Parts(w)
		if err != nil {
			t.Fatal(err)
		}
		if all := digests(t, b.Store); len(all) != 1 || all[0] != theirs {
			t.Errorf("%s: alone it has the digest %+v, among others %+v", c.name, theirs, all)
		}
		if (ours.Facts != theirs.Facts) != c.facts || (ours.Head != theirs.Head) != c.head {
			t.Errorf("%s: the facts differ %t, want %t; the head %t, want %t", c.name, ours.Facts != theirs.Facts, c.facts, ours.Head != theirs.Head, c.head)
		}
		known := map[Part]bool{}
		for _, p := range ourParts {
			known[p] = true
		}
		var differ []string
		for _, p := range theirParts {
			if !known[p] {
				differ = append(differ, p.Name)
			}
		}
		if (len(differ) > 0) != (c.parts != "") || len(differ) > 0 && !strings.HasPrefix(strings.Join(differ, ", "), c.parts) {
			t.Errorf("%s: what differs is %q, want %q", c.name, differ, c.parts)
		}
	}
}

func TestPartsOfNothing(t *testing.T) {
	n := newNode(t)
	push(t, n.Store, scan("SF7444400031887", "50", trace.PickedUp, 1))
	for _, w := range []trace.Waybill{{Number: "SF7444400031887", Carrier: "yto"}, {Number: "SF744440003188", Carrier: "sf"}, {Number: "SF74444000318870", Carrier: "sf"}} {
		if _, _, err := n.Parts(w); !errors.Is(err, trace.ErrNotFound) {
			t.Errorf("%+v: %v, want ErrNotFound", w, err)
		}
	}
}

// What cannot be read is not compared in silence.
func TestDigestsOfDamage(t *testing.T) {
	s := open(t, vfs.NewMem())
	push(t, s, scan("SF7444400031887", "50", trace.PickedUp, 1))
	if err := s.db.Set(keys.Head(nil, trace.Waybill{Number: "SF7444400031887", Carrier: "sf"}), []byte("?"), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.Digests("", "", 10)
	var p *trace.Problem
	if !errors.As(err, &p) || p.Code != "damaged" || !strings.Contains(p.Detail, "SF7444400031887") {
		t.Errorf("%v", err)
	}
}

func TestSumAsText(t *testing.T) {
	want := Range{From: "A", Waybills: 3, Facts: 1, Heads: 1 << 63}
	b, err := json.Marshal(want)
	if s := `{"from":"A","to":"","count":3,"facts":"0000000000000001","heads":"8000000000000000"}`; err != nil || string(b) != s {
		t.Errorf("%s, %v; want %s", b, err, s)
	}
	var got Range
	if err := json.Unmarshal(b, &got); err != nil || got != want {
		t.Errorf("read back: %+v, %v", got, err)
	}
	for _, bad := range []string{"", "1", "00000000000000001", "000000000000000g", "+000000000000001"} {
		var s Sum
		if err := s.UnmarshalText([]byte(bad)); !errors.Is(err, trace.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", bad, err)
		}
	}
}
