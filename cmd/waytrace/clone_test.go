package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"waytrace/trace"
)

// node asks a daemon for its id.
func (r *running) node(t *testing.T) string {
	t.Helper()
	var status struct{ Store struct{ Node string } }
	got := r.do(t, "GET", r.admin+"/status", "")
	if err := json.Unmarshal([]byte(got.body), &status); err != nil || status.Store.Node == "" {
		t.Fatalf("%v: %s", err, got.body)
	}
	return status.Store.Node
}

// snapshot is what was acknowledged up to now.
func (l *load) snapshot() *load {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := map[string]map[string]bool{}
	for number, ids := range l.told {
		told[number] = maps.Clone(ids)
	}
	return &load{client: &http.Client{Timeout: 8 * time.Second, Transport: &http.Transport{}}, told: told}
}

// isGone fails when there is something at a path.
func isGone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is there: %v", path, err)
	}
}

// namesIn lists a directory.
func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A node is cloned in the middle of a load: the copy has all that was acknowledged
// before, an id of its own, and takes pushes of its own.
func TestClone(t *testing.T) {
	dir := t.TempDir()
	data, made := filepath.Join(dir, "data"), filepath.Join(dir, "below", "made")
	r := startOn(t, data)
	l := newLoad()
	l.run(r.url, "CLONE")
	l.await(t, 300)
	before := l.snapshot()
	status, out, said := runs(t, "clone", "--from="+r.admin, "--data="+made)
	l.stop.Store(true)
	l.wg.Wait()
	l.client.CloseIdleConnections()
	if n := l.refused.Load() + l.broken.Load(); n > 0 {
		t.Errorf("%d pushes were not taken while the node was cloned", n)
	}
	if status != 0 || out != "" {
		t.Fatalf("status %d, stdout %s, stderr %s", status, out, said)
	}
	isGone(t, made+beside)
	isGone(t, data+".checkpoints")
	if info, err := os.Stat(made); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the copy: %v, mode %v; want 0700", err, info.Mode())
	}

	c := startOn(t, made)
	defer before.client.CloseIdleConnections()
	if events, lost := before.missing(t, c.url); lost > 0 || events == 0 {
		t.Errorf("%d of %d events that were acknowledged before are not in the clone", lost, events)
	}
	source, clone := r.node(t), c.node(t)
	if source == clone {
		t.Errorf("both are node %s", source)
	}
	told := regexp.MustCompile(`^[0-9]+ files, [0-9.]+ [KM]iB
opening the copy to see whether it is sound
copied node ` + source + ` of ` + regexp.QuoteMeta(r.admin) + `: [0-9]+ parcels, [0-9]+ changes, up to 20[0-9T:-]+Z
` + regexp.QuoteMeta(made) + ` is node ` + clone + ` now, with [0-9]+ records that the old one had not shipped to Kafka; start it with ` + "`waytrace serve --data " + regexp.QuoteMeta(made) + "`: it is ready once it has read what Kafka has had since\n$")
	if !told.MatchString(said) {
		t.Errorf("it said\n%s\nwant\n%s", said, told)
	}
	if got := c.push(t, sampleJSON); got.body != success {
		t.Errorf("a push to the clone: %s", got.body)
	}
	if got := r.do(t, "GET", "/v1/status/SF7444400031887", ""); got.status != 404 {
		t.Errorf("it reached the source: %d", got.status)
	}
}

// A clone is put into no directory that has something in it, and nothing is asked of
// the daemon before that is seen.
func TestCloneWhereSomethingIs(t *testing.T) {
	dir := t.TempDir()
	at := "--from=" + nobody(t)
	full := filepath.Dir(writeFile(t, "keys.yaml", "keys: []\n"))
	foreign := filepath.Join(dir, "foreign")
	for _, name := range []string{foreign + beside, filepath.Join(dir, "linked")} {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(foreign+beside, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("linked", filepath.Join(dir, "link"+beside)); err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string]string{
		full:                                full + " is not empty: move it away first; if a node ran on it, ask `waytrace relay status` there",
		filepath.Join(full, "keys.yaml"):    "is a file: name a directory",
		foreign:                             "holds something else than a copy that was cut off (thesis.txt): move it away",
		filepath.Join(dir, "link"):          "is in the way",
		filepath.Join(dir, "new"):           "nothing listens at",
		filepath.Join(full, "keys.yaml/no"): "not a directory",
	} {
		if status, _, said := runs(t, "clone", at, "--data="+data); status != 1 || !strings.Contains(said, want) {
			t.Errorf("%s: status %d, %s; want %s", data, status, said, want)
		}
	}
	if got := namesIn(t, dir); strings.Join(got, " ") != "foreign.incoming link.incoming linked" {
		t.Errorf("left: %s", got)
	}
	if _, err := os.Stat(filepath.Join(foreign+beside, "thesis.txt")); err != nil {
		t.Error(err)
	}
}

// Two cannot fill one directory at once; what a killed one left is in nobody's way.
func TestIncoming(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := openIncoming(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openIncoming(dir); err == nil || !strings.Contains(err.Error(), "is being filled by another waytrace") {
		t.Errorf("a second one: %v", err)
	}
	for _, name := range []string{"000004.sst", "MANIFEST-000001", "LOCK", "temporary.000005.dbtmp"} {
		if err := first.root.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first.self.Close() // as if it was killed
	first.root.Close()
	again, err := openIncoming(dir)
	if err != nil {
		t.Fatal(err)
	}
	if names := namesIn(t, again.path); len(names) != 0 {
		t.Errorf("left from before: %s", names)
	}
	if err := os.Mkdir(dir, 0o755); err != nil { // an empty one is as good as none
		t.Fatal(err)
	}
	if err := again.root.WriteFile("000004.sst", []byte("whole"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := again.settle(); err != nil {
		t.Fatal(err)
	}
	again.close()
	if got, err := os.ReadFile(filepath.Join(dir, "000004.sst")); err != nil || string(got) != "whole" {
		t.Errorf("got %q, %v", got, err)
	}
	isGone(t, dir+beside)
}

// A stream that ends or errs in the middle leaves nothing behind.
func TestCloneThatFails(t *testing.T) {
	r := start(t)
	r.push(t, sampleJSON)
	got := r.do(t, "GET", r.admin+"/clone", "")
	if got.status != 200 || !strings.HasPrefix(got.body, copyMagic) {
		t.Fatalf("GET /clone: %d %.100q", got.status, got.body)
	}
	parent := t.TempDir()
	made := filepath.Join(parent, "made")
	marker := file("marker.manifest.000001.MANIFEST-000001", 0)
	for _, c := range []struct {
		name, want string
		answer     func(http.ResponseWriter)
	}{
		{"refused", "409 already_running: wait", says(409, `{"code":"already_running","detail":"wait"}`)},
		{"an older daemon", "404 no_such_path", says(404, `{"code":"no_such_path","detail":"there is nothing at this path"}`)},
		{"no daemon", "is this the admin listener", says(200, "<html><head></head></html>")},
		{"nothing", "cut off before its end", says(200, "")},
		{"half of it", "cut off before its end", says(200, got.body[:len(got.body)/2])},
		{"nearly all", "cut off before its end", says(200, got.body[:len(got.body)-1])},
		{"damaged", "damaged on its way", says(200, got.body[:100]+"!"+got.body[101:])},
		{"more than there is room for", "free some, or choose another disk", says(200, string(streamOf(begins(1, 1<<60))))},
		{"a name that leads elsewhere", `a file "../../000001.sst"`, says(200, string(streamOf(begins(1, 1), file("../../000001.sst", 1))))},
		{"a daemon that gives up", "the daemon gave up: stopping: soon", says(200, string(streamOf(part{frameError, `{"code":"stopping","detail":"soon"}`})))},
		{"a copy that is none", "the copy cannot be opened", says(200, string(streamOf(begins(1, 0), marker, ends(1, 0))))},
	} {
		url, _ := played(t, c.answer)
		if status, _, said := runs(t, "clone", "--from="+url, "--data="+made); status != 1 || !strings.Contains(said, c.want) {
			t.Errorf("%s: status %d, %s; want %s", c.name, status, said, c.want)
		}
		if names := namesIn(t, parent); len(names) > 0 {
			t.Errorf("%s: left %s", c.name, names)
		}
	}
	url, calls := played(t, says(200, got.body))
	if status, _, said := runs(t, "clone", "--from="+url, "--data="+made, "--key=wt_a_b"); status != 0 {
		t.Errorf("the whole of it: %s", said)
	}
	if (*calls)[0].authorization != "Bearer wt_a_b" || (*calls)[0].uri != "/clone?for=node" {
		t.Errorf("asked %+v", *calls)
	}
}

// Who may have a copy, and how many at once.
func TestCloneDoor(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	left := filepath.Join(data+".checkpoints", "clone")
	if err := os.MkdirAll(filepath.Join(left, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "below", "000001.sst"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := startOn(t, data)
	isGone(t, data+".checkpoints") // a daemon that was killed has left it

	r.do(t, "POST", r.admin+"/checkpoint", "")
	kept := namesIn(t, data+".checkpoints")
	for _, c := range []struct {
		method, query, want string
		status              int
		headers             []string
	}{
		{"GET", "", "no_key", 401, []string{"X-Forwarded-For", "192.0.2.1"}},
		{"GET", "", "no_key", 401, []string{"Origin", "http://evil.example"}},
		{"GET", "?all=1", "invalid_parameter", 400, nil},
		{"POST", "", "method_not_allowed", 400, nil},
		{"HEAD", "", "", 200, nil},
		{"GET", "", copyMagic, 200, nil},
		{"GET", "", copyMagic, 200, nil},
	} {
		got := r.do(t, c.method, r.admin+"/clone"+c.query, "", c.headers...)
		if got.status != c.status && c.status != 400 || !strings.Contains(got.body, c.want) {
			t.Errorf("%s %s %s: %d %.300q, want %d %s", c.method, c.query, c.headers, got.status, got.body, c.status, c.want)
		}
	}
	r.quiet(t)
	if now := namesIn(t, data+".checkpoints"); len(kept) != 1 || strings.Join(now, " ") != kept[0] {
		t.Errorf("beside the data lie %s, want %s", now, kept)
	}
}

// quiet waits until no clone is under way.
func (r *running) quiet(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if got := r.do(t, "HEAD", r.admin+"/clone", ""); got.status == 200 {
			return
		} else if time.Now().After(end) {
			t.Fatalf("it is still under way: %d", got.status)
		}
	}
}

// heavy pushes what fills the buffers of a connection many times over, and cannot be
// made small.
func (r *running) heavy(t *testing.T) {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 7))
	for n := range 24 {
		var b strings.Builder
		for b.Len() < 900<<10 {
			fmt.Fprintf(&b, "%016x", random.Uint64())
		}
		if got := r.push(t, fmt.Sprintf(`{"Body":{"WaybillRoute":[{"mailno":"SF000%d","acceptTime":"yesterday","opCode":"50","remark":"%s"}]}}`, n, b.String())); got.body != success {
			t.Fatalf("push %d: %s", n, got.body)
		}
	}
}

// askClone asks for a copy and reads only its beginning.
func (r *running) askClone(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(r.admin, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(8 * time.Second))
	io.WriteString(c, "GET /clone HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, err := io.ReadFull(c, make([]byte, 12)); err != nil {
		t.Fatal(err)
	}
	return c
}

// Whoever goes away in the middle of a copy, or does not read it, costs nothing that
// lasts, and holds up nobody but the next who wants one.
func TestCloneToNobody(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	r := startOn(t, data)
	r.heavy(t)
	gone := r.askClone(t)
	if got := r.do(t, "GET", r.admin+"/clone", ""); got.status != 409 || !strings.Contains(got.body, "a clone is under way") {
		t.Errorf("a second one: %d %.300s", got.status, got.body)
	}
	for end := time.Now().Add(5 * time.Second); len(namesIn(t, filepath.Dir(data))) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no checkpoint is being sent")
		}
	}
	gone.Close()
	r.quiet(t)
	isGone(t, data+".checkpoints")

	r.askClone(t) // and reads no more of it
	began := time.Now()
	r.close(t)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the daemon stopped after %s", took)
	}
	isGone(t, data+".checkpoints")
}

// A daemon that stops says so to whoever reads.
func TestCloneFromWhoStops(t *testing.T) {
	r := start(t)
	r.heavy(t)
	c := r.askClone(t)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.close(t)
	}()
	// What is read before the daemon has begun to leave may be all of it.
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		open, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			break
		}
		open.Close()
		if time.Now().After(end) {
			t.Fatal("the daemon takes connections still")
		}
	}
	rest, err := io.ReadAll(c)
	if tail := string(rest[max(0, len(rest)-300):]); err != nil || !strings.Contains(tail, `"code":"stopping"`) {
		t.Errorf("it ends with %q, %v", tail, err)
	}
	<-stopped
}

// Ctrl-C ends a clone; nothing is left of it.
func TestCloneIsInterrupted(t *testing.T) {
	r := start(t)
	r.push(t, sampleJSON)
	whole := r.do(t, "GET", r.admin+"/clone", "").body
	dir := t.TempDir()
	p := newInterrupted(t, whole[:len(whole)-1])
	status, _, said := p.runs(t, "clone", "--from="+p.url, "--data="+filepath.Join(dir, "made"))
	if status != 1 || said != "waytrace: stopped; nothing is in "+filepath.Join(dir, "made")+": begin again\n" {
		t.Errorf("status %d, %s", status, said)
	}
	if names := namesIn(t, dir); len(names) > 0 {
		t.Errorf("left: %s", names)
	}
}

// Without a terminal there is a line now and then.
func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		m := newMeter(&b, 100<<20)
		for range 100 {
			m.add(1 << 20)
			time.Sleep(250 * time.Millisecond)
		}
		m.close()
		if got := b.String(); got != "41.0 MiB of 100.0 MiB\n81.0 MiB of 100.0 MiB\n" {
			t.Errorf("25 seconds of copying said\n%s", got)
		}
	})
}

// handOut gives the body of an answer whose checkpoint is made so, and the client's end
// of its connection.
func handOut(t *testing.T, checkpoint func(dir string) error) (h *handout, client net.Conn) {
	t.Helper()
	c, err := openClones(filepath.Join(t.TempDir(), "data"), checkpoint, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server, client := net.Pipe()
	return &handout{clones: c, conn: server, done: make(chan struct{})}, client
}

// oneFile is a checkpoint of so many bytes.
func oneFile(dir string, size int) error {
	return errors.Join(os.Mkdir(dir, 0o700),
		os.WriteFile(filepath.Join(dir, "marker.manifest.000001.MANIFEST-000001"), nil, 0o600),
		os.WriteFile(filepath.Join(dir, "000001.sst"), make([]byte, size), 0o600))
}

// A checkpoint that takes long is waited for with signs of life.
func TestCloneLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, client := handOut(t, func(dir string) error {
			time.Sleep(time.Minute)
			return oneFile(dir, 3*frameMost+1)
		})
		go func() {
			h.WriteTo(h.conn)
			h.Close()
			h.conn.Close()
		}()
		latest, longest := time.Now(), time.Duration(0)
		heard := hearing{client, func() {
			longest = max(longest, time.Since(latest))
			latest = time.Now()
		}}
		c := newCopyReader(heard)
		if size, err := c.Begin(); err != nil || size != (copySize{2, 3*frameMost + 1}) {
			t.Errorf("got %+v, %v", size, err)
		}
		if longest > signEvery {
			t.Errorf("it was silent for %s", longest)
		}
		for {
			_, size, err := c.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Error(err)
				}
				break
			}
			if n, err := io.Copy(io.Discard, c); n != size || err != nil {
				t.Errorf("%d of %d bytes, %v", n, size, err)
			}
		}
		<-h.done
		isGone(t, h.clones.parent)
	})
}

// Whoever stops reading is cut off, for the checkpoint costs space as long as it is
// there.
func TestCloneIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, client := handOut(t, func(dir string) error { return oneFile(dir, 1<<20) })
		defer client.Close()
		began := time.Now()
		go io.CopyN(io.Discard, client, 300<<10)
		if _, err := h.WriteTo(h.conn); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took < readLimit || took > readLimit+signEvery {
			t.Errorf("cut off after %s", took)
		}
		h.Close()
		isGone(t, h.clones.parent)
	})
}

// What goes wrong on the daemon's side is told, and no more of it than helps.
func TestCloneFailsThere(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&fs.PathError{Op: "mkdir", Path: "/secret", Err: syscall.EACCES}, "the daemon gave up: no_checkpoint: the daemon may not write beside its data directory"},
		{&fs.PathError{Op: "write", Path: "/secret", Err: syscall.EIO}, "the daemon gave up: internal: something went wrong here; the log says what"},
		{fmt.Errorf("the store is closing: %w", trace.ErrUnavailable), "the daemon gave up: unavailable: the store is closing"},
	} {
		h, client := handOut(t, func(string) error { return c.err })
		go func() {
			h.WriteTo(h.conn)
			h.Close()
			h.conn.Close()
		}()
		if _, err := readAll(client); err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v was told as %v, want %s", c.err, err, c.want)
		}
		<-h.done
	}
}
