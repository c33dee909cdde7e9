package bench

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// How long a server may take to listen, and to end.
const (
	startWithin = 60 * time.Second
	stopWithin  = 15 * time.Second
)

// A child is a server in a process of its own.
type child struct {
	name string
	addr string // host and port
	cmd  *exec.Cmd
	said *transcript
	done chan struct{} // closed when the process has ended
	err  error         // how, readable after done
}

// start starts a server and waits until it says where it listens. Its settings
// are its arguments only: what the environment says to waytrace is taken away.
func start(ctx context.Context, name string, cmd *exec.Cmd) (*child, error) {
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = withoutSettings(cmd.Env)
	c := &child{name: name, cmd: cmd, said: newTranscript(), done: make(chan struct{})}
	cmd.Stderr = c.said
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the %s: %w", name, err)
	}
	go func() {
		defer close(c.done)
		c.err = cmd.Wait()
	}()
	select {
	case c.addr = <-c.said.address:
		return c, nil
	case <-c.done:
		return nil, fmt.Errorf("the %s ended before it listened: %w; it said:\n%s", name, cmp.Or(c.err, errors.New("exit status 0")), c.said)
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), c.stop())
	case <-time.After(startWithin):
		return nil, errors.Join(fmt.Errorf("the %s did not say where it listens within %s; it said:\n%s", name, startWithin, c.said), c.stop())
	}
}

// stop asks the process to end, waits for it, and kills it when that takes too
// long. It returns an error when the process did not end well.
func (c *child) stop() error {
	select {
	case <-c.done:
	default:
		if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop the %s: %w", c.name, err)
		}
	}
	select {
	case <-c.done:
	case <-time.After(stopWithin):
		c.cmd.Process.Kill()
		<-c.done
		return fmt.Errorf("the %s did not end within %s and was killed; its last words:\n%s", c.name, stopWithin, c.said)
	}
	if c.err != nil {
		return fmt.Errorf("the %s ended badly: %w; its last words:\n%s", c.name, c.err, c.said)
	}
	return nil
}

// cpu is the processor time that the process has used. False where the system
// does not tell.
func (c *child) cpu() (time.Duration, bool) { return cpuTime(c.cmd.Process.Pid) }

// settle waits until the process has been idle for a moment, but not longer than
// most: a store goes on compacting after the last answer. It returns how long
// the work went on.
func (c *child) settle(ctx context.Context, most time.Duration) time.Duration {
	last, known := c.cpu()
	return settle(ctx, most, func() (busy bool) {
		now, _ := c.cpu()
		busy = !known || now-last > tick
		last = now
		return busy
	})
}

// settle asks ten times a second whether there is still work, until there was
// none for three times, most is over or ctx is. It returns how long the work
// went on.
func settle(ctx context.Context, most time.Duration, busy func() bool) time.Duration {
	began := time.Now()
	ticks := time.NewTicker(100 * time.Millisecond)
	defer ticks.Stop()
	var worked time.Duration
	for quiet := 0; quiet < 3 && time.Since(began) < most; quiet++ {
		select {
		case <-ctx.Done():
			return worked
		case <-ticks.C:
		}
		if busy() {
			quiet, worked = -1, time.Since(began)
		}
	}
	return min(worked, most)
}

// tick is the unit in which Linux counts processor time.
const tick = 10 * time.Millisecond

// cpuTime reads the processor time of a process from /proc.
func cpuTime(pid int) (time.Duration, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// The command's name stands in parentheses and may hold anything; time in
	// user and in system are the 12th and 13th field behind it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, false
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, err1 == nil && err2 == nil
}

// withoutSettings leaves out the variables that are settings of waytrace.
func withoutSettings(env []string) []string {
	kept := make([]string, 0, len(env))
	for _, v := range env {
		if !strings.HasPrefix(v, "WAYTRACE_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// A transcript keeps the end of what a process said and finds in it where the
// process listens.
type transcript struct {
	address, admin chan string // get one each

	mu         sync.Mutex
	text       []byte
	found, met bool // the addresses
}

// lastWords is how much of a transcript is kept.
const lastWords = 8 << 10

var (
	listening = regexp.MustCompile(`listening on http://([^\s/]+)[^\n]*\n`)
	operating = regexp.MustCompile(`admin on http://([^\s/]+)[^\n]*\n`)
)

func newTranscript() *transcript {
	return &transcript{address: make(chan string, 1), admin: make(chan string, 1)}
}

// Write takes what the process said; it never fails.
func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if !t.found {
		if m := listening.FindSubmatch(t.text); m != nil {
			t.found = true
			t.address <- string(m[1])
		}
	}
	if !t.met {
		if m := operating.FindSubmatch(t.text); m != nil {
			t.met = true
			t.admin <- string(m[1])
		}
	}
	if n := len(t.text); n > lastWords {
		t.text = append(t.text[:0], t.text[n-lastWords:]...)
	}
	return len(p), nil
}

// String is the end of what was said.
func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
