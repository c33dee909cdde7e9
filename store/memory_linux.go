package store

import "syscall"

// advise asks for pages of 2 MiB: what is looked for lies anywhere in the memory, and each
// that is on a page of 4 KiB costs a walk through the page tables first.
func advise(b []byte) { syscall.Madvise(b, syscall.MADV_HUGEPAGE) }
