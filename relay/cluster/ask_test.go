package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "0123456789abcdef0123456789abcdef"

// pair is node a of a and b, with b at the given address.
func pair(t *testing.T, address string, log io.Writer) *Cluster {
	t.Helper()
	nodes, err := ParseNodes([]string{"a=http://127.0.0.1:1", "b=" + address})
	if err != nil {
		t.Fatal(err)
	}
	s := Settings{Nodes: nodes, Self: "a", Key: testKey}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	c := New(s, func() Report {
		r := good
		r.Node, r.Ready = "aaaaaaaaaaaaaaaa", true
		return r
	}, slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(c.Close)
	return c
}

// One question to a sister over real connections, and whatever may come back.
func TestAsk(t *testing.T) {
	var node *Cluster
	report := func(change func(*Report)) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			r := good
			r.Name, r.Nodes, r.Clock = "b", node.digest, time.Now().UnixMilli()
			change(&r)
			json.NewEncoder(w).Encode(r)
		}
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		why    string // it is not ready; "" when it is
	}{
		{"ready", report(func(*Report) {}), ""},
		{"not ready", report(func(r *Report) { r.Ready, r.Reasons = false, []string{"stopping"} }), "stopping"},
		{"another name", report(func(r *Report) { r.Name = "c" }), "calls itself c: mend cluster.nodes here, or cluster.self there"},
		{"my copy", report(func(r *Report) { r.Name, r.Node = "a", "aaaaaaaaaaaaaaaa" }), "calls itself a"},
		{"myself", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(node.Report()) }, "leads to this node itself"},
		{"another key", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, "refuses the key: give both nodes the same cluster.key"},
		{"an old node", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, "answers 404: is that the admin listener of a waytrace"},
		{"sent elsewhere", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/cluster" {
				t.Errorf("the key was carried to %s", r.URL)
			}
			http.Redirect(w, r, "/else", http.StatusFound)
		}, "answers 302"},
		{"a web page", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, "report of a node: invalid: is that the admin listener"},
		{"an endless page", func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte(" "), maxReport+1)) }, "answers more than 65536 bytes"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("{"))
		}, "unexpected EOF"},
		{"hung up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != "GET" || r.Header.Get("Authorization") != "Bearer "+testKey {
					t.Errorf("asked %s with %q", r.Method, r.Header.Get("Authorization"))
				}
				c.answer(w, r)
			}))
			defer server.Close()
			node = pair(t, server.URL, &log)
			node.Ask(t.Context())
			got := node.Sisters()
			if len(got) != 1 || got[0].Name != "b" || got[0].URL != server.URL {
				t.Fatalf("sisters %+v", got)
			}
			s, why := got[0], strings.Join(got[0].Reasons, "|")
			if s.Ready != (c.why == "") || !strings.Contains(why, c.why) || c.why == "" && why != "" {
				t.Errorf("ready %t, %q, want %q", s.Ready, why, c.why)
			}
			if strings.Contains(why+log.String(), testKey) {
				t.Errorf("the key is in %s %s", why, &log)
			}
			if twin := c.name == "my copy"; (s.Twin == "a") != twin || strings.Contains(log.String(), "copies of one directory") != twin {
				t.Errorf("twin %q, the log says %s", s.Twin, &log)
			}
			if s.Ready && (s.Ahead == nil || *s.Ahead < -2 || *s.Ahead > 2 || s.Version != good.Version || s.Node != good.Node || s.Differs != nil) {
				t.Errorf("of a good answer: %+v", s)
			}
			node.Close() // before the server, which waits for connections
		})
	}

	t.Run("nothing listens", func(t *testing.T) {
		server := httptest.NewServer(nil)
		server.Close()
		node := pair(t, server.URL, io.Discard)
		node.Ask(t.Context())
		if s := node.Sisters()[0]; s.Ready || len(s.Reasons) != 1 || s.Reasons[0] != "nothing listens at "+server.URL+": is waytrace running there?" {
			t.Errorf("%+v", s)
		}
	})
}

// slow answers after a while, or when nobody waits any more.
type slow struct{ takes time.Duration }

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(s.takes):
		report := good
		report.Name, report.Clock = "b", time.Now().Add(-s.takes/2).UnixMilli()
		b, err := json.Marshal(report)
		return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(b)), Request: r}, err
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// A slow answer does not make a clock wrong, and one that never comes is given up.
func TestSlowAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pair(t, "http://b:1", io.Discard)
		c.http.Transport = slow{1800 * time.Millisecond}
		c.Ask(t.Context())
		if s := c.Sisters()[0]; !s.Ready || *s.Ahead != 0 {
			t.Errorf("after 1.8 s: %+v, ahead %g", s, *s.Ahead)
		}
		c.http.Transport = slow{time.Hour}
		begun := time.Now()
		c.Ask(t.Context())
		if s := c.Sisters()[0]; s.Ready || fmt.Sprint(s.Reasons) != "[http://b:1 did not answer within 2s]" || time.Since(begun) != limit {
			t.Errorf("after %s: %+v", time.Since(begun), s)
		}
	})
}

// Who stops waiting learns nothing, and spoils nothing.
func TestAskStopped(t *testing.T) {
	c := pair(t, "http://127.0.0.1:2", io.Discard)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	c.Ask(ctx)
	if s := c.Sisters()[0]; fmt.Sprint(s.Reasons) != "[not asked yet]" {
		t.Errorf("%+v", s)
	}
}
