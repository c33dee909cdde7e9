package relay

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"waytrace/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a Kafka of three brokers, in the bubble of a test whose time runs when
// nobody works.
type world struct {
	*testing.T
	*kfake.Cluster
	net     *kfake.VirtualNetwork
	counted uint64 // by count
	relays  []*Relay
}

const topic = "waytrace"

// inWorld runs a test in a world of its own.
func inWorld(t *testing.T, test func(w *world), options ...kfake.Opt) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, net: new(kfake.VirtualNetwork)}
		w.Cluster = kfake.MustCluster(append([]kfake.Opt{kfake.NumBrokers(3), kfake.Ports(9092, 9093, 9094),
			kfake.ListenFn(w.net.Listen), kfake.SeedTopics(trace.Partitions, topic)}, options...)...)
		t.Cleanup(w.Cluster.Close)
		test(w)
	})
}

// settings are those of a node of the world. Snappy needs the least memory, which is what
// costs time under the race detector.
func (w *world) settings() Settings {
	return Settings{Brokers: w.ListenAddrs(), Compression: "snappy", Log: slog.New(slog.DiscardHandler)}
}

// join opens the relay of a node.
func (w *world) join(n *node) *Relay {
	w.Helper()
	return w.joinAs(n, w.settings())
}

func (w *world) joinAs(n *node, s Settings) *Relay {
	w.Helper()
	s = s.withDefaults()
	b, err := newBroker(s, w.net.DialContext)
	if err != nil {
		w.Fatal(err)
	}
	r, err := open(n, n, b, s)
	if err != nil {
		w.Fatal(err)
	}
	w.relays = append(w.relays, r)
	w.Cleanup(func() { r.Close() })
	return r
}

// until waits for something to become true, for ten minutes at most.
func (w *world) until(what string, is func() bool) {
	w.Helper()
	for start := time.Now(); time.Since(start) < 10*time.Minute; time.Sleep(20 * time.Millisecond) {
		if is() {
			return
		}
	}
	w.Fatalf("ten minutes later: not %s", what)
}

// A node is a store and its outbox, in memory. It stands in for store.Store and
// store.Outbox, which relay does not know.
type node struct {
	id   trace.Origin
	mark uint64 // of this start

	mu    sync.Mutex
	topic string
	parts [trace.Partitions]part
	seq   uint64
	slow  atomic.Int64 // how long ApplyNews takes, a time.Duration
	fails error        // what ApplyNews, Next and Park answer
	steps int          // so many changes one Next passes over, 0 is all
}

type part struct {
	items   []trace.LoadItem
	told    trace.Bookmark
	counted uint64
	bell    chan struct{}
	parked  []trace.ParkedItem

	place   trace.Position
	known   map[trace.Origin]trace.Known
	batches int      // that ApplyNews wrote
	heard   []string // the texts of the events that came in, in order
	facts   []trace.Facts
}

func newNode(id trace.Origin) *node {
	n := &node{id: id, mark: uint64(id)<<8 + 1}
	for p := range n.parts {
		n.parts[p].bell = make(chan struct{}, 1)
		n.parts[p].known = map[trace.Origin]trace.Known{}
	}
	return n
}

// restart gives the node a new start.
func (n *node) restart() { n.mark++ }

// copied is a directory that was copied while nobody used it.
func (n *node) copied() *node {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := newNode(n.id)
	c.mark, c.seq, c.topic = n.mark, n.seq, n.topic
	for p := range c.parts {
		from, to := &n.parts[p], &c.parts[p]
		to.items, to.told, to.counted = slices.Clone(from.items), from.told, from.counted
		to.place, to.known, to.heard = from.place, maps.Clone(from.known), slices.Clone(from.heard)
	}
	return c
}

// number is a waybill number of a partition: the i-th of a kind.
func number(partition uint16, i int) string {
	for k, found := 0, 0; ; k++ {
		number := fmt.Sprintf("SF%013d", k)
		if trace.PartitionOf(number) == partition {
			if found == i {
				return number
			}
			found++
		}
	}
}

// factsOf are facts with one event that says text.
func factsOf(number, text string) *trace.Facts {
	facts := &trace.Facts{}
	e := facts.Event()
	at, err := trace.ParseLocal("2020-05-11 08:00:00", trace.China, trace.ZoneCarrier)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	*e = trace.Event{Waybill: trace.Waybill{Number: number, Carrier: "sf"}, Source: "sf", Code: "50", At: at,
		Text: trace.Text{Text: text, Lang: "en"}}
	facts.Seal(e, trace.HLCAt(1_600_000_000_000))
	return facts
}

// hear makes the node the first to hear something, and gives its number.
func (n *node) hear(partition uint16, text string) uint64 {
	return n.hearFacts(partition, factsOf(number(partition, 0), text))
}

func (n *node) hearFacts(partition uint16, facts *trace.Facts) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := &n.parts[partition]
	n.seq++
	p.counted++
	news := trace.News{Origin: n.id, Mark: n.mark, Own: p.counted, At: time.Now().UnixMilli()}
	if len(facts.Events) > 0 {
		news.Waybill = facts.Events[0].Waybill
	} else {
		news.Waybill = facts.Lists[0].Waybill
	}
	p.items = append(p.items, trace.LoadItem{Seq: n.seq, Own: p.counted, Key: news.Number,
		Value: news.Append(nil, facts), At: time.Now().UnixMilli()})
	ring(p.bell)
	return p.counted
}

// hearFrom makes the node hear so many things from others, all at once.
func (n *node) hearFrom(partition uint16, changes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for range changes {
		n.seq++
		n.parts[partition].items = append(n.parts[partition].items, trace.LoadItem{Seq: n.seq})
	}
	ring(n.parts[partition].bell)
}

func (n *node) Node() trace.Origin { return n.id }

func (n *node) Numbered(partition uint16, own uint64) (mark uint64, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := &n.parts[partition]
	if own == 0 || own > p.counted {
		return 0, false
	}
	i := slices.IndexFunc(p.items, func(item trace.LoadItem) bool { return item.Own == own })
	var news trace.News
	if err := trace.DecodeNewsHead(&news, p.items[i].Value); err != nil {
		panic("BUG: " + err.Error())
	}
	return news.Mark, true
}

func (n *node) Topic() (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.topic, n.fails
}

func (n *node) SetTopic(topic string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fails == nil {
		n.topic = topic
	}
	return n.fails
}

func (n *node) Counted(partition uint16) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.parts[partition].counted
}

func (n *node) Place(partition uint16) (trace.Position, map[trace.Origin]trace.Known, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.parts[partition].place, maps.Clone(n.parts[partition].known), nil
}

func (n *node) ApplyNews(_ context.Context, facts *trace.Facts, p *trace.Progress) error {
	time.Sleep(time.Duration(n.slow.Load()))
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fails != nil {
		return n.fails
	}
	if !facts.Judged {
		panic("BUG: facts of others are judged again")
	}
	part := &n.parts[p.Partition]
	part.batches++
	part.place = p.Position
	maps.Copy(part.known, p.Origins)
	for i := range facts.Events {
		part.heard = append(part.heard, strings.Clone(facts.Events[i].Text.Text))
	}
	part.facts = append(part.facts, trace.Facts{Lists: slices.Clone(facts.Lists), Legs: slices.Clone(facts.Legs),
		Records: slices.Clone(facts.Records), Overrides: slices.Clone(facts.Overrides)})
	return nil
}

func (n *node) Bookmark(partition uint16) trace.Bookmark {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.parts[partition].told
}

func (n *node) Next(partition uint16, records, bytes int) (load trace.Load, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fails != nil {
		return load, n.fails
	}
	p := &n.parts[partition]
	load.Upto = p.told
	passed := 0
	for _, item := range p.items {
		if item.Seq <= p.told.Seq {
			continue
		}
		if item.Own == 0 {
			if passed++; n.steps > 0 && passed > n.steps {
				break
			}
			load.Upto.Seq = item.Seq
			continue
		}
		if slices.ContainsFunc(p.parked, func(parked trace.ParkedItem) bool { return parked.Seq == item.Seq }) {
			news := trace.News{Origin: n.id, Mark: n.mark, Own: item.Own}
			item.Void, item.Value = true, news.Append(nil, nil)
		}
		if len(load.Items) > 0 && (len(load.Items) == records || len(item.Value) > bytes) {
			break
		}
		bytes -= len(item.Value)
		load.Items = append(load.Items, item)
		load.Upto.Seq, load.Upto.Own = item.Seq, item.Own
	}
	return load, nil
}

func (n *node) Told(partition uint16, to trace.Bookmark) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.parts[partition].told = to
	return nil
}

func (n *node) Park(item trace.ParkedItem) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fails != nil {
		return n.fails
	}
	n.parts[item.Partition].parked = append(n.parts[item.Partition].parked, item)
	return nil
}

func (n *node) EachParked(yield func(trace.ParkedItem) bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for p := range n.parts {
		for _, item := range n.parts[p].parked {
			if !yield(item) {
				return nil
			}
		}
	}
	return nil
}

func (n *node) Bell(partition uint16) <-chan struct{} { return n.parts[partition].bell }

func (n *node) Tip(partition uint16) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	items := n.parts[partition].items
	if len(items) == 0 {
		return 0
	}
	return items[len(items)-1].Seq
}

// heard are the texts that came in through a partition.
func (n *node) heard(partition uint16) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.parts[partition].heard)
}

// fail makes the disk fail, or work again.
func (n *node) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fails = err
}

var (
	_ Store  = (*node)(nil)
	_ Outbox = (*node)(nil)
)

// texts are those of a run of news.
func texts(prefix string, from, to int) (all []string) {
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprintf("%s %d", prefix, i))
	}
	return all
}

// heardAll waits until a node has heard exactly these in a partition, in this order.
func (w *world) heardAll(n *node, partition uint16, want []string) {
	w.Helper()
	defer func() {
		for _, r := range w.relays {
			if s := stateOf(r, partition); w.Failed() {
				w.Logf("%+v", s)
			}
		}
	}()
	w.until(fmt.Sprintf("%d heard in partition %d", len(want), partition), func() bool { return len(n.heard(partition)) >= len(want) })
	if got := n.heard(partition); !slices.Equal(got, want) {
		w.Fatalf("partition %d: %q came in, want %q", partition, got, want)
	}
}
