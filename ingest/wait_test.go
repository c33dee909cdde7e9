package ingest

import (
	"testing"
	"testing/synctest"
	"time"
)

// Whoever waits has patience, or up to waitsShared less, and nobody's context ends
// before.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w waits
		different := map[any]bool{}
		for range 100 {
			ctx := w.context()
			different[ctx] = true
			deadline, _ := ctx.Deadline()
			if left := time.Until(deadline); left > patience || left <= patience-waitsShared {
				t.Errorf("%v to wait, want %v or up to %v less", left, patience, waitsShared)
			}
			time.AfterFunc(patience-waitsShared, func() {
				if err := ctx.Err(); err != nil {
					t.Errorf("%v before: %v", waitsShared, err)
				}
			})
			time.AfterFunc(patience+time.Millisecond, func() {
				if ctx.Err() == nil {
					t.Error("it has not ended")
				}
			})
			time.Sleep(waitsShared / 10)
		}
		if n := len(different); n != 10 {
			t.Errorf("%d contexts in the time of ten, want 10", n)
		}
		time.Sleep(2 * patience)
	})
}
