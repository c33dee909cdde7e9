package store

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// A Status is what an operator wants to know of the store at a glance.
type Status struct {
	Node      string `json:"node"`
	Form      int    `json:"form"`
	Directory string `json:"directory"`
	Seq       uint64 `json:"seq"` // safe mark of the feed
	Waybills  uint64 `json:"waybills"`
	DiskUsed  uint64 `json:"disk_used_bytes"`
	Tables    uint64 `json:"tables_bytes"`      // without the feed and the log
	Feed      uint64 `json:"feed_tables_bytes"` // of the feed, in tables
	Debt      uint64 `json:"compaction_debt_bytes"`
	ReadOnly  string `json:"read_only,omitempty"` // why
}

// Status reads the store's state.
func (s *Store) Status() Status {
	st := Status{Node: s.node.String(), Form: Form, Directory: s.dir, Seq: s.SafeMark(), Waybills: s.waybills.Load()}
	if s.enter() == nil {
		m := s.db.Metrics()
		st.DiskUsed, st.Debt = m.DiskSpaceUsage(), m.Compact.EstimatedDebt
		feed := []byte{keys.KindFeed}
		if n, err := s.db.EstimateDiskUsage(feed, keys.End(nil, feed)); err == nil {
			st.Feed = n
		}
		tables := m.Total()
		st.Tables = uint64(tables.TablesSize) - min(st.Feed, uint64(tables.TablesSize))
		s.leave()
	}
	if err := s.failed.Load(); err != nil {
		st.ReadOnly = (*err).Error()
	}
	return st
}

// WriteMetrics writes the database's own figures in Prometheus text form, read
// at this moment.
func (s *Store) WriteMetrics(w io.Writer) {
	if s.enter() != nil {
		return
	}
	defer s.leave()
	m := s.db.Metrics()
	gauge := func(name string, value any) { fmt.Fprintf(w, "waytrace_store_%s %v\n", name, value) }
	readOnly := 0
	if s.failed.Load() != nil {
		readOnly = 1
	}
	pending := 0
	select {
	case <-s.learned:
	default:
		pending = 1
	}
	gauge("read_only", readOnly)
	gauge("scan_pending", pending)
	gauge("write_stalled_seconds", s.Stalled().Seconds())
	gauge("safe_mark", s.SafeMark())
	gauge("waybills", s.waybills.Load())
	gauge("feed_bytes", s.feedBytes())
	gauge("feed_limit_bytes", s.limits.size)
	gauge("feed_oldest_seconds", s.feedAge().Seconds())
	gauge("queue_requests", len(s.in))
	bytes, heads := s.heads.size()
	gauge("heads_bytes", bytes)
	gauge("heads", heads)
	gauge("disk_used_bytes", m.DiskSpaceUsage())
	gauge("wal_bytes", m.WAL.Size)
	gauge("wal_written_bytes_total", m.WAL.BytesWritten)
	gauge("memtable_bytes", m.MemTable.Size)
	gauge("memtables", m.MemTable.Count)
	gauge("block_cache_bytes", m.BlockCache.Size)
	gauge("block_cache_hits_total", m.BlockCache.Hits)
	gauge("block_cache_misses_total", m.BlockCache.Misses)
	gauge("filter_hits_total", m.Filter.Hits)
	gauge("filter_misses_total", m.Filter.Misses)
	gauge("flushes_total", m.Flush.Count)
	gauge("compactions_total", m.Compact.Count)
	gauge("compactions_running", m.Compact.NumInProgress)
	gauge("compaction_debt_bytes", m.Compact.EstimatedDebt)
	gauge("read_amplification", m.ReadAmp())
	for i, l := range m.Levels {
		fmt.Fprintf(w, "waytrace_store_level_bytes{level=\"%d\"} %d\n", i, l.TablesSize)
		fmt.Fprintf(w, "waytrace_store_level_tables{level=\"%d\"} %d\n", i, l.TablesCount)
	}
	gauge("l0_sublevels", m.Levels[0].Sublevels)
}

// feedAge is how long ago the first entry of the feed was numbered.
func (s *Store) feedAge() (age time.Duration) {
	now := s.wall()
	for p := range uint16(trace.Partitions) {
		if at, ok, err := s.oldest(p, 0); err == nil && ok {
			age = max(age, time.Duration(now-at)*time.Millisecond)
		}
	}
	return age
}

// complainEvery is how often one complaint is repeated, in seconds.
const complainEvery = 10

// listener counts what the database does behind our back, and logs what a
// person should look at.
func (s *Store) listener() *pebble.EventListener {
	l := pebble.EventListener{
		BackgroundError: func(err error) {
			backgroundErrors.Inc()
			// A full disk fails a hundred times a second.
			if now := time.Now().Unix(); now-s.complained.Load() >= complainEvery {
				s.complained.Store(now)
				s.log.Error("store: background work failed, it is tried again", "err", err.Error(), "help", "is the disk full?")
			}
		},
		DiskSlow: func(i pebble.DiskSlowInfo) {
			diskSlow.Inc()
			s.log.Warn("store: the disk is slow", "operation", i.OpType.String(), "took", i.Duration.Round(time.Millisecond))
		},
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			writeStalls.Inc()
			s.log.Warn("store: writes are held back until compactions catch up", "reason", i.Reason)
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			s.log.Error("store: a file is damaged, restore from a backup", "file", i.Path, "err", i.Details)
		},
	}
	return &l
}

// pebbleLog passes on what the database says when something is wrong.
type pebbleLog struct{ s *Store }

func (pebbleLog) Infof(string, ...any) {} // healthy is silent

func (l pebbleLog) Errorf(format string, args ...any) {
	l.s.log.Error("store: " + strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (l pebbleLog) Fatalf(format string, args ...any) {
	message := strings.TrimSpace(fmt.Sprintf(format, args...))
	l.s.log.Error("store: cannot go on: "+message, "help", "check the disk, then start waytrace again; what was acknowledged is on disk")
	l.s.fatal(message)
}

var (
	commitDuration   = metrics.NewHistogram(`waytrace_store_commit_duration_seconds`)
	batchRequests    = metrics.NewHistogram(`waytrace_store_batch_requests`)
	writeStalls      = metrics.NewCounter(`waytrace_store_write_stalls_total`)
	diskSlow         = metrics.NewCounter(`waytrace_store_disk_slow_total`)
	backgroundErrors = metrics.NewCounter(`waytrace_store_background_errors_total`)
)

// doubtful counts the lists of a source that were not believed at once.
func doubtful(source string) *metrics.Counter {
	return metrics.GetOrCreateCounter(fmt.Sprintf(`waytrace_lists_doubtful_total{source=%q}`, source))
}

// unmappedEvents counts the events that came with a code that their source's table
// does not know, each once.
func unmappedEvents(source string) *metrics.Counter {
	return metrics.GetOrCreateCounter(fmt.Sprintf(`waytrace_unmapped_events_total{source=%q}`, source))
}

// anomalies counts the scans that lowered a status in a way that parcels do not go.
// A carrier may be anything that a pusher writes: beyond so many they are counted
// together.
func anomalies(carrier string) *metrics.Counter {
	carriersCounted.Lock()
	defer carriersCounted.Unlock()
	if !carriersCounted.names[carrier] && len(carriersCounted.names) >= 200 {
		carrier = "other"
	}
	carriersCounted.names[carrier] = true
	return metrics.GetOrCreateCounter(fmt.Sprintf(`waytrace_fold_anomalies_total{carrier=%q}`, carrier))
}

var carriersCounted = struct {
	sync.Mutex
	names map[string]bool
}{names: map[string]bool{}}
