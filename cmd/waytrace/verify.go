package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/alecthomas/kong"

	"waytrace/store"
)

// VerifyCmd is `waytrace verify`.
type VerifyCmd struct {
	Operator
	Data    string        `help:"Read this directory, whose daemon is stopped, and ask no daemon; WAYTRACE_DATA does not count." placeholder:"DIR"`
	Peer    string        `help:"Compare the daemon with another one: its admin listener." placeholder:"URL"`
	PeerKey string        `help:"API key of the peer with scope admin, where it is not on this machine." placeholder:"KEY"`
	Heads   bool          `help:"Compare what the facts mean too where code tables or settings differ."`
	Lag     time.Duration `help:"What differs counts once it has differed for so long: pushes go on, and take a while to get around." default:"2s"`
}

// Help is the example of --help.
func (*VerifyCmd) Help() string {
	return `Reads everything, while pushes and reads go on: each parcel's status must follow from its events,
and references, legs and records must lead where they belong. With --peer the daemon is compared
with a sister instead: first by ranges of numbers, then parcel by parcel where a range differs.
What is found is printed, one parcel a line; the status is 1 if there is anything.

Example:

	waytrace verify
	waytrace verify --peer http://10.0.0.8:8081 --peer-key "$KEY"
	waytrace verify --data /var/lib/waytrace`
}

// Validate is asked by kong.
func (c *VerifyCmd) Validate() error {
	if c.Lag < 0 {
		return errors.New("--lag is not below 0")
	}
	return nil
}

// AfterApply looks where --data comes from.
func (c *VerifyCmd) AfterApply(line *kong.Context) error {
	if c.Data = spokenData(line, c.Data); c.Data != "" && c.Peer != "" {
		return errors.New("--data reads a directory, --peer asks two daemons: give one of them")
	}
	return nil
}

// Run verifies what is meant.
func (c *VerifyCmd) Run(ctx context.Context, std *streams) error {
	switch {
	case c.Peer != "":
		return c.compare(ctx, std)
	case c.Data != "":
		return c.directory(ctx, std)
	}
	daemon, err := c.client()
	if err != nil {
		return err
	}
	defer daemon.close()
	var done *store.Verified
	b := newBar(std, 0)
	err = daemon.lines(ctx, http.MethodGet, "/verify", func(line []byte) error {
		var told struct {
			Progress, Done *store.Verified
			Error          *failure
		}
		if err := json.Unmarshal(line, &told); err != nil {
			return fmt.Errorf("%s does not answer as a daemon does: is this the admin listener?", daemon.base)
		}
		switch {
		case told.Error != nil:
			return told.Error.asError()
		case told.Progress != nil:
			b.show(told.Progress.Waybills, told.Progress.Total)
		case told.Done != nil:
			b.show(told.Done.Waybills, told.Done.Total)
			done = told.Done
		}
		return nil
	})
	b.close()
	switch {
	case err != nil:
		return err
	case done == nil:
		return fmt.Errorf("%s ended the answer before it had done", daemon.base)
	}
	return say(std, done)
}

// directory verifies one without a daemon.
func (c *VerifyCmd) directory(ctx context.Context, std *streams) error {
	b := newBar(std, 0)
	done, err := store.VerifyDirectory(c.Data, store.Options{Log: slog.New(slog.NewTextHandler(std.err, nil))}, func(v store.Verified) bool {
		b.show(v.Waybills, v.Total)
		return ctx.Err() == nil
	})
	b.show(done.Waybills, done.Total)
	b.close()
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return errors.New("stopped")
	}
	return say(std, &done)
}

// say prints what was found.
func say(std *streams, done *store.Verified) error {
	for _, f := range done.Found {
		where := "the directory"
		if f.Number != "" {
			where = f.Number + " " + f.Carrier
		}
		if _, err := fmt.Fprintf(std.out, "%s: %s\n", plain(where), plain(f.What)); err != nil {
			return err
		}
	}
	fmt.Fprintf(std.err, "%d parcels with %d events and %d records were read\n", done.Waybills, done.Events, done.Records)
	switch n := uint64(len(done.Found)); {
	case done.Findings > n:
		return fmt.Errorf("%d things do not fit; the first %d are listed", done.Findings, n)
	case done.Findings > 0:
		return fmt.Errorf("%d things do not fit", done.Findings)
	}
	fmt.Fprintln(std.err, "all of it fits")
	return nil
}

// asError is a stream's failure as its reader tells it.
func (f *failure) asError() error {
	return fmt.Errorf("the daemon gave up: %s: %s", plain(f.Code), plain(f.Detail))
}

// errEnough ends a stream of which nothing more is wanted.
var errEnough = errors.New("enough")

// refused is an answer that is no stream.
type refused struct {
	status int
	error
}

// A bar shows progress on a terminal, and nothing anywhere else.
type bar struct {
	all *mpb.Progress
	one *mpb.Bar
}

func newBar(std *streams, total uint64) *bar {
	if !isTerminal(std.err) {
		return &bar{}
	}
	all := mpb.New(mpb.WithOutput(std.err), mpb.WithWidth(40))
	return &bar{all, all.AddBar(int64(total), mpb.PrependDecorators(decor.CountersNoUnit("%d of %d")), mpb.AppendDecorators(decor.Percentage()))}
}

func (b *bar) show(n, total uint64) {
	if b.all != nil {
		b.one.SetTotal(int64(max(n, total)), false)
		b.one.SetCurrent(int64(n))
	}
}

func (b *bar) close() {
	if b.all != nil {
		b.one.Abort(false) // does nothing to one that is complete
		b.all.Wait()
	}
}
