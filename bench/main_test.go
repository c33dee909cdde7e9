package bench

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

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
	if args[0] == "bench" {
		return ServeBare(ctx, &fasthttp.Server{Name: "small"}, args[2])
	}
	if role == "mute" {
		return fmt.Errorf("no room for %s", args[2])
	}
	d := &smallDaemon{role: role, parcels: map[string][]json.RawMessage{}}
	if err := os.MkdirAll(filepath.Join(args[2], "store"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(args[2], "store", "OPTIONS-000002"), []byte(someOptions), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(args[2], "store", "000001.sst"), make([]byte, 1000), 0o644); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &fasthttp.Server{Name: "small", Handler: d.serve}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	fmt.Fprintf(os.Stderr, "small: listening on http://%s\nsmall: nothing else to say\n", ln.Addr())
	<-ctx.Done()
	ln.Close()
	return <-served
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

// A smallDaemon keeps what is pushed in memory.
type smallDaemon struct {
	role string

	mu      sync.Mutex
	parcels map[string][]json.RawMessage
	pushes  atomic.Int64
}

func (d *smallDaemon) serve(ctx *fasthttp.RequestCtx) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx.SetContentType("application/json")
	if ctx.IsPost() {
		var push struct {
			Body struct{ WaybillRoute []json.RawMessage }
		}
		n := d.pushes.Add(1)
		if d.role == "dies" && n == 100 {
			fmt.Fprintln(os.Stderr, "small: out of luck")
			os.Exit(3)
		}
		if err := json.Unmarshal(ctx.PostBody(), &push); err != nil || d.role == "refuses" && n > 320 && n%7 == 0 {
			ctx.WriteString(`{"return_code":"1000","return_msg":"系统异常"}`)
			return
		}
		for _, r := range push.Body.WaybillRoute {
			var route struct{ Mailno string }
			json.Unmarshal(r, &route)
			if known := len(d.parcels[route.Mailno]) > 0; d.role != "forgets" || n%5 != 0 || !known {
				d.parcels[route.Mailno] = append(d.parcels[route.Mailno], r)
			}
		}
		ctx.WriteString(`{"return_code":"0000","return_msg":"成功"}`)
		return
	}
	number := filepath.Base(string(ctx.Path()))
	ctx.Response.Header.Set("Etag", `W/"`+number+`"`)
	ctx.Response.Header.Set("X-Request-Id", "small-1")
	body, err := json.Marshal(map[string]any{"number": number, "events": d.parcels[number]})
	if err != nil || len(d.parcels[number]) == 0 {
		ctx.SetStatusCode(404)
		return
	}
	ctx.SetBody(body)
}
