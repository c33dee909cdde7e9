package bench

import (
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A pacer sleeps for less than a timer of Go can, which an idle process sleeps to
// the next full millisecond: it asks the kernel, on a thread of its own. Spinning
// would be more exact, and would take the server's core.
type pacer struct{}

// newPacer keeps the goroutine's thread until close.
func newPacer() pacer {
	runtime.LockOSThread()
	// Without it the kernel may let a thread sleep 50 µs longer. Where it refuses, it does.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return pacer{}
}

// sleep sleeps for about d, but for a quantum at least: who is due meanwhile is
// sent together.
func (pacer) sleep(d time.Duration) {
	ts := syscall.NsecToTimespec(max(d, quantum).Nanoseconds())
	_ = syscall.Nanosleep(&ts, nil) // cut short by a signal, it is called again
}

func (pacer) close() {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // the default
	runtime.UnlockOSThread()
}
