package main

import (
	"os"
	"strconv"
	"strings"
)

// Where the settings leave a cache's size open it is a share of the memory that the
// process may use. Together the caches are a good third of it: the rest is for
// memtables, requests under way, and the system's own cache of the disk.
const (
	shareOfBlocks  = 8
	shareOfHeads   = 16
	shareOfAnswers = 6
)

// shareMemory sets the sizes of caches that the settings leave open, in whole MiB.
func (c *Config) shareMemory() {
	for _, cache := range []struct {
		size  *Size
		share int64
	}{{&c.Store.Cache, shareOfBlocks}, {&c.Store.Heads, shareOfHeads}, {&c.Query.Cache, shareOfAnswers}} {
		if *cache.size == 0 {
			*cache.size = Size(max(memory()/cache.share, 32<<20) >> 20 << 20)
		}
	}
}

// memory is how many bytes the process may use: what its control group allows, or
// what the machine has.
func memory() int64 {
	const unknown = 2 << 30
	least := int64(0)
	for _, limit := range []int64{
		firstNumber("/sys/fs/cgroup/memory.max", ""),
		firstNumber("/sys/fs/cgroup/memory/memory.limit_in_bytes", ""),
		firstNumber("/proc/meminfo", "MemTotal:") << 10,
	} {
		if limit > 0 && (least == 0 || limit < least) {
			least = limit
		}
	}
	if least == 0 {
		return unknown
	}
	return least
}

// firstNumber is the number behind a word in a file, 0 where there is none.
func firstNumber(file, behind string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), behind)
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0 // "max": there is no limit
	}
	return n
}
