package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"waytrace/relay/cluster"
)

// ask has doctor look at settings on a directory, and gives what it says of each check,
// level first, and its exit status.
func askDoctor(t *testing.T, data string, flags ...string) (says map[string][]string, status int, all string) {
	t.Helper()
	args := append([]string{"doctor", "--data", data, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, flags...)
	status, out, err := runs(t, args...)
	says = make(map[string][]string)
	last := ""
	for line := range strings.Lines(out) {
		if command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ "); ok {
			says[last] = append(says[last], "$ "+command)
			continue
		}
		m := findingLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("doctor says %q, stderr %q", line, err)
		}
		last = m[2]
		says[last] = append(says[last], m[1]+" "+m[3])
	}
	for _, check := range checks {
		if len(says[check.name]) == 0 {
			t.Errorf("doctor says nothing of %s:\n%s%s", check.name, out, err)
		}
	}
	if broken := strings.Contains(out, "FAILED"); broken != (status == 1) || broken != strings.Contains(err, "waytrace: ") {
		t.Errorf("status %d, stdout\n%s\nstderr\n%s", status, out, err)
	}
	return says, status, out + err
}

var findingLine = regexp.MustCompile(`^(ok|warning|FAILED) +([a-z]+)  +(.+)\n$`)

// want holds what doctor says of one check against a part of it.
func wantSaid(t *testing.T, says map[string][]string, check, want string) {
	t.Helper()
	if got := strings.Join(says[check], "\n"); !strings.Contains(got, want) {
		t.Errorf("%s: %s, want %s", check, got, want)
	}
}

func TestDoctorBeforeTheFirstStart(t *testing.T) {
	data := filepath.Join(t.TempDir(), "deep", "data")
	says, status, all := askDoctor(t, data)
	if status != 0 || strings.Contains(all, "FAILED") {
		t.Errorf("status %d:\n%s", status, all)
	}
	wantSaid(t, says, "config", "ok the settings are good")
	wantSaid(t, says, "data", "ok "+data+" is not there: the first start makes it")
	wantSaid(t, says, "sisters", "ok none: this node is alone")
	wantSaid(t, says, "kafka", "ok none")
	if _, err := os.Stat(filepath.Dir(data)); err == nil {
		t.Error("doctor made a directory")
	}
}

// A daemon is asked, and left alone; its directory is looked at once it has stopped.
func TestDoctorBesideADaemon(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	r := startOn(t, data)
	r.push(t, sampleJSON)
	admin := strings.TrimPrefix(r.admin, "http://")
	_, port, _ := net.SplitHostPort(admin)

	says, status, all := askDoctor(t, data, "--admin-listen", admin)
	if status != 0 {
		t.Errorf("status %d:\n%s", status, all)
	}
	wantSaid(t, says, "daemon", "ok the one at "+r.admin+" is ready")
	wantSaid(t, says, "data", "ok "+data+" is left to the daemon that runs")

	says, _, _ = askDoctor(t, data, "--admin-listen", "0.0.0.0:"+port)
	wantSaid(t, says, "daemon", "ok the one at "+r.admin+" is ready")
	wantSaid(t, says, "config", "FAILED admin_listen 0.0.0.0:"+port+" is open to the network and there is no key")

	if got := r.push(t, scanOf("SF0001", "2020-05-11 16:56:54", "50")); got.body != success {
		t.Errorf("after doctor has looked, a push is answered %s", got.body)
	}
	r.close(t)

	says, status, all = askDoctor(t, data, "--admin-listen", admin)
	if status != 0 {
		t.Errorf("status %d:\n%s", status, all)
	}
	wantSaid(t, says, "daemon", "ok none runs: nothing listens at "+admin)
	wantSaid(t, says, "data", "2 waybills")
}

// Where the daemon is not found at its address, its directory is found in use, and no
// harm is done.
func TestDoctorOnDirectoryInUse(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := spawn(t, data)
	says, status, _ := askDoctor(t, data)
	wantSaid(t, says, "data", "FAILED "+data+" is in use by another waytrace")
	if status != 1 {
		t.Errorf("status %d", status)
	}
	reply, err := http.Post(p.url+"/push/sf", "application/json ;charset=UTF-8", strings.NewReader(sampleJSON))
	if err != nil || reply.StatusCode != 200 {
		t.Errorf("after doctor has looked, a push: %v, %+v", err, reply)
	} else {
		reply.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	p.Process.Signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("the daemon ended with status %d: %s", status, p.stderr)
	}
}

// What can be wrong on this machine, each with what would help.
func TestDoctorFindsFault(t *testing.T) {
	dir := t.TempDir()
	full := filepath.Join(dir, "full")
	if err := os.MkdirAll(full, 0o700); err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, "file", "not a directory")
	cert, key := writeCertificate(t, t.TempDir(), "parcels.example") // for an hour
	keys := filepath.Join(dir, "keys.yaml")
	if status, _, said := runs(t, "keys", "new", "--scope", "read", "--keys-file", keys); status != 0 {
		t.Fatal(said)
	}
	if err := os.Chmod(keys, 0o644); err != nil {
		t.Fatal(err)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	unready := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(503)
		fmt.Fprint(w, `{"ready":false,"reasons":["catching up","the disk is slow"]}`)
	}))
	defer unready.Close()
	host := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

	for _, c := range []struct {
		data  string
		flags string
		check string
		want  string
	}{
		{full, "", "data", "ok " + full + " is empty: the first start fills it"},
		{file, "", "data", "FAILED " + file + " is a file: name a directory"},
		{file, "", "config", "FAILED data: " + file + " is a file"},
		{filepath.Dir(file), "", "data", "FAILED " + filepath.Dir(file)},
		{full, "--tls-cert " + cert, "config", "FAILED tls_cert and tls_key go together"},
		{full, "--tls-cert " + cert, "certificate", "FAILED " + cert},
		{full, "--tls-cert " + cert + " --tls-key " + key, "certificate", "warning " + cert + " expires on "},
		{full, "--tls-cert " + file + " --tls-key " + key, "certificate", "FAILED " + file},
		{full, "--keys-file " + file, "keys", "FAILED " + file},
		{full, "--keys-file " + keys, "keys", "warning " + keys + " can be read by other users of this machine\n$ chmod 600 " + keys},
		{full, "--keys-file " + keys, "keys", "ok 1 keys in " + keys + ", 0 of them for operators"},
		{full, "--keys-file " + keys + " --admin-listen 0.0.0.0:0", "keys", "warning no key has scope admin"},
		{full, "--keys-file " + keys + " --admin-listen 0.0.0.0:0", "keys", "$ waytrace keys new --scope admin --keys-file " + keys},
		{full, "--keys-file " + keys + " --listen 0.0.0.0:0", "certificate", "warning none: the public listener is plain HTTP on 0.0.0.0:0"},
		{full, "--admin-listen " + host(other), "daemon", "FAILED something else than waytrace listens at " + other.URL},
		{full, "--admin-listen " + host(unready), "daemon", "FAILED the one at " + unready.URL + " is not ready: catching up; the disk is slow"},
		{full, "--cluster.nodes a=x", "config", "FAILED cluster.nodes: a: that is not the address"},
		{full, "--cluster.nodes a=x", "sisters", "FAILED not asked: the settings of the cluster are wrong"},
		{full, "--cluster.nodes a=x", "clock", "FAILED not compared"},
		{full, "--kafka.brokers 127.0.0.1:1", "kafka", "FAILED "},
	} {
		says, _, _ := askDoctor(t, c.data, strings.Fields(c.flags)...)
		wantSaid(t, says, c.check, c.want)
	}
}

// sisterOf plays a node's admin listener.
func sisterOf(t *testing.T, name, key string, change func(*cluster.Report)) string {
	t.Helper()
	settings, err := configOf(t)
	if err != nil {
		t.Fatal(err)
	}
	known, err := settings.Carriers.Carriers()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/cluster" || r.Header.Get("Authorization") != "Bearer "+key {
			w.WriteHeader(401)
			return
		}
		report := reportOf(&settings, known)
		report.Settings["kafka.topic"] = "waytrace"
		report.Name, report.Node, report.Ready, report.Clock = name, fmt.Sprintf("%016x", name), true, time.Now().UnixMilli()
		change(&report)
		json.NewEncoder(w).Encode(report)
	}))
	t.Cleanup(server.Close)
	return name + "=" + server.URL
}

// Each sister in a state of her own, seen from a.
func TestDoctorAsksTheSisters(t *testing.T) {
	key := strings.Repeat("0123456789abcdef", 4)
	gone := httptest.NewServer(nil)
	gone.Close()
	const twin = "00000000000000ff"
	nodes := []string{
		"a=http://127.0.0.1:1",
		sisterOf(t, "b", key, func(*cluster.Report) {}),
		sisterOf(t, "c", key, func(r *cluster.Report) { r.Ready, r.Reasons = false, []string{"catching\x1b[31m up"} }),
		sisterOf(t, "d", key, func(r *cluster.Report) { r.Settings["fold.epoch_days"], r.Tables["sf"] = "30", 99 }),
		sisterOf(t, "e", key, func(r *cluster.Report) { r.Clock += 75_000 }),
		sisterOf(t, "f", "another key", func(*cluster.Report) {}),
		"g=" + gone.URL,
		sisterOf(t, "h", key, func(r *cluster.Report) { r.Node = twin }),
		sisterOf(t, "i", key, func(r *cluster.Report) { r.Node = twin }),
	}
	flags := []string{"--cluster.nodes", strings.Join(nodes, ","), "--cluster.self", "a", "--cluster.key", key}
	says, status, all := askDoctor(t, t.TempDir(), flags...)
	if status != 1 || strings.Contains(all, key) || strings.Contains(all, "\x1b") {
		t.Errorf("status %d:\n%s", status, all)
	}
	wantSaid(t, says, "config", "warning there are cluster.nodes and no kafka.brokers")
	for _, want := range []string{
		"ok b: ready, version dev, node ",
		"warning b: cluster.nodes is another list there: give both the same",
		"warning c: not ready: catching[31m up",
		"warning d: fold.epoch_days is 60 here and 30 there: give both the same",
		"warning d: the code table of sf has version ",
		"ok e: ready",
		"FAILED f: ", "refuses the key: give both nodes the same cluster.key",
		"FAILED g: nothing listens at " + gone.URL,
		"FAILED h: it runs on a copy of the directory of i",
		"FAILED i: it runs on a copy of the directory of h",
	} {
		wantSaid(t, says, "sisters", want)
	}
	wantSaid(t, says, "clock", "warning e: its clock differs from this machine's by 1m15s: let NTP set both")
	if n := len(says["clock"]); n != 1 {
		t.Errorf("%d lines about clocks:\n%s", n, all)
	}
}

// Of three clocks this machine's is the wrong one.
func TestDoctorFindsTheClockOff(t *testing.T) {
	key := strings.Repeat("0123456789abcdef", 4)
	late := func(r *cluster.Report) { r.Clock += 3_600_000 }
	says, _, _ := askDoctor(t, t.TempDir(), "--cluster.self", "a", "--cluster.key", key,
		"--cluster.nodes", "a=http://127.0.0.1:1,"+sisterOf(t, "b", key, late)+","+sisterOf(t, "c", key, late))
	wantSaid(t, says, "clock", "FAILED this node's clock is 1h0m0s behind the other nodes': set it right (by NTP)")
}

func TestDoctorAsksKafka(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(16, "parcels"), kfake.SeedTopics(3, "narrow"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	at := []string{"--kafka.brokers", broker.ListenAddrs()[0], "--kafka.topic"}
	says, status, all := askDoctor(t, t.TempDir(), append(at, "missing")...)
	wantSaid(t, says, "kafka", "FAILED topic missing is not there\n$ kafka-topics.sh ")
	if status != 1 {
		t.Errorf("status %d:\n%s", status, all)
	}
	says, _, _ = askDoctor(t, t.TempDir(), append(at, "narrow")...)
	wantSaid(t, says, "kafka", "FAILED 3 partitions")
	says, status, all = askDoctor(t, t.TempDir(), append(at, "parcels")...)
	wantSaid(t, says, "kafka", "warning one replica")
	if status != 0 {
		t.Errorf("status %d:\n%s", status, all)
	}
}

func TestDoctorStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out, said strings.Builder
	status := run(ctx, []string{"doctor", "--data", t.TempDir()}, strings.NewReader(""), &out, &said)
	if status != 1 || said.String() != "waytrace: stopped before all was looked at\n" {
		t.Errorf("status %d, stderr %q", status, &said)
	}
}

func TestJudgeCertificate(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for _, c := range []struct {
		from, until time.Duration // from now
		want        level
		text        string
	}{
		{-day, 90 * day, passed, "cert.pem is good until 2026-05-30"},
		{-day, 14 * day, passed, "good until"},
		{-day, 14*day - 1, warned, "cert.pem expires on 2026-03-15"},
		{-day, 0, failed, "cert.pem has expired on 2026-03-01"},
		{day, 90 * day, failed, "cert.pem is good from 2026-03-02 12:00:00 on only"},
	} {
		got := judgeCertificate("cert.pem", &x509.Certificate{NotBefore: now.Add(c.from), NotAfter: now.Add(c.until)}, now)
		if got.level != c.want || !strings.Contains(got.text, c.text) {
			t.Errorf("from %s until %s: %d %s, want %d %s", c.from, c.until, got.level, got.text, c.want, c.text)
		}
	}
}

func TestJudgeDisk(t *testing.T) {
	const gib, memtable = 1 << 30, 64 << 20
	for _, c := range []struct {
		free, total uint64
		want        level
		text        string
	}{
		{50 * gib, 100 * gib, passed, "50.0 GiB of 100.0 GiB are free"},
		{10 * gib, 100 * gib, passed, "10.0 GiB"},
		{10*gib - 1, 100 * gib, warned, "free some, or move the data to a larger disk"},
		{4 * memtable, 100 * gib, warned, "0.2 GiB"},
		{4*memtable - 1, gib, failed, "too little for the store to take writes"},
	} {
		got := judgeDisk(c.free, c.total, memtable)
		if got.level != c.want || !strings.Contains(got.text, c.text) {
			t.Errorf("%d of %d: %d %s, want %d %s", c.free, c.total, got.level, got.text, c.want, c.text)
		}
	}
}
