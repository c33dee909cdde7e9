//go:build unix

package query

import (
	"runtime"
	"syscall"
)

// reserve gives n zero bytes outside the Go heap, for as long as what owner is part of is
// reachable. A page of them takes memory once it was written to.
func reserve(owner *shard, n int) []byte {
	memory, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]byte, n) // a system that limits mappings: then the collector counts it
	}
	advise(memory)
	runtime.AddCleanup(owner, func(memory []byte) { _ = syscall.Munmap(memory) }, memory)
	return memory
}
