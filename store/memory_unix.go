//go:build unix

package store

import (
	"fmt"
	"syscall"
)

// reserve gives n bytes of zeroes outside the Go heap. The system hands out a page when
// it is first touched.
func reserve(n int) ([]byte, error) {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d MiB of memory: %w", n>>20, err)
	}
	advise(b)
	return b, nil
}

// giveBack gives back what reserve gave.
func giveBack(b []byte) {
	if b != nil {
		syscall.Munmap(b) // fails for memory that is not reserve's only
	}
}
