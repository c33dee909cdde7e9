package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// Whoever was told that a push is stored sees it in the next answer, and no tag from
// before it passes for it, however many others are asking at that moment.
func TestAnswersAreNeverOld(t *testing.T) {
	r := start(t)
	const number = "SF7444400031887"
	push := func(i int) {
		t.Helper()
		body := fmt.Sprintf(`{"Body":{"WaybillRoute":[{"mailno":"%s","acceptAddress":"test","acceptTime":"2020-05-11 10:%02d:%02d","remark":"scan %d","opCode":"50","id":"%d"}]}}`, number, i/60, i%60, i, i)
		if got := r.push(t, body); got.body != success {
			t.Fatalf("push %d: %d %s", i, got.status, got.body)
		}
	}
	push(0)
	over := make(chan struct{})
	var others sync.WaitGroup
	for range 3 {
		others.Go(func() {
			tag := ""
			for {
				select {
				case <-over:
					return
				default:
				}
				got := r.do(t, "GET", "/v1/traces/"+number, "", "If-None-Match", tag)
				if got.status == 200 {
					tag = got.header.Get("ETag")
				}
				r.do(t, "GET", "/v1/status/"+number, "")
				r.do(t, "POST", "/v1/traces/batch", `{"numbers":["`+number+`"]}`)
			}
		})
	}
	tag := ""
	for i := 1; i <= 60; i++ {
		push(i)
		want := fmt.Sprintf(`"scan %d"`, i)
		got := r.do(t, "GET", "/v1/traces/"+number, "", "If-None-Match", tag)
		batch := r.do(t, "POST", "/v1/traces/batch", `{"numbers":["`+number+`"]}`)
		if got.status != 200 || strings.Count(got.body, `"id":`) != i+1 || !strings.Contains(got.body, want) || !strings.Contains(batch.body, want) {
			t.Errorf("after push %d: %d with %d events, the batch with %d", i, got.status, strings.Count(got.body, `"id":`), strings.Count(batch.body, `"id":`))
			break
		}
		tag = got.header.Get("ETag")
	}
	close(over)
	others.Wait()
	metrics := r.do(t, "GET", r.admin+"/metrics", "").body
	if !strings.Contains(metrics, "waytrace_query_cache_hits_total ") || strings.Contains(metrics, "waytrace_query_cache_hits_total 0\n") {
		t.Error("no answer came from the cache: the test tests nothing")
	}
}

// Without a cache the answers are the same.
func TestNoCache(t *testing.T) {
	r := start(t, "--query.no-cache")
	r.push(t, sampleJSON)
	first := r.do(t, "GET", "/v1/traces/SF7444400031887", "")
	again := r.do(t, "GET", "/v1/traces/SF7444400031887", "")
	if first.status != 200 || again.body != first.body || again.header.Get("ETag") != first.header.Get("ETag") {
		t.Errorf("%d %s, then %d %s", first.status, first.body, again.status, again.body)
	}
}
