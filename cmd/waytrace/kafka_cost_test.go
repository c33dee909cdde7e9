package main

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	costTurns = flag.Int("cost-turns", 0, "turns that each side gets in the cost of replication; make prove-kafka-cost has 5")
	costTurn  = flag.Duration("cost-turn", 8*time.Second, "length of one")
)

// The limit of what replication may cost the daemon, as a ratio of processor time an
// event, and how long a sister may take to show what was pushed elsewhere.
const (
	mostCost = 1.5
	mostLag  = time.Second
)

// What replication costs: two daemons take turns under the same load, one of them with
// Kafka; the broker's own time is not counted, what the daemon does behind its last
// answer is. Then a sister reads along at half of that load, and is asked how soon it
// shows what was acknowledged elsewhere.
func TestKafkaCost(t *testing.T) {
	if *costTurns == 0 {
		t.Skip("make prove-kafka-cost runs this, with nothing beside it")
	}
	b := startBroker(t, nil)
	alone := &member{t: t, name: "alone", data: filepath.Join(t.TempDir(), "data")}
	shared := &member{t: t, name: "shared", data: filepath.Join(t.TempDir(), "data"), flags: []string{"--kafka.brokers", b.address}}
	for _, m := range []*member{alone, shared} {
		m.start()
		t.Cleanup(m.stop)
	}
	cost := map[*member][]float64{}
	var ratios, rates []float64
	for turn := range *costTurns {
		for _, m := range []*member{alone, shared} {
			spent, events, rate := turnOf(t, m, turn)
			cost[m] = append(cost[m], spent)
			t.Logf("turn %d, %-6s %5.1f us an event, %d events, %.0f a second", turn+1, m.name, spent, events, rate)
			if m == shared {
				rates = append(rates, rate)
			}
		}
		ratios = append(ratios, cost[shared][turn]/cost[alone][turn])
	}
	ratio := median(ratios)
	t.Logf("processor time an event: alone %.1f us, with Kafka %.1f us; ratio %.2f (%.2f to %.2f), the limit is %.1f",
		median(cost[alone]), median(cost[shared]), ratio, slices.Min(ratios), slices.Max(ratios), mostCost)
	if ratio > mostCost {
		t.Errorf("replication costs %.2f times, want %.1f at most", ratio, mostCost)
	}

	sister := &member{t: t, name: "sister", data: filepath.Join(t.TempDir(), "data"), flags: shared.flags}
	sister.start()
	t.Cleanup(sister.stop)
	within(t, 2*time.Minute, "the sister catches up", sister.settled)
	l := newLoad()
	l.pace = time.Duration(float64(pushers*eventsAPush) / (median(rates) / 2) * float64(time.Second))
	before := time.Now()
	l.run(shared.url, "LAG")
	lags := lagsOf(t, shared, sister, 400)
	half := float64(l.acknowledged.Load()*eventsAPush) / time.Since(before).Seconds()
	l.rest(t)
	p99 := lags[len(lags)*99/100]
	t.Logf("a sister at %.0f events a second shows a push after %s (p50), %s (p99), %s (most of %d)",
		half, lags[len(lags)/2].Round(time.Millisecond), p99.Round(time.Millisecond), lags[len(lags)-1].Round(time.Millisecond), len(lags))
	if p99 > mostLag {
		t.Errorf("p99 is %s, want %s at most", p99, mostLag)
	}
}

// turnOf loads a daemon for one turn, and gives the processor time that it spent on each
// event, in microseconds, until it had nothing more to do.
func turnOf(t *testing.T, m *member, turn int) (spent float64, events int64, rate float64) {
	t.Helper()
	l := newLoad()
	began, before := time.Now(), m.cpu(t)
	l.run(m.url, fmt.Sprintf("C%02d", turn))
	time.Sleep(*costTurn)
	l.stop.Store(true)
	l.wg.Wait()
	took := time.Since(began)
	l.rest(t)
	if len(m.flags) > 0 {
		within(t, time.Minute, "all is shipped", m.settled)
	}
	for quiet, last := 0, m.cpu(t); quiet < 5; last = m.cpu(t) {
		time.Sleep(100 * time.Millisecond)
		if quiet++; m.cpu(t)-last > 30*time.Millisecond { // compactions
			quiet = 0
		}
	}
	events = l.acknowledged.Load() * eventsAPush
	return float64((m.cpu(t) - before).Microseconds()) / float64(events), events, float64(events) / took.Seconds()
}

// cpu is the processor time that the process has used.
func (p *process) cpu(t *testing.T) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	// Behind the name in parentheses, time in user and in system are the 12th and 13th field.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// lagsOf pushes to one node and asks the other until it shows that: how long each time,
// ascending, from the acknowledgement on.
func lagsOf(t *testing.T, at, sister *member, times int) (lags []time.Duration) {
	t.Helper()
	l := newLoad()
	defer l.client.CloseIdleConnections()
	for i := range times {
		number := fmt.Sprintf("SFSEEN%06d", i)
		l.post(t, at.url+"/push/sf", "application/json", fmt.Sprintf(
			`{"Body":{"WaybillRoute":[{"mailno":"%s","acceptAddress":"深圳市","acceptTime":"2026-11-01 10:00:00","remark":"seen","opCode":"50","id":"1"}]}}`, number), success)
		began := time.Now()
		for {
			resp, err := l.client.Get(sister.url + "/v1/status/" + number)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
			if time.Since(began) > 30*time.Second {
				t.Fatalf("%s is not at the sister after 30 s", number)
			}
			time.Sleep(5 * time.Millisecond)
		}
		lags = append(lags, time.Since(began))
		time.Sleep(20 * time.Millisecond)
	}
	slices.Sort(lags)
	return lags
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
