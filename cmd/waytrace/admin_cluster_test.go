package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"waytrace/carriers"
	"waytrace/relay/cluster"
	"waytrace/store"
	"waytrace/trace"
)

// asked sends GET /cluster to its door from an address, with headers in pairs.
func asked(doors *routes, from string, headers ...string) (status int, body string) {
	var request fasthttp.Request
	request.SetRequestURI("/cluster")
	request.Header.SetHost("10.0.0.1:8081")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	ctx := new(fasthttp.RequestCtx)
	ctx.Init(&request, &net.TCPAddr{IP: net.ParseIP(from), Port: 1}, nil)
	ctx.Request.Header.SetRequestURI("/cluster")
	doors.serve(ctx)
	return ctx.Response.StatusCode(), string(ctx.Response.Body())
}

// A sister's question is for whoever has the cluster's key, and for operators.
func TestClusterDoor(t *testing.T) {
	const key = "5d1f6a1c0b7e4f3a9d2c8e7b6a5f4e3d"
	nodes, err := cluster.ParseNodes([]string{"a=http://10.0.0.1:8081", "b=http://10.0.0.2:8081"})
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	table := carriers.Carrier{Code: "odd", Codes: &carriers.Codes{Version: 7}}
	settings := &Config{Fold: FoldSettings{EpochDays: 60, HidePreTransit: true}, Kafka: KafkaSettings{Brokers: []string{"k:9092"}, Topic: "parcels"}}
	self := selfReport(settings, []carriers.Carrier{table, {Code: "plain"}}, 0xc0ffee, func() []string { return reasons })
	c := cluster.New(cluster.Settings{Nodes: nodes, Self: "a", Key: key}, self, nil)
	nobody := func(*fasthttp.RequestCtx) (trace.Asker, error) {
		return trace.Asker{}, trace.Problemf(trace.ErrUnauthorized, "no_key", "no")
	}
	operator := func(ctx *fasthttp.RequestCtx) (trace.Asker, error) {
		if string(ctx.Request.Header.Peek("Authorization")) == "Bearer operator" {
			return trace.Asker{Account: "main"}, nil
		}
		return nobody(ctx)
	}
	doors := func(key string) *routes {
		return newRoutes([]door{{method: "GET", path: "/cluster", guard: sister(key, operator), handle: clusterReport(c), refuse: refuse}})
	}
	for _, try := range []struct {
		key, shown string
		want       int
	}{
		{key, "Bearer " + key, 200},
		{key, "bearer " + key, 200},
		{key, "Bearer operator", 200},
		{key, "Bearer " + key[:31], 401},
		{key, "Bearer " + key + "0", 401},
		{key, "Bearer ", 401},
		{key, "", 401},
		{key, "Basic " + key, 401},
		{key, key, 401},
		{"", "Bearer ", 401},
		{"", "Bearer", 401},
		{"", "Bearer operator", 200},
	} {
		if status, body := asked(doors(try.key), "10.0.0.2", "Authorization", try.shown); status != try.want || strings.Contains(body, key) {
			t.Errorf("key %q, shown %q: %d %s, want %d", try.key, try.shown, status, body, try.want)
		}
	}

	for _, why := range [][]string{nil, {"stopping", "catching up"}} {
		reasons = why
		status, body := asked(doors(key), "10.0.0.2", "Authorization", "Bearer "+key)
		var r cluster.Report
		if err := json.Unmarshal([]byte(body), &r); err != nil || status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		if r.Name != "a" || r.Node != "0000000000c0ffee" || r.Ready != (why == nil) || len(r.Reasons) != len(why) || r.Form != store.Form || r.Version != version {
			t.Errorf("%s", body)
		}
		if r.Settings["fold.epoch_days"] != "60" || r.Settings["fold.hide_pre_transit"] != "true" || r.Settings["kafka.topic"] != "parcels" ||
			len(r.Tables) != 2 || r.Tables["odd"] != 7 || r.Tables["words"] != carriers.TextVersion {
			t.Errorf("%s", body)
		}
	}
}
