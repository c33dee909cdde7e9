package store

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/trace"
)

// Opening after a crash makes tables of the log, which may be one too many on the first
// level. It does not wait for the compaction of them, which may take far longer than the
// log; but that comes.
func TestOpenWaitsForNoCompaction(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := open(t, disk)
	s.Quiet()
	for i := range stopSublevels / 2 {
		push(t, s, scan("SF0001", fmt.Sprint(i), trace.InTransit, i))
		if err := s.db.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	push(t, s, scan("SF0001", "last", trace.InTransit, 100))

	o := Options{FS: disk.CrashClone(vfs.CrashCloneCfg{}), Log: quiet, MemTableSize: 1 << 20}.withDefaults()
	began := make(chan struct{})
	var once sync.Once
	after, err := openDatabase("data", o, func(po *pebble.Options) {
		po.EventListener.CompactionBegin = func(pebble.CompactionInfo) { once.Do(func() { close(began) }) }
	})
	if err != nil {
		t.Fatal(err)
	}
	defer after.shut()
	if got := after.db.Metrics().Flush.Count; got != 1 {
		t.Errorf("%d flushes while opening, want that of the log", got)
	}
	select {
	case <-began:
		t.Error("a compaction began while the directory was being opened")
	default:
	}
	<-began
}

// Who measures waits until the scan after opening is over.
func TestScanPending(t *testing.T) {
	s := open(t, vfs.NewMem())
	<-s.learned
	var w bytes.Buffer
	s.WriteMetrics(&w)
	if !strings.Contains(w.String(), "waytrace_store_scan_pending 0\n") {
		t.Error("the scan is over, and the metrics do not say so")
	}
	s.learned = make(chan struct{})
	w.Reset()
	s.WriteMetrics(&w)
	close(s.learned)
	if !strings.Contains(w.String(), "waytrace_store_scan_pending 1\n") {
		t.Error("the scan goes on, and the metrics do not say so")
	}
}
