package bench

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Scenario is one kind of load.
type Scenario struct {
	Name   string
	About  string
	Unit   string // that its rows count
	Writes bool   // it leaves work for the store behind

	shape shape
	make  func(k *kit, seed uint64) (maker, error)
}

// A shape is how a load goes over time.
type shape int

const (
	steady  shape = iota
	ramp          // from nothing to the rate
	spike         // a fifth of the rate, five times as much for a while, a fifth again
	restart       // steady, while the daemon is stopped and started again
)

// at is the share of the rate at a moment, which is given as a share of the whole
// time.
func (s shape) at(moment float64) float64 {
	switch {
	case s == ramp:
		return moment
	case s == spike && (moment < 0.4 || moment > 0.6):
		return 0.2
	}
	return 1
}

// Scenarios are all there are.
var Scenarios = func() (all []Scenario) {
	for _, d := range []struct {
		name string
		*dialect
	}{{"json", &dialects.sfJSON}, {"xml", &dialects.sfXML}, {"alibaba", &dialects.alibaba}, {"kuaidi100", &dialects.kuaidi100}} {
		for _, n := range []struct {
			events int
			share  []int
			about  string
		}{{1, shareOfOne, "one event a push"}, {10, shareOfFour, "10 events of four known parcels a push"}, {100, shareOf40, "100 events of 40 known parcels a push"}} {
			about := n.about
			if d.list {
				about = fmt.Sprintf("the whole journey of a new parcel a push, %s", plural(n.events, "event"))
			}
			all = append(all, Scenario{
				Name: fmt.Sprintf("push-%d-%s", n.events, d.name), About: d.dialect.name + ": " + about, Unit: "events", Writes: true,
				make: func(k *kit, seed uint64) (maker, error) {
					if d.list {
						return k.pusher(d.dialect, func(dst []pick) []pick { return k.stock.listPush(dst, n.events) }), nil
					}
					random := rand.New(rand.NewPCG(seed, 6))
					return k.pusher(d.dialect, func(dst []pick) []pick { return k.stock.setPush(dst, random, n.share) }), nil
				},
			})
		}
	}
	push := func(name, about string, choose func(k *kit, random *rand.Rand) func([]pick) []pick) Scenario {
		return Scenario{Name: name, About: "SF, JSON: " + about, Unit: "events", Writes: true, make: func(k *kit, seed uint64) (maker, error) {
			return k.pusher(&dialects.sfJSON, choose(k, rand.New(rand.NewPCG(seed, 6)))), nil
		}}
	}
	read := func(name, about string, make func(k *kit, seed uint64) (maker, error)) Scenario {
		return Scenario{Name: name, About: about, Unit: "requests", make: make}
	}
	traces := func(k *kit, pick func() int) maker { return newGetter(k.to, tracesPath, 200, k.parcels, pick) }
	hot := func(k *kit, seed uint64) (maker, error) { return traces(k, along(k.hot(), seed)), nil }
	mixed := func(share float64, shape shape) func(k *kit, seed uint64) (maker, error) {
		return func(k *kit, seed uint64) (maker, error) {
			random := rand.New(rand.NewPCG(seed, 7))
			choose := func(dst []pick) []pick { return k.stock.setPush(dst, random, shareOfFour) }
			if shape == restart {
				choose = k.stock.backwards() // which nobody counts: pushes fail, and some of those are stored
			}
			return &mixture{random: random, share: share, first: traces(k, along(k.hot(), seed)), second: k.pusher(&dialects.sfJSON, choose)}, nil
		}
	}
	batch := read("batch-100", "100 hot parcels a request", func(k *kit, seed uint64) (maker, error) {
		return &batcher{to: k.to, parcels: k.parcels, pick: along(k.hot(), seed)}, nil
	})
	batch.Unit = "waybills"
	all = append(all,
		push("push-10-new", "10 events of one new parcel a push", func(k *kit, _ *rand.Rand) func([]pick) []pick { return k.stock.onePush }),
		push("push-10-spread", "10 events of ten known parcels a push, the worst for a store", func(k *kit, random *rand.Rand) func([]pick) []pick {
			return func(dst []pick) []pick { return k.stock.setPush(dst, random, shareOfTen) }
		}),
		push("resend", "10 known events of four parcels, pushed again", func(k *kit, random *rand.Rand) func([]pick) []pick {
			return func(dst []pick) []pick { return k.stock.knownPush(dst, random) }
		}),
		push("out-of-order", "a new parcel in two pushes, the newer half first, each from new to old", func(k *kit, _ *rand.Rand) func([]pick) []pick {
			return k.stock.backwards()
		}),
		read("get-hot", "traces, Zipf "+short(zipfExponent), hot),
		read("get-uniform", "traces, any parcel equally often", func(k *kit, seed uint64) (maker, error) {
			return traces(k, uniform(k.parcels.set, seed)), nil
		}),
		read("get-404", "traces of numbers that are not known", func(k *kit, seed uint64) (maker, error) {
			unknown := uniform(1<<30, seed)
			return newGetter(k.to, tracesPath, 404, k.parcels, func() int { return nobodys + unknown() }), nil
		}),
		read("get-304", "hot traces that the asker has already, by their tags", func(k *kit, seed uint64) (maker, error) {
			requests, err := k.tagged()
			return &repeater{requests: requests, at: int(seed % uint64(max(len(requests), 1))), want: 304}, err
		}),
		read("status", "status alone, Zipf "+short(zipfExponent), func(k *kit, seed uint64) (maker, error) {
			return newGetter(k.to, statusPath, 200, k.parcels, along(k.hot(), seed)), nil
		}),
		batch,
		read("pipelined-16", "hot traces, 16 requests at once on each connection", func(k *kit, seed uint64) (maker, error) {
			m, err := hot(k, seed)
			return &pipelined{maker: m, depth: 16}, err
		}),
	)
	for _, m := range []struct {
		name, about string
		share       float64
		shape       shape
	}{
		{"mixed-95-5", "95 hot traces to 5 pushes of 10 events", 0.95, steady},
		{"mixed-50-50", "as many hot traces as pushes of 10 events", 0.5, steady},
		{"ramp", "mixed-95-5, from nothing to the rate", 0.95, ramp},
		{"spike", "mixed-95-5 at a fifth of the rate, and at the rate for a fifth of the time", 0.95, spike},
		{"soak", "mixed-95-5 for long: give it --duration 30m", 0.95, steady},
		{"restart", "mixed-95-5 while the daemon is stopped and started again", 0.95, restart},
	} {
		all = append(all, Scenario{Name: m.name, About: m.about, Unit: "requests", Writes: true, shape: m.shape, make: mixed(m.share, m.shape)})
	}
	return all
}()

// nobodys is the first parcel of those that are never told of.
const nobodys = 1 << 40

// findScenario finds one by its name.
func findScenario(name string) (*Scenario, error) {
	for i := range Scenarios {
		if Scenarios[i].Name == name {
			return &Scenarios[i], nil
		}
	}
	names := make([]string, len(Scenarios))
	for i, s := range Scenarios {
		names[i] = s.Name
	}
	return nil, fmt.Errorf("there is no scenario %q: there are %s", name, strings.Join(names, ", "))
}

// must finds one that is in the table.
func must(name string) *Scenario {
	s, err := findScenario(name)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return s
}

// seedOf gives a scenario its own part of a seed.
func seedOf(seed uint64, name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return mix(seed) ^ h.Sum64()
}

// A kit is what makers make requests from, for one server.
type kit struct {
	to      *endpoint
	parcels *parcels
	stock   *stock
	seed    uint64
	crews   uint64 // that were hired, so that none asks for what the one before did
	drawn   func() []int32

	heard   heard
	tagging sync.Once
	tags    [][]byte
	tagErr  error
}

func newKit(to *endpoint, p *parcels, s *stock, seed uint64) *kit {
	return &kit{to: to, parcels: p, stock: s, seed: seed, heard: heard{last: map[*dialect][]pick{}}, drawn: sync.OnceValue(func() []int32 {
		return zipf(p.set, zipfExponent, max(1<<20, p.set))
	})}
}

// beside is the kit for another server that is asked for the same, but whose
// pushes change nothing.
func (k *kit) beside(to *endpoint) *kit {
	other := newKit(to, k.parcels, newStock(k.parcels), k.seed)
	other.drawn = k.drawn
	for i := range other.stock.told {
		other.stock.told[i].Store(eventsLoaded)
	}
	return other
}

func (k *kit) hot() []int32 { return k.drawn() }

// makers hires n of a scenario, none of which asks for what another one does.
func (k *kit) makers(s *Scenario, n int) ([]maker, error) {
	k.crews++
	made := make([]maker, n)
	for i := range made {
		var err error
		if made[i], err = s.make(k, mix(seedOf(k.seed, s.Name)+k.crews<<20+uint64(i))); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return made, nil
}

// clients are makers of a scenario with a connection each.
func (k *kit) clients(s *Scenario, n int) ([]worker, error) {
	made, err := k.makers(s, n)
	if err != nil {
		return nil, err
	}
	return crew(n, func() (worker, error) {
		m := made[0]
		made = made[1:]
		return newClient(k.to, m)
	})
}

// askEach asks at a path for each parcel of the set once, in a closed loop, and wants it
// to be there.
func (k *kit) askEach(ctx context.Context, path string, connections int, told watcher) error {
	var place atomic.Int64
	workers, err := crew(connections, func() (worker, error) { return newClient(k.to, newInTurn(k.to, path, k.parcels, &place)) })
	if err != nil {
		return err
	}
	t, _, err := drive(ctx, workers, 0, told)
	if err == nil && t.errors > 0 {
		err = fmt.Errorf("%d of %d parcels could not be read, the first: %w", t.errors, t.errors+t.requests, t.firstError)
	}
	return err
}

func (k *kit) pusher(d *dialect, choose func([]pick) []pick) *pusher {
	p := &pusher{to: k.to, dialect: d, parcels: k.parcels, choose: choose}
	if d.list {
		p.heard = &k.heard
	}
	return p
}

// tagged are requests for the hottest traces with the tags that they have now.
func (k *kit) tagged() ([][]byte, error) {
	k.tagging.Do(func() {
		c := &conn{to: k.to}
		defer c.close()
		for i := range min(1000, k.parcels.set) {
			request := k.to.get(tracesPath + string(k.parcels.appendNumber(nil, i)))
			a, err := c.do(request, time.Now())
			tag := a.field("etag")
			if err == nil && (a.Status != 200 && a.Status != 304 || len(tag) == 0) {
				err = fmt.Errorf("%w, or no ETag", wrong(request, a, 200))
			}
			if err != nil {
				k.tagErr = err
				return
			}
			k.tags = append(k.tags, fmt.Appendf(request[:len(request)-2], "If-None-Match: %s\r\n\r\n", tag))
		}
	})
	return k.tags, k.tagErr
}

// backwards gives the events of new parcels: of each first the newer half, then the
// older one, each from new to old.
func (s *stock) backwards() func(dst []pick) []pick {
	half, i := 0, 0
	return func(dst []pick) []pick {
		if half == 0 {
			i = backwardsFirst + int(s.lists.Add(1))
		}
		for k := eventsOfNew/2 - 1; k >= 0; k-- {
			dst = append(dst, pick{i, k + (1-half)*eventsOfNew/2})
		}
		half = 1 - half
		s.given.Add(eventsOfNew / 2)
		return dst
	}
}

// backwardsFirst is where the parcels begin that are told of out of order.
const backwardsFirst = 1 << 41
