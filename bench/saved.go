package bench

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// save keeps the daemon's directory as it is: with the set as it was loaded, compacted,
// and nothing else.
func (r *run) save(ctx context.Context) error {
	if err := r.daemon.stop(); err != nil {
		return err
	}
	if err := link(r.daemon.data, r.saved()); err != nil {
		return err
	}
	return r.daemon.restart(ctx)
}

// anew gives the daemon the directory that was saved, once what it has acknowledged
// since was looked for: pushes make traces longer and tables more, and each part is to
// be of the set that the results name.
func (r *run) anew(ctx context.Context) error {
	if err := r.check(); err != nil {
		return err
	}
	if err := r.daemon.stop(); err != nil {
		return err
	}
	if err := os.RemoveAll(r.daemon.data); err != nil {
		return err
	}
	if err := link(r.saved(), r.daemon.data); err != nil {
		return err
	}
	r.kit.forget()
	return r.daemon.restart(ctx)
}

func (r *run) saved() string { return filepath.Join(r.scratch, "saved") }

// link makes a copy of a directory that nobody writes to. Tables are never changed, so
// they are there twice under one name each.
func link(from, to string) error {
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		copied := filepath.Join(to, name)
		switch {
		case e.IsDir():
			return os.MkdirAll(copied, 0o755)
		case strings.HasSuffix(name, ".sst"):
			return os.Link(path, copied)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(copied, text, 0o644)
	})
	if err != nil {
		return fmt.Errorf("copy the daemon's directory: %w", err)
	}
	return nil
}

// forget lets a kit know of nothing but the set as it was loaded.
func (k *kit) forget() {
	s := k.stock
	for i := range s.told {
		s.told[i].Store(eventsLoaded)
	}
	s.fresh.Store(0)
	s.lists.Store(0)
	s.given.Store(int64(len(s.told)) * eventsLoaded)
	clear(k.heard.last)
}
