package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"

	"waytrace/store"
	"waytrace/trace"
)

// clones hands out copies of the daemon's directory, one at a time. What is handed out
// is a checkpoint, which lies on the same disk while it is sent.
type clones struct {
	checkpoint func(dir string) error
	parent     string // of the checkpoint; of those that operators ask for, too
	log        *slog.Logger

	mu      sync.Mutex
	closing bool
	current *handout
}

// openClones makes ready to hand out a data directory, of which checkpoint writes a copy
// as Store.Checkpoint does, and removes what a daemon that was killed has left. Close it
// before the store.
func openClones(data string, checkpoint func(dir string) error, log *slog.Logger) (*clones, error) {
	data, err := filepath.Abs(data)
	if err != nil {
		return nil, err
	}
	c := &clones{checkpoint: checkpoint, parent: data + ".checkpoints", log: log}
	if isMount(data) { // beside it files would have to be copied, and to another disk
		c.parent = filepath.Join(data, "checkpoints")
	}
	return c, c.sweep()
}

// dir is where the checkpoint lies.
func (c *clones) dir() string { return filepath.Join(c.parent, "clone") }

// sweep removes the checkpoint, and the directory above it unless others are there.
func (c *clones) sweep() error {
	if err := os.RemoveAll(c.dir()); err != nil {
		return err
	}
	unix.Rmdir(c.parent) // which leaves a link alone
	return nil
}

// serve hands out a copy; clone_stream.go has its form.
func (c *clones) serve(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing:
		return trace.Problemf(trace.ErrUnavailable, daemonStops.Code, "%s", daemonStops.Detail)
	case c.current != nil:
		return trace.Problemf(trace.ErrUnavailable, "already_running", "a clone is under way: wait until it has ended")
	}
	c.current = &handout{clones: c, conn: ctx.Conn(), done: make(chan struct{})}
	ctx.SetContentType("application/octet-stream")
	ctx.SetConnectionClose() // its deadlines are set for this answer
	ctx.Response.SetBodyStream(c.current, -1)
	return nil
}

var daemonStops = failure{"stopping", "the daemon is stopping: begin again when it is back"}

// close ends the handing out, and waits for that a little while.
func (c *clones) close() error {
	c.mu.Lock()
	c.closing = true
	h := c.current
	c.mu.Unlock()
	if h == nil {
		return nil
	}
	for _, last := range []bool{false, true} {
		select {
		case <-h.done:
			return nil
		case <-time.After(time.Second):
			if !last {
				h.conn.Close() // whoever does not read is not waited for
			}
		}
	}
	c.log.Warn("a clone was not ended in time: what is left of it is removed at the next start", "directory", c.dir())
	return nil
}

func (c *clones) stopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// A handout is one copy on its way: the body of an answer.
type handout struct {
	clones *clones
	conn   net.Conn
	done   chan struct{} // closed when all is tidied up
}

// Read is never called: the server asks for WriteTo.
func (h *handout) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// SupportsBodyWriteTo lets WriteTo write to the connection, a frame at a time.
func (h *handout) SupportsBodyWriteTo() bool { return true }

// Close is called by the server in any case, also when there was nothing to send.
func (h *handout) Close() error {
	err := h.clones.sweep()
	if err != nil {
		h.clones.log.Error("what was cloned could not be removed", "directory", h.clones.dir(), "err", err)
	}
	h.clones.mu.Lock()
	h.clones.current = nil
	h.clones.mu.Unlock()
	close(h.done)
	return nil
}

// readLimit is how long a client may take to read a frame.
const readLimit = time.Minute

// WriteTo makes the checkpoint and sends it.
func (h *handout) WriteTo(w io.Writer) (int64, error) {
	sent := &counting{to: w, before: func() { h.conn.SetWriteDeadline(time.Now().Add(readLimit)) }}
	began, to := time.Now(), &copyWriter{w: sent}
	done := make(chan struct{})
	var signs sync.WaitGroup
	signs.Go(func() {
		tick := time.NewTicker(signEvery / 3)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				to.live(signEvery * 2 / 3)
			}
		}
	})
	err := to.begin()
	if err == nil {
		err = h.send(to)
	}
	close(done)
	signs.Wait()
	switch {
	case err == nil:
		h.clones.log.Info("a clone was handed out", "bytes", sent.n, "took", time.Since(began).Round(time.Millisecond))
	case to.err != nil: // the client went away
		h.clones.log.Warn("a clone was not handed out to its end", "bytes", sent.n, "err", err)
	default:
		told := failureOf(err)
		if errors.Is(err, errStops) {
			told = &daemonStops
		}
		b, _ := json.Marshal(told) // two texts
		to.frame(frameError, b...)
	}
	return sent.n, to.err
}

// errStops is a clone that ends because the daemon does.
var errStops = errors.New("stopping")

// send sends the checkpoint's files.
func (h *handout) send(to *copyWriter) error {
	if err := os.MkdirAll(h.clones.parent, 0o700); err != nil {
		return noCheckpoint(err)
	}
	dir := h.clones.dir()
	if err := h.clones.checkpoint(dir); err != nil {
		return noCheckpoint(err)
	}
	files, err := openDirSource(dir)
	if err != nil {
		return err
	}
	defer files.close()
	size, err := files.Begin()
	if err != nil {
		return err
	}
	numbers := func(list ...int64) (b []byte) {
		for _, n := range list {
			b = binary.AppendUvarint(b, uint64(n))
		}
		return b
	}
	if err := to.frame(frameBegin, numbers(store.Form, size.files, size.bytes)...); err != nil {
		return err
	}
	buf := make([]byte, frameMost)
	for {
		name, length, err := files.Next()
		if errors.Is(err, io.EOF) {
			return to.frame(frameEnd, numbers(size.files, size.bytes)...)
		}
		if err == nil {
			err = to.frame(frameFile, append(numbers(length), name...)...)
		}
		for left := length; err == nil && left > 0; {
			if h.clones.stopping() {
				return errStops
			}
			var n int
			if n, err = io.ReadFull(files, buf[:min(left, frameMost)]); err == nil {
				err = to.frame(frameData, buf[:n]...)
			}
			left -= int64(n)
		}
		if err != nil {
			return fmt.Errorf("clone: %s: %w", name, err)
		}
	}
}

// noCheckpoint says what would help.
func noCheckpoint(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return trace.Problemf(trace.ErrUnavailable, "no_checkpoint", "the daemon may not write beside its data directory, where the copy is made: let it write into the directory above")
	}
	return err
}

// counting counts what is written, and lets something be done before.
type counting struct {
	to     io.Writer
	n      int64
	before func()
}

func (c *counting) Write(p []byte) (int, error) {
	c.before()
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}
