package relay

import (
	"time"

	"waytrace/trace"
)

// A Status is what an operator wants to know of the relay at a glance.
type Status struct {
	Topic       string            `json:"topic"`
	TopicState  string            `json:"topic_state"`       // "asking", "ready", "missing", "narrow" or "other"
	Trouble     string            `json:"trouble,omitempty"` // why nothing is shipped or read, and what would help
	Connected   bool              `json:"connected"`         // Kafka answers
	CatchingUp  bool              `json:"catching_up"`
	Fatal       string            `json:"fatal,omitempty"`      // why nothing is shipped or read any more
	LastError   string            `json:"last_error,omitempty"` // of a request
	LastErrorAt *time.Time        `json:"last_error_at,omitempty"`
	Parked      int               `json:"parked"`  // records that could not be shipped
	Skipped     uint64            `json:"skipped"` // numbers that were passed by an operator's word, since the start
	Partitions  []PartitionStatus `json:"partitions"`
}

// A PartitionStatus is how far one partition is, both ways.
type PartitionStatus struct {
	Partition  uint16  `json:"partition"`
	Shipped    uint64  `json:"shipped"`     // number of the last record that Kafka has of this node
	Waiting    uint64  `json:"waiting"`     // records that Kafka has not
	Parked     int     `json:"parked"`      // records for which a void was shipped
	Offset     int64   `json:"offset"`      // of the record that is read next
	End        int64   `json:"end"`         // of the log
	Lag        int64   `json:"lag_records"` // those not read yet
	LagSeconds float64 `json:"lag_seconds"` // how old the oldest of them is, or for how long it is not read
	State      string  `json:"state"`       // "starting", "running", "stopped" or "needs clone"
	Reason     string  `json:"reason,omitempty"`
	Help       string  `json:"help,omitempty"` // what makes it go on
}

// Status reads the relay's state. It counts what is parked, on the disk.
func (r *Relay) Status() (Status, error) {
	s := r.glance()
	err := r.outbox.EachParked(func(p trace.ParkedItem) bool {
		s.Parked++
		if int(p.Partition) < len(s.Partitions) {
			s.Partitions[p.Partition].Parked++
		}
		return true
	})
	return s, err
}

// glance is Status without what is parked.
func (r *Relay) glance() Status {
	s := Status{
		Topic: r.broker.topic, Connected: r.contact.Load() != 0 && r.quiet() < silence,
		CatchingUp: !r.caughtUp.Load(),
	}
	s.TopicState, s.Trouble = r.topic.what()
	s.LastError, s.LastErrorAt = r.said.latest()
	if err := r.dead.Load(); err != nil {
		s.Fatal = trace.Words(*err)
	}
	for i := range r.readers {
		s.Partitions = append(s.Partitions, r.readers[i].status())
		s.Skipped += r.readers[i].skipped.Load()
	}
	return s
}

func (rd *reader) status() PartitionStatus {
	told, counted := rd.r.outbox.Bookmark(rd.p).Own, rd.r.store.Counted(rd.p)
	s := PartitionStatus{
		Partition: rd.p, Shipped: told, Waiting: max(counted, told) - told,
		Offset: rd.offset.Load(), End: rd.end.Load(), State: stateRunning,
	}
	s.Lag = max(0, s.End-s.Offset)
	if oldest := rd.oldest.Load(); oldest != 0 {
		s.LagSeconds = max(0, time.Since(time.UnixMilli(oldest)).Seconds())
	}
	if !rd.begun.Load() {
		s.State = stateStarting
	}
	if h := rd.halted.Load(); h != nil {
		s.State, s.Reason, s.Help = h.state, h.why, h.help
	}
	return s
}
