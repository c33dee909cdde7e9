package store

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/store/facttest"
	"waytrace/store/keys"
	"waytrace/trace"
)

// A directory of each released form is kept, packed, with all that it held, a line a
// pair. Neither is ever touched again.
var writeReleased = flag.Bool("write-released", false, "write the directory of the present form, where there is none")

const released = "testdata/form3"

// A directory that the released version wrote is opened, read in full, and goes on.
func TestReleasedDirectory(t *testing.T) {
	if *writeReleased {
		release(t)
	}
	want, err := os.ReadFile(released + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	fs := unpack(t, released+".tar.gz")
	e, err := Examine("data", options(fs))
	if err != nil || e.Waybills == 0 || e.Seq == 0 || e.Reborn {
		t.Fatalf("examined %+v, %v", e, err)
	}
	db, err := openExisting("data", options(fs), true)
	if err != nil {
		t.Fatal(err)
	}
	got := pairs(t, db)
	if err := db.shut(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("it holds something else: %s", facttest.Difference(string(got), string(want)))
	}
	s := open(t, fs)
	mustAgree(t, s)
	if s.node != e.Node || s.SafeMark() != e.Seq || s.waybills.Load() != e.Waybills {
		t.Errorf("it is %s with %d waybills at %d; examined %+v", s.node, s.waybills.Load(), s.SafeMark(), e)
	}
	if err := errors.Join(
		s.EachQuarantined(func([16]byte, *trace.Quarantined) bool { return true }),
		s.EachUnmapped(func(_, _ string, _ *trace.Unmapped) bool { return true }),
		s.EachDoubted(func(trace.Waybill, string, *trace.DoubtedBy) bool { return true }),
	); err != nil {
		t.Error(err)
	}
	o := ship(t, s)
	parked := 0
	if err := o.EachParked(func(trace.ParkedItem) bool { parked++; return true }); err != nil || parked != 1 {
		t.Errorf("%d records are parked, %v", parked, err)
	}
	if at, known, err := s.Place(5); err != nil || at != (trace.Position{Offset: 300, Last: 1 << 40}) || len(known) != 2 || len(known[9].Runs) != 2 {
		t.Errorf("partition 5 was read up to %+v, %+v, %v", at, known, err)
	}
	// It hears and ships on.
	rng := rand.New(rand.NewPCG(2, 2))
	for range 20 {
		hear(t, s, func(f *trace.Facts) { facttest.Load(f, rng) })
	}
	if items := shipAll(t, s, o); len(items) == 0 {
		t.Error("it ships nothing")
	}
	mustAgree(t, s)
	o.Close()
	s.Close()
	reborn(t, fs)
	if _, err := facttest.Disagreement(open(t, fs).scan); err != nil {
		t.Error(err)
	}
}

// pairs is all that a directory holds, a line a pair.
func pairs(t testing.TB, s *Store) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.scanAll(func(key, value []byte) (bool, error) {
		_, err := keys.Parse(key)
		fmt.Fprintf(&b, "%q %x\n", key, value)
		return true, err
	}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpack lays a packed directory on a disk in memory.
func unpack(t testing.TB, name string) *vfs.MemFS {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	fs := vfs.NewMem()
	if err := fs.MkdirAll("data", 0o700); err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return fs
		}
		if err != nil {
			t.Fatal(err)
		}
		to, err := fs.Create(fs.PathJoin("data", h.Name), vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(to, r); err != nil {
			t.Fatal(err)
		}
		to.Close()
	}
}

// release writes a directory with every kind of key, part of it in tables and part in
// the log.
func release(t testing.TB) {
	t.Helper()
	if _, err := os.Stat(released + ".tar.gz"); err == nil {
		t.Fatalf("%s is written already", released)
	}
	fs, now := vfs.NewMem(), int64(noon)
	wall := func() int64 { return now }
	rng := rand.New(rand.NewPCG(1, 1))
	for begun := range 2 {
		s := openAt(t, fs, wall)
		o := ship(t, s)
		for range 12 {
			now += rng.Int64N(40 * time.Minute.Milliseconds())
			hear(t, s, func(f *trace.Facts) { facttest.Load(f, rng) })
		}
		odd := scan("SF7444400031887", "?", trace.Unknown, 3)
		odd.Unmapped = true
		push(t, s, odd)
		if err := s.Quarantine(t.Context(), &trace.Quarantined{Heard: s.Now(), Carrier: "sf", Raw: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		if err := s.ApplyNews(t.Context(), nil, &trace.Progress{Partition: 5, Position: trace.Position{Offset: 300, Last: 1 << 40},
			Origins: map[trace.Origin]trace.Known{8: {Own: 400, Runs: []trace.Run{{Mark: 1 << 50, From: 1}}}, 9: {Own: 70_000, Runs: []trace.Run{{Mark: 3, From: 2}, {Mark: 1 << 63, From: 600}}}}}); err != nil {
			t.Fatal(err)
		}
		for p := range uint16(trace.Partitions) {
			acknowledge(t, o, p, next(t, o, p, 3, math.MaxInt).Upto)
		}
		if begun == 0 {
			load := next(t, o, 0, 9, math.MaxInt)
			item := load.Items[0]
			if err := o.Park(trace.ParkedItem{Partition: 0, Seq: item.Seq, Own: item.Own, Bytes: len(item.Value), Reason: "too large", At: now,
				Waybill: trace.Waybill{Number: item.Key, Carrier: "sf"}}); err != nil {
				t.Fatal(err)
			}
		}
		o.Close()
		s.Close()
	}
	db, err := openExisting("data", options(fs), true)
	if err != nil {
		t.Fatal(err)
	}
	text := pairs(t, db)
	db.shut()
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	w := tar.NewWriter(z)
	names, _ := fs.List("data")
	slices.Sort(names)
	for _, name := range names {
		value, err := readAll(fs, fs.PathJoin("data", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(value))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(value); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close(), os.MkdirAll(filepath.Dir(released), 0o755),
		os.WriteFile(released+".tar.gz", packed.Bytes(), 0o644), os.WriteFile(released+".txt", text, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func readAll(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
