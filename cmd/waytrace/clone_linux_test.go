package main

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// On a terminal there is a bar.
func TestCopyingOnTerminal(t *testing.T) {
	r := start(t)
	r.push(t, sampleJSON)
	dir := t.TempDir()
	for _, args := range [][]string{
		{"clone", "--from=" + r.admin, "--data=" + filepath.Join(dir, "clone")},
		{"backup", filepath.Join(dir, "backup"), "--admin=" + r.admin},
		{"restore", filepath.Join(dir, "backup"), "--data=" + filepath.Join(dir, "restored")},
	} {
		status, seen := onTerminal(t, 120, args...)
		if status != 0 || !strings.Contains(seen, "100 %") || !strings.Contains(seen, "1 parcels") {
			t.Errorf("%s: status %d, seen %q", args[0], status, seen)
		}
	}
}

// A mount has its checkpoints inside, and is not replaced.
func TestMounts(t *testing.T) {
	dir := t.TempDir()
	for data, want := range map[string]string{"/proc": "/proc/checkpoints", dir: dir + ".checkpoints"} {
		c, err := openClones(data, nil, slog.New(slog.DiscardHandler))
		if err != nil || c.parent != want {
			t.Errorf("%s: %v, checkpoints in %s, want %s", data, err, c.parent, want)
		}
	}
	if !isMount("/proc") || isMount("/proc/self") || isMount("/") {
		t.Error("mounts are not told from what they hold")
	}
}
