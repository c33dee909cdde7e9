//go:build !race

package main

import (
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A daemon takes no more memory than its settings give it and 300 MB for the rest: what
// the Go program needs, its own code, and what the C library loses between blocks. (The
// race detector takes as much again.)
func TestMemoryBound(t *testing.T) {
	const (
		cache, heads, answers = 8 << 20, 4 << 20, 4 << 20
		memtable, memtables   = 1 << 20, 3
		rest                  = 300_000_000
	)
	p := spawn(t, filepath.Join(t.TempDir(), "data"), "--store.cache=8MiB", "--store.heads=4MiB", "--query.cache=4MiB", "--store.memtable=1MiB")
	defer p.wait()
	defer p.Process.Kill()
	l := newLoad()
	l.run(p.url, "memory")
	l.await(t, 3000)
	l.stop.Store(true)
	l.wg.Wait()
	defer l.client.CloseIdleConnections()
	if _, lost := l.missing(t, p.url); lost > 0 { // which reads every parcel
		t.Errorf("%d events are lost", lost)
	}
	answer, err := http.Get(p.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status, err)
	}
	metric := func(name string) float64 {
		_, value, _ := strings.Cut(string(text), "\n"+name+" ")
		value, _, _ = strings.Cut(value, "\n")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	resident := metric("process_resident_memory_bytes")
	t.Logf("%.0f MB", resident/1e6)
	if metric("waytrace_store_flushes_total") == 0 {
		t.Error("nothing was written to tables: the load is too small to show anything")
	}
	if bound := float64(cache + heads + answers + memtables*memtable + rest); resident > bound {
		t.Errorf("the daemon takes %.0f MB, want at most %.0f", resident/1e6, bound/1e6)
	}
}
