package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"waytrace/store"
	"waytrace/trace"
)

// importing runs the command as it is without flags, into a directory of the test's own.
func importing(t *testing.T, c *ImportCmd, stdin string) (data, out, people string, err error) {
	t.Helper()
	c.Bulk, c.Memory = true, 1<<20
	if c.Account == "" {
		c.Account = trace.DefaultAccount
	}
	if c.Data == "" {
		c.Data = filepath.Join(t.TempDir(), "new", "data")
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	err = c.Run(t.Context(), &streams{strings.NewReader(stdin), &stdout, &stderr})
	return c.Data, stdout.String(), stderr.String(), err
}

// aHistory is what another system has of some parcels, in no order and with repeats.
func aHistory(n int) (lines []string) {
	rng := rand.New(rand.NewPCG(6, 6))
	for range n {
		carrier, status := []string{"sf", "yto", "zto"}[rng.IntN(3)], trace.Status(1+rng.IntN(8))
		line := fmt.Sprintf(`{"number":"SF%04d","carrier":%q,"local_time":"2026-10-%02dT%02d:00:00","status":%q,"description":"快件 %d","reference":"order %d"}`,
			rng.IntN(n/10), carrier, 1+rng.IntN(20), rng.IntN(24), status, rng.IntN(3), rng.IntN(n/10))
		lines = append(lines, line)
		if rng.IntN(5) == 0 {
			lines = append(lines, line)
		}
	}
	return lines
}

// What is imported is answered as if it had been pushed: out of plain and packed files
// and standard input.
func TestImport(t *testing.T) {
	lines := aHistory(3000)
	third := len(lines) / 3
	plainFile := writeFile(t, "a.ndjson", "\ufeff"+strings.Join(lines[:third], "\r\n")+"\r\n\r\n")
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	fmt.Fprint(z, strings.Join(lines[third:2*third], "\n"))
	z.Close()
	packed := writeFile(t, "b.ndjson.gz", b.String())

	data, out, people, err := importing(t, &ImportCmd{Files: []string{plainFile, packed, "-"}, Brokers: []string{"kafka:9092"}}, strings.Join(lines[2*third:], "\n"))
	if err != nil || out != "" {
		t.Fatalf("out %q, people %q, %v", out, people, err)
	}
	pushed := start(t)
	for at := 0; at < len(lines); at += 1000 {
		got := pushed.do(t, "POST", "/v1/events", `{"events":[`+strings.Join(lines[at:min(at+1000, len(lines))], ",")+`]}`)
		if got.status != 200 || !strings.Contains(got.body, `"quarantined":[]`) {
			t.Fatal(got.body)
		}
	}
	v, err := store.VerifyDirectory(data, store.Options{}, func(store.Verified) bool { return true })
	if err != nil || v.Findings > 0 || v.Events == 0 {
		t.Errorf("verified %+v, %v", v, err)
	}
	want := fmt.Sprintf("imported %d events of %d parcels; %d were known already, 0 lines were left out\n", v.Events, v.Waybills, len(lines)-int(v.Events))
	if !strings.HasPrefix(people, want) || !strings.Contains(people, "waytrace clone") || !strings.Contains(people, "--data "+data) {
		t.Errorf("said %s, want %s", people, want)
	}
	imported := startOn(t, data)
	answers := 0
	for i := range 300 {
		for _, path := range []string{"/v1/traces/SF%04d", "/v1/traces/SF%04d?carrier=zto", "/v1/status/SF%04d", "/v1/references/order%%20%d"} {
			path = fmt.Sprintf(path, i)
			want, got := pushed.do(t, "GET", path, ""), imported.do(t, "GET", path, "")
			if heardAt.ReplaceAllString(got.body, "") != heardAt.ReplaceAllString(want.body, "") && got.status == 200 || got.status != want.status || got.header.Get("ETag") != want.header.Get("ETag") {
				t.Fatalf("%s: %d %s\nwant %d %s", path, got.status, got.body, want.status, want.body)
			}
			if got.status == 200 {
				answers++
			}
		}
	}
	if answers < 600 {
		t.Errorf("%d answers were compared", answers)
	}
	if left, err := os.ReadDir(filepath.Dir(data)); err != nil || len(left) != 1 {
		t.Errorf("%v lie there, %v", left, err)
	}
}

// heardAt is when a node was told of an event, which its answers say and another's need not.
var heardAt = regexp.MustCompile(`"received":"[^"]*"`)

// A line that cannot be taken is named with its reason, and ends it or is left out.
func TestImportBadLines(t *testing.T) {
	good := strings.Join(aHistory(4000), "\n") + "\n"
	const (
		noTime = `{"number":"SF0001","carrier":"sf","description":"where?"}`
		early  = `{"number":"SF0001","carrier":"sf","date":"1999-12-31","description":"too early"}`
	)
	long := `{"number":"` + strings.Repeat("1", 100<<10) + `"}`
	first := writeFile(t, "first", good)
	second := writeFile(t, "second", "\n"+noTime+"\n"+early+"\nnot JSON\n"+long+"\n"+good)

	data, out, people, err := importing(t, &ImportCmd{Files: []string{first, second}}, "")
	want := second + ":2: missing_time: time: the event has none of time, local_time and date; mend it, or leave such lines out with --skip-bad"
	if err == nil || err.Error() != want || out != "" || people != "" {
		t.Errorf("out %q, people %q, %v; want %s", out, people, err, want)
	}
	if left, err := os.ReadDir(filepath.Dir(data)); err != nil || len(left) != 0 {
		t.Errorf("%v lie there, %v", left, err)
	}

	_, out, people, err = importing(t, &ImportCmd{Files: []string{first, second}, SkipBad: true}, "")
	wantOut := fmt.Sprintf("%[1]s:2: missing_time: time: the event has none of time, local_time and date\n%[1]s:3: time_suspect: time: \"1999-12-31\" is before 2000 or more than 26 hours ahead\n%[1]s:4: invalid_json: JSON: byte 2: invalid character 'o' in literal null (expecting 'u')\n%[1]s:5: too_long: the event is longer than 65536 bytes\n", second)
	if err != nil || out != wantOut || !strings.Contains(people, " 4 lines were left out") {
		t.Errorf("people %q, %v, out\n%swant\n%s", people, err, out, wantOut)
	}

	// A parcel may have so many events and no more.
	var many strings.Builder
	for i := range 1003 {
		fmt.Fprintf(&many, `{"number":"SF0001","carrier":"sf","date":"2026-10-01","description":"no. %d"}`+"\n", i)
	}
	if _, _, _, err := importing(t, &ImportCmd{}, many.String()); err == nil || !strings.HasPrefix(err.Error(), "standard input:") || !strings.Contains(err.Error(), "too_many_events") {
		t.Errorf("too many events: %v", err)
	}
	_, out, people, err = importing(t, &ImportCmd{SkipBad: true}, many.String())
	if n := strings.Count(out, "too_many_events"); err != nil || n == 0 || !strings.Contains(people, fmt.Sprintf("imported %d events of 1 parcels; 0 were known already, %d lines", 1003-n, n)) {
		t.Errorf("%d of them left out, %q, %v", n, people, err)
	}
}

// What it does not begin with.
func TestImportRefuses(t *testing.T) {
	for want, c := range map[string]ImportCmd{
		"say --bulk":       {Account: "main"},
		"account":          {Bulk: true, Account: "a b"},
		"read, or made up": {Bulk: true, Account: "main", MadeUp: 1, Files: []string{"x"}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", c, err, want)
		}
	}
	data := filepath.Join(t.TempDir(), "data")
	if _, _, _, err := importing(t, &ImportCmd{Destination: Destination{Data: data}, Files: []string{"nowhere.ndjson"}}, ""); err == nil {
		t.Error("a file that is not there was read")
	}
	if _, _, _, err := importing(t, &ImportCmd{Destination: Destination{Data: data}}, ""); err != nil {
		t.Errorf("nothing at all: %v", err)
	}
	if _, _, _, err := importing(t, &ImportCmd{Destination: Destination{Data: data}}, ""); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a directory that is there: %v", err)
	}
}

// Interrupted, it leaves nothing.
func TestImportInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	data := filepath.Join(t.TempDir(), "data")
	c := &ImportCmd{Destination: Destination{Data: data}, Bulk: true, Account: "main", Memory: 1 << 20}
	stdin := &endless{stop: stop}
	err := c.Run(ctx, &streams{stdin, &bytes.Buffer{}, &bytes.Buffer{}})
	if err == nil || !strings.HasPrefix(err.Error(), "stopped; nothing is in "+data) {
		t.Errorf("interrupted: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(data)); err != nil || len(left) != 0 {
		t.Errorf("%v lie there, %v", left, err)
	}
}

// endless is an input that is interrupted after a while.
type endless struct {
	stop func()
	n    int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.n++; e.n == 5000 {
		e.stop()
	}
	return copy(p, fmt.Sprintf(`{"number":"SF%05d","carrier":"sf","date":"2026-10-01","description":"one more"}`+"\n", e.n%1000)), nil
}

// Parcels that are made up are those of a bench.
func TestImportMadeUp(t *testing.T) {
	data, _, people, err := importing(t, &ImportCmd{MadeUp: 33_000, MadeUpBegan: 1_795_000_000}, "")
	if err != nil || !strings.Contains(people, "imported 264000 events of 33000 parcels; 0 were known already") {
		t.Fatalf("people %q, %v", people, err)
	}
	r := startOn(t, data)
	if got := r.do(t, "GET", "/v1/traces/SF6180339887499", ""); got.status != 200 || strings.Count(got.body, `"id":`) != 8 || !strings.Contains(got.body, `"code":"delivered"`) {
		t.Errorf("the first parcel: %d %s", got.status, got.body)
	}
}
