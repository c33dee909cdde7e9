// Command newcarrier makes the folder of a new carrier, one that passes its exam as
// it is, and adds its line to carriers/all:
//
//	make carrier NAME=acme
//
// What it makes speaks a made-up JSON dialect with made-up codes. A comment that
// begins with "The carrier's document" stands at each place that the real carrier
// decides, and says what to put there.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"waytrace/carriers"
	"waytrace/carriers/all"
	"waytrace/trace"
)

func main() {
	if err := run(".", os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "newcarrier:", trace.Words(err))
		os.Exit(1)
	}
}

// run does what the arguments ask for, in the module at root.
func run(root string, args []string, out io.Writer) error {
	if len(args) != 1 || args[0] == "" {
		return errors.New("say which: make carrier NAME=acme")
	}
	name := args[0]
	known, err := new(all.Settings).Carriers()
	if err != nil {
		return err
	}
	files, err := scaffold(root, name, known)
	if err != nil {
		return err
	}
	for _, file := range files {
		fmt.Fprintln(out, file)
	}
	fmt.Fprintf(out, "\nIt speaks a made-up dialect. What to put in its place:\n\n\tgrep -rn \"The carrier's document\" carriers/%s\n\n", name)
	if carriers.BrandOf(name) == "" {
		fmt.Fprintf(out, "carriers/codes.csv has no row %s: give it one, with its brand.\n", name)
	}
	fmt.Fprintln(out, "docs/ADDING-A-CARRIER.md goes through all of it with a real carrier.")
	return nil
}
