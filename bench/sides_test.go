package bench

import (
	"testing"
	"testing/synctest"
	"time"
)

// A turn pays until its debt is small, or until nobody works on what is left.
func TestPayBack(t *testing.T) {
	const large = 2 * allowedDebt
	for _, c := range []struct {
		name        string
		debt        func(since time.Duration) (int64, bool)
		want, takes time.Duration
	}{
		{"none", func(time.Duration) (int64, bool) { return allowedDebt, true }, 0, 0},
		{"paid after a while", func(since time.Duration) (int64, bool) {
			if since < 750*time.Millisecond {
				return large, true
			}
			return 0, true
		}, 800 * time.Millisecond, 800 * time.Millisecond},
		{"left lying", func(since time.Duration) (int64, bool) { return large, since < 450*time.Millisecond }, 500 * time.Millisecond, 800 * time.Millisecond},
		{"never paid", func(time.Duration) (int64, bool) { return large, true }, debtWithin, debtWithin},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got := payBack(t.Context(), func() (int64, bool) { return c.debt(time.Since(began)) })
				if took := time.Since(began); got != c.want || took != c.takes {
					t.Errorf("charged %s after %s, want %s after %s", got, took, c.want, c.takes)
				}
			})
		})
	}
}
