package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"waytrace/carriers"
	"waytrace/relay/cluster"
	"waytrace/store"
	"waytrace/trace"
)

// reportOf is what a node of these settings says of itself to its sisters, but for what
// changes while it runs.
func reportOf(c *Config, known []carriers.Carrier) cluster.Report {
	topic := "none"
	if len(c.Kafka.Brokers) > 0 {
		topic = c.Kafka.Topic
	}
	r := cluster.Report{
		Version: version, Form: store.Form,
		Settings: map[string]string{
			"fold.epoch_days":       strconv.Itoa(c.Fold.EpochDays),
			"fold.hide_pre_transit": strconv.FormatBool(c.Fold.HidePreTransit),
			"kafka.topic":           topic,
		},
		Tables: map[string]uint32{"words": carriers.TextVersion},
	}
	for _, carrier := range known {
		if carrier.Codes != nil {
			r.Tables[carrier.Code] = carrier.Codes.Version
		}
	}
	return r
}

// selfReport says how this daemon is whenever that is asked: reasons are why it is not
// ready, nil when it is.
func selfReport(c *Config, known []carriers.Carrier, node trace.Origin, reasons func() []string) func() cluster.Report {
	always := reportOf(c, known)
	always.Node = node.String()
	return func() cluster.Report {
		r := always // its maps are shared, and never changed
		r.Reasons = reasons()
		r.Ready = len(r.Reasons) == 0
		return r
	}
}

// sister lets in whoever shows the key of the cluster, and otherwise whom operator does.
// Without a key there are no sisters.
func sister(key string, operator guard) guard {
	hash := sha256.Sum256([]byte(key))
	return func(ctx *fasthttp.RequestCtx) (trace.Asker, error) {
		scheme, bearer, _ := strings.Cut(string(ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)), " ")
		shown := sha256.Sum256([]byte(bearer))
		if key != "" && strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(shown[:], hash[:]) == 1 {
			return trace.Asker{Account: trace.DefaultAccount, Sender: "sister"}, nil
		}
		return operator(ctx)
	}
}

// clusterReport answers a sister's question how this node is: 200, also when it is not
// ready.
func clusterReport(c *cluster.Cluster) handler {
	return func(ctx *fasthttp.RequestCtx, _ trace.Asker) error { return writeJSON(ctx, c.Report()) }
}
