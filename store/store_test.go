package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"waytrace/store/keys"
	"waytrace/trace"
)

type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(string, ...any) {}

func (s *Store) scanAll(take func(key, value []byte) (bool, error)) error {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return err
	}
	defer it.Close()
	return each(it, take)
}

// Two scans in the same second: the status decides their order, and the same
// push again changes nothing, not even the feed.
func TestAppendAndRead(t *testing.T) {
	s := open(t, vfs.NewMem())
	signed := scan("SF7444400031887", "80", trace.Delivered, 3)
	collected := scan("SF7444400031887", "50", trace.PickedUp, 3)
	if fresh := push(t, s, signed, collected); fresh != 2 {
		t.Errorf("fresh = %d, want 2", fresh)
	}
	tr := read(t, s, "SF7444400031887")
	if len(tr.Events) != 2 || tr.Events[0].Code != "50" || tr.Head.Pair.Status != trace.Delivered {
		t.Errorf("got %d events, the first of code %s, status %s", len(tr.Events), tr.Events[0].Code, tr.Head.Pair.Status)
	}
	mark := s.SafeMark()
	for range 3 {
		facts := sealed(t, s, collected, signed)
		fresh, err := s.Append(t.Context(), facts)
		if err != nil || fresh != 0 || facts.Events[0].Taken != trace.Repeat {
			t.Errorf("repeat: fresh = %d, %v, taken %d", fresh, err, facts.Events[0].Taken)
		}
	}
	if s.SafeMark() != mark {
		t.Errorf("repeats moved the feed from %d to %d", mark, s.SafeMark())
	}
	mustAgree(t, s)
}

func TestNotFound(t *testing.T) {
	s := open(t, vfs.NewMem())
	push(t, s, scan("SF0001", "50", trace.PickedUp, 1))
	var tr trace.Trace
	for _, c := range []struct{ number, carrier string }{{"SF0002", ""}, {"SF00011", ""}, {"SF000", ""}, {"SF0001", "yto"}} {
		if err := s.Trace(&tr, c.number, c.carrier, trace.Want{Events: true}); err == nil || !strings.Contains(err.Error(), "not found") {
			t.Errorf("%s at %q: %v, want not found", c.number, c.carrier, err)
		}
	}
}

// One number at several carriers: the one with the newest event is shown.
func TestSeveralCarriers(t *testing.T) {
	s := open(t, vfs.NewMem())
	old, latest, third := scan("SAME0001", "1", trace.PickedUp, 1), scan("SAME0001", "2", trace.InTransit, 9), scan("SAME0001", "3", trace.InTransit, 5)
	old.Carrier, latest.Carrier, third.Carrier = "aaa", "mmm", "zzz"
	push(t, s, old, third, latest)
	tr := read(t, s, "SAME0001")
	if tr.Carrier != "mmm" || fmt.Sprint(tr.Also) != "[aaa zzz]" || len(tr.Events) != 1 || tr.Events[0].Code != "2" {
		t.Errorf("got %s, also %v, %d events", tr.Carrier, tr.Also, len(tr.Events))
	}
	if err := s.Trace(tr, "SAME0001", "zzz", trace.Want{Events: true}); err != nil || tr.Carrier != "zzz" || len(tr.Events) != 1 || tr.Events[0].Code != "3" {
		t.Errorf("asked for zzz, got %s, %v", tr.Carrier, err)
	}
	mustAgree(t, s)
}

// The same scan in other words is a revision; a fuller copy replaces a poorer
// one; a new reference is added: each is news once.
func TestRevisionsAndCopies(t *testing.T) {
	s := open(t, vfs.NewMem())
	e := scan("SF0001", "50", trace.PickedUp, 1)
	push(t, s, e)
	edited := e
	edited.Text.Text = "快件已收取"
	fuller := e
	fuller.CarrierID = "158918741444476"
	referred := e
	referred.References = []trace.Reference{{Account: "main", Text: "order 1"}}
	for _, c := range []struct {
		name string
		e    trace.Event
	}{{"edited", edited}, {"fuller", fuller}, {"referred", referred}} {
		for i, want := range []int{1, 0, 0} {
			if fresh := push(t, s, c.e); fresh != want {
				t.Errorf("%s, time %d: fresh = %d, want %d", c.name, i+1, fresh, want)
			}
		}
	}
	if fresh := push(t, s, e, edited); fresh != 0 {
		t.Errorf("an old text again: fresh = %d, want 0", fresh)
	}
	tr := read(t, s, "SF0001")
	if len(tr.Events) != 1 || len(tr.Events[0].Revisions) != 2 || tr.Events[0].Text.Text != edited.Text.Text || tr.Events[0].CarrierID == "" {
		t.Errorf("got %+v", tr.Events)
	}
	found, err := s.Waybills("main", "order 1")
	if err != nil || len(found) != 1 || found[0] != e.Waybill {
		t.Errorf("order 1 leads to %v, %v", found, err)
	}
}

func TestReferencesBelongToAccounts(t *testing.T) {
	s := open(t, vfs.NewMem())
	a, b := scan("SF0001", "50", trace.PickedUp, 1), scan("SF0002", "50", trace.PickedUp, 1)
	a.References = []trace.Reference{{Account: "main", Text: "order 1"}, {Account: "main", Text: "bad\x01one"}}
	b.References = []trace.Reference{{Account: "other", Text: "order 1"}}
	push(t, s, a, b)
	for _, c := range []struct{ account, text, want string }{
		{"main", "order 1", "[{SF0001 sf}]"}, {"other", "order 1", "[{SF0002 sf}]"}, {"main", "order", "[]"},
		{"main", "order 1\x00", "[]"}, {"main", "bad\x01one", "[]"}, {"third", "order 1", "[]"},
	} {
		got, err := s.Waybills(c.account, c.text)
		if err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%s %q leads to %v, %v; want %s", c.account, c.text, got, err, c.want)
		}
	}
}

func TestTooManyEvents(t *testing.T) {
	s := open(t, vfs.NewMem())
	var events []trace.Event
	for i := range trace.MaxEvents + 5 {
		e := scan("SF0001", "31", trace.InTransit, i%600)
		e.Code = fmt.Sprint(i)
		events = append(events, e)
	}
	facts := sealed(t, s, events...)
	fresh, err := s.Append(t.Context(), facts)
	if err != nil || fresh != trace.MaxEvents || facts.Events[trace.MaxEvents].Taken != trace.TooMany {
		t.Errorf("fresh = %d, %v; the first beyond was taken as %d", fresh, err, facts.Events[trace.MaxEvents].Taken)
	}
	if fresh := push(t, s, events[0]); fresh != 0 {
		t.Errorf("a repeat in a full waybill: fresh = %d", fresh)
	}
	mustAgree(t, s)
}

func TestQuarantineKeepsOnce(t *testing.T) {
	s := open(t, vfs.NewMem())
	first := s.Now()
	for range 3 {
		q := &trace.Quarantined{Heard: s.Now(), Carrier: "sf", Account: "main", ContentType: "application/json",
			Faults: []trace.Fault{{Index: -1, Code: "wrong_shape"}}, Raw: []byte(`{"Body":1}`)}
		if q.Heard < first {
			t.Fatal("the clock went back")
		}
		if err := s.Quarantine(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	err := s.EachQuarantined(func(hash [16]byte, q *trace.Quarantined) bool {
		n++
		if string(q.Raw) != `{"Body":1}` || q.Heard != first+1 || q.Hash() != hash {
			t.Errorf("kept %q, heard %d (first was %d)", q.Raw, q.Heard, first+1)
		}
		return true
	})
	if err != nil || n != 1 {
		t.Errorf("%d are kept, %v; want 1", n, err)
	}
}

// Many callers at once, on few waybills: everything is there, once.
func TestConcurrentAppends(t *testing.T) {
	s := open(t, vfs.NewMem())
	var fresh atomic.Int64
	var wg sync.WaitGroup
	for c := range 16 {
		wg.Go(func() {
			for i := range 60 {
				e := scan(fmt.Sprintf("SF%04d", i%7), fmt.Sprint(i), trace.InTransit, (c+i)%4)
				n, err := s.Append(context.Background(), sealed(t, s, e, scan(fmt.Sprintf("SF%04d", c), "30", trace.InTransit, i)))
				if err != nil {
					t.Error(err)
				}
				fresh.Add(int64(n))
			}
		})
	}
	wg.Wait()
	events := 0
	for i := range 16 {
		events += len(read(t, s, fmt.Sprintf("SF%04d", i)).Events)
	}
	if int(fresh.Load()) != events {
		t.Errorf("callers were told of %d fresh events, %d are stored", fresh.Load(), events)
	}
	mustAgree(t, s)
}

// A directory is the same after it was closed and opened again: node, feed and
// clock go on.
func TestReopen(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs)
	push(t, s, scan("SF0001", "50", trace.PickedUp, 1))
	node, mark, now := s.node, s.SafeMark(), s.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The wall clock has stepped back by an hour meanwhile.
	past := func() int64 { return now.Milli() - time.Hour.Milliseconds() }
	s, err := Open("data", Options{FS: fs, Log: quiet, Wall: past})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.node != node || s.SafeMark() != mark || s.Now() <= now {
		t.Errorf("node %s, mark %d, clock %d; want %s, %d, beyond %d", s.node, s.SafeMark(), s.Now(), node, mark, now)
	}
	if fresh := push(t, s, scan("SF0001", "50", trace.PickedUp, 1), scan("SF0001", "80", trace.Delivered, 2)); fresh != 1 {
		t.Errorf("fresh = %d, want 1", fresh)
	}
	mustAgree(t, s)
}

func TestRefusedDirectories(t *testing.T) {
	newer, older := vfs.NewMem(), vfs.NewMem()
	for fs, form := range map[vfs.FS]uint32{newer: Form + 1, older: Form - 1} {
		s := open(t, fs)
		if err := s.db.Set(keys.Meta(nil, metaForm), binary.BigEndian.AppendUint32(nil, form), pebble.Sync); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}

	foreign := vfs.NewMem()
	db, err := pebble.Open("data", &pebble.Options{FS: foreign, Logger: silent{}, Comparer: comparer, FormatMajorVersion: pebble.FormatNewest})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Set([]byte("somebody else's"), nil, pebble.Sync); err != nil {
		t.Fatal(err)
	}
	db.Close()

	other := vfs.NewMem()
	if db, err = pebble.Open("data", &pebble.Options{FS: other, Logger: silent{}}); err != nil {
		t.Fatal(err)
	}
	db.Close()

	for _, c := range []struct {
		name string
		fs   vfs.FS
		want string
	}{
		{"newer", newer, fmt.Sprintf("has form %d and this version of waytrace reads up to form %d", Form+1, Form)},
		{"older", older, fmt.Sprintf("has form %d, of a version before the first release", Form-1)},
		{"foreign", foreign, "holds a database that waytrace did not make"},
		{"another comparer", other, "not by waytrace"},
	} {
		s, err := Open("data", Options{FS: c.fs, Log: quiet})
		if err == nil {
			s.Close()
			t.Errorf("%s: opened", c.name)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// A real disk; a checkpoint of it opens as well.
func TestRealDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "data")
	s, err := Open(dir, Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	push(t, s, scan("SF0001", "50", trace.PickedUp, 1))
	copied := filepath.Join(t.TempDir(), "copy")
	if err := s.Checkpoint(copied); err != nil {
		t.Fatal(err)
	}
	push(t, s, scan("SF0001", "80", trace.Delivered, 2))
	c, err := Open(copied, Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := read(t, c, "SF0001"); got.Head.Pair.Status != trace.PickedUp {
		t.Errorf("the copy says %s", got.Head.Pair.Status)
	}
	mustAgree(t, c)
}

// A disk that fails a sync: whoever waits hears it, and nothing is written any
// more, but reads go on.
func TestReadOnlyAfterFailedSync(t *testing.T) {
	var broken atomic.Bool
	inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) {
			return errorfs.ErrInjected
		}
		return nil
	})
	s, err := Open("data", Options{FS: errorfs.Wrap(vfs.NewMem(), inject), Log: quiet, Fatal: func(m string) { t.Log("fatal:", m) }})
	if err != nil {
		t.Fatal(err)
	}
	push(t, s, scan("SF0001", "50", trace.PickedUp, 1))
	safe := s.SafeMark()
	broken.Store(true)
	if _, err := s.Append(t.Context(), sealed(t, s, scan("SF0001", "80", trace.Delivered, 2))); !isUnavailable(err) {
		t.Errorf("a failed sync was answered with %v", err)
	}
	if s.SafeMark() != safe {
		t.Error("the safe mark moved past a failed sync")
	}
	if _, err := s.Append(t.Context(), sealed(t, s, scan("SF0001", "50", trace.PickedUp, 1))); !isUnavailable(err) {
		t.Errorf("a repeat after it was answered with %v", err)
	}
	if err := s.Ready(); !isUnavailable(err) || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("Ready() = %v", err)
	}
	if got := read(t, s, "SF0001"); len(got.Events) == 0 {
		t.Error("reads ended too")
	}
	broken.Store(false)
	s.Close()
}

// slowDisk holds back syncs of the log until it is let go.
type slowDisk struct {
	vfs.FS
	hold chan struct{}
}

func (d slowDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	if strings.HasSuffix(name, ".log") && err == nil {
		return slowFile{f, d.hold}, nil
	}
	return f, err
}

type slowFile struct {
	vfs.File
	hold chan struct{}
}

func (f slowFile) SyncData() error { <-f.hold; return f.File.SyncData() }
func (f slowFile) Sync() error     { <-f.hold; return f.File.Sync() }

// A disk that does not answer: callers are told in time, the store says that it
// is not ready, and what they sent is there when the disk comes back. A repeat
// of what is not synced yet is not acknowledged either.
func TestSlowDisk(t *testing.T) {
	hold := make(chan struct{}, 1000)
	for range 8 {
		hold <- struct{}{} // enough to open
	}
	s, err := Open("data", Options{FS: slowDisk{vfs.NewMem(), hold}, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	for len(hold) > 0 {
		<-hold
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	e := scan("SF0001", "50", trace.PickedUp, 1)
	if _, err := s.Append(ctx, sealed(t, s, e)); !isUnavailable(err) {
		t.Fatalf("a held sync was answered with %v", err)
	}
	again, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Append(again, sealed(t, s, e)); !isUnavailable(err) {
		t.Errorf("a repeat of what is not synced was answered with %v", err)
	}
	if s.SafeMark() != 0 {
		t.Errorf("safe mark %d before the sync", s.SafeMark())
	}
	if s.Stalled() < 40*time.Millisecond {
		t.Errorf("Stalled() = %s", s.Stalled())
	}
	close(hold)
	if fresh := push(t, s, e); fresh != 0 {
		t.Errorf("fresh = %d after the disk came back, want 0", fresh)
	}
	mustAgree(t, s)
	s.Close()
}

// Whoever reads while the store closes gets an answer or is told so, and the
// same afterwards.
func TestReadsEndWithTheStore(t *testing.T) {
	s := open(t, vfs.NewMem())
	push(t, s, scan("SF0001", "50", trace.PickedUp, 1))
	var wg sync.WaitGroup
	began := make(chan struct{}, 8)
	for range 8 {
		wg.Go(func() {
			var tr trace.Trace
			for i := 0; ; i++ {
				err := s.Trace(&tr, "SF0001", "", trace.Want{Events: true})
				if i == 0 {
					began <- struct{}{}
				}
				if err != nil {
					if !isUnavailable(err) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	for range 8 {
		<-began
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	_, err := s.Waybills("main", "x")
	for name, err := range map[string]error{
		"Waybills": err, "Checkpoint": s.Checkpoint("copy"), "EachFeedEntry": s.EachFeedEntry(1, 0, nil), "EachQuarantined": s.EachQuarantined(nil),
		"Trace": s.Trace(new(trace.Trace), "SF0001", "", trace.Want{}),
	} {
		if !isUnavailable(err) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if s.Status().Form != Form {
		t.Error("no status after Close")
	}
	s.WriteMetrics(io.Discard)
}

// Closing answers everybody: what was taken in is finished, what comes later is
// refused.
func TestCloseUnderLoad(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs)
	var acknowledged sync.Map
	var wg sync.WaitGroup
	started := make(chan struct{}, 8)
	for c := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				e := scan(fmt.Sprintf("SF%04d", c), fmt.Sprint(i), trace.InTransit, i%900)
				facts := sealed(t, s, e)
				if _, err := s.Append(context.Background(), facts); err != nil {
					if !isUnavailable(err) {
						t.Error(err)
					}
					return
				}
				acknowledged.Store(facts.Events[0].ID, e.Number)
				if i == 20 {
					started <- struct{}{}
				}
			}
		})
	}
	for range 8 {
		<-started
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	s = open(t, fs)
	acknowledged.Range(func(id, number any) bool {
		tr := read(t, s, number.(string))
		for i := range tr.Events {
			if tr.Events[i].ID == id {
				return true
			}
		}
		t.Errorf("event %s of %s is gone", id, number)
		return true
	})
	mustAgree(t, s)
}

// smallDisk says how much room there is.
type smallDisk struct {
	vfs.FS
	free *atomic.Uint64
}

func (d smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free.Load()}, nil
}

// A disk that is nearly full takes no more writes, is read as before, and takes
// writes again when there is room.
func TestFullDisk(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 30)
	s := open(t, smallDisk{vfs.NewMem(), &free})
	push(t, s, scan("SF0001", "50", trace.PickedUp, 1))
	free.Store(1 << 20)
	s.looked.Store(0)
	_, err := s.Append(t.Context(), sealed(t, s, scan("SF0001", "80", trace.Delivered, 2)))
	if !isUnavailable(err) || !strings.Contains(err.Error(), "free some") {
		t.Errorf("without room: %v", err)
	}
	if got := read(t, s, "SF0001"); len(got.Events) != 1 {
		t.Errorf("%d events are read", len(got.Events))
	}
	free.Store(1 << 30)
	s.looked.Store(0)
	if fresh := push(t, s, scan("SF0001", "80", trace.Delivered, 2)); fresh != 1 {
		t.Errorf("with room again: fresh = %d", fresh)
	}
	mustAgree(t, s)
}

// Whatever a number's keys are, the next prefix is behind all of them and before
// the next number's.
func TestNextPrefix(t *testing.T) {
	prefix := keys.Waybill(nil, "SF0001")
	next := comparer.ImmediateSuccessor(nil, prefix)
	last := keys.Event(nil, trace.Waybill{Number: "SF0001", Carrier: "zzz"}, 1<<62, ^trace.ID(0))
	if comparer.Compare(next, last) <= 0 || comparer.Compare(next, keys.Waybill(nil, "SF00010")) >= 0 {
		t.Errorf("behind %q comes %q", prefix, next)
	}
	if got := comparer.ImmediateSuccessor(nil, []byte("mform")); string(got) != "mform\x00" {
		t.Errorf("behind another key comes %q", got)
	}
}

// The hearings of two callers may come to the writer in the other order: the
// text that was first heard last is shown all the same.
func TestHearingsOutOfOrder(t *testing.T) {
	s := open(t, vfs.NewMem())
	tell := func(text string) *trace.Facts {
		e := scan("SF0001", "50", trace.PickedUp, 1)
		e.Text.Text = text
		return sealed(t, s, e)
	}
	first, second, third := tell("A"), tell("B"), tell("A")
	for _, facts := range []*trace.Facts{third, second, first} {
		if _, err := s.Append(t.Context(), facts); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, s, "SF0001").Events[0].Text.Text; got != "B" {
		t.Errorf("%q is shown, want B: A was heard before it", got)
	}
	mustAgree(t, s)
}
