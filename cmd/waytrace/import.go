package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"waytrace/bench"
	"waytrace/store"
	"waytrace/trace"
)

// ImportCmd is `waytrace import`.
type ImportCmd struct {
	Destination
	Files   []string `arg:"" optional:"" name:"file" help:"Events, one a line, as POST /v1/events takes each; gzip is understood. - or none is standard input."`
	Bulk    bool     `help:"Build a new directory out of sorted tables. There is no other way yet."`
	Account string   `help:"Account that the references are of, as if its key had pushed them." default:"main"`
	SkipBad bool     `help:"Leave out lines that cannot be taken, and print which and why; else the first ends it."`
	Memory  Size     `help:"Memory for sorting, about; what does not fit goes to the disk meanwhile." default:"512MiB"`

	Brokers []string `name:"kafka.brokers" hidden:"" help:"Those of the daemon's settings: what is imported does not reach them."`

	MadeUp      int    `hidden:"" help:"Make up so many parcels instead, as the bench does." placeholder:"N"`
	MadeUpBegan int64  `hidden:"" help:"When the bench began, in seconds since 1970; 0 is now." placeholder:"SECONDS"`
	MadeUpSeed  uint64 `hidden:"" help:"The bench's seed." placeholder:"SEED"`
}

// Help is the example of --help.
func (*ImportCmd) Help() string {
	return `Builds the directory of a new node from the history that another system has: one JSON object a
line, with the members that an event of POST /v1/events has, in any order; what is told twice is
stored once. --data must not exist, or be empty; it is there when all of it is, and not before.
While it is built, up to twice the size of the events in plain text is needed on its disk.

Lines are judged as that door judges an event. The first that cannot be taken is named and ends the
import; with --skip-bad each is printed with its reason, and the rest is imported.

What is imported is history and no news: nobody who follows the node is told of it, and neither are
other nodes through Kafka. Make the others of a cluster out of this one with ` + "`waytrace clone`" + `.

Example:

	waytrace import --bulk --data /var/lib/waytrace history.ndjson.gz
	zcat old/*.gz | waytrace import --bulk --data /var/lib/waytrace --skip-bad >left-out.txt`
}

// Validate is asked by kong.
func (c *ImportCmd) Validate() error {
	switch {
	case !c.Bulk:
		return errors.New("say --bulk: a new directory is built; for a daemon that runs there is `waytrace push --as events`")
	case !validAccount.MatchString(c.Account):
		return fmt.Errorf("account %q: 1 to 64 letters, digits, dots, - and _", c.Account)
	case c.MadeUp > 0 && len(c.Files) > 0:
		return errors.New("events are read, or made up")
	}
	return nil
}

// Run builds the directory beside its place, looks whether it is sound, and puts it there.
func (c *ImportCmd) Run(ctx context.Context, std *streams) error {
	in, err := openIncoming(c.Data)
	if err != nil {
		return explainOccupied(err)
	}
	defer in.close()
	done, err := c.build(ctx, std, in.path)
	if ctx.Err() != nil {
		return stoppedBefore(in)
	}
	if err != nil {
		return err
	}
	held, err := store.Examine(in.path, warnings(std))
	if err != nil {
		return fmt.Errorf("what was built cannot be opened: %w", err)
	}
	if err := in.settle(); err != nil {
		return err
	}
	fmt.Fprintf(std.err, "imported %d events of %d parcels; %d were known already, %d lines were left out\n",
		done.Events, done.Waybills, done.Known, done.leftOut)
	if len(c.Brokers) > 0 {
		fmt.Fprintln(std.err, "other nodes hear nothing of this through Kafka: make them out of this one with `waytrace clone`")
	}
	fmt.Fprintf(std.err, "%s is node %s; start it with `waytrace serve --data %s`\n", in.dir, held.Node, in.dir)
	return nil
}

// built is what an import made of its lines.
type built struct {
	store.Imported
	leftOut uint64
}

// build fills an empty directory.
func (c *ImportCmd) build(ctx context.Context, std *streams, dir string) (done built, err error) {
	r := &lineReader{command: c, std: std, who: trace.Asker{Account: c.Account}}
	var m *counter
	b, err := store.OpenBulk(dir, warnings(std), store.BulkOptions{
		Memory:  int64(c.Memory),
		Refused: r.refused,
		Progress: func(done, total uint64) {
			if m == nil {
				m = newCounter(std.err, "writing", "events", int64(total))
			}
			m.set(int64(done))
		},
	})
	if err != nil {
		return done, err
	}
	defer func() {
		if closing := b.Close(); err == nil {
			err = closing
		}
	}()
	r.bulk = b
	if c.MadeUp > 0 {
		err = c.makeUp(ctx, std, b)
	} else {
		err = r.read(ctx)
	}
	if err != nil {
		return done, err
	}
	done.Imported, err = b.Finish(ctx)
	if m != nil {
		m.close()
	}
	done.leftOut = r.leftOut.Load()
	return done, err
}

// parcelsOfTable is how many parcels that are made up become one table.
const parcelsOfTable = 1 << 15

// makeUp makes up parcels in the order of their numbers, a table at a time on each core.
func (c *ImportCmd) makeUp(ctx context.Context, std *streams, b *store.Bulk) error {
	began := time.Now()
	if c.MadeUpBegan > 0 {
		began = time.Unix(c.MadeUpBegan, 0)
	}
	fmt.Fprintf(std.err, "making up %d parcels of --made-up-began %d --made-up-seed %d\n", c.MadeUp, began.Unix(), c.MadeUpSeed)
	all := bench.NewMadeUp(c.MadeUp, began, c.MadeUpSeed)
	m := newCounter(std.err, "writing", "parcels", int64(c.MadeUp))
	defer m.close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next, made atomic.Int64
	var working sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		working.Go(func() {
			for {
				n := int(next.Add(parcelsOfTable)) - parcelsOfTable
				end := min(n+parcelsOfTable, c.MadeUp)
				if n >= end {
					return
				}
				err := b.Sorted(ctx, func(facts *trace.Facts) (bool, error) {
					if n == end {
						return false, nil
					}
					all.Events(facts, n)
					n++
					if done := made.Add(1); done%1024 == 0 {
						m.set(done)
					}
					return true, nil
				})
				if err != nil {
					stop(err)
					return
				}
			}
		})
	}
	working.Wait()
	m.set(made.Load())
	return context.Cause(ctx)
}
