package bench

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The address is found however the words come, and the end of them is kept.
func TestTranscript(t *testing.T) {
	said := "time=2026-03-04 level=INFO msg=\"opened http://elsewhere:1\"\nwaytrace: listening on http://127.0.0.1:40123\nwaytrace: admin on http://127.0.0.1:40124\n"
	for size := 1; size < len(said); size++ {
		tr := newTranscript()
		for piece := range slices.Chunk([]byte(said), size) {
			tr.Write(piece)
		}
		select {
		case got := <-tr.address:
			if got != "127.0.0.1:40123" {
				t.Fatalf("in pieces of %d the address is %q", size, got)
			}
		default:
			t.Fatalf("in pieces of %d there is no address", size)
		}
		if tr.String() != strings.TrimSpace(said) {
			t.Fatalf("in pieces of %d it kept %q", size, tr)
		}
	}
	tr := newTranscript()
	for range 1000 {
		tr.Write([]byte("one more line that nobody needs\n"))
	}
	tr.Write([]byte("last words\n"))
	if s := tr.String(); len(s) > lastWords || !strings.HasSuffix(s, "last words") {
		t.Errorf("kept %d bytes ending in %.20q", len(s), s[len(s)-20:])
	}
}

func TestChild(t *testing.T) {
	t.Setenv("WAYTRACE_LISTEN", "203.0.113.1:1")
	cmd := again("good")("serve", "--data", t.TempDir())
	c, err := start(t.Context(), "daemon", cmd)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := ask(at(c.addr), at(c.addr).get("/v1/traces/SF0000000000000")); err != nil || a.Status != 404 {
		t.Errorf("it answers %d, %v", a.Status, err)
	}
	if slices.ContainsFunc(cmd.Env, func(v string) bool { return strings.HasPrefix(v, "WAYTRACE_") }) {
		t.Error("it inherits settings from the environment")
	}
	if runtime.GOOS == "linux" {
		if used, ok := c.cpu(); !ok || used > time.Minute {
			t.Errorf("it used %s of processor time, %t", used, ok)
		}
	}
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	if err := c.stop(); err != nil {
		t.Errorf("stopped twice: %v", err)
	}
	if _, known := cpuTime(c.cmd.Process.Pid); known {
		t.Error("the process is still there")
	}
}

func TestChildThatCannotStart(t *testing.T) {
	if _, err := start(t.Context(), "daemon", exec.Command(filepath.Join(t.TempDir(), "missing"))); err == nil {
		t.Error("started what is not there")
	}
	_, err := start(t.Context(), "daemon", again("mute")("serve", "--data", "here"))
	if err == nil || !strings.Contains(err.Error(), "no room for here") {
		t.Errorf("error is %v, want its last words", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cmd := again("good")("serve", "--data", t.TempDir())
	if c, err := start(ctx, "daemon", cmd); err == nil {
		c.stop()
	} else if cmd.ProcessState == nil {
		t.Errorf("%v, and the process was left alone", err)
	}
}

// What ends badly says so.
func TestChildThatCrashes(t *testing.T) {
	c, err := start(t.Context(), "daemon", again("good")("serve", "--data", t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Process.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	<-c.done
	if err := c.stop(); err == nil || !strings.Contains(err.Error(), "killed") || !strings.Contains(err.Error(), "nothing else to say") {
		t.Errorf("error is %v, want how it ended and its last words", err)
	}
}

// A daemon is measured when it has read its heads.
func TestDaemonScanned(t *testing.T) {
	d := &daemon{command: again("good"), data: t.TempDir()}
	if err := d.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer d.stop()
	if err := d.scanned(t.Context()); err != nil {
		t.Error(err)
	}
	if m, err := d.metrics(); err != nil || m["waytrace_store_scan_pending"] != 0 {
		t.Errorf("it goes on reading: %v, %v", m, err)
	}
	if err := d.restart(t.Context()); err != nil {
		t.Error(err)
	}
	if m, err := d.metrics(); err != nil || m["waytrace_store_scan_pending"] != 0 {
		t.Errorf("it goes on reading after a restart: %v, %v", m, err)
	}
}

// Settling ends when nothing happened for three looks, and says when the work
// ended.
func TestSettle(t *testing.T) {
	for _, c := range []struct {
		name        string
		busyFor     time.Duration
		most        time.Duration
		want, takes time.Duration
	}{
		{"idle", 0, time.Second, 0, 300 * time.Millisecond},
		{"busy for a while", 450 * time.Millisecond, 5 * time.Second, 400 * time.Millisecond, 700 * time.Millisecond},
		{"busy for ever", time.Hour, time.Second, time.Second, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got := settle(t.Context(), c.most, func() bool { return time.Since(began) < c.busyFor })
				if took := time.Since(began); got != c.want || took != c.takes {
					t.Errorf("worked for %s, waited %s; want %s and %s", got, took, c.want, c.takes)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		defer cancel()
		began := time.Now()
		settle(ctx, time.Hour, func() bool { return true })
		if took := time.Since(began); took != 250*time.Millisecond {
			t.Errorf("waited %s after the interrupt", took)
		}
	})
}
