package ingest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"waytrace/carriers"
	"waytrace/trace"
)

// A diary is what was logged and swept, read and written by two.
type diary struct {
	mu    sync.Mutex
	text  strings.Builder
	swept []time.Duration // how far back
}

func (d *diary) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(b)
}

func (d *diary) sweep(before time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.swept = append(d.swept, time.Since(before))
}

// read says how often something was logged, and gives the sweeps, once all is quiet.
func (d *diary) read(what string) (lines int, swept []time.Duration) {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Count(d.text.String(), what), slices.Clone(d.swept)
}

// Every hour what is too old goes, every minute somebody is told that it fills up.
func TestTend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var filling, mended atomic.Bool
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			Tend(ctx, Tended{
				Expire: func(before time.Time) (int, error) {
					d.sweep(before)
					if !mended.Load() {
						return 0, errors.New("disk on fire")
					}
					return 2, nil
				},
				Filling: func() (string, bool) { return "12 requests", filling.Load() },
			}, 30*24*time.Hour, slog.New(slog.NewTextHandler(&d, nil)))
		}()

		if n, _ := d.read("cannot be swept"); n != 1 {
			t.Errorf("a sweep that fails left %d lines, want 1", n)
		}
		mended.Store(true)
		time.Sleep(59 * time.Minute)
		if n, swept := d.read("level=WARN"); n != 0 || len(swept) != 1 {
			t.Errorf("after 59 minutes: %d sweeps, %d lines", len(swept), n)
		}
		filling.Store(true)
		time.Sleep(3 * time.Minute)
		if n, _ := d.read(`quarantine is filling" state="12 requests"`); n != 3 {
			t.Errorf("three minutes of filling left %d lines, want 3", n)
		}
		if n, swept := d.read("requests=2"); n != 1 || len(swept) != 2 || swept[1] != 30*24*time.Hour {
			t.Errorf("swept %v, %d lines; want one sweep more, of 30 days", swept, n)
		}
		stop()
		<-done
	})
}

// Only faults that were kept are counted, and by words of ours.
func TestKeptFaults(t *testing.T) {
	var faults []trace.Fault
	for i := range mostFaults + 5 {
		faults = append(faults, trace.Fault{Index: i, Code: "invalid_time"})
	}
	kept := firstOf(faults)
	if last := kept[len(kept)-1]; len(kept) != mostFaults+1 || last.Index != -1 || last.Code != "more" || last.Detail != "and 5 faults more" {
		t.Errorf("%d faults are kept, the last is %+v", len(kept), last)
	}
	if faults[mostFaults].Code != "invalid_time" {
		t.Errorf("the given faults were changed: %+v", faults[mostFaults])
	}
	if got := firstOf(faults[:3]); len(got) != 3 {
		t.Errorf("of three %d are kept", len(got))
	}
	for _, carriers := range [][]string{nil, {"sf"}, {"sf", "yto"}} {
		if got := carriersOf(callOf(carriers)); strings.Join(got, " ") != strings.Join(carriers, " ") || len(got) != len(carriers) {
			t.Errorf("%q became %q", carriers, got)
		}
	}
}

// Credentials are not kept with a request that is.
func TestCredentialsAreNotKept(t *testing.T) {
	hidden := []string{"access_token", "_aop_signature"}
	r := &carriers.Request{Query: "a=1&access_token=x&_aop%5Fsignature=y&b=%", Body: []byte("access_token=z&c=2&access_token")}
	kept := withoutCredentials(r, hidden)
	if kept.Query != "a=1&b=%" || string(kept.Body) != "c=2" {
		t.Errorf("kept %q and %q", kept.Query, kept.Body)
	}
	if r.Query == kept.Query || len(r.Body) == len(kept.Body) {
		t.Error("the request itself was changed")
	}
	inJSON := &carriers.Request{Body: []byte(`{"a":"access_token=z&c"}`)}
	if kept := withoutCredentials(inJSON, hidden); string(kept.Body) != string(inJSON.Body) {
		t.Errorf("a body that is no form: %s", kept.Body)
	}
}
