package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"waytrace/bench"
)

// BenchPublishCmd is `waytrace bench publish`.
type BenchPublishCmd struct {
	Results string `arg:"" help:"Results of a run." default:"bench/out/results.json"`
	Dir     string `help:"Directory with a file for each machine." default:"bench/results"`
	Readme  string `help:"Page of Markdown to put the table into, between its two marks." placeholder:"FILE"`
}

// Help is the example of --help.
func (*BenchPublishCmd) Help() string {
	return `Keeps a run as the one of its machine, and prints its targets as a table of Markdown; --readme puts the
table between <!-- bench --> and <!-- /bench --> of a page. A big run is kept beside the machine's other
one, and both make one table.

Example:

	waytrace bench publish bench/out/results.json --readme README.md`
}

// Where the table goes.
const (
	benchMark    = "<!-- bench -->\n"
	benchMarkEnd = "<!-- /bench -->"
)

// Run keeps the results.
func (c *BenchPublishCmd) Run(io *streams) error {
	results, err := bench.ReadResults(c.Results)
	if err != nil {
		return err
	}
	if err := results.WriteJSON(filepath.Join(c.Dir, results.FileName())); err != nil {
		return err
	}
	var runs []*bench.Results
	for _, name := range results.Machine.FileNames() {
		kept, err := bench.ReadResults(filepath.Join(c.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		runs = append(runs, kept)
	}
	table := bench.Markdown(runs...)
	if c.Readme == "" {
		_, err := fmt.Fprint(io.out, table)
		return err
	}
	page, err := os.ReadFile(c.Readme)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(page), benchMark)
	_, after, ends := strings.Cut(rest, benchMarkEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no %s and %s to put the table between", c.Readme, strings.TrimSpace(benchMark), benchMarkEnd)
	}
	return os.WriteFile(c.Readme, []byte(before+benchMark+table+benchMarkEnd+after), 0o644)
}
