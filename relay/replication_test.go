package relay

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/bits"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"waytrace/store/facttest"
	"waytrace/store/storetest"
	"waytrace/trace"
)

var (
	seeds = flag.Int("seeds", map[bool]int{false: 5, true: 2}[raced], "how many times TestReplication plays, each time otherwise")
	chaos = flag.Duration("chaos", 2500*time.Millisecond, "how long each time, before all is left alone")
)

// Nodes that hear the same and different things, crash, restart, are cloned, and speak
// through a Kafka that fails in every way end up alike: nothing that was acknowledged is
// missing anywhere, and nothing was applied twice.
//
// KAFKA_BROKERS names a real Kafka, which then does not fail; without it one is played.
func TestReplication(t *testing.T) {
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			p := play(t, seed, func(s Store) Store { return s })
			p.report(t)
			for _, wrong := range p.wrong {
				t.Error(wrong)
			}
		})
	}
}

// The same must find something where how far a node is does not go into one batch with
// the facts.
func TestReplicationFindsLosses(t *testing.T) {
	if os.Getenv("KAFKA_BROKERS") != "" || raced {
		t.Skip("it is about nodes that crash, wherever Kafka is and whoever watches")
	}
	for name, apart := range map[string]func(Store) Store{
		"facts first":  func(s Store) Store { return &factsFirst{s} },
		"offset first": func(s Store) Store { return &offsetFirst{s} },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(10) {
				if p := play(t, seed, apart); len(p.wrong) > 0 {
					t.Logf("found: %s", p.wrong[0])
					return
				}
			}
			t.Error("nothing was found")
		})
	}
}

// apart is how long there is for a crash between the two.
const apart = 10 * time.Millisecond

// factsFirst writes how far it is after the facts.
type factsFirst struct{ Store }

func (s *factsFirst) ApplyNews(ctx context.Context, facts *trace.Facts, p *trace.Progress) error {
	if err := s.Store.ApplyNews(ctx, facts, nil); err != nil {
		return err
	}
	time.Sleep(apart)
	return s.Store.ApplyNews(ctx, nil, p)
}

// offsetFirst writes how far it is before the facts.
type offsetFirst struct{ Store }

func (s *offsetFirst) ApplyNews(ctx context.Context, facts *trace.Facts, p *trace.Progress) error {
	if err := s.Store.ApplyNews(ctx, nil, p); err != nil {
		return err
	}
	time.Sleep(apart)
	return s.Store.ApplyNews(ctx, facts, nil)
}

// A drama is one play of the suite.
type drama struct {
	t       testing.TB
	kafka   *kfake.Cluster // nil is a real one
	brokers []string
	topic   string
	apart   func(Store) Store
	cast    []*member

	mu       sync.Mutex
	wrong    []string
	pushed   int
	told     map[trace.ID]uint   // which members were told an event, a bit each
	promised map[trace.ID]string // events that were acknowledged, and their numbers
	counts   map[string]int      // of what went wrong on purpose
}

// A member is a node with its relay.
type member struct {
	*drama
	index int
	node  *storetest.Node

	playing sync.Mutex // held by who starts and ends lives
	life    *life
	applied map[source]uint64 // up to which number it was applied, and must stay so
	events  map[trace.ID]bool // that it has from others
	unsure  []unsure          // batches of the last life that the crash may have taken
}

// A source is one node's news in one partition.
type source struct {
	partition uint16
	origin    trace.Origin
}

// An unsure batch was under way when its node crashed.
type unsure struct {
	partition uint16
	offset    int64 // behind it
	events    []trace.Event
}

// A life is a member from one start to the next crash. It watches what is applied.
type life struct {
	Store
	*member
	relay *Relay

	mu   sync.Mutex
	upto map[source]uint64
	open map[*unsure]bool
}

func (p *drama) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
}

func (p *drama) count(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[what]++
}

// play runs one drama, and says what went wrong that should not have.
func play(t *testing.T, seed uint64, apart func(Store) Store) *drama {
	rng := rand.New(rand.NewPCG(seed, 3))
	p := &drama{t: t, apart: apart, topic: topic, told: map[trace.ID]uint{}, promised: map[trace.ID]string{}, counts: map[string]int{}}
	p.findKafka(seed)
	members := 2 + int(seed%2)
	for range members {
		p.enter(storetest.New(t, rng.Uint64()))
	}
	stop := make(chan struct{})
	var work sync.WaitGroup
	for i := range 2 * members {
		// Half of the pushers tell, two by two, the same at different members.
		tells := rand.New(rand.NewPCG(seed, 100+uint64(i)))
		m := p.cast[i%members]
		if i < members {
			tells = rand.New(rand.NewPCG(seed, 100+uint64(i/2)))
		}
		work.Go(func() { m.push(tells, stop) })
	}
	if p.kafka != nil {
		trouble := rand.New(rand.NewPCG(seed, 7))
		work.Go(func() { p.trouble(trouble, stop) })
	}
	for start := time.Now(); time.Since(start) < *chaos || !p.enough() && time.Since(start) < 10**chaos; {
		time.Sleep(time.Duration(50+rng.IntN(300)) * time.Millisecond)
		m := p.cast[rng.IntN(len(p.cast))]
		switch one := rng.IntN(10); {
		case one < 7:
			m.crash([]int{0, 20, 50, 100}[rng.IntN(4)])
		case one < 9:
			m.rejoin()
		case len(p.cast) == members:
			p.clone(m, rng.Uint64())
		}
	}
	close(stop)
	work.Wait()
	p.settle()
	p.check()
	return p
}

// enough reports whether enough has gone wrong to prove anything.
func (p *drama) enough() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	twice := p.counts[kerr.RequestTimedOut.Message] + p.counts[kerr.NotEnoughReplicasAfterAppend.Message]
	return p.counts["crashes"] >= 4 && p.pushed >= 200 && len(p.promised) >= 500 && (p.kafka == nil || twice >= 5)
}

// findKafka takes the real one that was named, or plays one.
func (p *drama) findKafka(seed uint64) {
	if named := os.Getenv("KAFKA_BROKERS"); named != "" {
		p.brokers = strings.Split(named, ",")
		p.topic = fmt.Sprintf("waytrace-replication-%d-%d", seed, time.Now().UnixNano())
		makeTopic(p.t, p.brokers, p.topic)
		return
	}
	p.kafka = kfake.MustCluster(kfake.NumBrokers(3), kfake.SeedTopics(trace.Partitions, p.topic))
	p.t.Cleanup(p.kafka.Close)
	p.brokers = p.kafka.ListenAddrs()
}

// makeTopic makes a topic, and removes it when the test ends.
func makeTopic(t testing.TB, brokers []string, topic string) {
	b, err := newBroker(Settings{Brokers: brokers, Topic: topic}, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.client.CreateTopics(context.Background(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: trace.Partitions, ReplicationFactor: 1}}})
	if err == nil {
		err = res.Errors[topic]
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer b.Close()
		var err error
		for range 5 {
			if _, err = b.client.DeleteTopics(context.Background(), &kafka.DeleteTopicsRequest{Topics: []string{topic}}); err == nil {
				return
			}
		}
		t.Error(err)
	})
}

// enter adds a node to the cast.
func (p *drama) enter(n *storetest.Node) {
	m := &member{drama: p, index: len(p.cast), node: n, applied: map[source]uint64{}, events: map[trace.ID]bool{}}
	for partition := range uint16(trace.Partitions) {
		_, known, err := n.Store().Place(partition)
		if err != nil {
			p.t.Fatal(err)
		}
		for origin, k := range known {
			m.applied[source{partition, origin}] = k.Own
		}
	}
	p.cast = append(p.cast, m)
	m.begin()
	p.t.Cleanup(m.end)
}

// begin opens the relay of a node that has just started.
func (m *member) begin() {
	s := m.node.Store()
	l := &life{Store: m.apart(s), member: m, upto: map[source]uint64{}, open: map[*unsure]bool{}}
	for partition := range uint16(trace.Partitions) {
		at, known, err := s.Place(partition)
		if err != nil {
			m.t.Fatal(err)
		}
		for origin, k := range known {
			from := source{partition, origin}
			l.upto[from] = k.Own
			if k.Own < m.applied[from] && origin != s.Node() {
				m.note("partition %d: node %d forgot that it has applied up to %d of %s, it says %d", partition, m.index, m.applied[from], origin, k.Own)
			}
			m.applied[from] = max(m.applied[from], k.Own)
		}
		for _, u := range m.unsure {
			if u.partition == partition && at.Offset >= u.offset {
				m.heard(&u)
			}
		}
		for _, u := range m.unsure {
			if u.partition == partition && at.Offset < u.offset {
				m.untouched(&u)
			}
		}
	}
	m.unsure = nil
	r, err := Open(l, m.node.Outbox(), Settings{Brokers: m.brokers, Topic: m.topic,
		Compression: []string{"snappy", "zstd", "none", "lz4"}[m.index%4], Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		m.t.Fatal(err)
	}
	l.relay = r
	m.life = l
}

// heard notes what the node has from others for certain.
func (m *member) heard(u *unsure) {
	for _, e := range u.events {
		m.events[e.ID] = true
	}
}

// untouched checks that nothing of a batch is there of which the offset is not, but for
// what came another way, too.
func (m *member) untouched(u *unsure) {
	for _, e := range u.events {
		m.mu.Lock()
		tellers := bits.OnesCount(m.told[e.ID])
		m.mu.Unlock()
		var t trace.Trace
		if tellers != 1 || m.events[e.ID] || m.node.Store().Trace(&t, e.Number, e.Carrier, trace.Want{Events: true}) != nil {
			continue
		}
		if slices.ContainsFunc(t.Events, func(of trace.Event) bool { return of.ID == e.ID }) {
			m.note("partition %d: node %d has event %s, and has not read it: it will be applied twice", u.partition, m.index, e.ID)
		}
	}
}

// end closes the relay.
func (m *member) end() {
	m.playing.Lock()
	defer m.playing.Unlock()
	m.finish()
}

func (m *member) finish() {
	m.life.relay.Close()
	select {
	case err := <-m.life.relay.Fatal():
		m.note("node %d ended with: %v", m.index, err)
	default:
	}
}

// rejoin stops the relay in order and opens it again.
func (m *member) rejoin() {
	m.playing.Lock()
	defer m.playing.Unlock()
	m.drama.count("restarts")
	m.finish()
	m.begin()
}

// crash cuts the node's power at this moment, and starts it again.
func (m *member) crash(kept int) {
	m.playing.Lock()
	defer m.playing.Unlock()
	m.drama.count("crashes")
	ghost := m.life
	m.node.Crash(kept)
	// What the dead process still does reaches nobody but Kafka.
	ghost.relay.Close()
	ghost.mu.Lock()
	for u := range ghost.open {
		m.unsure = append(m.unsure, *u)
	}
	ghost.mu.Unlock()
	m.begin()
}

// clone lets a copy of a node join under an id of its own.
func (p *drama) clone(m *member, seed uint64) {
	m.playing.Lock()
	defer m.playing.Unlock()
	p.count("clones")
	c := m.node.Copy(seed)
	c.Rebirth()
	index := len(p.cast)
	p.mu.Lock()
	for id, members := range p.told {
		p.told[id] = members | members>>m.index&1<<index
	}
	p.mu.Unlock()
	p.enter(c)
}

// ApplyNews watches that every number is applied once, and none is left out.
func (l *life) ApplyNews(ctx context.Context, facts *trace.Facts, p *trace.Progress) error {
	u := &unsure{partition: p.Partition, offset: p.Position.Offset}
	for i := range facts.Events {
		e := &facts.Events[i]
		u.events = append(u.events, trace.Event{Waybill: trace.Waybill{Number: strings.Clone(e.Number), Carrier: strings.Clone(e.Carrier)}, ID: e.ID})
	}
	l.mu.Lock()
	upto := map[source]uint64{}
	for origin, k := range p.Origins {
		from := source{p.Partition, origin}
		if before := l.upto[from]; origin != l.Node() && k.Own > before {
			upto[from] = k.Own
		}
	}
	l.open[u] = true
	l.mu.Unlock()
	err := l.Store.ApplyNews(ctx, facts, p)
	if err != nil || l.member.node.Store() != inner(l.Store) {
		return err // it crashed meanwhile: nobody knows
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, u)
	l.heard(u)
	for from, own := range upto {
		if before := l.applied[from]; l.upto[from] != before {
			l.note("partition %d: node %d applies from %d on, and has applied up to %d of %s", from.partition, l.index, l.upto[from]+1, before, from.origin)
		}
		l.upto[from], l.applied[from] = own, own
	}
	return nil
}

// inner is the store under what a test put around it.
func inner(s Store) Store {
	switch s := s.(type) {
	case *factsFirst:
		return s.Store
	case *offsetFirst:
		return s.Store
	}
	return s
}

// push hears one thing after the other.
func (m *member) push(rng *rand.Rand, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(1+rng.IntN(4)) * time.Millisecond):
		}
		facts, err := m.node.Push(func(f *trace.Facts) {
			facttest.Load(f, rng)
			if rng.IntN(8) > 0 {
				// Nodes may forget different doubts, beyond the 32 that they keep.
				f.Lists = nil
				for i := range f.Events {
					f.Events[i].List = 0
				}
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			for i := range f.Events {
				e := f.Events[i]
				(&trace.Facts{}).Seal(&e, 1)
				m.told[e.ID] |= 1 << m.index
			}
		})
		m.mu.Lock()
		m.pushed++
		if err == nil {
			for i := range facts.Events {
				if e := &facts.Events[i]; e.Taken != trace.TooMany {
					m.promised[e.ID] = e.Number
				}
			}
		}
		m.mu.Unlock()
		if err != nil && !errors.Is(err, trace.ErrUnavailable) {
			m.note("node %d: %v", m.index, err)
		}
	}
}

// trouble makes Kafka fail.
func (p *drama) trouble(rng *rand.Rand, stop <-chan struct{}) {
	partitions := func() (some []int32) {
		for n := range int32(trace.Partitions) {
			if rng.IntN(3) == 0 {
				some = append(some, n)
			}
		}
		return some
	}
	fail := func(key kmsg.Key, err *kerr.Error) {
		h := p.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Topic: p.topic, Partitions: partitions(), Err: err, Count: 1 + rng.IntN(6)})
		time.AfterFunc(100*time.Millisecond, func() {
			h.Remove()
			p.mu.Lock()
			defer p.mu.Unlock()
			p.counts[err.Message] += h.Hits()
		})
	}
	var cut sync.Mutex
	for {
		select {
		case <-stop:
			time.Sleep(150 * time.Millisecond) // until the last fault is counted
			return
		case <-time.After(time.Duration(rng.IntN(20)) * time.Millisecond):
		}
		switch rng.IntN(8) {
		case 0:
			fail(kmsg.Produce, kerr.RequestTimedOut)
		case 1:
			fail(kmsg.Produce, kerr.NotEnoughReplicasAfterAppend)
		case 2:
			fail(kmsg.Produce, kerr.NotEnoughReplicas)
		case 3:
			fail(kmsg.Produce, kerr.UnknownServerError)
		case 4:
			fail(kmsg.Fetch, []*kerr.Error{kerr.NotLeaderForPartition, kerr.KafkaStorageError, kerr.UnknownTopicOrPartition, kerr.OffsetNotAvailable}[rng.IntN(4)])
		case 5:
			fail(kmsg.Fetch, kerr.OffsetOutOfRange)
		case 6:
			if rng.IntN(8) == 0 {
				p.count("leaders moved")
				p.kafka.ShufflePartitionLeaders()
			}
		case 7:
			key := []kmsg.Key{kmsg.Produce, kmsg.Fetch, kmsg.Metadata, kmsg.ListOffsets}[rng.IntN(4)]
			once := false
			p.kafka.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
				cut.Lock()
				defer cut.Unlock()
				if once {
					return nil, nil, false
				}
				once = true
				p.count("connections cut")
				return nil, errors.New("cut off"), true
			})
		}
	}
}

// settle waits until everybody has everything.
func (p *drama) settle() {
	b, err := newBroker(Settings{Brokers: p.brokers, Topic: p.topic}, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	defer b.Close()
	deadline := time.Now().Add(time.Minute)
	for {
		missing := ""
		for _, m := range p.cast {
			for n := range uint16(trace.Partitions) {
				s := m.life.relay.readers[n].status()
				_, end, err := b.Bounds(context.Background(), n)
				if s.Waiting > 0 || err != nil || s.Offset < end {
					missing = fmt.Sprintf("node %d: %+v, the log ends at %d (%v)", m.index, s, end, err)
				}
				if s.State == stateStopped || s.State == stateNeedsClone {
					p.note("node %d: %+v", m.index, s)
					return
				}
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			p.note("a minute later not everybody has everything: %s", missing)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// check compares the nodes, with each other and with what was promised.
func (p *drama) check() {
	for _, m := range p.cast {
		m.end()
		if err := m.node.Disagreement(); err != nil {
			p.note("node %d: %v", m.index, err)
		}
	}
	first := p.cast[0]
	dump := first.node.Dump()
	for _, m := range p.cast {
		if d := facttest.Difference(dump, m.node.Dump()); d != "" {
			p.note("node %d differs from node 0: %s", m.index, d)
		}
		for n := range uint16(trace.Partitions) {
			_, known, err := m.node.Store().Place(n)
			if err != nil {
				p.t.Fatal(err)
			}
			for _, of := range p.cast {
				s := of.node.Store()
				if got, want := known[s.Node()].Own, s.Counted(n); got != want {
					p.note("partition %d: node %d has %d of the %d that node %d was the first to hear", n, m.index, got, want, of.index)
				}
			}
		}
	}
	has := map[trace.ID]bool{}
	numbers := map[string]bool{}
	for _, number := range p.promised {
		if !numbers[number] {
			numbers[number] = true
			for _, carrier := range []string{"sf", "yto"} {
				var t trace.Trace
				if first.node.Store().Trace(&t, number, carrier, trace.Want{Events: true}) == nil {
					for i := range t.Events {
						has[t.Events[i].ID] = true
					}
				}
			}
		}
	}
	lost := 0
	for id := range p.promised {
		if !has[id] {
			lost++
		}
	}
	if lost > 0 {
		p.note("%d of %d events that were acknowledged are nowhere", lost, len(p.promised))
	}
	if !p.enough() {
		p.note("too little went wrong to prove anything: %d pushes of %d events, %v", p.pushed, len(p.promised), p.counts)
	}
}

// report says what happened.
func (p *drama) report(t *testing.T) {
	told, repeats := uint64(0), int64(0)
	b, err := newBroker(Settings{Brokers: p.brokers, Topic: p.topic}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for n := range uint16(trace.Partitions) {
		first, end, err := b.Bounds(context.Background(), n)
		if err != nil {
			t.Fatal(err)
		}
		repeats += end - first
		for _, m := range p.cast {
			told += m.node.Store().Counted(n)
		}
	}
	repeats -= int64(told)
	text := fmt.Sprintf("%d nodes, %d pushes, %d events acknowledged, %d records, %d repeats in the log", len(p.cast), p.pushed, len(p.promised), told, repeats)
	names := make([]string, 0, len(p.counts))
	for name := range p.counts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		text += fmt.Sprintf(", %s: %d", strings.TrimSuffix(name, "."), p.counts[name])
	}
	t.Log(text)
	if len(p.wrong) == 0 {
		t.Log("no gap, nothing applied twice, nothing missing, all nodes alike")
	}
}
