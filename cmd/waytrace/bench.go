package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"waytrace/bench"
)

// BenchCmd is `waytrace bench`.
type BenchCmd struct {
	Suite   BenchSuiteCmd   `cmd:"" default:"withargs" help:"Measure a daemon of its own against what this machine can do."`
	Big     BenchBigCmd     `cmd:"" help:"Measure what only much data, much time, or other databases show; by hand, an hour and more."`
	Run     BenchRunCmd     `cmd:"" help:"Run single kinds of load, also against a daemon that runs elsewhere."`
	Compare BenchCompareCmd `cmd:"" help:"Say what changed from one run to another."`
	Publish BenchPublishCmd `cmd:"" help:"Keep a run as the one of its machine, and make a table of it."`
	Rival   BenchRivalCmd   `cmd:"" hidden:"" help:"Put another database behind the questions of a bench."`
	Handler BenchHandlerCmd `cmd:"" hidden:"" help:"Be the bare handler: answer everything with what a file holds."`
}

// Help is the example of --help.
func (*BenchCmd) Help() string {
	return `Example:

	waytrace bench --quick
	waytrace bench run get-hot --target https://trace.example.com`
}

// BenchOutput is where results go, and what they are measured on.
type BenchOutput struct {
	Out   string   `help:"File for the results." default:"bench/out/results.json"`
	HTML  string   `name:"html" help:"File for the page (default: report.html beside --out)." placeholder:"FILE"`
	Dir   string   `help:"Directory for the stores while they are measured, on the disk that matters (default: beside --out)." placeholder:"DIR"`
	Keep  bool     `help:"Leave the stores there."`
	Serve []string `help:"Flags of the daemon, such as --serve=--store.cache=1GiB." sep:"none" placeholder:"FLAG"`
	SLO   string   `name:"slo" help:"File of objectives (YAML); a run that breaks one exits 1." placeholder:"FILE"`
	Seed  uint64   `help:"What all choices and arrivals come from; 0 is 1, or another one each time with --target." default:"0"`
}

// options are what it says to the bench.
func (b *BenchOutput) options(io *streams) bench.Options {
	return bench.Options{
		Seed: b.Seed, Dir: cmp.Or(b.Dir, filepath.Dir(b.Out)), Keep: b.Keep, Serve: b.Serve, Version: version, Words: io.err,
	}
}

// objectives reads the file of --slo; without one nothing is asked.
func (b *BenchOutput) objectives() (*bench.SLO, error) {
	if b.SLO == "" {
		return new(bench.SLO), nil
	}
	return bench.ReadSLO(b.SLO)
}

// show prints the table, and writes the results and their page. Results that are not
// valid, or break an objective, are an error.
func (b *BenchOutput) show(io *streams, results *bench.Results, slo *bench.SLO) error {
	if err := results.WriteTable(io.out); err != nil {
		return err
	}
	if err := results.WriteJSON(b.Out); err != nil {
		return err
	}
	page := cmp.Or(b.HTML, filepath.Join(filepath.Dir(b.Out), "report.html"))
	if err := results.WriteHTML(page); err != nil {
		return err
	}
	fmt.Fprintf(io.err, "results in %s, page in %s\n", b.Out, page)
	if !results.Valid() {
		return errors.New("the run is invalid: its problems stand below the table")
	}
	breaches := slo.Judge(results)
	for _, breach := range breaches {
		fmt.Fprintln(io.out, "BROKEN", breach)
	}
	if len(breaches) > 0 {
		return fmt.Errorf("%d objectives of %s are broken", len(breaches), b.SLO)
	}
	return nil
}

// BenchSuiteCmd is `waytrace bench suite`, and `waytrace bench` alone.
type BenchSuiteCmd struct {
	Quick       bool          `help:"A look in under three minutes, with little data and short turns: not a measurement."`
	Waybills    int           `help:"Parcels to load the daemon with, eight events each; 0 is 1000000, or 100000 with --quick." default:"0"`
	Connections int           `help:"Connections that ask at once; reads are measured at 256 too." default:"64"`
	Pairs       int           `help:"Turns that each side gets; 0 is 3, or 1 with --quick." default:"0"`
	ReadSlice   time.Duration `help:"Length of a turn that reads; 0 is 4s, or 1.5s with --quick." default:"0"`
	WriteSlice  time.Duration `help:"Length of a turn that writes; 0 is 30s, or 3s with --quick. Shorter ones measure memory." default:"0"`

	BenchOutput
}

// Help is the example of --help.
func (*BenchSuiteCmd) Help() string {
	return `It starts a daemon of its own on a scratch directory, loads it over HTTP, and lets it take
turns with its limits: reads with a bare handler that sends the same bytes, durable writes with
raw Pebble; in a closed loop, and at fixed rates of arrival. The table goes to standard output;
a run with errors is marked INVALID and exits 1. It takes some 40 minutes.

Example:

	waytrace bench --dir /var/lib/waytrace
	waytrace bench --quick`
}

// Run measures, prints the table, and writes the results.
func (b *BenchSuiteCmd) Run(ctx context.Context, io *streams) error {
	o := b.options(io)
	o.Quick, o.Waybills, o.Connections, o.Pairs, o.ReadSlice, o.WriteSlice = b.Quick, b.Waybills, b.Connections, b.Pairs, b.ReadSlice, b.WriteSlice
	slo, err := b.objectives()
	if err != nil {
		return err
	}
	results, err := bench.Run(ctx, o)
	if err != nil {
		return err
	}
	return b.show(io, results, slo)
}

// BenchRunCmd is `waytrace bench run`.
type BenchRunCmd struct {
	Scenario []string `arg:"" optional:"" help:"What to run; --list says what there is."`

	List        bool              `help:"List the kinds of load, and exit."`
	Rate        float64           `help:"Requests a second; 0 looks for the peak and takes half of it." default:"0"`
	Sweep       bool              `help:"Instead of one rate 25, 50, 70, 80 and 90 % of the peak."`
	Duration    time.Duration     `help:"How long each rate is held." default:"10s"`
	Connections int               `help:"Connections that ask at once." default:"64"`
	Waybills    int               `help:"Parcels to load the daemon with, eight events each." default:"20000"`
	Target      string            `help:"A daemon that runs elsewhere; parcels that are made up are pushed to it." placeholder:"URL"`
	Key         string            `help:"Its API key, with the scope read; better given as WAYTRACE_KEY." placeholder:"KEY"`
	Token       map[string]string `help:"Tokens of its push doors: sf=TOKEN." placeholder:"CARRIER=TOKEN"`
	Kafka       []string          `help:"Kafka brokers that the daemon shares what it learns through." placeholder:"HOST:PORT"`

	BenchOutput
}

// Help is the example of --help.
func (*BenchRunCmd) Help() string {
	return `Requests come when they are due, by a schedule that does not wait for the server, and latency
counts from then. Against a --target the parcels are new each time, so they stay there: do not
point it at a daemon whose customers would see them.

Example:

	waytrace bench run get-hot push-10-json --duration 30s --sweep
	waytrace bench run get-hot --target https://trace.example.com --token sf=… --rate 5000`
}

// Run runs the scenarios.
func (b *BenchRunCmd) Run(ctx context.Context, io *streams) error {
	if b.List {
		for _, s := range bench.Scenarios {
			fmt.Fprintf(io.out, "%-22s %s\n", s.Name, s.About)
		}
		return nil
	}
	slo, err := b.objectives()
	if err != nil {
		return err
	}
	o := b.options(io)
	o.Connections, o.Waybills = b.Connections, b.Waybills
	results, err := bench.RunScenarios(ctx, bench.SingleOptions{
		Options: o, Scenarios: b.Scenario, Rate: b.Rate, Sweep: b.Sweep, Duration: b.Duration,
		URL: b.Target, Key: b.Key, Tokens: b.Token, Brokers: b.Kafka,
	})
	if err != nil {
		return err
	}
	return b.show(io, results, slo)
}

// BenchCompareCmd is `waytrace bench compare`.
type BenchCompareCmd struct {
	Old string `arg:"" help:"Results of the run before."`
	New string `arg:"" help:"Results of the run after."`

	Rates     float64            `help:"Part of a rate, or of a target, by which a change counts." default:"0.10"`
	P99       float64            `name:"p99" help:"Part of a p99 by which a change counts." default:"0.20"`
	Threshold map[string]float64 `help:"For one row or target instead of both." placeholder:"NAME=PART"`
	Force     bool               `help:"Compare runs of different machines or settings, and invalid ones."`
}

// Help is the example of --help.
func (*BenchCompareCmd) Help() string {
	return `A change counts when it is larger than its threshold and the turns of both runs do not
overlap. Whatever became worse makes it exit 1.

Example:

	waytrace bench compare old.json bench/out/results.json --threshold 'hot traces=0.05'`
}

// Run compares and prints what changed.
func (b *BenchCompareCmd) Run(io *streams) error {
	old, err := bench.ReadResults(b.Old)
	if err != nil {
		return err
	}
	now, err := bench.ReadResults(b.New)
	if err != nil {
		return err
	}
	c := bench.Compare(old, now, bench.CompareOptions{Rates: b.Rates, P99: b.P99, Thresholds: b.Threshold, Force: b.Force})
	if err := c.WriteTable(io.out); err != nil {
		return err
	}
	switch {
	case len(c.Refused) > 0:
		return errors.New("the runs cannot be compared")
	case c.Regressed():
		return errors.New("something became worse")
	}
	return nil
}

// BenchHandlerCmd is the bare handler that the bench starts.
type BenchHandlerCmd struct {
	Answers string `arg:"" help:"File that holds its answers."`
}

// Help is the example of --help.
func (*BenchHandlerCmd) Help() string {
	return `The bench starts it by itself.

Example:

	waytrace bench handler answers.json`
}

// Run answers until ctx is over.
func (b *BenchHandlerCmd) Run(ctx context.Context) error {
	shareCores() // as the daemon does
	return bench.ServeBare(ctx, newServer(nil, nil), b.Answers)
}
