package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// More carriers at once than the store has places in its queue, and a disk that takes
// its time: some are told to send again, in their words, and nobody is lost of those who
// were told yes, also when the daemon is killed right after. Meanwhile reads are
// answered and nothing gathers, and behind it all is as before.
func TestOverload(t *testing.T) {
	const (
		crowd    = 1300 // connections, each with one push under way
		queue    = 1024 // of the store
		enough   = 1000 // pushes acknowledged
		memtable = "8MiB"
	)
	data := filepath.Join(t.TempDir(), "data")
	p := spawn(t, data, "--store.sync-delay", "200ms", "--store.memtable", memtable, "--carriers.sf.at-once", strconv.Itoa(2*crowd))
	l := newLoad()
	l.client.Transport = &http.Transport{MaxIdleConnsPerHost: crowd, MaxConnsPerHost: crowd + 8} // some for the reads
	quiet := gaugesOf(t, l.client, p.admin)
	known, _ := pushOf("SFKNOWN", 0)
	if status, answer := l.push(t, p.url, known); status != 200 || answer != success {
		t.Fatalf("the first push is answered %d %s", status, answer)
	}

	var refused atomic.Int64
	for c := range crowd {
		l.wg.Go(func() {
			for i := 0; !l.stop.Load(); i++ {
				body, numbers := pushOf(fmt.Sprintf("SFCROWD%04d", c), i)
				resp, err := l.client.Post(p.url+"/push/sf", "application/json", strings.NewReader(body))
				if err != nil {
					t.Errorf("a push is not answered: %v", err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				switch {
				case err != nil:
					t.Errorf("a push is answered by halves: %v", err)
					return
				case resp.StatusCode == 200 && string(got) == success:
					l.acknowledge(numbers)
				case resp.StatusCode == 503 && resp.Header.Get("Retry-After") == "1" && strings.HasPrefix(string(got), `{"return_code":"1000"`):
					refused.Add(1)
					time.Sleep(200 * time.Millisecond) // sooner than it was asked to
				default:
					t.Errorf("a push is answered %d, Retry-After %q, %s", resp.StatusCode, resp.Header.Get("Retry-After"), got)
					return
				}
			}
		})
	}
	most := gauges{}
	reads := 0
	for end := time.Now().Add(60 * time.Second); l.acknowledged.Load() < enough || refused.Load() == 0; {
		if time.Now().After(end) || t.Failed() {
			t.Errorf("%d pushes are acknowledged and %d refused", l.acknowledged.Load(), refused.Load())
			break
		}
		now := gaugesOf(t, l.client, p.admin)
		for name, value := range now {
			most[name] = max(most[name], value)
		}
		if got := l.get(t, p.url+"/v1/status/SFKNOWN0000"); !strings.Contains(got, `"number":"SFKNOWN0000"`) {
			t.Errorf("under load a read is answered %s", got)
		}
		reads++
	}
	l.stop.Store(true)
	l.wg.Wait()
	if n := most["waytrace_store_queue_requests"]; n > queue {
		t.Errorf("%v requests waited for the writer, want %d at most", n, queue)
	}
	if n := most["waytrace_ingest_inflight"]; n > crowd {
		t.Errorf("%v requests were inside, want %d at most", n, crowd)
	}
	if n := most["go_goroutines"]; n > quiet["go_goroutines"]+crowd+300 {
		t.Errorf("%v goroutines, want one for each connection and the %v before", n, quiet["go_goroutines"])
	}

	// It is over, and the next one is welcome.
	again, numbers := pushOf("SFAFTER", 0)
	if status, answer := l.push(t, p.url, again); status != 200 || answer != success {
		t.Errorf("afterwards a push is answered %d %s", status, answer)
	}
	l.acknowledge(numbers)
	after := gaugesOf(t, l.client, p.admin)
	if after["waytrace_ingest_inflight"] != 0 || after["waytrace_store_queue_requests"] != 0 {
		t.Errorf("afterwards there are still %v requests inside and %v in the queue", after["waytrace_ingest_inflight"], after["waytrace_store_queue_requests"])
	}
	// Who was let in and then waited for too long is refused, too, and not counted there.
	if n := after["waytrace_ingest_shed_total"]; n == 0 || n > float64(refused.Load()) {
		t.Errorf("%v requests are counted as shed, %d were refused", n, refused.Load())
	}

	if err := p.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.wait()
	l.client.CloseIdleConnections()
	next := spawn(t, data)
	events, lost := l.missing(t, next.url)
	l.client.CloseIdleConnections()
	if lost > 0 {
		t.Errorf("%d of %d acknowledged events are lost", lost, events)
	}
	next.Process.Signal(syscall.SIGTERM)
	if status := next.wait(); status != 0 {
		t.Errorf("exit status %d: %s", status, next.stderr)
	}
	t.Logf("%d pushes acknowledged, %d refused, %d reads; most in the queue %v, inside %v, goroutines %v", l.acknowledged.Load(), refused.Load(), reads,
		most["waytrace_store_queue_requests"], most["waytrace_ingest_inflight"], most["go_goroutines"])
}

// push gives the answer to one push.
func (l *load) push(t *testing.T, url, body string) (status int, answer string) {
	t.Helper()
	resp, err := l.client.Post(url+"/push/sf", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(got)
}

// get gives the body of an answer.
func (l *load) get(t *testing.T, url string) string {
	t.Helper()
	resp, err := l.client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// gauges are a daemon's figures by name; those that differ in their labels alone are
// added up.
type gauges map[string]float64

func gaugesOf(t *testing.T, client *http.Client, admin string) gauges {
	t.Helper()
	resp, err := client.Get(admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	g := gauges{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, found := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseFloat(value, 64)
		if !found || err != nil {
			continue
		}
		name, _, _ = strings.Cut(name, "{")
		g[name] += n
	}
	if lines.Err() != nil || len(g) == 0 {
		t.Fatalf("no figures: %v", lines.Err())
	}
	return g
}
