package bench

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// A stage shows how far one part of the run is: a bar on a terminal, elsewhere a
// line for each tenth. Counting is cheap; showing happens a few times a second.
type stage struct {
	name, unit string
	total      int64
	count      atomic.Int64
	began      time.Time

	out    io.Writer
	shown  int64 // tenths, where there is no bar
	bar    *mpb.Bar
	screen *mpb.Progress
	stop   chan struct{}
	gone   sync.WaitGroup
}

// newStage begins a stage of so many units.
func newStage(out io.Writer, name, unit string, total int64) *stage {
	s := &stage{name: name, unit: unit, total: total, out: out, began: time.Now(), stop: make(chan struct{})}
	if isTerminal(out) {
		s.screen = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40), mpb.WithRefreshRate(500*time.Millisecond))
		s.bar = s.screen.AddBar(total,
			mpb.PrependDecorators(decor.Name(name, decor.WC{W: 11, C: decor.DindentRight})),
			mpb.AppendDecorators(
				decor.CountersNoUnit(" %d of %d "+unit),
				decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 8}), ""),
				decor.OnComplete(decor.Name(" left"), ""),
			))
	} else {
		fmt.Fprintf(out, "%s: %s %s\n", name, thousands(total), unit)
	}
	s.gone.Go(func() {
		ticks := time.NewTicker(500 * time.Millisecond)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				s.show()
			case <-s.stop:
				return
			}
		}
	})
	return s
}

// add counts n units; any goroutine may.
func (s *stage) add(n int) { s.count.Add(int64(n)) }

// watch counts what is worth something, as a watcher.
func (s *stage) watch(_ time.Time, _ time.Duration, units int, _ error) { s.add(units) }

func (s *stage) show() {
	n := s.count.Load()
	if s.bar != nil {
		s.bar.SetCurrent(min(n, s.total-1)) // the last step is end's
		return
	}
	if tenths := n * 10 / max(s.total, 1); tenths > s.shown && tenths < 10 {
		s.shown = tenths
		fmt.Fprintf(s.out, "%s: %s of %s %s\n", s.name, thousands(n), thousands(s.total), s.unit)
	}
}

// end stops showing; the stage is complete, or was given up.
func (s *stage) end() {
	close(s.stop)
	s.gone.Wait()
	if s.bar == nil {
		fmt.Fprintf(s.out, "%s: %s of %s %s in %.1f s\n", s.name, thousands(s.count.Load()), thousands(s.total), s.unit, time.Since(s.began).Seconds())
		return
	}
	if n := s.count.Load(); n < s.total {
		s.bar.Abort(false)
	} else {
		s.bar.SetCurrent(s.total)
	}
	s.screen.Wait()
}

// isTerminal reports whether a person is looking.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
