package main

import (
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A watched value is read from files, and read again when one of them changes.
// Whoever uses it pays for the look, at most once a second; there is nothing to
// stop.
type watched[T any] struct {
	files    []string
	read     func() (T, error)
	complain func(error) // a change could not be read; called once per change

	begun   time.Time
	next    atomic.Int64 // when to look again, since begun
	current atomic.Pointer[T]

	looking sync.Mutex    // held by who looks; others take what is there
	seen    []os.FileInfo // the files when they were read last; nil for one that was not there
	failed  []os.FileInfo // the files when they could not be read, if they could not
}

// often is how often files are looked at.
const often = time.Second

// watch reads the files for the first time.
func watch[T any](files []string, read func() (T, error), complain func(error)) (*watched[T], error) {
	w := &watched[T]{files: files, read: read, complain: complain, begun: time.Now()}
	// Looked at before they are read: what changes in between is seen next time.
	w.seen = w.look()
	value, err := read()
	if err != nil {
		return nil, err
	}
	w.current.Store(&value)
	w.next.Store(int64(often))
	return w, nil
}

// get gives the newest value that could be read.
func (w *watched[T]) get() T {
	now := int64(time.Since(w.begun))
	if now >= w.next.Load() && w.looking.TryLock() {
		defer w.looking.Unlock()
		w.next.Store(now + int64(often))
		seen := w.look()
		if !changed(w.seen, seen) {
			w.failed = nil
		} else {
			// What could not be read is tried again each time, for what was in the way
			// may go without a trace in the file; it is complained of once.
			value, err := w.read()
			switch again := w.failed != nil && !changed(w.failed, seen); {
			case err != nil && !again:
				w.failed = seen
				w.complain(err)
			case err == nil:
				w.seen, w.failed = seen, nil
				w.current.Store(&value)
			}
		}
	}
	return *w.current.Load()
}

func (w *watched[T]) look() []os.FileInfo {
	seen := make([]os.FileInfo, len(w.files))
	for i, file := range w.files {
		if info, err := os.Stat(file); err == nil {
			seen[i] = info
		}
	}
	return seen
}

func changed(then, now []os.FileInfo) bool {
	for i, before := range then {
		after := now[i]
		if (before == nil) != (after == nil) {
			return true
		}
		if before != nil && !(os.SameFile(before, after) && before.Size() == after.Size() && before.ModTime().Equal(after.ModTime())) {
			return true
		}
	}
	return false
}
