package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// writeKeys makes a keys file with a key of account main that has one scope.
func writeKeys(t *testing.T, scope string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "keys.yaml")
	addKey(t, path, scope)
	return path
}

func addKey(t *testing.T, path string, scopes ...string) (text string) {
	t.Helper()
	text, entry := newKey()
	entry.Account, entry.Scopes = "main", scopes
	if err := editKeys(path, func(e []keyEntry) ([]keyEntry, error) { return append(e, entry), nil }); err != nil {
		t.Fatal(err)
	}
	return text
}

// logTo gives a logger and what it wrote.
func logTo() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}

func TestFind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	log, _ := logTo()
	none, err := openKeyring(path, log)
	if err != nil || !none.Empty() {
		t.Fatalf("without a file: %v, empty %v", err, none.Empty())
	}
	reader, pusher := addKey(t, path, "read"), addKey(t, path, "read", "push")
	k, err := openKeyring(path, log)
	if err != nil || k.Empty() {
		t.Fatalf("with a file: %v, empty %v", err, k.Empty())
	}
	got, ok := k.Find(reader)
	if !ok || got.Account != "main" || !got.Has("read") || got.Has("push") || got.Has("admin") || !strings.Contains(reader, got.ID) {
		t.Errorf("reader: got %+v, %v", got, ok)
	}
	if got, ok := k.Find(pusher); !ok || !got.Has("read") || !got.Has("push") {
		t.Errorf("pusher: got %+v, %v", got, ok)
	}
	id, _ := keyID(reader)
	last := reader[:len(reader)-1] + "A"
	if last == reader {
		last = reader[:len(reader)-1] + "E"
	}
	for _, wrong := range []string{
		"", "wt_", "wt__", "Bearer " + reader, reader + " ", " " + reader, strings.ToUpper(reader), strings.TrimPrefix(reader, "wt_"),
		last, "wt_" + id + "_", "wt_" + id + "_" + pusher[len(pusher)-43:], "wt_nobody_" + reader[len(reader)-43:],
	} {
		if got, ok := k.Find(wrong); ok {
			t.Errorf("%q found %+v", wrong, got)
		}
	}
}

func TestKeyringIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "keys.yaml")
		log, said := logTo()
		k, err := openKeyring(path, log)
		if err != nil {
			t.Fatal(err)
		}
		has := func(key string, want bool) {
			t.Helper()
			if _, ok := k.Find(key); ok != want {
				t.Errorf("found %v, want %v", ok, want)
			}
		}
		first := addKey(t, path, "read")
		has(first, false) // not a second yet
		time.Sleep(time.Second)
		has(first, true)

		second := addKey(t, path, "read")
		time.Sleep(time.Second)
		has(second, true)

		for _, broken := range []string{"keys: [", "keys: [{id: x}]", "key: []"} {
			if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
				t.Fatal(err)
			}
			said.Reset()
			for range 3 {
				time.Sleep(time.Second)
				has(first, true)
			}
			if n := strings.Count(said.String(), "the new keys cannot be read, the old ones stay"); n != 1 || strings.Count(said.String(), "\n") != 1 {
				t.Errorf("%q was logged %d times, want once:\n%s", broken, n, said)
			}
		}
		os.Remove(path)
		said.Reset()
		for range 3 {
			time.Sleep(time.Second)
			has(first, true)
		}
		if strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), "has gone") {
			t.Errorf("a file that went was logged as:\n%s", said)
		}

		third := addKey(t, path, "read")
		said.Reset()
		time.Sleep(time.Second)
		has(third, true)
		has(first, false)
		if err := os.WriteFile(path, []byte("keys: []\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if !k.Empty() || said.Len() > 0 {
			t.Errorf("an empty list leaves keys: %v, and said %q", !k.Empty(), said)
		}
	})
}

func TestKeyringUnderManyReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "keys.yaml")
		log, _ := logTo()
		key := addKey(t, path, "read")
		k, err := openKeyring(path, log)
		if err != nil {
			t.Fatal(err)
		}
		var readers sync.WaitGroup
		for range 8 {
			readers.Go(func() {
				for range 50 {
					if _, ok := k.Find(key); !ok {
						t.Error("the key was lost while others were added")
					}
					time.Sleep(300 * time.Millisecond)
				}
			})
		}
		for range 10 {
			addKey(t, path, "push")
			time.Sleep(time.Second)
		}
		readers.Wait()
	})
}

func TestBrokenKeysFiles(t *testing.T) {
	hash := strings.Repeat("0a", 32)
	good := "{id: a, account: main, scopes: [read], sha256: " + hash + ", created: 2026-01-01T00:00:00Z}"
	for _, c := range []struct{ yaml, want string }{
		{"", ""},
		{"keys:", ""},
		{"keys: [" + good + "]", ""},
		{"keys: [" + good + ", " + good + "]", ": key a is there twice"},
		{"\nkey: []", `:2: unknown field "key"`},
		{"keys:\n  - id: a\n    name: b", `:3: unknown field "name"`},
		{strings.Replace("keys: ["+good+"]", hash, "0a", 1), ": key a: sha256 is not 64 hex digits"},
		{strings.Replace("keys: ["+good+"]", "[read]", "[]", 1), ": key a: no scopes: give one of read, push, book, changes, admin"},
		{strings.Replace("keys: ["+good+"]", "[read]", "[write]", 1), `: key a: there is no scope "write": there are read, push, book, changes, admin`},
		{strings.Replace("keys: ["+good+"]", "id: a", "id: A_", 1), `: id "A_": letters a-z, digits and - only`},
		{strings.Replace("keys: ["+good+"]", "2026-01-01T00:00:00Z", "today", 1), `: key a: created "today" is not RFC 3339`},
		{strings.Replace("keys: ["+good+"]", "[read]", "[push], carriers: [S F]", 1), `: key a: "S F" is no carrier's code`},
	} {
		path := writeFile(t, "keys.yaml", c.yaml)
		got := ""
		if _, err := readKeys(path); err != nil {
			got = strings.TrimPrefix(err.Error(), path)
		}
		if got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.yaml, got, c.want)
		}
	}
}

// Two that edit at the same time both succeed, and readers never see half a file.
func TestEditKeysTakesTurns(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.yaml")
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for j := range 5 {
				err := editKeys(path, func(e []keyEntry) ([]keyEntry, error) {
					_, entry := newKey()
					entry.ID, entry.Account, entry.Scopes = fmt.Sprintf("k-%d-%d", i, j), "main", []string{"read"}
					return append(e, entry), nil
				})
				if err != nil {
					t.Error(err)
				}
				if _, err := readKeys(path); err != nil {
					t.Errorf("read in between: %v", err)
				}
			}
		})
	}
	writers.Wait()
	ring, err := readKeys(path)
	if err != nil || len(ring) != 40 {
		t.Errorf("%d keys (%v), want 40", len(ring), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestKeysCommands(t *testing.T) {
	data := filepath.Join(t.TempDir(), "new", "data")
	status, first, said := runs(t, "keys", "new", "--data="+data, "--scope=push", "--scope=read", "--scope=read", "--carrier=sf", "--note=warehouse: 3")
	first = strings.TrimSuffix(first, "\n")
	if status != 0 || !regexp.MustCompile(`^wt_[a-z2-7]{8}_[A-Za-z0-9_-]{43}$`).MatchString(first) {
		t.Fatalf("status %d, stdout %q, stderr %q", status, first, said)
	}
	id, _ := keyID(first)
	if want := "key " + id + " of account main, for read, push, is in " + data + "/keys.yaml; it is shown this once:\n"; said != want {
		t.Errorf("stderr\n got %q\nwant %q", said, want)
	}
	status, second, _ := runs(t, "keys", "new", "--data="+data, "--account=shop", "--scope=read,admin")
	second = strings.TrimSuffix(second, "\n")
	if status != 0 {
		t.Fatalf("status %d", status)
	}

	source, err := os.ReadFile(filepath.Join(data, "keys.yaml"))
	if err != nil || bytes.Contains(source, []byte(first)) || bytes.Contains(source, []byte(first[len(first)-43:])) {
		t.Errorf("the file holds the key itself (%v):\n%s", err, source)
	}
	log, _ := logTo()
	ring, err := openKeyring(filepath.Join(data, "keys.yaml"), log)
	if err != nil {
		t.Fatal(err)
	}
	if k, ok := ring.Find(first); !ok || k.Account != "main" || !slices.Equal(k.Scopes, []string{"read", "push"}) || !slices.Equal(k.Carriers, []string{"sf"}) {
		t.Errorf("first: %+v %v", k, ok)
	}
	if k, ok := ring.Find(second); !ok || k.Account != "shop" || !slices.Equal(k.Scopes, []string{"read", "admin"}) || k.Carriers != nil {
		t.Errorf("second: %+v %v", k, ok)
	}

	// The settings lead to the same file.
	config := writeFile(t, "waytrace.yaml", "keys_file: "+data+"/keys.yaml\n")
	status, out, said := runs(t, "keys", "ls", "--config="+config)
	var listed struct {
		Keys []map[string]any
	}
	if err := json.Unmarshal([]byte(out), &listed); status != 0 || said != "" || err != nil || len(listed.Keys) != 2 ||
		listed.Keys[0]["id"] != id || listed.Keys[0]["note"] != "warehouse: 3" || listed.Keys[1]["account"] != "shop" {
		t.Errorf("status %d, stdout %s, stderr %s (%v)", status, out, said, err)
	}
	for _, e := range regexp.MustCompile(`sha256: (\w+)`).FindAllSubmatch(source, -1) {
		if strings.Contains(out, string(e[1])) {
			t.Errorf("keys ls shows a hash:\n%s", out)
		}
	}

	status, out, said = runs(t, "keys", "revoke", "--data="+data, "nobody")
	if want := "waytrace: there is no key \"nobody\" in " + data + "/keys.yaml: `waytrace keys ls --data " + data + "` lists them\n"; status != 1 || out != "" || said != want {
		t.Errorf("status %d, stdout %q, stderr\n got %q\nwant %q", status, out, said, want)
	}
	status, _, said = runs(t, "keys", "revoke", "--data="+data, id)
	if status != 0 || said != "key "+id+" is revoked\n" {
		t.Errorf("status %d, stderr %q", status, said)
	}
	id2, _ := keyID(second)
	status, _, said = runs(t, "keys", "revoke", "--data="+data, second) // the whole key will do
	if status != 0 || !strings.HasPrefix(said, "key "+id2+" is revoked\nit was the last one") {
		t.Errorf("status %d, stderr %q", status, said)
	}
	status, out, _ = runs(t, "keys", "ls", "--data="+data)
	if status != 0 || out != "{\"keys\":[]}\n" {
		t.Errorf("status %d, stdout %q", status, out)
	}

	// Wrong wishes change nothing.
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"--scope=write", 2, "waytrace: --scope must be one of \"read\",\"push\",\"book\",\"changes\",\"admin\" but got \"write\"\nwaytrace keys new --help shows how it is used\n"},
		{"--scope=read --carrier=sf", 1, "waytrace: --carrier says whose events a key may push: add --scope push\n"},
		{"--scope=read --account=", 1, ""},
		{"--scope=push --carrier=SF", 1, ""},
	} {
		status, out, said := runs(t, append([]string{"keys", "new", "--data=" + data}, strings.Fields(c.args)...)...)
		if status != c.status || out != "" || c.want != "" && said != c.want {
			t.Errorf("keys new %s: status %d, stdout %q, stderr\n got %q\nwant %q", c.args, status, out, said, c.want)
		}
	}
	if again, _ := os.ReadFile(filepath.Join(data, "keys.yaml")); !bytes.Contains(again, []byte("keys: []")) {
		t.Errorf("the file was changed:\n%s", again)
	}

	status, out, said = runs(t, "keys", "ls", "--data=/nowhere")
	if status != 0 || out != "{\"keys\":[]}\n" || said != "no key was made yet: there is no /nowhere/keys.yaml\n" {
		t.Errorf("status %d, stdout %q, stderr %q", status, out, said)
	}
}

func BenchmarkFind(b *testing.B) {
	path := filepath.Join(b.TempDir(), "keys.yaml")
	text, entry := newKey()
	entry.Account, entry.Scopes = "main", []string{"read"}
	if err := editKeys(path, func([]keyEntry) ([]keyEntry, error) { return []keyEntry{entry}, nil }); err != nil {
		b.Fatal(err)
	}
	k, err := openKeyring(path, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := k.Find(text); !ok {
			b.Fatal("not found")
		}
	}
}
