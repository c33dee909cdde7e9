package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var killRounds = flag.Int("kill-rounds", 1, "rounds of the kill test; make prove-kill runs 20")

const (
	pushers     = 16
	killPushes  = 1000 // acknowledged before a round counts
	eventsAPush = 10
)

// A process is the real program with its own address.
type process struct {
	*exec.Cmd
	url    string
	admin  string
	stderr *bytes.Buffer
	quiet  chan struct{} // its stderr has ended
}

func spawn(t *testing.T, data string, flags ...string) *process {
	t.Helper()
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data", data}, flags...)
	p := &process{Cmd: exec.Command(os.Args[0], args...),
		stderr: new(bytes.Buffer), quiet: make(chan struct{})}
	p.Env = append(os.Environ(), beTheProgram+"=1")
	pipe, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan [2]string, 1) // both addresses
	go func() {
		defer close(p.quiet)
		defer close(listening)
		url := ""
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			fmt.Fprintln(p.stderr, lines.Text())
			if strings.Contains(lines.Text(), "listening on") {
				url = addressLine.FindString(lines.Text())
			}
			if strings.Contains(lines.Text(), "admin on") {
				listening <- [2]string{url, addressLine.FindString(lines.Text())}
			}
		}
	}()
	select {
	case at := <-listening:
		p.url, p.admin = at[0], at[1]
	case <-time.After(20 * time.Second):
	}
	if p.url == "" {
		p.Process.Kill()
		<-p.quiet
		t.Fatalf("the daemon did not start: %s", p.stderr)
	}
	return p
}

// wait waits for the end and gives the exit status, -1 for a signal.
func (p *process) wait() int {
	<-p.quiet
	p.Wait()
	return p.ProcessState.ExitCode()
}

// A load pushes to a daemon from several clients at once, and remembers what
// was acknowledged.
type load struct {
	client *http.Client
	pace   time.Duration // that each pusher rests between two pushes
	stop   atomic.Bool
	wg     sync.WaitGroup

	acknowledged atomic.Int64 // pushes
	inFlight     atomic.Int64
	broken       atomic.Int64 // pushes that reached the daemon, as far as a client knows, and were not answered
	refused      atomic.Int64 // pushes with another answer than success

	mu   sync.Mutex
	told map[string]map[string]bool // number → ids of its acknowledged events
	last error                      // of the last push that was not answered
}

func newLoad() *load {
	return &load{told: map[string]map[string]bool{}, client: &http.Client{Timeout: 8 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: pushers}}}
}

// acknowledge notes what was told to be kept.
func (l *load) acknowledge(numbers map[string][]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for number, ids := range numbers {
		if l.told[number] == nil {
			l.told[number] = map[string]bool{}
		}
		for _, id := range ids {
			l.told[number][id] = true
		}
	}
	l.acknowledged.Add(1)
}

// run starts the pushers; each ends at its first broken connection.
func (l *load) run(url, name string) {
	for c := range pushers {
		l.wg.Go(func() {
			for i := 0; !l.stop.Load(); i++ {
				body, numbers := pushOf(fmt.Sprintf("SF%s%02d", name, c), i)
				l.inFlight.Add(1)
				resp, err := l.client.Post(url+"/push/sf", "application/json", strings.NewReader(body))
				var got []byte
				if err == nil {
					got, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				if errors.Is(err, syscall.ECONNREFUSED) {
					return
				}
				if err != nil {
					l.broken.Add(1)
					l.mu.Lock()
					l.last = err
					l.mu.Unlock()
					return // and stays in flight: it was never answered
				}
				l.inFlight.Add(-1)
				if string(got) != success {
					l.refused.Add(1)
					continue
				}
				l.acknowledge(numbers)
				time.Sleep(l.pace)
			}
		})
	}
}

// pushOf makes a push of ten scans of three waybills; ids say which.
func pushOf(prefix string, i int) (body string, numbers map[string][]string) {
	numbers = map[string][]string{}
	var b strings.Builder
	b.WriteString(`{"Body":{"WaybillRoute":[`)
	for e := range eventsAPush {
		number := fmt.Sprintf("%s%04d", prefix, (i+e%3)/4)
		id := fmt.Sprintf("%s-%d-%d", prefix, i, e)
		numbers[number] = append(numbers[number], id)
		if e > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"mailno":"%s","acceptAddress":"深圳市","acceptTime":"2026-11-%02d %02d:%02d:%02d","remark":"快件到达【深圳宝安集散中心】","opCode":"31","id":"%s","orderid":"%s"}`,
			number, 1+e, i/3600%24, i/60%60, i%60, id, prefix)
	}
	b.WriteString(`]}}`)
	return b.String(), numbers
}

// await waits until n pushes were acknowledged.
func (l *load) await(t *testing.T, n int64) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); l.acknowledged.Load() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("only %d pushes were acknowledged in a minute", l.acknowledged.Load())
		}
	}
}

// missing counts the acknowledged events that a daemon does not have.
func (l *load) missing(t *testing.T, url string) (events, lost int) {
	t.Helper()
	var numbers []string
	for number := range l.told {
		numbers = append(numbers, number)
	}
	for len(numbers) > 0 {
		n := min(len(numbers), 200)
		ask, err := json.Marshal(map[string]any{"numbers": numbers[:n]})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := l.client.Post(url+"/v1/traces/batch", "application/json", bytes.NewReader(ask))
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Items []struct {
				Number string
				Trace  struct {
					Events []struct {
						CarrierID string `json:"carrier_id"`
					}
				}
			}
		}
		err = json.NewDecoder(resp.Body).Decode(&got)
		resp.Body.Close()
		if err != nil || len(got.Items) != n {
			t.Fatalf("batch: %v, %d items of %d", err, len(got.Items), n)
		}
		for _, item := range got.Items {
			have := map[string]bool{}
			for _, e := range item.Trace.Events {
				have[e.CarrierID] = true
			}
			for id := range l.told[item.Number] {
				if events++; !have[id] {
					lost++
				}
			}
		}
		numbers = numbers[n:]
	}
	return events, lost
}

// The daemon is killed in the middle of a load, again and again on the same
// directory: every acknowledged event is there afterwards.
func TestKill(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	pushes, slowest := int64(0), time.Duration(0)
	all := newLoad() // of all rounds
	for round := 0; round < *killRounds; {
		p := spawn(t, data)
		l := newLoad()
		l.run(p.url, fmt.Sprintf("%03d", round))
		l.await(t, killPushes)
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		l.stop.Store(true)
		l.wg.Wait()
		p.wait()
		flying := l.inFlight.Load() // what was never answered
		if n := l.refused.Load(); n > 0 {
			t.Errorf("round %d: %d pushes were refused", round, n)
		}
		began := time.Now()
		again := spawn(t, data)
		slowest = max(slowest, time.Since(began))
		l.client.CloseIdleConnections()
		n, lost := l.missing(t, again.url)
		l.client.CloseIdleConnections()
		if lost > 0 {
			t.Errorf("round %d: %d of %d acknowledged events are lost", round, lost, n)
		}
		again.Process.Signal(syscall.SIGTERM)
		if status := again.wait(); status != 0 {
			t.Errorf("round %d: exit status %d after SIGTERM: %s", round, status, again.stderr)
		}
		if flying == 0 {
			continue // nothing was in flight: the round does not count
		}
		round++
		pushes += l.acknowledged.Load()
		maps.Copy(all.told, l.told)
		t.Logf("round %2d: %d pushes acknowledged, %d in flight, %d events acknowledged, %d lost", round, l.acknowledged.Load(), flying, n, lost)
	}
	last := spawn(t, data)
	events, lost := all.missing(t, last.url)
	all.client.CloseIdleConnections()
	if lost > 0 {
		t.Errorf("at the end %d of %d acknowledged events are lost", lost, events)
	}
	last.Process.Signal(syscall.SIGTERM)
	if status := last.wait(); status != 0 {
		t.Errorf("exit status %d after SIGTERM: %s", status, last.stderr)
	}
	t.Logf("%d rounds: %d pushes and %d events acknowledged, %d lost; slowest start %s", *killRounds, pushes, events, lost, slowest.Round(time.Millisecond))
}

// SIGTERM in the middle of a load: what was taken in is answered and kept, and
// the daemon is gone within ten seconds with status 0.
func TestStopUnderLoad(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := spawn(t, data)
	l := newLoad()
	l.run(p.url, "TERM")
	l.await(t, 300)
	began := time.Now()
	p.Process.Signal(syscall.SIGTERM)
	status := p.wait()
	took := time.Since(began)
	l.stop.Store(true)
	l.wg.Wait()
	l.client.CloseIdleConnections()
	if status != 0 || took > 10*time.Second {
		t.Errorf("exit status %d after %s: %s", status, took, p.stderr)
	}
	if n := l.refused.Load(); n > 0 {
		t.Errorf("%d pushes were refused", n)
	}
	// A connection that waits to be accepted when the listener closes is reset by
	// the kernel: nobody has read from it. More than a few would be our fault.
	if n := l.broken.Load(); n > pushers/4 {
		t.Errorf("%d pushes were not answered, the last with %v", n, l.last)
	}
	if strings.Contains(p.stderr.String(), "level=") {
		t.Errorf("a healthy stop is silent: %s", p.stderr)
	}
	again := spawn(t, data)
	events, lost := l.missing(t, again.url)
	l.client.CloseIdleConnections()
	if lost > 0 {
		t.Errorf("%d of %d acknowledged events are lost", lost, events)
	}
	again.Process.Signal(syscall.SIGTERM)
	if status := again.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	t.Logf("stopped after %s; %d pushes acknowledged, %d without an answer", took.Round(time.Millisecond), l.acknowledged.Load(), l.broken.Load())
}

// A second daemon on the same directory says that it is taken.
func TestDirectoryInUse(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := spawn(t, data)
	second := exec.Command(os.Args[0], "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data", data)
	second.Env = append(os.Environ(), beTheProgram+"=1")
	said, err := second.CombinedOutput()
	if err == nil || second.ProcessState.ExitCode() != 1 || !strings.Contains(string(said), "in use by another waytrace") {
		t.Errorf("%v: %s", err, said)
	}
	p.Process.Signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}
