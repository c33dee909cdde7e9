package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"waytrace/relay"
)

// What several daemons are to each other is shown with real ones, and a real Kafka that
// is killed, cut off and left behind. It needs Java; make kafka says what is missing.
// KAFKA_BROKERS says that the real parts are wanted. CI plays a share, make prove-kafka all of it.
var (
	realOutage = flag.Duration("real-outage", 8*time.Second, "how long Kafka is away in the cluster's tests; make prove-kafka has 60s")
	realKills  = flag.Int("real-kills", 1, "how often the broker is killed; make prove-kafka has 3")
)

// livePace is how long each pusher rests between two pushes: some 3,000 events a second
// of all, a quarter of what two cores can do beside three daemons and a broker.
const livePace = 50 * time.Millisecond

// A broker is a Kafka of the test's own, which may be killed.
type broker struct {
	t       *testing.T
	address string
	dir     string
	env     []string
}

// needsKafka skips a test where no real Kafka is wanted.
func needsKafka(t *testing.T) {
	t.Helper()
	if os.Getenv("KAFKA_BROKERS") == "" {
		t.Skip("KAFKA_BROKERS is not set: make real runs this with a real Kafka")
	}
}

// startBroker starts one with an empty topic. Where there is a wire, who comes without a
// password comes through it; others have a listener of their own, with TLS.
func startBroker(t *testing.T, through *wire) *broker {
	t.Helper()
	needsKafka(t)
	port, dir := freePorts(t), filepath.Join(t.TempDir(), "kafka")
	b := &broker{t: t, dir: dir, address: fmt.Sprintf("127.0.0.1:%d", port), env: append(os.Environ(),
		fmt.Sprintf("KAFKA_PORT=%d", port), "KAFKA_DIR="+dir, "KAFKA_HEAP=256m")}
	start := []string{"start"}
	if through != nil {
		through.to, b.address = b.address, through.address
		b.env = append(b.env, "KAFKA_ADVERTISED="+through.address)
		start = append(start, "--sasl")
	}
	t.Cleanup(func() { b.do("wipe") })
	b.do(start...)
	b.do("create-topic", "waytrace")
	return b
}

// login are the settings of a node that comes with a password.
func (b *broker) login() []string {
	b.t.Helper()
	lines, err := os.ReadFile(filepath.Join(b.dir, "sasl.env"))
	if err != nil {
		b.t.Fatal(err)
	}
	given := map[string]string{}
	for line := range strings.Lines(string(lines)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		given[name] = value
	}
	return []string{"--kafka.brokers", given["KAFKA_SASL_BROKERS"], "--kafka.tls", "--kafka.ca", given["KAFKA_SASL_CA"],
		"--kafka.sasl", "scram-sha-512", "--kafka.user", given["KAFKA_SASL_USERNAME"], "--kafka.password", given["KAFKA_SASL_PASSWORD"]}
}

// do runs the script that keeps a broker.
func (b *broker) do(args ...string) {
	b.t.Helper()
	c := exec.Command("../../deploy/kafka/kafka.sh", args...)
	c.Env = b.env
	if said, err := c.CombinedOutput(); err != nil {
		b.t.Fatalf("kafka.sh %s: %v\n%s", strings.Join(args, " "), err, said)
	}
}

// freePorts gives the first of three ports in a row that nobody listens at.
func freePorts(t *testing.T) int {
	t.Helper()
	for port := 20000 + os.Getpid()%4000; port < 29000; port += 3 {
		free := true
		for i := range 3 {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+i))
			if free = free && err == nil; err == nil {
				l.Close()
			}
		}
		if free {
			return port
		}
	}
	t.Fatal("no three ports in a row are free")
	return 0
}

// A member is one daemon of a cluster.
type member struct {
	*process
	t     *testing.T
	name  string
	data  string
	flags []string
}

// members starts two daemons that share a Kafka; flags are the second's, where it
// reaches that in another way.
func members(t *testing.T, b *broker, flags ...string) (all []*member) {
	t.Helper()
	for i, own := range [][]string{nil, flags} {
		if own == nil {
			own = []string{"--kafka.brokers", b.address}
		}
		m := &member{t: t, name: string(rune('a' + i)), data: filepath.Join(t.TempDir(), "data"), flags: own}
		m.start()
		t.Cleanup(func() { m.stop() })
		all = append(all, m)
	}
	return all
}

func (m *member) start() {
	m.t.Helper()
	m.process = spawn(m.t, m.data, m.flags...)
}

// stop ends the daemon as an operator would; it must end well.
func (m *member) stop() {
	m.t.Helper()
	if m.process == nil {
		return
	}
	m.Process.Signal(syscall.SIGTERM)
	if status := m.wait(); status != 0 {
		m.t.Errorf("node %s: exit status %d: %s", m.name, status, m.stderr)
	}
	m.process = nil
}

// kill ends it as a power cut of the process would.
func (m *member) kill() {
	m.Process.Kill()
	m.wait()
	m.process = nil
}

// get reads JSON from the admin listener.
func (m *member) get(path string, into any) error {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(m.admin + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// relay is how far the node is.
func (m *member) relay() (t togetherness) {
	m.t.Helper()
	if err := m.get("/relay", &t); err != nil {
		m.t.Fatal(err)
	}
	return t
}

// settled reports whether nothing waits to be shipped, and nothing to be read.
func (m *member) settled() bool {
	t := m.relay()
	return t.Relay.Connected && t.Outbox.Records == 0 &&
		!slices.ContainsFunc(t.Relay.Partitions, func(p relay.PartitionStatus) bool { return p.Lag > 0 || p.State != "running" })
}

// within waits until something is so.
func within(t *testing.T, limit time.Duration, what string, so func() bool) (took time.Duration) {
	t.Helper()
	began := time.Now()
	for !so() {
		if time.Since(began) > limit {
			t.Fatalf("%s: not within %s", what, limit)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(began)
}

// agree waits until all nodes have shipped and read everything, and compares them with
// the first, as an operator would.
func agree(t *testing.T, all []*member) {
	t.Helper()
	for _, m := range all {
		within(t, 90*time.Second, "node "+m.name+" settles", m.settled)
	}
	for _, m := range all[1:] {
		if status, out, said := runs(t, "verify", "--admin", all[0].admin, "--peer", m.admin); status != 0 {
			t.Errorf("nodes %s and %s differ: %s%s", all[0].name, m.name, out, said)
		}
	}
}

// has checks that a node has all that was acknowledged by any.
func has(t *testing.T, l *load, m *member) (events int) {
	t.Helper()
	defer l.client.CloseIdleConnections()
	events, lost := l.missing(t, m.url)
	if lost > 0 {
		t.Errorf("node %s lacks %d of %d acknowledged events", m.name, lost, events)
	}
	return events
}

// rest ends a load.
func (l *load) rest(t *testing.T) {
	t.Helper()
	l.stop.Store(true)
	l.wg.Wait()
	l.client.CloseIdleConnections()
	if n := l.refused.Load() + l.broken.Load(); n > 0 {
		t.Errorf("%d pushes were refused and %d not answered, the last with %v", l.refused.Load(), l.broken.Load(), l.last)
	}
}

// Kafka is killed again and again, and then away for a minute: every push is taken all
// the while, and when it is back the nodes catch up at three times the speed at which
// pushes come, and are equal.
func TestKafkaAway(t *testing.T) {
	b := startBroker(t, nil)
	all := members(t, b)
	l := newLoad()
	l.pace = livePace
	l.run(all[0].url, "AWA")
	l.run(all[1].url, "AWB")
	l.await(t, 100)
	for range *realKills {
		b.do("kill9")
		time.Sleep(time.Second)
		b.do("start")
		within(t, 30*time.Second, "the nodes ship again", func() bool { return all[0].relay().Relay.Connected && all[1].relay().Relay.Connected })
		l.await(t, l.acknowledged.Load()+100)
	}
	before, began := l.acknowledged.Load(), time.Now()
	b.do("kill9")
	time.Sleep(*realOutage)
	backlog := all[0].relay().Outbox.Records + all[1].relay().Outbox.Records
	pushed, away := l.acknowledged.Load()-before, time.Since(began)
	b.do("start")
	connected := func() bool { return all[0].relay().Relay.Connected && all[1].relay().Relay.Connected }
	within(t, 60*time.Second, "Kafka answers again", connected)
	start := time.Now()
	shipped := func() (n uint64) {
		for _, m := range all {
			for _, p := range m.relay().Relay.Partitions {
				n += p.Shipped
			}
		}
		return n
	}
	first := shipped()
	for _, m := range all {
		within(t, *realOutage, "node "+m.name+" catches up", func() bool {
			r := m.relay()
			return r.Outbox.Records < 200 && !slices.ContainsFunc(r.Relay.Partitions, func(p relay.PartitionStatus) bool { return p.Lag > 200 })
		})
	}
	took := time.Since(start)
	speed := float64(shipped()-first) / took.Seconds()
	live := float64(backlog) / away.Seconds()
	l.rest(t)
	agree(t, all)
	for _, m := range all {
		t.Logf("node %s has all %d acknowledged events", m.name, has(t, l, m))
	}
	t.Logf("killed %d times, then away for %s: %d pushes acknowledged meanwhile, %d records waited; they came at %.0f a second and were caught up with in %s, %.0f a second: %.1f times the speed",
		*realKills, away.Round(time.Second), pushed, backlog, live, took.Round(100*time.Millisecond), speed, speed/live)
	if *realOutage >= time.Minute && speed < 3*live {
		t.Errorf("caught up at %.1f times the live rate, want 3", speed/live)
	}
}

// A node is killed in the middle of a load and comes back: the others went on, and it
// has everything afterwards.
func TestNodeKilled(t *testing.T) {
	b := startBroker(t, nil)
	all := members(t, b)
	l, dying := newLoad(), newLoad()
	l.pace, dying.pace = livePace, livePace
	l.run(all[0].url, "STA")
	dying.run(all[1].url, "DIE")
	dying.await(t, 200)
	all[1].kill()
	dying.stop.Store(true)
	dying.wg.Wait()
	dying.client.CloseIdleConnections()
	l.await(t, l.acknowledged.Load()+200)
	all[1].start()
	l.await(t, l.acknowledged.Load()+100)
	l.rest(t)
	agree(t, all)
	for _, m := range all {
		t.Logf("node %s has %d events pushed to the one and %d acknowledged by the one that was killed", m.name, has(t, l, m), has(t, dying, m))
	}
}

// Both nodes hear of the same parcels: other halves, some of it twice, and full lists of
// another source, each at another moment. They end equal.
func TestHalves(t *testing.T) {
	b := startBroker(t, nil)
	all := members(t, b)
	l := newLoad()
	var wg sync.WaitGroup
	for i, m := range all {
		wg.Go(func() {
			for n := range 300 {
				if n%3 != i { // a third goes to both
					l.post(t, m.url+"/push/sf", "application/json", first(pushOf("SFHALF", n)), success)
				}
				if n%5 == i {
					l.post(t, m.url+"/push/kuaidi100", "application/x-www-form-urlencoded", listOf("SFHALF", n/4, 1+(n+i)%3), "")
				}
			}
		})
	}
	wg.Wait()
	l.client.CloseIdleConnections()
	agree(t, all)
	repeats := 0
	for _, m := range all {
		for _, p := range m.relay().Relay.Partitions {
			repeats += int(p.Shipped)
		}
	}
	t.Logf("two nodes heard different halves, with repeats and full lists: equal after %d records", repeats)
}

func first(body string, _ map[string][]string) string { return body }

// listOf is what Kuaidi100 pushes of a parcel: its whole journey, of so many scans.
func listOf(prefix string, parcel, scans int) string {
	var items []string
	for i := scans; i > 0; i-- {
		at := fmt.Sprintf("2026-11-%02d 10:00:00", i)
		items = append(items, fmt.Sprintf(`{"time":"%s","ftime":"%s","context":"快件到达【深圳市】","statusCode":"0"}`, at, at))
	}
	return "param=" + fmt.Sprintf(`{"status":"polling","message":"","lastResult":{"state":"0","com":"shunfeng","nu":"%s%04d","data":[%s]}}`, prefix, parcel, strings.Join(items, ","))
}

// post sends one push, which must be answered with want; "" is any 200.
func (l *load) post(t *testing.T, url, contentType, body, want string) {
	resp, err := l.client.Post(url, contentType, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || want != "" && string(got) != want {
		t.Errorf("%s was answered %d %s, %v", url, resp.StatusCode, got, err)
	}
}

// The network between one node and Kafka is cut while both are written, and healed. The
// other one has TLS and a password.
func TestNetworkCut(t *testing.T) {
	needsKafka(t)
	w := newWire(t)
	b := startBroker(t, w)
	all := members(t, b, b.login()...)
	l := newLoad()
	l.pace = livePace
	l.run(all[0].url, "CUA")
	l.run(all[1].url, "CUB")
	l.await(t, 200)
	w.cut(true)
	within(t, 20*time.Second, "the node notices", func() bool { return !all[0].relay().Relay.Connected })
	l.await(t, l.acknowledged.Load()+400)
	waiting := all[0].relay().Outbox.Records
	w.cut(false)
	l.await(t, l.acknowledged.Load()+100)
	l.rest(t)
	agree(t, all)
	for _, m := range all {
		t.Logf("node %s has all %d acknowledged events; %d records waited behind the cut", m.name, has(t, l, m), waiting)
	}
}

// A directory that is older than what it told is refused until it was restored; then it
// has all again, and so have the others what it heard meanwhile.
func TestOldBackup(t *testing.T) {
	b := startBroker(t, nil)
	all := members(t, b)
	old := newLoad()
	old.run(all[0].url, "OLD")
	old.await(t, 100)
	old.rest(t)
	backup := filepath.Join(t.TempDir(), "backup")
	if status, _, said := runs(t, "backup", backup, "--admin", all[0].admin); status != 0 {
		t.Fatal(said)
	}
	later := newLoad()
	later.run(all[0].url, "NEW")
	later.run(all[1].url, "OTH")
	later.await(t, 300)
	later.rest(t)
	within(t, 30*time.Second, "all is shipped", all[0].settled)
	all[0].kill()
	if err := os.RemoveAll(all[0].data); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command("cp", "-r", backup, all[0].data).CombinedOutput(); err != nil {
		t.Fatal(string(said))
	}
	refused := spawn(t, all[0].data, all[0].flags...)
	if status := refused.wait(); status != 1 || !strings.Contains(refused.stderr.String(), "waytrace restore") {
		t.Errorf("an old directory under its old id ended with %d: %s", status, refused.stderr)
	}
	if err := os.RemoveAll(all[0].data); err != nil {
		t.Fatal(err)
	}
	if status, _, said := runs(t, "restore", backup, "--data", all[0].data); status != 0 {
		t.Fatal(said)
	}
	all[0].start()
	again := newLoad()
	again.run(all[0].url, "AGN")
	again.await(t, 100)
	again.rest(t)
	agree(t, all)
	for _, m := range all {
		t.Logf("node %s has %d events from before the backup, %d from after it, %d from after the restore",
			m.name, has(t, old, m), has(t, later, m), has(t, again, m))
	}
}

// A copy of a directory runs beside it: one of the two stops within ten seconds, and
// nobody passes anything over in silence.
func TestTwins(t *testing.T) {
	b := startBroker(t, nil)
	all := members(t, b)
	l := newLoad()
	l.run(all[0].url, "TWI")
	l.await(t, 100)
	l.rest(t)
	within(t, 30*time.Second, "all is shipped", all[0].settled)
	all[0].stop()
	twin := filepath.Join(t.TempDir(), "twin")
	if said, err := exec.Command("cp", "-r", all[0].data, twin).CombinedOutput(); err != nil {
		t.Fatal(string(said))
	}
	all[0].start()
	second := spawn(t, twin, all[0].flags...)
	ended := make(chan *process, 2)
	for _, p := range []*process{all[0].process, second} {
		go func() {
			p.wait()
			ended <- p
		}()
	}
	began := time.Now()
	both := newLoad()
	both.run(all[0].url, "TWA")
	both.run(second.url, "TWB")
	select {
	case p := <-ended:
		if code := p.ProcessState.ExitCode(); code != 1 || !strings.Contains(p.stderr.String(), "waytrace restore") {
			t.Errorf("a twin ended with %d: %s", code, p.stderr)
		}
		t.Logf("one of the twins stopped after %s", time.Since(began).Round(100*time.Millisecond))
	case <-time.After(10 * time.Second):
		t.Error("two nodes with one id went on for ten seconds")
	}
	both.stop.Store(true)
	both.wg.Wait()
	both.client.CloseIdleConnections()
	time.Sleep(time.Second) // the sister reads on
	stopped := 0
	for _, p := range all[1].relay().Relay.Partitions {
		if p.State == "stopped" {
			stopped++
		}
	}
	t.Logf("their sister stopped %d partitions, where it met one number twice", stopped)
	for _, p := range []*process{all[0].process, second} {
		p.Process.Kill()
	}
	all[0].process = nil
}

// A wire is the network between one node and Kafka, which can be cut.
type wire struct {
	address string
	to      string
	mu      sync.Mutex
	broken  bool
	conns   map[net.Conn]bool
}

func newWire(t *testing.T) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{address: l.Addr().String(), conns: map[net.Conn]bool{}}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { w.carry(ctx, c) })
		}
	})
	t.Cleanup(func() {
		stop()
		l.Close()
		w.cut(true)
		wg.Wait()
	})
	return w
}

// carry joins a connection with one to the broker, until either ends.
func (w *wire) carry(ctx context.Context, from net.Conn) {
	defer from.Close()
	w.mu.Lock()
	broken := w.broken
	w.mu.Unlock()
	if broken {
		return
	}
	var d net.Dialer
	to, err := d.DialContext(ctx, "tcp", w.to)
	if err != nil {
		return
	}
	defer to.Close()
	w.mu.Lock()
	w.conns[from], w.conns[to] = true, true
	w.mu.Unlock()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			io.Copy(way[0], way[1])
			done <- struct{}{}
		}()
	}
	<-done
	from.Close()
	to.Close()
	<-done
	w.mu.Lock()
	delete(w.conns, from)
	delete(w.conns, to)
	w.mu.Unlock()
}

// cut breaks all connections and refuses new ones, or lets them be.
func (w *wire) cut(broken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = broken
	for c := range w.conns {
		if broken {
			c.Close()
		}
	}
}
