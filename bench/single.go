package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// SingleOptions say which kinds of load to run, and where.
type SingleOptions struct {
	Options
	Scenarios []string      // by name; none is get-hot
	Rate      float64       // requests a second; 0 is half of the peak, which is looked for
	Sweep     bool          // 25, 50, 70, 80 and 90 % of the peak instead of one rate
	Duration  time.Duration // of each rate; 0 is 10 s

	URL    string            // of a daemon that somebody else runs; "" is one of its own
	Key    string            // API key with the scopes read and push
	Tokens map[string]string // of push doors, by carrier

	Brokers []string // Kafka's: the daemon of its own shares what it learns through them
}

// methodOfSingle says what the figures of single scenarios are.
var methodOfSingle = []string{
	"Open loop: requests come when they are due, by a schedule (Poisson) that does not wait for the server, and latency counts from then. The peak alone is measured in a closed loop, where each connection asks again as soon as it is answered.",
	"Lateness is the generator's own: from when a request was due until it was sent, where a connection was free. Beyond 1 ms and a tenth of the latency, both at the 99th percentile, the run is invalid; such a turn is done again, twice at most; above 80 % of the peak, where both want the same cores, it is only shown.",
	"The bare handler is fasthttp in a process of its own on this machine, giving answers recorded from the daemon in turn without reading the question: a limit for a daemon on this machine, a yardstick for one elsewhere.",
}

// RunScenarios runs single kinds of load. See Run for what it returns and leaves.
func RunScenarios(ctx context.Context, o SingleOptions) (*Results, error) {
	if len(o.Scenarios) == 0 {
		o.Scenarios = []string{"get-hot"}
	}
	var chosen []*Scenario
	for _, name := range o.Scenarios {
		s, err := findScenario(name)
		if err != nil {
			return nil, err
		}
		if s.shape == restart && o.URL != "" {
			return nil, fmt.Errorf("%s stops and starts the daemon, which can only be done with one of its own: leave out --target", name)
		}
		chosen = append(chosen, s)
	}
	if o.Duration == 0 {
		o.Duration = 10 * time.Second
	}
	if o.Rate < 0 || o.Duration < 0 {
		return nil, errors.New("rate and duration are more than 0")
	}
	if o.Waybills == 0 {
		o.Waybills = 20_000
	}
	o.Pairs, o.ReadSlice, o.WriteSlice = 1, o.Duration, o.Duration
	mode := ModeSingle
	var target *endpoint
	if o.URL != "" {
		mode = ModeTarget
		var err error
		if target, err = parseEndpoint(o.URL, o.Key, o.Tokens); err != nil {
			return nil, err
		}
		if o.Seed == 0 {
			o.Seed = uint64(time.Now().UnixNano()) // parcels that nobody has pushed before
		}
	}
	if len(o.Brokers) > 0 {
		o.Serve = append(o.Serve, "--kafka.brokers="+strings.Join(o.Brokers, ","), fmt.Sprintf("--kafka.topic=waytrace-bench-%d", time.Now().Unix()))
	}
	return carryOut(ctx, o.Options, mode, methodOfSingle, func(r *run) []step {
		begin := r.startDaemon
		if target != nil {
			begin = func(context.Context) error {
				r.results.Settings.URL = o.URL
				r.kit = newKit(target, r.parcels, newStock(r.parcels), r.Seed)
				return nil
			}
		}
		steps := []step{begin, r.load}
		for _, s := range chosen {
			steps = append(steps, func(ctx context.Context) error { return r.single(ctx, s, o) })
		}
		return append(steps, r.finish)
	})
}

// single runs one scenario: its peak, where no rate is given, and then a rate or
// several.
func (r *run) single(ctx context.Context, s *Scenario, o SingleOptions) error {
	rate := o.Rate
	fractions := []float64{1}
	var limitPeak float64
	var limit *kit
	if !s.Writes {
		c, err := r.startBare(ctx, s)
		if err != nil {
			return err
		}
		limit = r.kit.beside(at(c.addr))
	}
	if rate == 0 {
		subject := r.ours(s.Name, s, r.Connections)
		sides := []*side{subject}
		if limit != nil {
			subject.limit = &side{
				row:  Row{Name: "bare handler, " + s.Name, Scenario: s.Name, Unit: s.Unit},
				hire: func() ([]worker, error) { return limit.clients(s, r.Connections) },
				cpu:  r.bares[len(r.bares)-1].cpu,
			}
			sides = append(sides, subject.limit)
		}
		if err := r.compare(ctx, Group{Name: s.Name, About: s.About, Writes: s.Writes}, sides, 1, min(o.Duration, 5*time.Second), 0); err != nil {
			return err
		}
		// In requests: the rate counts what a request is worth.
		requests := func(row *Row) float64 {
			if len(row.Slices) == 0 || row.Slices[0].Seconds == 0 {
				return 0
			}
			return float64(row.Slices[0].Requests) / row.Slices[0].Seconds
		}
		rate = requests(&subject.row)
		if subject.limit != nil {
			limitPeak = requests(&subject.limit.row)
		}
		fractions = []float64{0.5}
		if o.Sweep {
			fractions = []float64{0.25, 0.5, 0.7, 0.8, 0.9}
		}
		if rate == 0 {
			return nil // nothing was answered, and the problems say so
		}
	}
	if s.shape == restart {
		return r.restartUnderLoad(ctx, s, fractions[0]*rate, r.Connections, max(o.Duration, 8*time.Second))
	}
	return r.sweep(ctx, s.Name, course{
		scenario: s, connections: r.Connections, peak: rate, given: o.Rate > 0, limitPeak: limitPeak, fractions: fractions, pairs: 1, length: o.Duration, limit: limit,
	})
}
