package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"
)

// Run starts processes. In tests they are this test binary again, which then is
// a small daemon without a disk, or the bare handler.
func TestMain(m *testing.M) {
	if role := os.Getenv("BENCH_TEST_CHILD"); role != "" {
		if err := asChild(role, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m,
		// fasthttp keeps the date for the whole life of a process, and looks for idle workers
		// for ten seconds after a server has stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// again makes commands of this binary in a role: "good", or a way to be bad.
func again(role string) func(args ...string) *exec.Cmd {
	return func(args ...string) *exec.Cmd {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = append(os.Environ(), "BENCH_TEST_CHILD="+role)
		return cmd
	}
}

func asChild(role string, args []string) error {
	ctx, stop := signal.NotifyContext(testContext, syscall.SIGTERM, os.Interrupt)
	defer stop()
	switch {
	case args[0] == "bench" && args[1] == "handler":
		return ServeBare(ctx, &fasthttp.Server{Name: "small"}, args[2])
	case args[0] == "bench" && role == "no rival":
		return errors.New("no such database")
	case args[0] == "bench": // a rival
		data, err := os.MkdirTemp("", "rival")
		if err != nil {
			return err
		}
		defer os.RemoveAll(data)
		return serveSmall(ctx, &smallDaemon{role: role, data: data, parcels: map[string][]json.RawMessage{}}, "127.0.0.1:0")
	case args[0] == "import":
		return importSmall(args[1:])
	}
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	data, listen, check := f.String("data", "", ""), f.String("listen", "", ""), f.Bool("check-config", false, "")
	for _, name := range []string{"admin-listen", "store.cache", "store.sync-delay"} {
		f.String(name, "", "")
	}
	f.Bool("query.no-cache", false, "")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	switch {
	case *check:
		fmt.Println("store:\n  cache: 1MiB # of blocks")
		return nil
	case role == "mute":
		return fmt.Errorf("no room for %s", *data)
	}
	return serveSmall(ctx, &smallDaemon{role: role, data: *data, parcels: map[string][]json.RawMessage{}}, *listen)
}

// importSmall makes up a directory of the small daemon.
func importSmall(args []string) error {
	f := flag.NewFlagSet("import", flag.ContinueOnError)
	f.Bool("bulk", false, "")
	data, waybills := f.String("data", "", ""), f.Int("made-up", 0, "")
	began, seed := f.Int64("made-up-began", 0, ""), f.Uint64("made-up-seed", 0, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	p := newParcels(*waybills, time.Unix(*began, 0), *seed)
	var text []byte
	for i := range *waybills {
		text = appendKept(text, string(p.appendNumber(nil, i)), slices.Repeat([]json.RawMessage{[]byte(`{}`)}, eventsLoaded))
	}
	return errors.Join(os.MkdirAll(*data, 0o755), os.WriteFile(filepath.Join(*data, "parcels"), text, 0o644))
}

// appendKept appends a line of the small daemon's file: events that a parcel got.
func appendKept(text []byte, number string, events []json.RawMessage) []byte {
	line, err := json.Marshal(map[string][]json.RawMessage{number: events})
	if err != nil {
		panic(err)
	}
	return append(append(text, line...), '\n')
}

// serveSmall is the small daemon's life.
func serveSmall(ctx context.Context, d *smallDaemon, listen string) error {
	if err := os.MkdirAll(filepath.Join(d.data, "store"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(d.data, "store", "OPTIONS-000002"), []byte(someOptions), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(d.data, "store", "000001.sst"), make([]byte, 1000), 0o644); err != nil {
		return err
	}
	// What it knew when it was stopped, or killed.
	file, err := os.OpenFile(filepath.Join(d.data, "parcels"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	d.file = file
	for lines := json.NewDecoder(file); ; {
		var line map[string][]json.RawMessage
		err := lines.Decode(&line)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for number, events := range line {
			d.parcels[number] = append(d.parcels[number], events...)
		}
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &fasthttp.Server{Name: "small", Handler: d.serve}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	fmt.Fprintf(os.Stderr, "small: listening on http://%s\nsmall: admin on http://%s\nsmall: nothing else to say\n", ln.Addr(), ln.Addr())
	<-ctx.Done()
	ln.Close()
	return errors.Join(<-served, file.Close())
}

// someOptions are as Pebble writes them down.
const someOptions = `[Version]
  pebble_version=0.1

[Options]
  cache_size=8388608
  comparer=small.1
  format_major_version=13
  key_schema=DefaultKeySchema(small.1,16)
  mem_table_size=4194304
  merger=pebble.concatenate
  wal_dir=elsewhere
  of_another_version=1

[Level "0"]
  block_size=8192
  filter_policy=rocksdb.BuiltinBloomFilter
`

// A smallDaemon keeps what is pushed in memory, and in a file for when it is started again.
type smallDaemon struct {
	role, data string
	file       *os.File

	mu      sync.Mutex
	parcels map[string][]json.RawMessage
	pushes  int
	looks   int // at the metrics
}

func (d *smallDaemon) serve(ctx *fasthttp.RequestCtx) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx.SetContentType("application/json")
	switch path := string(ctx.Path()); {
	case path == "/metrics":
		// It reads its heads while it is looked at for the first few times.
		if d.looks++; d.looks <= 3 {
			ctx.WriteString("waytrace_store_scan_pending 1\n")
		}
		ctx.WriteString("waytrace_store_wal_bytes 7000000\ngo_gomaxprocs 2\ngo_memstats_mallocs_total 1000\nwaytrace_store_compaction_debt_bytes 5\n")
	case path == "/compact", path == "/ready":
		ctx.WriteString("{}")
	case path == "/settings":
		ctx.WriteString("durable = on")
	case path == "/status":
		ctx.WriteString(`{"store":{"tables_bytes":160000,"feed_tables_bytes":40000}}`)
	case path == batchPath:
		ctx.WriteString(`{"items":[]}`)
	case strings.HasPrefix(path, "/push/alibaba"):
		d.list(regexp.MustCompile(`"aliOrderNo":"([^"]+)"`), "traceCode", ctx.PostBody())
		ctx.WriteString(`{"isSuccess":true,"errorCode":null,"message":""}`)
	case path == "/push/kuaidi100":
		d.list(regexp.MustCompile(`"nu":"([^"]+)"`), "statusCode", ctx.PostArgs().Peek("param"))
		ctx.WriteString(`{"result":true,"returnCode":"200","message":"成功"}`)
	case ctx.IsPost():
		d.push(ctx)
	default:
		d.show(ctx, filepath.Base(path))
	}
}

// push is SF's door.
func (d *smallDaemon) push(ctx *fasthttp.RequestCtx) {
	d.pushes++
	if d.role == "dies" && d.pushes == 100 {
		fmt.Fprintln(os.Stderr, "small: out of luck")
		os.Exit(3)
	}
	type scan struct{ Mailno, ID string }
	var scans []scan
	yes := `{"return_code":"0000","return_msg":"成功"}`
	if content := ctx.PostArgs().Peek("content"); content != nil {
		for _, m := range regexp.MustCompile(`mailno="([^"]+)".*? id="([^"]+)"`).FindAllSubmatch(content, -1) {
			scans = append(scans, scan{string(m[1]), string(m[2])})
		}
		yes = "<Response><Head>OK</Head></Response>"
	} else {
		var push struct {
			Body struct{ WaybillRoute []scan }
		}
		if err := json.Unmarshal(ctx.PostBody(), &push); err != nil || d.role == "refuses" && d.pushes > 320 && d.pushes%7 == 0 {
			ctx.WriteString(`{"return_code":"1000","return_msg":"系统异常"}`)
			return
		}
		scans = push.Body.WaybillRoute
	}
	var kept []byte
	for _, s := range scans {
		event, known := json.RawMessage(`{"carrier_id":"`+s.ID+`","description":"快件在途"}`), d.parcels[s.Mailno]
		again := slices.ContainsFunc(known, func(e json.RawMessage) bool { return bytes.Equal(e, event) })
		if !again && (d.role != "forgets" || d.pushes%5 != 0 || len(known) == 0) {
			d.parcels[s.Mailno] = append(known, event)
			kept = appendKept(kept, s.Mailno, []json.RawMessage{event})
		}
	}
	d.file.Write(kept)
	ctx.WriteString(yes)
}

// list takes a full list: a number, and something that each of its scans has.
func (d *smallDaemon) list(number *regexp.Regexp, scan string, text []byte) {
	if m := number.FindSubmatch(text); m != nil {
		known := len(d.parcels[string(m[1])])
		more := slices.Repeat([]json.RawMessage{[]byte(`{}`)}, max(0, bytes.Count(text, []byte(scan))-known))
		d.parcels[string(m[1])] = append(d.parcels[string(m[1])], more...)
		d.file.Write(appendKept(nil, string(m[1]), more))
	}
}

// show answers for one parcel.
func (d *smallDaemon) show(ctx *fasthttp.RequestCtx, number string) {
	tag := `W/"` + number + `"`
	ctx.Response.Header.Set("Etag", tag)
	ctx.Response.Header.Set("X-Request-Id", "small-1")
	events := d.parcels[number]
	body, err := json.Marshal(map[string]any{"number": number, "events": events})
	switch {
	case err != nil || len(events) == 0:
		ctx.SetStatusCode(404)
	case string(ctx.Request.Header.Peek("If-None-Match")) == tag:
		ctx.SetStatusCode(304)
	default:
		ctx.SetBody(body)
	}
}
