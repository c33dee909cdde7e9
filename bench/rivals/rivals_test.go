package rivals

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"waytrace/trace"
)

// A shelf keeps events in memory, for the tests of what stands before a rival.
type shelf struct {
	mu     sync.Mutex
	events []trace.Event
}

func (s *shelf) keep(_ context.Context, events []trace.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range events {
		e := trace.Event{}
		if err := trace.DecodeEvent(&e, events[i].Waybill, events[i].At.Local, events[i].ID, events[i].Value); err != nil {
			return err
		}
		e.Number = strings.Clone(e.Number)
		if !slices.ContainsFunc(s.events, func(o trace.Event) bool { return o.ID == e.ID }) {
			s.events = append(s.events, e)
		}
	}
	return nil
}

func (s *shelf) read(_ context.Context, number string) (*found, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &found{}
	for _, e := range s.events {
		if e.Number == number {
			f.Waybill, f.pair, f.since, f.zone = e.Waybill, e.Pair, e.At.Instant(), e.At.Offset
			f.events = append(f.events, e)
		}
	}
	if len(f.events) == 0 {
		return nil, trace.ErrNotFound
	}
	return f, nil
}

func (s *shelf) settings(context.Context) (string, error) {
	return "a shelf\nsynchronous_commit = on\nappendfsync = \"always\"", nil
}

func (s *shelf) close() {}

// each runs a test over a rival in memory, and over those whose addresses rivals.sh gave.
func each(t *testing.T, test func(t *testing.T, k keeper)) {
	t.Run("memory", func(t *testing.T) { test(t, &shelf{}) })
	for name, open := range map[string]func(context.Context, string) (keeper, error){"POSTGRES": openPostgres, "REDIS": openRedis} {
		at := os.Getenv(name)
		if at == "" {
			continue
		}
		t.Run(strings.ToLower(name), func(t *testing.T) {
			k, err := open(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			defer k.close()
			test(t, k)
		})
	}
}

// scanOf is a route in SF's words.
func scanOf(number, code, at string) string {
	return fmt.Sprintf(`{"mailno":%q,"acceptAddress":"深圳市","reasonName":"","orderid":"order 1","acceptTime":%q,"remark":"快件 %s","opCode":%q,"id":"1%s","reasonCode":""}`, number, at, code, code, code)
}

// What was pushed is answered, once, oldest first, however often and in whatever order it
// came.
func TestPushAndTrace(t *testing.T) {
	each(t, func(t *testing.T, k keeper) {
		r := &rival{keeper: k, dialect: dialect()}
		number := fmt.Sprint("SF", time.Now().UnixNano())
		ask := func(method, path, body string) (int, string) {
			var ctx fasthttp.RequestCtx
			ctx.Request.Header.SetMethod(method)
			ctx.Request.SetRequestURI(path)
			ctx.Request.Header.SetContentType("application/json")
			ctx.Request.SetBodyString(body)
			r.handle(&ctx)
			return ctx.Response.StatusCode(), string(ctx.Response.Body())
		}
		if status, _ := ask("GET", "/v1/traces/"+number, ""); status != 404 {
			t.Errorf("before anything was pushed: %d", status)
		}
		signed, collected := scanOf(number, "80", "2026-10-02 16:56:54"), scanOf(number, "50", "2026-10-01 08:00:00")
		for _, body := range []string{collected, signed, collected + "," + signed} {
			if status, said := ask("POST", "/push/sf", `{"Body":{"WaybillRoute":[`+body+`]}}`); status != 200 || !strings.Contains(said, `"return_code":"0000"`) {
				t.Fatalf("pushed: %d %s", status, said)
			}
		}
		status, body := ask("GET", "/v1/traces/"+strings.ToLower(number), "")
		var got struct {
			Number, Carrier string
			References      []string
			Status          struct {
				Code, Since string
				Terminal    bool
			}
			Events []struct{ Code, Time, Description string }
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
			t.Fatalf("%d %s: %v", status, body, err)
		}
		if got.Number != number || got.Carrier != "sf" || !slices.Equal(got.References, []string{"order 1"}) ||
			got.Status.Code != "delivered" || got.Status.Since != "2026-10-02T16:56:54+08:00" || !got.Status.Terminal ||
			len(got.Events) != 2 || got.Events[0].Code != "50" || got.Events[1].Description != "快件 80" {
			t.Errorf("got %s", body)
		}
		if status, _ := ask("POST", "/push/sf", "{"); status != 503 {
			t.Errorf("what is no push: %d", status)
		}
		if status, body := ask("GET", "/settings", ""); status != 200 || !strings.Contains(body, "synchronous_commit = on") && !strings.Contains(body, `appendfsync = "always"`) {
			t.Errorf("settings: %d %s", status, body)
		}
		if status, _ := ask("GET", "/elsewhere", ""); status != 404 {
			t.Errorf("another path: %d", status)
		}
	})
}

// Pushes of the same parcels at once wait for each other, and lose nothing.
func TestAtOnce(t *testing.T) {
	each(t, func(t *testing.T, k keeper) {
		r := &rival{keeper: k, dialect: dialect()}
		base := time.Now().UnixNano()
		var pushing sync.WaitGroup
		for i := range 16 {
			pushing.Go(func() {
				var routes []string
				for n := range 10 {
					parcel := (n*7 + i) % 10
					routes = append(routes, scanOf(fmt.Sprint("SF", base+int64(parcel)), "31", fmt.Sprintf("2026-10-01 08:%02d:00", i)))
				}
				var ctx fasthttp.RequestCtx
				ctx.Request.Header.SetMethod("POST")
				ctx.Request.SetRequestURI("/push/sf")
				ctx.Request.SetBodyString(`{"Body":{"WaybillRoute":[` + strings.Join(routes, ",") + `]}}`)
				if r.handle(&ctx); ctx.Response.StatusCode() != 200 {
					t.Errorf("push %d: %d", i, ctx.Response.StatusCode())
				}
			})
		}
		pushing.Wait()
		for n := range 10 {
			f, err := k.read(t.Context(), fmt.Sprint("SF", base+int64(n)))
			if err != nil || len(f.events) != 16 {
				t.Fatalf("parcel %d: %v, %v", n, f, err)
			}
		}
	})
}

func TestServe(t *testing.T) {
	if err := Serve(t.Context(), &fasthttp.Server{}, Options{Kind: "abacus"}); err == nil || !strings.Contains(err.Error(), "postgres and redis") {
		t.Errorf("a rival that there is not: %v", err)
	}
	for _, kind := range []string{"postgres", "redis"} {
		if err := Serve(t.Context(), &fasthttp.Server{}, Options{Kind: kind, At: "nonsense://"}); err == nil || !strings.HasPrefix(err.Error(), kind+": ") {
			t.Errorf("%s at no address: %v", kind, err)
		}
	}
	at := os.Getenv("REDIS")
	if at == "" {
		return
	}
	ctx, stop := context.WithCancel(t.Context())
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(ctx, &fasthttp.Server{}, Options{Kind: "redis", At: at, Listen: "127.0.0.1:0", Words: out})
	}()
	said := make([]byte, 100)
	n, err := in.Read(said)
	url := regexp.MustCompile(`http://\S+`).FindString(string(said[:n]))
	if status, _, e := fasthttp.Get(nil, url+"/v1/traces/SF0000"); err != nil || e != nil || status != 404 {
		t.Errorf("%q: %d, %v, %v", said[:n], status, err, e)
	}
	stop()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
