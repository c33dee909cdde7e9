package main

import (
	"context"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"waytrace/relay"
	"waytrace/relay/cluster"
	"waytrace/trace"
)

// A togetherness is what an operator wants to know of the node among others.
type togetherness struct {
	Self    string           `json:"self,omitempty"` // its name
	Owners  []cluster.Share  `json:"owners,omitempty"`
	Sisters []cluster.Sister `json:"sisters,omitempty"`
	Outbox  *outboxFill      `json:"outbox,omitempty"`
	Relay   *relay.Status    `json:"relay,omitempty"`
}

// An outboxFill is what Kafka has not yet.
type outboxFill struct {
	Records uint64     `json:"records"`
	Bytes   uint64     `json:"bytes"` // of feed
	Oldest  *time.Time `json:"oldest,omitempty"`
}

// status reads it all. Of a node that is alone there is nothing to say.
func (n *node) status(self string) (t togetherness, err error) {
	t.Self, t.Owners, t.Sisters = self, n.cluster.Owners(), n.cluster.Sisters()
	if n.relay == nil {
		return t, nil
	}
	t.Outbox = new(outboxFill)
	for p := range uint16(trace.Partitions) {
		waits := n.outbox.Waiting(p)
		t.Outbox.Records += waits.Records
		t.Outbox.Bytes += waits.Bytes
		if oldest := waits.Oldest.UTC(); !waits.Oldest.IsZero() && (t.Outbox.Oldest == nil || oldest.Before(*t.Outbox.Oldest)) {
			t.Outbox.Oldest = &oldest
		}
	}
	s, err := n.relay.Status()
	t.Relay = &s
	return t, err
}

// relayed refuses where there is no Kafka.
func (a *admin) relayed() (*relay.Relay, error) {
	if a.node.relay == nil {
		return nil, trace.Problemf(trace.ErrNotFound, "no_kafka", "this node has no Kafka: kafka.brokers is not set")
	}
	return a.node.relay, nil
}

// relayStatus shows how far each partition is.
func (a *admin) relayStatus(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	if _, err := parameters(ctx); err != nil {
		return err
	}
	if _, err := a.relayed(); err != nil {
		return err
	}
	t, err := a.node.status(a.self)
	if err != nil {
		return err
	}
	return writeJSON(ctx, t)
}

// clone hands out a copy of the directory. ?for=node says that it is to become a node:
// then one that needs a clone itself refuses, for what it lacks a copy would lack.
func (a *admin) clone(ctx *fasthttp.RequestCtx, who trace.Asker) error {
	given, err := parameters(ctx, "for")
	if err != nil {
		return err
	}
	if given["for"] == "node" && a.node.relay != nil {
		s, err := a.node.relay.Status()
		if err != nil {
			return err
		}
		for _, p := range s.Partitions {
			if p.State == "needs clone" {
				return trace.Problemf(trace.ErrUnavailable, "needs_clone",
					"this node needs a clone itself, for partition %d: clone another one, or let it go on first (waytrace relay status says how)", p.Partition)
			}
		}
	}
	return a.clones.serve(ctx, who)
}

// A parked record is one for which a void was shipped.
type parked struct {
	Partition uint16    `json:"partition"`
	Number    string    `json:"number"` // of the waybill
	Carrier   string    `json:"carrier"`
	Own       uint64    `json:"own"`
	Bytes     int       `json:"bytes,omitempty"`
	Reason    string    `json:"reason"`
	Since     time.Time `json:"since"`
}

// relayParked lists what could not be shipped.
func (a *admin) relayParked(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	if _, err := parameters(ctx); err != nil {
		return err
	}
	if _, err := a.relayed(); err != nil {
		return err
	}
	items := []parked{}
	err := a.node.outbox.EachParked(func(p trace.ParkedItem) bool {
		items = append(items, parked{p.Partition, p.Number, p.Carrier, p.Own, p.Bytes, p.Reason, time.UnixMilli(p.At).UTC()})
		return true
	})
	if err != nil {
		return err
	}
	return writeJSON(ctx, items)
}

// skipLimit is how long a partition may take to obey: every answer comes within three
// seconds.
const skipLimit = 2500 * time.Millisecond

// relaySkip is an operator's word: ?partition= goes on with number ?to= of node ?origin=,
// or at ?offset=, and so do all that need a clone with ?partition=all.
func (a *admin) relaySkip(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	given, err := parameters(ctx, "partition", "origin", "to", "offset")
	if err != nil {
		return err
	}
	r, err := a.relayed()
	if err != nil {
		return err
	}
	all := given["partition"] == "all"
	partition, err := strconv.ParseUint(given["partition"], 10, 16)
	if err != nil && !all {
		return trace.Invalid("invalid_parameter", "partition", "partition is %.40q; it is 0 to %d, or all", given["partition"], trace.Partitions-1)
	}
	wait, stop := context.WithTimeout(context.Background(), skipLimit)
	defer stop()
	if text, is := given["offset"]; is {
		offset, err := strconv.ParseInt(text, 10, 64)
		if err != nil || offset < 0 || given["origin"]+given["to"] != "" {
			return trace.Invalid("invalid_parameter", "offset", "give partition with offset, a number, or with origin and to")
		}
		if all {
			return a.obeyed(ctx, r.SkipAll(wait, offset))
		}
		return a.obeyed(ctx, r.SkipTo(wait, uint16(partition), offset))
	}
	if all {
		return trace.Invalid("invalid_parameter", "offset", "all partitions go on at an offset: 0 where the topic was made anew")
	}
	origin, err := strconv.ParseUint(given["origin"], 16, 64)
	if err != nil || len(given["origin"]) != 16 {
		return trace.Invalid("invalid_parameter", "origin", "origin is %.40q; it is a node's id, sixteen hexadecimal digits", given["origin"])
	}
	to, err := strconv.ParseUint(given["to"], 10, 64)
	if err != nil {
		return trace.Invalid("invalid_parameter", "to", "to is %.40q; it is the number to go on with", given["to"])
	}
	return a.obeyed(ctx, r.Skip(wait, uint16(partition), trace.Origin(origin), to))
}

// relayAdopt is an operator's word: the topic of the settings is this directory's.
func (a *admin) relayAdopt(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	if _, err := parameters(ctx); err != nil {
		return err
	}
	r, err := a.relayed()
	if err != nil {
		return err
	}
	wait, stop := context.WithTimeout(context.Background(), skipLimit)
	defer stop()
	return a.obeyed(ctx, r.Adopt(wait))
}

// relayForget is an operator's word: this node ships no more, and keeps nothing for that.
func (a *admin) relayForget(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	if _, err := parameters(ctx); err != nil {
		return err
	}
	if a.node.relay != nil {
		return trace.Invalid("still_shipping", "", "this node ships to Kafka: take kafka.brokers out of its settings first")
	}
	return a.obeyed(ctx, a.store.ForgetOutbox())
}

func (a *admin) obeyed(ctx *fasthttp.RequestCtx, err error) error {
	if err != nil {
		return err
	}
	return writeJSON(ctx, struct {
		Done bool `json:"done"`
	}{true})
}
