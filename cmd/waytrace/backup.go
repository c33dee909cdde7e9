package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/alecthomas/kong"
)

// BackupCmd is `waytrace backup`.
type BackupCmd struct {
	Dir string `arg:"" help:"Where to; must not exist yet."`
	Operator
	Data string `help:"Copy this directory, whose daemon is stopped, and ask no daemon; WAYTRACE_DATA does not count." placeholder:"DIR"`
}

// Help is the example of --help.
func (*BackupCmd) Help() string {
	return `Copies all parcels into a directory while the daemon goes on, and opens the copy to see whether it is
sound. It keeps the node's id, so it is never to be run as it is: waytrace restore makes a node of it.
Settings and API keys are not part of it: keep a copy of their files too. A failed one leaves
nothing behind.

Example:

	waytrace backup /backups/waytrace-2026-11-22
	waytrace backup /backups/waytrace-2026-11-22 --data /var/lib/waytrace`
}

// AfterApply looks where --data comes from.
func (c *BackupCmd) AfterApply(line *kong.Context) error {
	c.Data = spokenData(line, c.Data)
	return nil
}

// spokenData is --data as somebody has written it: a daemon's environment has
// WAYTRACE_DATA, and whoever asks from within it means the daemon, which has it open.
func spokenData(line *kong.Context, data string) string {
	for _, at := range line.Path {
		if at.Flag != nil && at.Flag.Name == "data" && !at.Resolved {
			return data
		}
	}
	return ""
}

// Run makes the copy and says what it holds.
func (c *BackupCmd) Run(ctx context.Context, std *streams) error {
	in, err := openIncoming(c.Dir)
	if err != nil {
		return explainTaken(err)
	}
	defer in.close()
	if c.Data != "" {
		err = copyDir(ctx, std, c.Data, in)
	} else {
		err = c.ask(ctx, std, in)
	}
	if err != nil {
		return err
	}
	held, err := examine(std, in.path)
	if err != nil {
		return fmt.Errorf("the copy cannot be opened: %w", err)
	}
	if err := in.settle(); err != nil {
		return err
	}
	fmt.Fprintf(std.err, "%s holds node %s: %s\n", in.dir, held.Node, holds(held))
	return nil
}

// ask has a daemon make the copy.
func (c *BackupCmd) ask(ctx context.Context, std *streams, in *incoming) error {
	daemon, err := c.client()
	if err != nil {
		return err
	}
	defer daemon.close()
	return receive(ctx, std, daemon, "/clone", in)
}

// explainTaken asks for another name.
func explainTaken(err error) error {
	var there *occupied
	if errors.As(err, &there) {
		return fmt.Errorf("%w: choose another name, each backup has its own", err)
	}
	return err
}

// copyDir fills a directory with another one of this machine.
func copyDir(ctx context.Context, std *streams, dir string, in *incoming) error {
	from, err := openDirSource(dir)
	if err != nil {
		return err
	}
	defer from.close()
	size, err := in.fill(ctx, std, from)
	if ctx.Err() != nil {
		return stoppedBefore(in)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(std.err, "%d files, %s\n", size.files, bytesOf(size.bytes))
	return nil
}
