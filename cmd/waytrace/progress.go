package main

import (
	"context"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// saidByStream is a total that the stream itself tells.
const saidByStream = -1

// watchStream follows a stream, with a bar on a terminal up to total, or a spinner
// where that is 0. count is what of the tally moves it.
func watchStream(ctx context.Context, std *streams, daemon *client, method, path string, total int, count func(tally) uint64) (tally, error) {
	if !isTerminal(std.err) {
		return daemon.follow(ctx, method, path, func(tally) {})
	}
	bars := mpb.New(mpb.WithOutput(std.err), mpb.WithWidth(40))
	var bar *mpb.Bar
	if total == 0 {
		bar = bars.New(0, mpb.SpinnerStyle(), mpb.PrependDecorators(decor.CurrentNoUnit("%d")))
	} else {
		bar = bars.AddBar(int64(max(total, 0)), mpb.PrependDecorators(decor.CountersNoUnit("%d of %d")), mpb.AppendDecorators(decor.Percentage()))
	}
	show := func(t tally) {
		if t.Total > 0 {
			bar.SetTotal(int64(t.Total), false)
		}
		bar.SetCurrent(int64(count(t)))
	}
	done, err := daemon.follow(ctx, method, path, show)
	if err == nil {
		show(done)
	}
	bar.Abort(false) // does nothing to one that is complete
	bars.Wait()
	return done, err
}
