package bench

import (
	"os"
	"path/filepath"
	"testing"
)

// What is written into a copy does not reach what was copied; a table is the same file.
func TestLink(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "saved")
	table, log := filepath.Join("store", "000001.sst"), filepath.Join("store", "000002.log")
	if err := os.MkdirAll(filepath.Join(from, "store"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{table, log} {
		if err := os.WriteFile(filepath.Join(from, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := link(from, to); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to, log), []byte("more"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{table, log} {
		if text, err := os.ReadFile(filepath.Join(from, name)); string(text) != name || err != nil {
			t.Errorf("%s is %q, %v", name, text, err)
		}
	}
	one, err1 := os.Stat(filepath.Join(from, table))
	other, err2 := os.Stat(filepath.Join(to, table))
	if err1 != nil || err2 != nil || !os.SameFile(one, other) {
		t.Errorf("the table is there twice: %v, %v", err1, err2)
	}
	if err := link(filepath.Join(from, "nowhere"), to); err == nil {
		t.Error("a directory that is not there was copied")
	}
}
