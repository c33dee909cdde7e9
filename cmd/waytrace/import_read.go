package main

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"waytrace/carriers"
	"waytrace/ingest"
	"waytrace/store"
	"waytrace/trace"
)

// A lineReader reads events, a line each, and adds them to a directory that is being
// built. Lines are numbered through all files, so that who comes first is who stands
// first.
//
//	files ──▶ lines, a thousand at a time ──▶ decode and judge, on each core ──▶ Bulk.Add
type lineReader struct {
	command *ImportCmd
	std     *streams
	who     trace.Asker
	bulk    *store.Bulk

	next    int // number of the next line
	leftOut atomic.Uint64
	ended   atomic.Bool // nothing more is to be read

	mu      sync.Mutex
	files   []fileAt
	failed  error
	faulted int // the line of failed, where it is about one
}

// A fileAt is a file with the number of its first line.
type fileAt struct {
	name  string
	first int
}

// Lines that are handed on together are judged by one reading of the clock, as those of
// one push are.
const (
	linesAtOnce = ingest.MaxItems
	bytesAtOnce = 1 << 20
)

// lines are some, without what ends them.
type lines struct {
	first int
	ends  []int // of each in text
	text  []byte
	heard trace.HLC
}

// stdinName stands for standard input among the files.
const stdinName = "-"

// read adds all events of the command's files. The error names the first line that cannot
// be taken, unless those are left out.
func (r *lineReader) read(ctx context.Context) error {
	names := r.command.Files
	if len(names) == 0 {
		names = []string{stdinName}
	}
	total, known := int64(0), true
	for _, name := range names {
		if name == stdinName {
			known = false
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		known = known && info.Mode().IsRegular()
		total += info.Size()
	}
	work := make(chan *lines, runtime.GOMAXPROCS(0))
	var working sync.WaitGroup
	for range cap(work) {
		working.Go(func() {
			var facts trace.Facts
			for l := range work {
				facts.Reset()
				r.take(l, &facts)
			}
		})
	}
	pass := func(int) {}
	if known {
		m := newMeter(r.std.err, total)
		defer m.close()
		pass = m.add
	}
	var err error
	for _, name := range names {
		if err = r.file(ctx, name, pass, work); err != nil || r.ended.Load() {
			break
		}
	}
	close(work)
	working.Wait()
	return cmp.Or(r.failed, err)
}

// file hands on the lines of one file.
func (r *lineReader) file(ctx context.Context, name string, pass func(int), work chan<- *lines) error {
	from := r.std.in
	if name != stdinName {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		from = f
	}
	r.mu.Lock()
	r.files = append(r.files, fileAt{name, r.next})
	r.mu.Unlock()
	// A line that fills the buffer is too long.
	in := bufio.NewReaderSize(passing{from, pass}, ingest.MaxLine+2)
	if start, err := in.Peek(2); err == nil && start[0] == 0x1f && start[1] == 0x8b {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		in = bufio.NewReaderSize(unpacked, ingest.MaxLine+2)
	}
	for end := false; !end && !r.ended.Load(); {
		l := &lines{first: r.next, heard: r.bulk.Now()}
		for !end && len(l.ends) < linesAtOnce && len(l.text) < bytesAtOnce {
			line, err := in.ReadSlice('\n')
			l.text = append(l.text, line...)
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
			if end = errors.Is(err, io.EOF); err != nil && !end {
				return fmt.Errorf("%s: behind line %d: %w", name, r.next-r.files[len(r.files)-1].first, err)
			}
			l.ends = append(l.ends, len(l.text))
			r.next++
		}
		select {
		case work <- l:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// take decodes and judges lines and adds their events.
func (r *lineReader) take(l *lines, facts *trace.Facts) {
	start := 0
	for i, end := range l.ends {
		line := bytes.TrimSpace(l.text[start:end])
		if start = end; len(line) > 0 {
			ingest.Line(line, l.first+i, r.who, facts)
		}
	}
	facts.Judge(l.heard, r.bulk.Now, carriers.Names(nil).Of)
	slices.SortFunc(facts.Faults, func(a, b trace.Fault) int { return cmp.Compare(a.Index, b.Index) })
	for _, f := range facts.Faults {
		if err := r.leave(f); err != nil {
			return
		}
	}
	if err := r.bulk.Add(facts); err != nil {
		r.fail(math.MaxInt, err)
	}
}

// refused is asked by the Bulk for an event for which its waybill had no room.
func (r *lineReader) refused(e *trace.Event) error {
	return r.leave(trace.Fault{Index: e.Item, Code: "too_many_events", Field: "number",
		Detail: fmt.Sprintf("waybill %s at %s has as many events (up to %d) or sources, or this event as many texts (%d) or references (%d), as it may",
			e.Number, e.Carrier, trace.MaxEvents, trace.MaxTexts, trace.MaxReferences)})
}

// leave leaves a line out, and says so, or gives the error that ends the import there.
func (r *lineReader) leave(f trace.Fault) error {
	field := ""
	if f.Field != "" {
		field = f.Field + ": "
	}
	said := fmt.Sprintf("%s: %s: %s%s", r.place(f.Index), f.Code, field, plain(f.Detail))
	if !r.command.SkipBad {
		err := fmt.Errorf("%s; mend it, or leave such lines out with --skip-bad", said)
		r.fail(f.Index, err)
		return err
	}
	r.leftOut.Add(1)
	r.mu.Lock()
	_, err := fmt.Fprintln(r.std.out, said)
	r.mu.Unlock()
	if err != nil {
		r.fail(f.Index, err)
	}
	return err
}

// fail ends the reading. Of several errors that of the first line stands: all before it
// were handed on, and are judged before the reading has ended.
func (r *lineReader) fail(line int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil || line < r.faulted {
		r.failed, r.faulted = err, line
	}
	r.ended.Store(true)
}

// place is the file of a line and its number there, counted from 1.
func (r *lineReader) place(line int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, found := slices.BinarySearchFunc(r.files, line, func(f fileAt, line int) int { return cmp.Compare(f.first, line) })
	for found && i+1 < len(r.files) && r.files[i+1].first == line {
		i++ // the one before is empty
	}
	if !found {
		i--
	}
	name := r.files[i].name
	if name == stdinName {
		name = "standard input"
	}
	return fmt.Sprintf("%s:%d", strings.TrimSpace(plain(name)), line-r.files[i].first+1)
}

// passing tells how many bytes went by.
type passing struct {
	io.Reader
	pass func(int)
}

func (p passing) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.pass(n)
	return n, err
}
