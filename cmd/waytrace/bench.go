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
	Waybills    int           `help:"Parcels to load the daemon with, eight events each." default:"200000"`
	Connections int           `help:"Connections that ask at once." default:"64"`
	Pairs       int           `help:"Turns that each side gets." default:"3"`
	ReadSlice   time.Duration `help:"Length of a turn that reads." default:"3s"`
	WriteSlice  time.Duration `help:"Length of a turn that writes; from 30s on, most of compaction is charged." default:"5s"`
	Out         string        `help:"File for the results." default:"bench/out/results.json"`
	Dir         string        `help:"Directory for the stores while they are measured, on the disk that matters (default: beside --out)." placeholder:"DIR"`
	Keep        bool          `help:"Leave the stores there."`

	BareHandler string `hidden:"" help:"Be the bare handler: answer everything with what this file holds." placeholder:"FILE"`
}

// Help is the example of --help.
func (*BenchCmd) Help() string {
	return `It starts a daemon of its own on a scratch directory, loads it over HTTP, and lets it take
turns with its limits: reads with a bare handler that sends the same bytes, durable writes with
raw Pebble. The table goes to standard output; a run with errors is marked INVALID and exits 1.

Example:

	waytrace bench --waybills 1000000 --pairs 5 --write-slice 30s --dir /var/lib/waytrace`
}

// Run measures, prints the table, and writes the results.
func (b *BenchCmd) Run(ctx context.Context, io *streams) error {
	if b.BareHandler != "" {
		return bench.ServeBare(ctx, newServer(nil, nil), b.BareHandler)
	}
	results, err := bench.Run(ctx, bench.Options{
		Waybills: b.Waybills, Connections: b.Connections, Pairs: b.Pairs, ReadSlice: b.ReadSlice, WriteSlice: b.WriteSlice,
		Dir: cmp.Or(b.Dir, filepath.Dir(b.Out)), Keep: b.Keep,
		Version: version, Words: io.err,
	})
	if err != nil {
		return err
	}
	if err := results.WriteTable(io.out); err != nil {
		return err
	}
	if err := results.WriteJSON(b.Out); err != nil {
		return err
	}
	fmt.Fprintln(io.err, "results in", b.Out)
	if !results.Valid() {
		return errors.New("the run is invalid: its problems stand below the table")
	}
	return nil
}
