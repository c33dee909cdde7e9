package bench

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// A Machine is where the figures are from. What the system does not tell stays
// empty.
type Machine struct {
	System     string  `json:"system"`           // operating system and architecture
	Kernel     string  `json:"kernel,omitempty"` // its release
	CPU        string  `json:"cpu,omitempty"`    // model
	Cores      int     `json:"cores"`
	GOMAXPROCS int     `json:"gomaxprocs"` // of each process
	Memory     int64   `json:"memory_bytes,omitempty"`
	Go         string  `json:"go"`
	Disk       string  `json:"disk,omitempty"` // file system and device under the scratch directory
	LoadBefore float64 `json:"load_before"`    // how many processes wanted a core in the minute before
}

// inspect says what the machine is. dir is where the stores will lie.
func inspect(dir string) Machine {
	m := Machine{
		System:     runtime.GOOS + "/" + runtime.GOARCH,
		Kernel:     strings.TrimSpace(contents("/proc/sys/kernel/osrelease")),
		CPU:        fieldOf(contents("/proc/cpuinfo"), "model name"),
		Cores:      runtime.NumCPU(),
		GOMAXPROCS: runtime.GOMAXPROCS(0),
		Go:         runtime.Version(),
		Disk:       diskOf(contents("/proc/self/mounts"), dir),
	}
	if kib, err := strconv.ParseInt(strings.TrimSuffix(fieldOf(contents("/proc/meminfo"), "MemTotal"), " kB"), 10, 64); err == nil {
		m.Memory = kib << 10
	}
	if load := strings.Fields(contents("/proc/loadavg")); len(load) > 0 {
		m.LoadBefore, _ = strconv.ParseFloat(load[0], 64)
	}
	return m
}

// inMemory reports whether the disk is none, so that a sync costs nothing.
func (m Machine) inMemory() bool {
	return strings.HasPrefix(m.Disk, "tmpfs") || strings.HasPrefix(m.Disk, "ramfs")
}

func contents(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return string(text)
}

// fieldOf finds "name : value" in a text of /proc.
func fieldOf(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// diskOf finds in a table of mounts what a directory lies on: the mount with the
// longest path above it.
func diskOf(mounts, dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	disk, longest := "", 0
	for line := range strings.Lines(mounts) {
		f := strings.Fields(line) // device, path, type
		if len(f) < 3 || len(f[1]) < longest {
			continue
		}
		if f[1] == "/" || dir == f[1] || strings.HasPrefix(dir, f[1]+"/") {
			disk, longest = f[2]+" on "+f[0], len(f[1])
		}
	}
	return disk
}

// A Directory is what the daemon's data directory holds at the end.
type Directory struct {
	Bytes         int64   `json:"bytes"`
	TableBytes    int64   `json:"table_bytes"`
	LogBytes      int64   `json:"log_bytes"` // write-ahead log: what is in no table yet, and old files kept for reuse
	Events        int64   `json:"events"`
	BytesPerEvent float64 `json:"bytes_per_event"`
	TablePerEvent float64 `json:"table_bytes_per_event"`

	Compacted *Compacted `json:"compacted,omitempty"` // nil was not measured
}

// Compacted is what the set takes on disk when nothing is left to compact.
type Compacted struct {
	Events         int64   `json:"events"`
	EventsPerTrace float64 `json:"events_per_trace"`
	PerEvent       float64 `json:"bytes_per_event"`      // tables without the feed
	FeedPerEvent   float64 `json:"feed_bytes_per_event"` // of this node's memory of what it learned when
}

// measure adds up the files of a directory that holds so many events.
func measure(dir string, events int64) (d Directory, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		d.Bytes += info.Size()
		switch filepath.Ext(path) {
		case ".sst", ".blob":
			d.TableBytes += info.Size()
		case ".log":
			d.LogBytes += info.Size()
		}
		return nil
	})
	d.Events = events
	if events > 0 {
		d.BytesPerEvent = float64(d.Bytes) / float64(events)
		d.TablePerEvent = float64(d.TableBytes) / float64(events)
	}
	return d, err
}
