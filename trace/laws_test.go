package trace

import (
	stdflag "flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The laws of promise 3: the same facts give the same head, byte for byte,
// whatever their order, however often they came, however they were batched, and
// over whatever nodes they were split. An oracle, written another way round,
// makes the same head out of all facts in one go.

var (
	lawRounds = stdflag.Int("laws", 750, "interleavings that TestInterleavings plays")
	ruleOff   = stdflag.String("off", "", "a rule of the fold that does not count: then the laws must fail")
)

// fullLaws is how many interleavings a full run plays. In it each kind of fact is
// to be met eachAtFull times at least, in a shorter run in proportion.
const (
	fullLaws   = 25_000
	eachAtFull = 100
)

func TestMain(m *testing.M) {
	stdflag.Parse()
	for i := range ruleTable {
		if ruleTable[i].name == *ruleOff {
			off = ruleTable[i].rule
		}
	}
	if *ruleOff != "" && off == 0 {
		fmt.Fprintf(os.Stderr, "-off: there is no rule %q\n", *ruleOff)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// A tally counts what the generators made, so that a law that was never put to
// the test is noticed.
type tally map[string]int

func (c tally) when(kind string, is bool) {
	if is {
		c[kind]++
	}
}

// atLeast fails the test when a kind was seen less often than wanted.
func (c tally) atLeast(t *testing.T, want map[string]int) {
	t.Helper()
	for _, kind := range slices.Sorted(maps.Keys(want)) {
		if c[kind] < want[kind] {
			t.Errorf("%q was generated %d times, want at least %d: the laws were hardly tried on it", kind, c[kind], want[kind])
		}
	}
	if testing.Verbose() {
		for _, kind := range slices.Sorted(maps.Keys(c)) {
			t.Logf("%6d %s", c[kind], kind)
		}
	}
}

// A replica is a store in a few lines: the stored forms of heads and events. What
// does not decode is a mistake of ours, and panics.
type replica struct {
	heads  map[Waybill][]byte
	events map[Waybill]map[ID]kept
}

type kept struct {
	local int64
	value []byte
}

func newReplica() *replica {
	return &replica{heads: map[Waybill][]byte{}, events: map[Waybill]map[ID]kept{}}
}

func (r *replica) head(of Waybill) *Head {
	h := &Head{}
	if value := r.heads[of]; value != nil {
		if err := DecodeHead(h, slices.Clone(value)); err != nil {
			panic(err)
		}
	}
	return h
}

// take does what a store does with one batch of facts that were judged: it merges
// them, folds all heads, and encodes them. It gives what the events brought.
func (r *replica) take(batch ...telling) (brought []Taken) {
	live := map[Waybill]*Head{}
	for of := range r.heads {
		live[of] = r.head(of)
	}
	for _, f := range batch {
		h := live[f.of()]
		if h == nil {
			h = &Head{}
			live[f.of()] = h
		}
		switch {
		case f.event != nil:
			brought = append(brought, r.takeEvent(h, *f.event))
		case f.list != nil:
			h.TakeList(f.list)
		case f.leg != nil:
			h.TakeLeg(f.leg, true)
		case f.word != nil:
			h.TakeOverride(f.word)
		}
	}
	kin := func(child Waybill) (carrier string, found *Head) {
		carrier = child.Carrier
		for _, of := range sortedWaybills(live) {
			if h := live[of]; of.Number == child.Number && (of.Carrier == child.Carrier || child.Carrier == "") && !h.Empty() &&
				(found == nil || h.Newest() > found.Newest()) {
				carrier, found = of.Carrier, h
			}
		}
		return carrier, found
	}
	for of, h := range live {
		h.Fold(of, kin)
	}
	for of, h := range live {
		r.heads[of] = h.Append(nil)
	}
	return brought
}

func (r *replica) takeEvent(h *Head, e Event) Taken {
	e.Judged, e.Relayed = true, true
	if r.events[e.Waybill] == nil {
		r.events[e.Waybill] = map[ID]kept{}
	}
	all := r.events[e.Waybill]
	did, err := h.Take(&e, func() (*Event, error) {
		old := new(Event)
		return old, DecodeEvent(old, e.Waybill, all[e.ID].local, e.ID, all[e.ID].value)
	})
	if err != nil {
		panic(err)
	}
	if did == Fresh || did == Changed || did == Earlier {
		all[e.ID] = kept{e.At.Local, e.Append(nil)}
	}
	return did
}

func sortedWaybills[T any](all map[Waybill]T) []Waybill {
	return slices.SortedFunc(maps.Keys(all), func(a, b Waybill) int {
		return strings.Compare(a.Number+" "+a.Carrier, b.Number+" "+b.Carrier)
	})
}

// trace reads one waybill as a store does.
func (r *replica) trace(of Waybill, v Variant) *Trace {
	t := new(Trace)
	if err := t.SetHead(of, r.heads[of]); err != nil {
		panic(err)
	}
	t.Events = r.read(of)
	for _, child := range t.Children(v.Wants()) {
		for _, w := range sortedWaybills(r.heads) {
			if w.Number == child.Number && (w.Carrier == child.Carrier || child.Carrier == "") {
				t.Legs = append(t.Legs, Part{Waybill: w, Head: *r.head(w), Events: r.read(w)})
			}
		}
	}
	return t
}

func (r *replica) read(of Waybill) (events []Event) {
	for id, x := range r.events[of] {
		var e Event
		if err := DecodeEvent(&e, of, x.local, id, x.value); err != nil {
			panic(err)
		}
		e.Heard = 0 // outside these laws
		events = append(events, e)
	}
	SortEvents(events)
	return events
}

// differs says where two replicas do not agree: in heads, tags or answers.
func (r *replica) differs(o *replica) error {
	if got, want := len(r.heads), len(o.heads); got != want {
		return fmt.Errorf("%d heads and %d", got, want)
	}
	for of, want := range o.heads {
		if got := r.heads[of]; string(got) != string(want) {
			return fmt.Errorf("heads of %s:\n%x and\n%x\n%s", of.Number, got, want, headDiffers(r.head(of), o.head(of)))
		}
		for _, v := range []Variant{{Events: true, Account: "main"}, {Events: true, Retracted: true, Epoch: 1}} {
			a, b := r.trace(of, v), o.trace(of, v)
			if got, want := a.AppendJSON(a.AppendTag(nil, v), v), b.AppendJSON(b.AppendTag(nil, v), v); string(got) != string(want) {
				return fmt.Errorf("the heads of %s agree, the answers do not:\n%s and\n%s", of.Number, got, want)
			}
		}
	}
	return nil
}

// isWhat reports where a replica is not what the oracle says.
func (r *replica) isWhat(said map[Waybill]*naive) error {
	for of, n := range said {
		if got, want := r.heads[of], n.h.Append(nil); string(got) != string(want) {
			return fmt.Errorf("head of %s, and the oracle's:\n%x\n%x\n%s", of.Number, got, want, headDiffers(r.head(of), &n.h))
		}
	}
	for of := range r.heads {
		if said[of] == nil {
			return fmt.Errorf("the oracle knows nothing of %s", of.Number)
		}
	}
	return nil
}

// headDiffers shows the first part that two heads do not have alike.
func headDiffers(a, b *Head) string {
	for _, part := range []struct{ name, a, b string }{
		{"entries", fmt.Sprintf("%+v", a.Entries), fmt.Sprintf("%+v", b.Entries)},
		{"marks to come", fmt.Sprint(a.Ghosts), fmt.Sprint(b.Ghosts)},
		{"told legs", fmt.Sprint(a.Told), fmt.Sprint(b.Told)},
		{"legs", fmt.Sprint(a.Legs), fmt.Sprint(b.Legs)},
		{"epochs", fmt.Sprint(a.Earlier, a.start), fmt.Sprint(b.Earlier, b.start)},
		{"meaning", fmt.Sprintf("%+v", a.Meaning), fmt.Sprintf("%+v", b.Meaning)},
		{"hash of what is shown", fmt.Sprint(a.own), fmt.Sprint(b.own)},
	} {
		if part.a != part.b {
			return part.name + ":\n" + part.a + " and\n" + part.b
		}
	}
	return "in no part that has a name"
}

// shuffled gives facts to a replica in any order and in batches, some of them again.
func shuffled(facts []telling, rng *rand.Rand) *replica {
	all := slices.Clone(facts)
	for range rng.IntN(len(facts)/4 + 1) {
		f := facts[rng.IntN(len(facts))]
		if f.event != nil { // heard once more, later
			e := *f.event
			e.Heard += HLC(rng.Uint64N(1 << 30))
			f.event = &e
		}
		all = append(all, f)
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	r := newReplica()
	for len(all) > 0 {
		n := 1 + rng.IntN(len(all))
		r.take(all[:n]...)
		all = all[n:]
	}
	return r
}

// What scans are drawn from. Times lie close together, so that they tie, and
// around the six hours and the day that the fold asks about.
var (
	someStatuses = []Pair{
		{InTransit, "departed"}, {Delivered, "signed"}, {InTransit, "arrived"}, {Delivered, ""}, {OutForDelivery, ""}, {PickedUp, "collected"},
		{Unknown, ""}, {PreTransit, "label_created"}, {AttemptFailed, "not_home"}, {AvailableForPickup, "locker"},
		{Exception, "delay"}, {Exception, "customs_hold"}, {Returning, "refused"}, {Returned, "to_warehouse"}, {Lost, "missing"},
		{Cancelled, "by_shipper"}, {InTransit, "customs_cleared"}, {InTransit, "arrived_country"}, {InTransit, "linehaul"},
		{OutForDelivery, "last_mile_received"}, {PreTransit, "order_created"}, {InTransit, "not_in_the_table"},
	}
	someDelays = []time.Duration{
		0, 49 * time.Hour, 0, time.Second, 30 * time.Second, time.Minute, time.Hour, 80 * time.Hour, 6*time.Hour - time.Second,
		6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 24*time.Hour + time.Second, 30 * time.Hour, 200 * time.Hour, 50 * time.Millisecond,
	}
	someSources = []struct {
		name  string
		edits bool
	}{{"sf", true}, {"kuaidi100", false}, {"api:shop", false}, {"wavering", false}}
	someTexts  = []string{"", "派送中", "已 签收", "Signed\u3000by Li", "In transit"}
	someCities = []string{"", "深圳", "Albany"}
	someRefs   = []Reference{{"main", "order 1"}, {"main", "order 2"}, {"shop", "order 1"}, {"main", "bad\x01"}, {"other", "PO 7"}}
)

// drawScan draws what identifies an event.
func drawScan(t *rapid.T) Event {
	source := rapid.SampledFrom(someSources).Draw(t, "source")
	e := Event{Waybill: Waybill{"SF7444400031887", "sf"}, Source: source.name, TextEdits: source.edits,
		Code:  rapid.SampledFrom([]string{"50", "80", ""}).Draw(t, "code"),
		Place: Place{City: rapid.SampledFrom(someCities).Draw(t, "city")},
	}
	if rapid.IntRange(0, 3).Draw(t, "has a reason") == 3 {
		e.ReasonCode = "17"
	}
	if source.name == "wavering" {
		e.ReasonCode = ""
	} else {
		e.Text.Text = rapid.SampledFrom(someTexts).Draw(t, "text")
	}
	at := time.UnixMilli(noon).UTC().Add(rapid.SampledFrom(someDelays).Draw(t, "delay"))
	layout := rapid.SampledFrom([]string{"2006-01-02 15:04:05.999", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02",
		"2006-01-02T15:04:05-07:00"}).Draw(t, "layout")
	zone := rapid.SampledFrom([]int{8 * 60, -5 * 60, 0}).Draw(t, "zone")
	var err error
	if strings.HasSuffix(layout, "-07:00") {
		e.At, err = ParseOffset(at.In(time.FixedZone("", zone*60)).Format(layout))
	} else if local := at.Add(8 * time.Hour).Format(layout); zone == 0 {
		e.At, err = ParseLocal(local, 0, ZoneUnknown)
	} else {
		e.At, err = ParseLocal(local, China, ZoneCarrier)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// drawCopy draws one telling of a scan: everything outside its identity.
func drawCopy(t *rapid.T, scan Event) Event {
	e := scan
	e.Pair = rapid.SampledFrom(someStatuses).Draw(t, "status")
	e.Table = rapid.Uint32Range(0, 2).Draw(t, "table")
	fields := rapid.IntRange(0, 31).Draw(t, "fields")
	if fields&1 != 0 {
		e.Operator = "Li"
	}
	if fields&2 != 0 {
		e.Quantity = rapid.Uint32Range(1, 2).Draw(t, "quantity")
	}
	if fields&4 != 0 {
		e.Latitude, e.Longitude = 22.5, 114.1
	}
	if fields&8 != 0 {
		e.CarrierID = rapid.SampledFrom([]string{"1", "2"}).Draw(t, "carrier id")
	}
	if fields&16 != 0 {
		e.SignedBy, e.Provisional = "Wang", true
	}
	if e.Source == "wavering" {
		e.TextEdits = rapid.Bool().Draw(t, "edits")
		e.Text.EN = rapid.SampledFrom([]string{"", "Arrived"}).Draw(t, "english")
	}
	if e.TextEdits {
		// Few texts, so that one is often told twice.
		e.Text = rapid.SampledFrom([]Text{{Text: "派送中"}, {Text: "已 签收"}, {Text: "已 签收", Reason: "门口", EN: "Signed"}, {}}).Draw(t, "edited")
		e.ReasonCode = rapid.SampledFrom([]string{"", "33"}).Draw(t, "reason")
	}
	if e.At.Zone == ZoneUnknown && rapid.IntRange(0, 4).Draw(t, "zone learned") == 4 {
		e.At.Offset, e.At.Zone = China, ZoneDefault
	}
	refs := rapid.IntRange(0, 40).Draw(t, "references")
	switch {
	case refs == 40: // more than a head names
		for i := range 40 {
			e.References = append(e.References, Reference{"many", fmt.Sprint("order ", i)})
		}
	case refs > 15:
		for range refs % 4 {
			e.References = append(e.References, rapid.SampledFrom(someRefs).Draw(t, "reference"))
		}
	}
	e.Relayed = true
	e.Heard = HLCAt(noon+400*3_600_000+rapid.Int64Range(0, 4).Draw(t, "heard")) + HLC(rapid.IntRange(0, 1).Draw(t, "counter"))
	return e
}

// drawFacts draws 1 to 25 tellings of the events of one waybill.
func drawFacts(t *rapid.T) []Event {
	// Left alone the library prefers short lists; the rarer rules need long ones.
	least := rapid.SampledFrom([]int{25, 1, 8, 16}).Draw(t, "at least")
	scans := rapid.SliceOfN(rapid.Custom(drawScan), (least+1)/2, 15).Draw(t, "scans")
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Event {
		return drawCopy(t, rapid.SampledFrom(scans).Draw(t, "scan"))
	}), least, 25).Draw(t, "facts")
}

// drawBeside draws facts beside events: lists that speak of them, and of events
// that never come, in any way; legs, and operators' words.
func drawBeside(t *rapid.T, events []telling) (facts []telling) {
	w := events[0].event.Waybill
	stamp := func() Stamp {
		return Stamp{HLCAt(noon + rapid.Int64Range(0, 5).Draw(t, "stamp")), Origin(rapid.IntRange(1, 2).Draw(t, "origin"))}
	}
	ids := func(label string) (some []ID) {
		for _, f := range events {
			if rapid.IntRange(0, 3).Draw(t, label) == 0 {
				some = append(some, f.event.ID)
			}
		}
		if rapid.IntRange(0, 7).Draw(t, "never came") == 0 {
			some = append(some, 7)
		}
		slices.Sort(some)
		return slices.Compact(some)
	}
	seenStamps := map[Stamp]bool{}
	for range rapid.IntRange(0, 4).Draw(t, "lists") {
		l := &List{Waybill: w, Source: "kuaidi100", Stamp: stamp(), Shows: ids("shows"), Hides: ids("hides"), Doubtful: rapid.IntRange(0, 3).Draw(t, "doubtful") == 3}
		l.Hides = slices.DeleteFunc(l.Hides, func(id ID) bool { return slices.Contains(l.Shows, id) })
		if !seenStamps[l.Stamp] { // a node gives each list a reading of its own
			facts = append(facts, telling{list: l})
		}
		seenStamps[l.Stamp] = true
	}
	for range rapid.IntRange(0, 2).Draw(t, "legs") {
		to := LegTo{Waybill: Waybill{rapid.SampledFrom([]string{"YT0002", "", "SF7444400031887"}).Draw(t, "child"), rapid.SampledFrom([]string{"yto", "jd"}).Draw(t, "by")}}
		facts = append(facts, telling{leg: &LegFact{Waybill: w, To: to, Since: noon + rapid.Int64Range(0, 3).Draw(t, "since")*3_600_000}})
	}
	for range rapid.IntRange(0, 2).Draw(t, "words") {
		at := stamp()
		if seenStamps[at] {
			continue
		}
		seenStamps[at] = true
		facts = append(facts, telling{word: &Override{Waybill: w, Pair: rapid.SampledFrom([]Pair{{}, {Lost, "missing"}, {InTransit, ""}}).Draw(t, "word"),
			Author: "ops", Reason: "seen", Stamp: at}})
	}
	return facts
}

// Facts of one waybill, drawn without any sense: they tie and contradict each other.
func TestLaws(t *testing.T) {
	// The same rounds each time: the counts below are facts, not chances.
	for name, value := range map[string]string{"rapid.seed": "4", "rapid.checks": "400", "rapid.nofailfile": "true", "rapid.shrinktime": "5s"} {
		old := stdflag.Lookup(name).Value.String()
		if err := stdflag.Set(name, value); err != nil {
			t.Fatal(err)
		}
		defer stdflag.Set(name, old)
	}
	seen := tally{}
	rapid.Check(t, func(t *rapid.T) {
		events := drawFacts(t)
		var facts []telling
		for _, e := range events {
			e.References = slices.Clone(e.References)
			facts = append(facts, telling{event: sealed(e)})
		}
		facts = append(facts, drawBeside(t, facts)...)
		first := newReplica()
		for _, f := range facts {
			if got := first.take(f); f.event != nil {
				seen.when("an event's first telling", got[0] == Fresh)
				seen.when("a repeat", got[0] == Repeat)
				seen.when("a copy that changed its event", got[0] == Changed)
			}
		}
		if err := first.isWhat(oracle(facts, seen)); err != nil {
			t.Fatalf("in order, one by one: %v", err)
		}
		count(seen, events, first.trace(events[0].Waybill, Variant{}))
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
		for range 4 {
			if err := shuffled(facts, rng).differs(first); err != nil {
				t.Fatalf("in another order, with repeats: %v", err)
			}
		}
	})
	seen.atLeast(t, map[string]int{
		"an event's first telling": 1000, "a repeat": 300, "a copy that changed its event": 600,
		"scans in the same second": 70, "tied to the rank": 25, "to the day": 70, "to the minute": 70,
		"no zone": 80, "an offset of its own": 80, "several sources": 100, "a full house of 25": 30,
		"several texts": 80, "an older telling of an edited text": 70, "copies that disagree about edits": 50,
		"references of several accounts": 90, "many references": 40, "a reference that cannot be indexed": 60,
		"no status": 20, "a sub-status that is not in the table": 30, "since is not the last entry": 50,
		"reopened by an attempt": 15, "an attempt too soon to reopen": 15, "reopened by scans": 5, "an end that stood": 100,
		"returned by a delivery": 10, "lost or cancelled, then scanned": 50, "papers that came too late": 30,
		"words that said it was over": 50, "an anomaly": 50,
	})
}

// count notes which kinds of facts a round had.
func count(seen tally, facts []Event, tr *Trace) {
	h := &tr.Head
	var day, minute, nozone, own, tied, ranked, unknown, literal bool
	for i := range h.Entries {
		x := &h.Entries[i]
		day, minute = day || x.At.Precision == Day, minute || x.At.Precision == Minute
		nozone, own = nozone || x.At.Zone == ZoneUnknown, own || x.At.Zone == ZoneOffset
		unknown, literal = unknown || x.Pair.Status == Unknown, literal || x.Pair.Sub == "not_in_the_table"
		if i > 0 {
			before := &h.Entries[i-1]
			same := x.At.pinned(x.Pair.Status)/1000 == before.At.pinned(before.Pair.Status)/1000
			tied, ranked = tied || same, ranked || same && x.Pair.Status == before.Pair.Status
		}
	}
	seen.when("to the day", day)
	seen.when("to the minute", minute)
	seen.when("no zone", nozone)
	seen.when("an offset of its own", own)
	seen.when("scans in the same second", tied)
	seen.when("tied to the rank", ranked)
	seen.when("no status", unknown)
	seen.when("a sub-status that is not in the table", literal)
	seen.when("several sources", len(h.Sources) > 1)
	seen.when("a full house of 25", len(facts) == 25)

	accounts := map[string]bool{}
	for _, r := range h.References {
		accounts[r.Account] = true
	}
	seen.when("references of several accounts", len(accounts) > 1)
	seen.when("many references", len(h.References) > 30)

	heard, edits := map[ID]HLC{}, map[ID]bool{}
	var older, bad, disagree bool
	for _, e := range facts {
		e.References = slices.Clone(e.References)
		s := sealed(e)
		if last, known := heard[s.ID]; known {
			older = older || e.TextEdits && e.Heard < last
			disagree = disagree || edits[s.ID] != e.TextEdits
		}
		heard[s.ID], edits[s.ID] = e.Heard, e.TextEdits
		bad = bad || slices.Contains(e.References, Reference{"main", "bad\x01"})
	}
	seen.when("an older telling of an edited text", older)
	seen.when("copies that disagree about edits", disagree)
	seen.when("a reference that cannot be indexed", bad)
	seen.when("several texts", slices.ContainsFunc(h.Entries, func(x Entry) bool { return len(x.Texts) > 1 }))

	seen.when("since is not the last entry", h.Since.Known && h.Since.At != h.Entries[len(h.Entries)-1].At)
}
