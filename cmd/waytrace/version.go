package main

import (
	"fmt"
	"runtime"

	"waytrace/store"
)

// version is set when it is built: -ldflags "-X main.version=v0.1.0".
var version = "dev"

// VersionCmd is `waytrace version`.
type VersionCmd struct{}

// Help is the example of --help.
func (*VersionCmd) Help() string {
	return `The form is that of data directories: a version opens its own form and older ones.

Example:

	waytrace version`
}

// Run prints the version, what built it, and the form of the directories that
// it writes.
func (*VersionCmd) Run(std *streams) error {
	_, err := fmt.Fprintf(std.out, "waytrace %s\n%s %s/%s\ndata directory form %d\n",
		version, runtime.Version(), runtime.GOOS, runtime.GOARCH, store.Form)
	return err
}
