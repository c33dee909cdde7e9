package main

import (
	"fmt"
	"go/token"
	"go/types"
	"strings"

	"waytrace/carriers"
	"waytrace/trace"
)

// checkName says why a carrier's code cannot be a new folder's name. The code, the
// folder and the Go package are one word.
func checkName(name string, known []carriers.Carrier) error {
	plain := strings.ReplaceAll(name, "-", "")
	switch {
	case !trace.ValidCarrier(name):
		return fmt.Errorf("%q is no carrier's code: 1 to 32 characters out of a-z 0-9: %w", name, trace.ErrInvalid)
	case plain != name:
		return fmt.Errorf("%q has a \"-\", which no Go package may have in its name: take %q; "+
			"where carriers/codes.csv has the code with \"-\", write it so in the new folder's constant code and in its line of carriers/all: %w", name, plain, trace.ErrInvalid)
	case name[0] >= '0' && name[0] <= '9':
		return fmt.Errorf("%q begins with a digit, which no Go package may: spell it out, as in seventeentrack, "+
			"and put %q into the carrier's Aliases, so that /push/%s is its door too: %w", name, name, name, trace.ErrInvalid)
	case token.IsKeyword(name) || types.Universe.Lookup(name) != nil:
		return fmt.Errorf("%q is a word of Go and cannot name a package: take another, and put %q into the carrier's Aliases: %w", name, name, trace.ErrInvalid)
	case name == "main" || name == "internal" || name == "vendor" || name == "testdata":
		return fmt.Errorf("%q means something else to Go than a package's folder: take another, and put %q into the carrier's Aliases: %w", name, name, trace.ErrInvalid)
	case name == "events":
		return fmt.Errorf("%q is how waytrace push names our own door: take another: %w", name, trace.ErrInvalid)
	}
	for _, c := range known {
		for _, taken := range append([]string{c.Code}, c.Aliases...) {
			if taken == name {
				return fmt.Errorf("%q is taken: it is a door of %s (carriers/%s): %w", name, c.Name, c.Code, trace.ErrInvalid)
			}
		}
	}
	return nil
}
