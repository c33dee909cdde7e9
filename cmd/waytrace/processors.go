package main

import (
	"os"
	"runtime"
)

// compacting is how many threads may run Go code beyond the cores: one for a compaction
// and one for what writes memtables out. Go lets a compaction keep a thread for up to
// ten milliseconds, while answers wait behind it; the system shares the cores out much
// sooner.
const compacting = 2

// shareCores lets requests and compactions share the cores by the system's rules.
// GOMAXPROCS in the environment has the last word.
func shareCores() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + compacting)
	}
}
