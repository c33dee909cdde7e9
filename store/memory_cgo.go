package store

// The database's blocks are in the C library's memory. By itself that library has several
// heaps for each core, and what a thread gives back to one of them is of no use to threads
// that have another: a full cache took a third more than its size. With one heap it is a
// thirtieth. That must be said before the first thread begins, so not from Go;
// MALLOC_ARENA_MAX in the environment has the last word. Without cgo, the blocks are on
// the Go heap.

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
__attribute__((constructor)) static void one_heap(void) {
	if (getenv("MALLOC_ARENA_MAX") == NULL) {
		mallopt(M_ARENA_MAX, 1);
	}
}
#endif
*/
import "C"
