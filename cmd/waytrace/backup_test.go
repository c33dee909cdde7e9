package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// digests are the files of a directory and what is in them.
func digests(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	for _, name := range namesIn(t, dir) {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %x\n", name, sha256.Sum256(content))
	}
	return b.String()
}

// An interrupted is a daemon whose answer does not end, and a user who then presses
// Ctrl-C.
type interrupted struct {
	url  string
	said chan struct{}
}

func newInterrupted(t *testing.T, says string) *interrupted {
	p := &interrupted{said: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(says))
		w.(http.Flusher).Flush()
		close(p.said)
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func (p *interrupted) runs(t *testing.T, args ...string) (status int, stdout, stderr string) {
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-p.said
		cancel()
	}()
	var out, err bytes.Buffer
	status = run(ctx, args, strings.NewReader(""), &out, &err)
	return status, out.String(), err.String()
}

// A backup of a daemon that runs, and one of a directory whose daemon is stopped: both
// keep the node's id, and a node is made of each.
func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	r := startOn(t, data)
	r.push(t, sampleJSON)
	node := r.node(t)
	t.Setenv("WAYTRACE_DATA", data) // as in the daemon's own environment
	live := filepath.Join(dir, "live")
	status, out, said := runs(t, "backup", live, "--admin="+r.admin)
	if status != 0 || out != "" || !strings.Contains(said, live+" holds node "+node+": 1 parcels, 2 changes, up to 20") {
		t.Fatalf("status %d, stdout %s, stderr %s", status, out, said)
	}
	r.push(t, scanOf("SF0001", "2020-05-11 16:56:54", "50"))
	r.close(t)
	os.Unsetenv("WAYTRACE_DATA")

	before := digests(t, data)
	still := filepath.Join(dir, "still")
	status, out, said = runs(t, "backup", still, "--data="+data)
	if status != 0 || out != "" || !strings.Contains(said, still+" holds node "+node+": 2 parcels, 3 changes, up to 20") {
		t.Fatalf("of a stopped one: status %d, stdout %s, stderr %s", status, out, said)
	}
	if digests(t, data) != before {
		t.Error("to copy it has changed the directory")
	}
	if status, _, said := runs(t, "backup", still, "--data="+data); status != 1 || !strings.Contains(said, still+" is not empty: choose another name") {
		t.Errorf("over another: status %d, %s", status, said)
	}

	nodes := map[string]bool{node: true}
	for i, from := range []string{live, still, live} {
		before, made := digests(t, from), filepath.Join(dir, fmt.Sprint("restored", i))
		status, out, said := runs(t, "restore", from, "--data="+made)
		if status != 0 || out != "" || !strings.Contains(said, "restored node "+node+": ") {
			t.Fatalf("restore %s: status %d, stdout %s, stderr %s", from, status, out, said)
		}
		if digests(t, from) != before {
			t.Errorf("to restore it has changed %s", from)
		}
		again := startOn(t, made)
		id := again.node(t)
		if nodes[id] || !strings.Contains(said, made+" is node "+id+" now, with ") {
			t.Errorf("it is node %s, said %s; there were %v", id, said, nodes)
		}
		nodes[id] = true
		for number, want := range map[string]int{"SF7444400031887": 200, "SF0001": map[string]int{live: 404, still: 200}[from]} {
			if got := again.do(t, "GET", "/v1/status/"+number, ""); got.status != want {
				t.Errorf("%s of %s: %d, want %d", number, from, got.status, want)
			}
		}
		again.close(t)
	}
	isGone(t, data+".checkpoints")
}

// A directory that is brought back by other means gets its new id where it is.
func TestRestoreInPlace(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	r := startOn(t, data)
	r.push(t, sampleJSON)
	node := r.node(t)
	r.close(t)
	if err := os.WriteFile(filepath.Join(data, "keys.yaml"), []byte("keys: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, said := runs(t, "restore", "--data="+data)
	if status != 0 || out != "" {
		t.Fatalf("status %d, stdout %s, stderr %s", status, out, said)
	}
	again := startOn(t, data)
	id := again.node(t)
	if want := fmt.Sprintf("giving %s a new node id\nit was node %s and is node %s now, with 1 records that the old one had not shipped to Kafka; start it with `waytrace serve --data %s`\n", data, node, id, data); id == node || said != want {
		t.Errorf("it is node %s, said\n%s\nwant\n%s", id, said, want)
	}
	if got := again.do(t, "GET", "/v1/status/SF7444400031887", ""); got.status != 200 {
		t.Errorf("what it had: %d %s", got.status, got.body)
	}
}

// What runs is not copied behind its back, and not made another node.
func TestCopyingWhatRuns(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	p := spawn(t, data)
	for _, args := range [][]string{
		{"backup", filepath.Join(dir, "backup"), "--data=" + data},
		{"restore", data, "--data=" + filepath.Join(dir, "made")},
		{"restore", "--data=" + data},
	} {
		if status, _, said := runs(t, args...); status != 1 || !strings.Contains(said, data+" is in use by a waytrace") {
			t.Errorf("%q: status %d, %s", args, status, said)
		}
	}
	p.Process.Signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d: %s", status, p.stderr)
	}
	if names := namesIn(t, dir); len(names) != 1 {
		t.Errorf("left: %s", names)
	}
}

func TestRestoreWhatIsNot(t *testing.T) {
	dir := t.TempDir()
	empty, full := filepath.Join(dir, "empty"), filepath.Dir(writeFile(t, "notes.txt", "hello"))
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(dir, "made")
	for _, c := range []struct{ args, want string }{
		{"restore " + empty + " --data=" + made, empty + " is not a directory of waytrace's"},
		{"restore " + full + " --data=" + made, full + " is not a directory of waytrace's"},
		{"restore --data=" + empty, empty + " is not a directory of waytrace's"},
		{"restore --data=" + made, "no such file or directory"},
		{"restore " + made + " --data=" + made, "no such file or directory"},
		{"restore " + empty + " --data=" + full, full + " is not empty: move it away first"},
		{"backup " + made + " --data=" + empty, empty + " is not a directory of waytrace's"},
		{"backup " + full + " --admin=" + nobody(t), full + " is not empty: choose another name"},
	} {
		if status, _, said := runs(t, strings.Fields(c.args)...); status != 1 || !strings.Contains(said, c.want) {
			t.Errorf("%s: status %d, %s; want %s", c.args, status, said, c.want)
		}
	}
	if names := namesIn(t, dir); len(names) != 1 {
		t.Errorf("left: %s", names)
	}
}
