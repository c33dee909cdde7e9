package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A site is a directory with its daemon, and what the daemon was told.
type site struct {
	daemon *daemon
	kit    *kit
}

// newSite builds a directory of so many parcels out of sorted tables, and starts a
// daemon on it. Its parcels are those of the import.
func (r *run) newSite(ctx context.Context, name string, waybills int) (*site, error) {
	data := filepath.Join(r.scratch, name)
	parcels := newParcels(waybills, time.Unix(r.parcels.began, 0), r.Seed)
	cmd := r.Command("import", "--bulk", "--data", data, "--made-up", strconv.Itoa(waybills),
		"--made-up-began", strconv.FormatInt(r.parcels.began, 10), "--made-up-seed", strconv.FormatUint(r.Seed, 10))
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = withoutSettings(cmd.Env)
	cmd.Stderr = r.Words // it shows itself how far it is
	fmt.Fprintf(r.Words, "build the %s directory: %s events\n", name, thousands(int64(waybills)*eventsLoaded))
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("build the %s directory: %w", name, err)
	}
	giveUp := context.AfterFunc(ctx, func() { cmd.Process.Signal(syscall.SIGTERM) })
	err := cmd.Wait()
	giveUp()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("build the %s directory: %w: it said why above", name, err)
	}
	st := &site{daemon: &daemon{command: r.Command, data: data, flags: r.Serve}}
	r.sites = append(r.sites, st)
	if err := st.daemon.start(ctx); err != nil {
		return nil, err
	}
	fmt.Fprintf(r.Words, "wait until the %s directory's daemon has read its heads\n", name)
	st.kit = newKit(at(st.daemon.addr), parcels, loadedStock(parcels), r.Seed)
	return st, st.daemon.scanned(ctx)
}

// leave stops a site's daemon and removes its directory, but for --keep.
func (r *run) leave(st *site) error {
	if err := st.daemon.stop(); err != nil {
		return err
	}
	if r.Keep {
		return nil
	}
	return os.RemoveAll(st.daemon.data)
}

// loadedStock is that of a store which has the whole set.
func loadedStock(p *parcels) *stock {
	s := newStock(p)
	for i := range s.told {
		s.told[i].Store(eventsLoaded)
	}
	events := int64(p.set) * eventsLoaded
	s.loaded.Store(events)
	s.given.Store(events)
	return s
}

// fill asks for one trace after the other, the hottest first, until the daemon has no
// more room for answers, it has them all, or for so long.
func (r *run) fill(ctx context.Context, name string, st *site, most time.Duration) error {
	shown := newStage(r.Words, name, "traces", int64(st.kit.parcels.set))
	defer shown.end()
	until, stop := context.WithTimeout(ctx, most)
	defer stop()
	ticks := time.NewTicker(200 * time.Millisecond)
	defer ticks.Stop()
	done := make(chan error, 1)
	go func() { done <- st.kit.askEach(until, tracesPath, r.Connections, shown.watch) }()
	for {
		select {
		case err := <-done:
			if until.Err() != nil && ctx.Err() == nil {
				return nil
			}
			return err
		case <-ticks.C:
			if m, err := st.daemon.metrics(); err == nil && m["waytrace_query_cache_evicted_total"] > 0 {
				stop()
			}
		}
	}
}

// ready waits until the daemon says that it is.
func (d *daemon) ready(ctx context.Context) error {
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for began := time.Now(); ; {
		a, err := ask(d.admin, d.admin.get("/ready"))
		switch {
		case err == nil && a.Status == 200:
			return nil
		case time.Since(began) > startWithin:
			return errors.Join(fmt.Errorf("the daemon is not ready, %s after it listens: status %d %.200s", startWithin, a.Status, a.Body), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticks.C:
		}
	}
}

// kill ends the process as a lack of power does: it has no time for anything.
func (c *child) kill() error {
	if err := c.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill the %s: %w", c.name, err)
	}
	<-c.done
	c.err = nil // it ended as it should
	return nil
}

// free is how many bytes the disk of a directory has left.
func free(dir string) (int64, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return 0, fmt.Errorf("%s: %w", dir, err)
	}
	return int64(disk.Bavail) * int64(disk.Bsize), nil
}
