package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/sys/unix"

	"waytrace/store"
)

// A Destination is the directory of a daemon's data, which is about to be made.
type Destination struct {
	ConfigFile string `name:"config" help:"Settings in YAML, for where the data is." placeholder:"FILE"`
	Data       string `help:"Directory of the data." default:"./data"`
}

// A copySource gives the files of a directory one after the other.
type copySource interface {
	Begin() (copySize, error)                   // first of all
	Next() (name string, size int64, err error) // io.EOF when there are no more and all is whole
	io.Reader                                   // of the file that Next went to, to its end
}

// An incoming is a directory that is being filled under another name, and takes its
// own when it is whole: whoever finds the name finds all of it.
type incoming struct {
	dir  string // what it will be called, absolute
	path string // what it is called meanwhile
	root *os.Root
	self *os.File // root; locked, so that two do not fill it at once
	done bool     // it has its name
}

// beside is what is added to the name of a directory that is being filled.
const beside = ".incoming"

// openIncoming makes ready to fill a directory, which must not exist or be empty.
// What an earlier try left is removed. End it with settle, and close in any case.
func openIncoming(dir string) (*incoming, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	in := &incoming{dir: dir, path: dir + beside}
	if err := in.mayBeFilled(); err != nil {
		return nil, err
	}
	if err := makeDirs(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	// Parcels are nobody else's business.
	if err := os.Mkdir(in.path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if info, err := os.Lstat(in.path); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is in the way: move it away (%w)", in.path, errors.Join(err, syscall.ENOTDIR))
	}
	if in.root, err = os.OpenRoot(in.path); err != nil {
		return nil, err
	}
	if in.self, err = in.root.Open("."); err != nil {
		in.root.Close()
		return nil, err
	}
	err = syscall.Flock(int(in.self.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("%s is being filled by another waytrace: wait until it has ended", in.path)
	}
	if err == nil {
		err = in.empty()
	}
	if err != nil {
		in.self.Close()
		in.root.Close()
		return nil, err
	}
	return in, nil
}

// An occupied is why a directory may not be filled.
type occupied struct{ dir string }

func (o *occupied) Error() string { return o.dir + " is not empty" }

// mayBeFilled wants a name that is free, or an empty directory.
func (in *incoming) mayBeFilled() error {
	info, err := os.Stat(in.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is a file: name a directory that is not there yet", in.dir)
	}
	entries, err := os.ReadDir(in.dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return &occupied{in.dir}
	}
	if isMount(in.dir) { // it is replaced by the one that was filled, which a mount cannot be
		return fmt.Errorf("%s is a mount: name a directory in it, such as %s", in.dir, filepath.Join(in.dir, "data"))
	}
	return nil
}

// isMount reports whether a directory lies on another disk than the one above it.
func isMount(dir string) bool {
	var here, above unix.Stat_t
	return unix.Stat(dir, &here) == nil && unix.Stat(filepath.Dir(dir), &above) == nil && here.Dev != above.Dev
}

// ours are the names of what may lie in a directory that is being filled: what was
// copied, and what the database adds when it is opened.
var ours = regexp.MustCompile(copyName.String() + `|^LOCK$|\.dbtmp$`)

// empty removes what an earlier try left, and nothing else.
func (in *incoming) empty() error {
	entries, err := fs.ReadDir(in.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !ours.MatchString(e.Name()) {
			return fmt.Errorf("%s holds something else than a copy that was cut off (%s): move it away", in.path, plain(e.Name()))
		}
	}
	for _, e := range entries {
		if err := in.root.Remove(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// roomBesides is how many bytes must be free besides those of a copy, for it to be
// opened.
const roomBesides = 64 << 20

// fill copies all files, each synced, and shows how far it has come.
func (in *incoming) fill(ctx context.Context, std *streams, from copySource) (copySize, error) {
	size, err := from.Begin()
	if err != nil {
		return size, err
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(in.path, &disk); err != nil {
		return size, fmt.Errorf("%s: %w", in.path, err)
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < uint64(size.bytes)+roomBesides {
		return size, fmt.Errorf("the copy needs %s and the disk of %s has %s left: free some, or choose another disk", bytesOf(size.bytes+roomBesides), in.dir, bytesOf(int64(free)))
	}
	m := newMeter(std.err, size.bytes)
	defer m.close()
	buf := make([]byte, frameMost)
	for {
		name, length, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = in.take(ctx, name, length, from, buf, m)
		}
		if err != nil {
			return size, err
		}
	}
	return size, in.self.Sync()
}

// take writes one file.
func (in *incoming) take(ctx context.Context, name string, size int64, from io.Reader, buf []byte, m *meter) (err error) {
	f, err := in.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for left := size; left > 0; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, err := from.Read(buf[:min(int64(len(buf)), left)])
		if n > 0 {
			if _, err := f.Write(buf[:n]); err != nil {
				return err
			}
			left -= int64(n)
			m.add(n)
		}
		if err != nil && (left > 0 || !errors.Is(err, io.EOF)) {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return f.Sync()
}

// settle gives the directory its name, for good.
func (in *incoming) settle() error {
	if err := in.self.Sync(); err != nil {
		return err
	}
	if err := os.Remove(in.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(in.path, in.dir); err != nil {
		return err
	}
	in.done = true
	return syncDir(filepath.Dir(in.dir))
}

// close removes what did not become whole.
func (in *incoming) close() {
	if !in.done && in.empty() == nil {
		os.Remove(in.path)
	}
	in.self.Close()
	in.root.Close()
}

// makeDirs makes a directory and those above it where they are not there, for good.
func makeDirs(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(dir)
	if err := makeDirs(above); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(above)
}

// syncDir makes the names in a directory last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// A dirSource is a directory of this machine that no daemon has open.
type dirSource struct {
	dir   string
	lock  *os.File // nil where none has ever been there
	names []string
	file  *os.File
}

// openDirSource keeps daemons out of the directory until it is closed. Nothing in it
// is changed.
func openDirSource(dir string) (*dirSource, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	s := &dirSource{dir: dir}
	whole := false
	for _, e := range entries {
		if e.Type().IsRegular() && copyName.MatchString(e.Name()) {
			s.names = append(s.names, e.Name())
			whole = whole || isMarker.MatchString(e.Name())
		}
	}
	if !whole {
		return nil, fmt.Errorf("%s is not a directory of waytrace's: there is no database in it", dir)
	}
	s.lock, err = os.Open(filepath.Join(dir, "LOCK"))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil // a checkpoint that nobody has opened
	}
	if err != nil {
		return nil, err
	}
	// A daemon locks it to write; a lock to read keeps it out and leaves no trace.
	err = unix.FcntlFlock(s.lock.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_RDLCK})
	if err != nil {
		s.lock.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return nil, &inUse{dir}
		}
		return nil, fmt.Errorf("%s: %w", s.lock.Name(), err)
	}
	return s, nil
}

// isMarker is the name of a file that every directory of ours has.
var isMarker = regexp.MustCompile(`^marker\.manifest\.`)

// An inUse is a directory that a daemon has open.
type inUse struct{ dir string }

func (i *inUse) Error() string { return i.dir + " is in use by a waytrace" }

// Begin adds up what there is.
func (s *dirSource) Begin() (size copySize, err error) {
	for _, name := range s.names {
		info, err := os.Stat(filepath.Join(s.dir, name))
		if err != nil {
			return size, err
		}
		size.files++
		size.bytes += info.Size()
	}
	return size, nil
}

// Next opens the next file.
func (s *dirSource) Next() (name string, size int64, err error) {
	s.shut()
	if len(s.names) == 0 {
		return "", 0, io.EOF
	}
	name, s.names = s.names[0], s.names[1:]
	if s.file, err = os.Open(filepath.Join(s.dir, name)); err != nil {
		return "", 0, err
	}
	info, err := s.file.Stat()
	if err != nil {
		return "", 0, err
	}
	return name, info.Size(), nil
}

func (s *dirSource) Read(p []byte) (int, error) { return s.file.Read(p) }

func (s *dirSource) shut() {
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// close lets daemons in again.
func (s *dirSource) close() {
	s.shut()
	if s.lock != nil {
		s.lock.Close()
	}
}

// A meter shows how far a copy has come: a bar on a terminal, elsewhere a line every
// meterEvery.
type meter struct {
	w           io.Writer
	total, done int64
	told        time.Time
	bars        *mpb.Progress
	bar         *mpb.Bar
}

const meterEvery = 10 * time.Second

func newMeter(w io.Writer, total int64) *meter {
	m := &meter{w: w, total: total, told: time.Now()}
	if isTerminal(w) {
		m.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))
		m.bar = m.bars.AddBar(total, mpb.PrependDecorators(decor.CountersKibiByte("% .1f of % .1f")),
			mpb.AppendDecorators(decor.Percentage(), decor.AverageSpeed(decor.SizeB1024(0), "  % .1f"), decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace)))
	}
	return m
}

func (m *meter) add(n int) {
	m.done += int64(n)
	switch {
	case m.bar != nil:
		m.bar.SetCurrent(m.done)
	case time.Since(m.told) >= meterEvery:
		m.told = time.Now()
		fmt.Fprintf(m.w, "%s of %s\n", bytesOf(m.done), bytesOf(m.total))
	}
}

func (m *meter) close() {
	if m.bar != nil {
		m.bar.Abort(false) // does nothing to one that is complete
		m.bars.Wait()
	}
}

// bytesOf is a number of bytes for people.
func bytesOf(n int64) string { return fmt.Sprintf("% .1f", decor.SizeB1024(n)) }

// warnings are what opening a directory may have to say.
func warnings(std *streams) store.Options {
	return store.Options{Log: slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelWarn}))}
}
