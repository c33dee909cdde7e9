package main

import (
	"context"
	"errors"
	"fmt"

	"waytrace/store"
)

// RestoreCmd is `waytrace restore`.
type RestoreCmd struct {
	Destination
	Backup string `arg:"" optional:"" help:"A backup; it is copied and stays as it is."`
}

// Help is the example of --help.
func (*RestoreCmd) Help() string {
	return `Makes a node of a backup: it is copied to --data, which must not exist or be empty, and gets a new
node id, for the other nodes know more of its old one than it does itself. What it has not shipped to
Kafka it ships under the new id; what it lacks it reads from there.

Without a backup, the directory gets its new id where it is. That is for one that was brought back by
other means, when the daemon says that it is older than its log. The daemon must be stopped.

Example:

	waytrace restore /backups/waytrace-2026-11-22 --data /var/lib/waytrace
	waytrace restore --data /var/lib/waytrace`
}

// Run makes a node.
func (c *RestoreCmd) Run(ctx context.Context, std *streams) error {
	if c.Backup == "" {
		return c.inPlace(std)
	}
	in, err := openIncoming(c.Data)
	var there *occupied
	if errors.As(err, &there) {
		return fmt.Errorf("%w; to give what is there a new node id, name no backup", explainOccupied(err))
	}
	if err != nil {
		return err
	}
	defer in.close()
	if err := copyDir(ctx, std, c.Backup, in); err != nil {
		return err
	}
	held, err := examine(std, in.path)
	if err != nil {
		return fmt.Errorf("%s cannot be opened: %w", c.Backup, err)
	}
	born, err := store.Rebirth(in.path, warnings(std))
	if err != nil {
		return fmt.Errorf("the copy could not be made a node of its own: %w", err)
	}
	if err := in.settle(); err != nil {
		return err
	}
	fmt.Fprintf(std.err, "restored node %s: %s\n", held.Node, holds(held))
	fmt.Fprintf(std.err, "%s is node %s now%s; start it with `waytrace serve --data %s`\n", in.dir, born.Is, ships(born), in.dir)
	return nil
}

// inPlace gives a directory a new id where it is.
func (c *RestoreCmd) inPlace(std *streams) error {
	from, err := openDirSource(c.Data) // whether it is one, and nobody has it open
	if err != nil {
		return err
	}
	from.close()
	fmt.Fprintf(std.err, "giving %s a new node id\n", c.Data)
	born, err := store.Rebirth(c.Data, warnings(std))
	if err != nil {
		return fmt.Errorf("%w; if it was begun, run it again", err)
	}
	fmt.Fprintf(std.err, "it was node %s and is node %s now%s; start it with `waytrace serve --data %s`\n", born.Was, born.Is, ships(born), c.Data)
	return nil
}
