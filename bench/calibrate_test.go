package bench

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"waytrace/trace"
)

func someRaw(t *testing.T, dir, options string, set int) *rawStore {
	t.Helper()
	raw, err := openRaw(dir, options, newParcels(set, someDay, 0), func(message string) { panic(message) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := raw.close(); err != nil {
			t.Error(err)
		}
	})
	return raw
}

// keysOf counts what raw Pebble holds, and the bytes of its values.
func keysOf(t *testing.T, raw *rawStore) (n, bytes int) {
	t.Helper()
	i, err := raw.db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	for i.First(); i.Valid(); i.Next() {
		n++
		bytes += len(i.Value())
	}
	return n, bytes
}

// Raw Pebble commits one key an event, with values as long as stored events.
func TestRawStore(t *testing.T) {
	raw := someRaw(t, t.TempDir(), someOptions, 300)
	told := 0
	if err := raw.load(t.Context(), func(n int) { told += n }); err != nil {
		t.Fatal(err)
	}
	if n, _ := keysOf(t, raw); told != 300*eventsLoaded || n != told {
		t.Errorf("loaded %d events into %d keys, want %d", told, n, 300*eventsLoaded)
	}
	workers, err := crew(3, func() (worker, error) { return &committer{raw: raw, next: raw.stock.onePush}, nil })
	if err != nil {
		t.Fatal(err)
	}
	sum, _, err := drive(t.Context(), workers, 50*time.Millisecond, unwatched)
	if err != nil || sum.errors > 0 || sum.requests == 0 || sum.units != sum.requests*eventsOfPush {
		t.Fatalf("%+v, %v", sum, err)
	}
	n, bytes := keysOf(t, raw)
	if n != told+int(sum.units) {
		t.Errorf("%d keys after %d events", n, told+int(sum.units))
	}
	var facts trace.Facts
	want := 0
	for i := range 100 {
		for k := range eventsLoaded {
			facts.Reset()
			want += len(raw.stock.parcels.event(&facts, i, k).Value)
		}
	}
	if got, want := float64(bytes)/float64(n), float64(want)/100/eventsLoaded; got < want*0.97 || got > want*1.03 {
		t.Errorf("values of %.1f B, stored events have %.1f B", got, want)
	}
	if perCommit := float64(sum.bytes) / float64(sum.requests); perCommit < 10*120 || perCommit > 10*240 {
		t.Errorf("commits of %.0f B of values", perCommit)
	}
}

// It opens as the daemon's store is, in Pebble's newest form.
func TestRawStoreTakesOptions(t *testing.T) {
	dir := t.TempDir()
	someRaw(t, dir, someOptions, 100)
	own, err := storeOptions(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"cache_size=8388608", "comparer=small.1", "mem_table_size=4194304", "block_size=8192", "filter_policy=rocksdb.BuiltinBloomFilter"} {
		if !strings.Contains(own, line+"\n") {
			t.Errorf("its options have no %s:\n%s", line, own)
		}
	}
	if strings.Contains(own, "format_major_version=13\n") {
		t.Error("it is in the form that the options name, want the newest")
	}
	if _, err := openRaw(t.TempDir(), "[Options]\n  mem_table_size=many\n", newParcels(100, someDay, 0), nil); err == nil {
		t.Error("opened with options that make no sense")
	}
}

func TestRawStoreInterrupted(t *testing.T) {
	raw := someRaw(t, t.TempDir(), "", 100)
	ctx, cancel := context.WithCancel(t.Context())
	if err := raw.load(ctx, func(int) { cancel() }); err == nil {
		t.Error("loaded to the end")
	}
}

func TestStoreOptions(t *testing.T) {
	dir := t.TempDir()
	if _, err := storeOptions(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("error is %v, want one that names the directory", err)
	}
	for name, text := range map[string]string{"OPTIONS-000003": "old", "OPTIONS-000012": "new", "MANIFEST-000013": "no"} {
		if err := os.MkdirAll(filepath.Join(dir, "store"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "store", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := storeOptions(dir); err != nil || text != "new" {
		t.Errorf("got %q, %v, want the newest", text, err)
	}
}

func TestMeasureSync(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sync")
	h := newHistogram()
	n, err := measureSync(t.Context(), file, 20*time.Millisecond, h)
	if err != nil || n == 0 || h.TotalCount() != int64(n) || h.Min() <= 0 {
		t.Errorf("%d syncs, %d recorded, at least %d ns, %v", n, h.TotalCount(), h.Min(), err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file is left: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := measureSync(ctx, file, time.Hour, h); err == nil {
		t.Error("measured to the end")
	}
	if _, err := measureSync(t.Context(), filepath.Join(file, "no", "folder"), time.Second, h); err == nil {
		t.Error("measured without a file")
	}
}
