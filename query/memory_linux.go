package query

import "syscall"

// advise asks for pages of 2 MiB: answers lie all over the memory, and each that is looked
// for on a page of 4 KiB costs a walk through the page tables first.
func advise(memory []byte) { _ = syscall.Madvise(memory, syscall.MADV_HUGEPAGE) }
