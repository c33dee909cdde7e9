package relay

import (
	"fmt"
	"io"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// WriteMetrics writes what is true at this moment in Prometheus text form.
func (r *Relay) WriteMetrics(w io.Writer) {
	gauge := func(name string, value any) { fmt.Fprintf(w, "waytrace_relay_%s %v\n", name, value) }
	s := r.glance()
	connected, ready, needs, stopped := 0, 0, 0, 0
	if s.Connected {
		connected = 1
	}
	if s.TopicState == topicReady {
		ready = 1
	}
	for _, p := range s.Partitions {
		fmt.Fprintf(w, "waytrace_relay_lag_records{partition=\"%d\"} %d\n", p.Partition, p.Lag)
		fmt.Fprintf(w, "waytrace_relay_lag_seconds{partition=\"%d\"} %g\n", p.Partition, p.LagSeconds)
		switch p.State {
		case stateStopped:
			stopped++
		case stateNeedsClone:
			needs++
		}
	}
	gauge("connected", connected)
	gauge("topic_ready", ready)
	gauge("skipped_total", s.Skipped)
	gauge("partitions_stopped", stopped)
	gauge("partitions_needing_clone", needs)
}

// took notes how long something took that began then.
func took(h *metrics.Histogram, since time.Time) { h.Update(time.Since(since).Seconds()) }

var (
	shippedRecords = metrics.NewCounter(`waytrace_relay_shipped_records_total`)
	shippedBytes   = metrics.NewCounter(`waytrace_relay_shipped_bytes_total`)
	shippedVoids   = metrics.NewCounter(`waytrace_relay_shipped_voids_total`)
	parkedRecords  = metrics.NewCounter(`waytrace_relay_parked_records_total`)
	shipDuration   = metrics.NewHistogram(`waytrace_relay_ship_duration_seconds`)

	readApplied  = metrics.NewCounter(`waytrace_relay_read_records_total{result="applied"}`)
	readRepeated = metrics.NewCounter(`waytrace_relay_read_records_total{result="repeated"}`)
	readOwn      = metrics.NewCounter(`waytrace_relay_read_records_total{result="own"}`)
	readVoid     = metrics.NewCounter(`waytrace_relay_read_records_total{result="void"}`)
	visibleAfter = metrics.NewHistogram(`waytrace_relay_visible_seconds`)
)

// stops counts the times that a partition was stopped, by reason.
func stops(reason string) *metrics.Counter {
	return metrics.GetOrCreateCounter(fmt.Sprintf(`waytrace_relay_stops_total{reason=%q}`, reason))
}

// failures counts requests that failed, by what they were for and why.
func failures(request, kind string) *metrics.Counter {
	return metrics.GetOrCreateCounter(fmt.Sprintf(`waytrace_relay_failures_total{request=%q,kind=%q}`, request, kind))
}
