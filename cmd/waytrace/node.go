package main

import (
	"context"
	"io"
	"time"

	"waytrace/carriers"
	"waytrace/relay"
	"waytrace/relay/cluster"
	"waytrace/store"
	"waytrace/trace"
)

// A node is this daemon among others: what it tells them through Kafka, and how it and
// they are. relay and outbox are nil where there is no Kafka; the cluster of one that is
// alone is empty.
type node struct {
	relay   *relay.Relay
	outbox  *store.Outbox
	cluster *cluster.Cluster
}

// join makes the daemon one of its cluster's.
func (d *daemon) join(s *store.Store, known []carriers.Carrier) (*node, error) {
	c, n := d.config, &node{}
	settings, err := c.cluster()
	if err != nil {
		return nil, err
	}
	if len(c.Kafka.Brokers) > 0 {
		if n.outbox, err = s.OpenOutbox(); err != nil {
			return nil, err
		}
		d.onStop("outbox", n.outbox.Close)
		if n.relay, err = relay.Open(s, n.outbox, c.kafka(d.log)); err != nil {
			return nil, err
		}
		closed := make(chan struct{})
		go func() {
			select {
			case err := <-n.relay.Fatal():
				d.failed <- err
			case <-closed:
			}
		}()
		d.onStop("relay", func() error {
			close(closed)
			n.shipRest()
			return n.relay.Close()
		})
	}
	unready := func() []string { return append(unready(s, d.draining.Load), n.unready()...) }
	n.cluster = cluster.New(settings, selfReport(c, known, s.Node(), unready), d.log)
	n.cluster.Run()
	d.onStop("cluster", func() error { n.cluster.Close(); return nil })
	return n, nil
}

// unready says why the daemon itself is not to be used; nil when it is.
func unready(s *store.Store, draining func() bool) (reasons []string) {
	if draining() {
		reasons = append(reasons, "stopping")
	}
	if err := s.Ready(); err != nil {
		reasons = append(reasons, trace.Words(err))
	}
	return reasons
}

// unready says why the node is not to be used, as one among others; nil when it is.
func (n *node) unready() (reasons []string) {
	if n.relay != nil {
		if err := n.relay.Ready(); err != nil {
			reasons = append(reasons, trace.Words(err))
		}
	}
	return append(reasons, n.cluster.Reasons()...)
}

// lastShipping is how long a daemon that stops goes on shipping: what it leaves behind
// nobody has until it is back.
const lastShipping = time.Second

// shipRest ships what is left, if Kafka answers.
func (n *node) shipRest() {
	if s, err := n.relay.Status(); err != nil || !s.Connected || s.Fatal != "" {
		return
	}
	wait, stop := context.WithTimeout(context.Background(), lastShipping)
	defer stop()
	n.relay.Replicated(wait, ^uint16(0)) // what it does not get done, the next start does
}

// replicated waits until Kafka has what the store holds of some partitions.
func (n *node) replicated(ctx context.Context, partitions uint16) error {
	return n.relay.Replicated(ctx, partitions) // without brokers nobody may ask for it
}

// WriteMetrics writes what is true at this moment in Prometheus text form.
func (n *node) WriteMetrics(w io.Writer) {
	if n.relay != nil {
		n.relay.WriteMetrics(w)
		n.outbox.WriteMetrics(w)
	}
	n.cluster.WriteMetrics(w)
}

// trimEvery is how often the feed is cut to its limits.
const trimEvery = time.Minute

// trim keeps the feed within its limits until the daemon stops.
func (d *daemon) trim(s *store.Store) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(trimEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if err := s.TrimFeed(time.Now()); err != nil {
					d.log.Warn("the feed could not be trimmed, it is tried again", "err", err)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	d.onStop("feed", func() error {
		stop()
		<-done
		return nil
	})
}
