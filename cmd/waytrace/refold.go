package main

import (
	"context"
	"fmt"
	"net/http"
)

// Operator is the flags of a command that talks to the admin listener.
type Operator struct {
	Admin string `help:"The daemon's admin listener." default:"http://127.0.0.1:8081"`
	Key   string `help:"API key with scope admin, where the listener is not on this machine." placeholder:"KEY"`
}

// client talks to the listener.
func (o *Operator) client() (*client, error) { return newClient(o.Admin, o.Key) }

// RefoldCmd is `waytrace refold`.
type RefoldCmd struct {
	Operator
	Notify bool `help:"Let those who follow hear of what has changed."`
}

// Help is the example of --help.
func (*RefoldCmd) Help() string {
	return `After a code table was mended: events whose table is older are mapped anew, and every parcel's
status follows. Pushes and reads go on meanwhile. Ctrl-C stops it; what was done stays done, and it
may be begun again at any time.

Example:

	waytrace refold
	waytrace refold --notify --admin http://10.0.0.7:8081 --key "$KEY"`
}

// Run has a daemon judge its parcels anew.
func (c *RefoldCmd) Run(ctx context.Context, std *streams) error {
	daemon, err := c.client()
	if err != nil {
		return err
	}
	defer daemon.close()
	path := "/refold"
	if c.Notify {
		path += "?notify=1"
	}
	done, err := watchStream(ctx, std, daemon, http.MethodPost, path, saidByStream, func(t tally) uint64 { return t.Waybills })
	if err != nil {
		return err
	}
	fmt.Fprintf(std.err, "%d parcels looked at, %d of them changed; %d codes that were unmapped are known now\n", done.Waybills, done.Changed, done.Codes)
	return nil
}
