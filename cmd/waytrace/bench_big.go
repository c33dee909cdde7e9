package main

import (
	"cmp"
	"context"
	"os"
	"time"

	"waytrace/bench"
)

// BenchBigCmd is `waytrace bench big`.
type BenchBigCmd struct {
	Waybills    int           `help:"Parcels of the large directory, eight events each." default:"12500000"`
	Small       int           `help:"Parcels of the small directory." default:"125000"`
	Middle      int           `help:"Parcels of the directory that is held beside the rivals, and theirs." default:"1000000"`
	Ingest      time.Duration `help:"How long pushes go on without a break; the first fifteenth of it is compared with the last sixth." default:"30m"`
	Fill        time.Duration `help:"How long the large directory's cache of answers may take to fill." default:"5m"`
	Connections int           `help:"Connections that ask at once." default:"64"`
	Pairs       int           `help:"Turns that each side gets." default:"3"`
	ReadSlice   time.Duration `help:"Length of a turn that reads." default:"10s"`
	WriteSlice  time.Duration `help:"Length of a turn that writes. Shorter ones than 30s measure memory." default:"30s"`

	Postgres string `help:"Address of a PostgreSQL for the rows beside it (default: POSTGRES of the environment)." placeholder:"URL"`
	Redis    string `help:"Address of a Redis for the rows beside it (default: REDIS of the environment)." placeholder:"URL"`

	BenchOutput
}

// Help is the example of --help.
func (*BenchBigCmd) Help() string {
	return `It builds a directory of 100 million events and one of a million, and compares reads and pushes on
both; kills the daemon under load and opens it again; pushes for half an hour; and asks the same of
PostgreSQL and Redis. It takes some 75 minutes, and 25 GB below --dir. Rows beside a database that
was not named are not run; bench/rivals/rivals.sh DIR COMMAND runs a command beside both, and
make bench-big does that.

Example:

	waytrace bench big --dir /var/lib/waytrace --out big.json
	waytrace bench big --waybills 100000 --small 5000 --middle 20000 --ingest 30s --read-slice 2s --write-slice 3s --pairs 1`
}

// Run measures, prints the table, and writes the results.
func (b *BenchBigCmd) Run(ctx context.Context, io *streams) error {
	slo, err := b.objectives()
	if err != nil {
		return err
	}
	o := b.options(io)
	o.Waybills, o.Connections, o.Pairs, o.ReadSlice, o.WriteSlice = b.Waybills, b.Connections, b.Pairs, b.ReadSlice, b.WriteSlice
	results, err := bench.RunBig(ctx, bench.BigOptions{
		Options: o, Small: b.Small, Middle: b.Middle, Ingest: b.Ingest, Fill: b.Fill,
		Postgres: cmp.Or(b.Postgres, os.Getenv("POSTGRES")), Redis: cmp.Or(b.Redis, os.Getenv("REDIS")),
	})
	if err != nil {
		return err
	}
	return b.show(io, results, slo)
}
