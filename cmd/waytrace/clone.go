package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"waytrace/store"
)

// CloneCmd is `waytrace clone`.
type CloneCmd struct {
	Destination
	From string `help:"Admin listener of the daemon to copy from." required:"" placeholder:"URL"`
	Key  string `help:"API key with scope admin, where the listener is not on this machine." placeholder:"KEY"`
}

// Help is the example of --help.
func (*CloneCmd) Help() string {
	return `Makes a new node from one that runs: its parcels are copied while it goes on, and the copy gets a
node id of its own and goes on reading Kafka where the other one was. --data must not exist, or be
empty; it is there when all of it is, and not before. Run it as the user that the daemon will be.
API keys and settings are not part of a copy.

Example:

	waytrace clone --from http://10.0.0.7:8081 --data /var/lib/waytrace --key "$KEY"`
}

// Run makes the copy, gives it an id, and puts it in its place.
func (c *CloneCmd) Run(ctx context.Context, std *streams) error {
	daemon, err := newClient(c.From, c.Key)
	if err != nil {
		return err
	}
	defer daemon.close()
	in, err := openIncoming(c.Data)
	if err != nil {
		return explainOccupied(err)
	}
	defer in.close()
	if err := receive(ctx, std, daemon, "/clone?for=node", in); err != nil {
		return err
	}
	held, err := examine(std, in.path)
	if err != nil {
		return fmt.Errorf("the copy cannot be opened: %w", err)
	}
	born, err := store.Rebirth(in.path, warnings(std))
	if err != nil {
		return fmt.Errorf("the copy could not be made a node of its own: %w", err)
	}
	if err := in.settle(); err != nil {
		return err
	}
	fmt.Fprintf(std.err, "copied node %s of %s: %s\n", held.Node, daemon.base, holds(held))
	fmt.Fprintf(std.err, "%s is node %s now%s; start it with `waytrace serve --data %s`: it is ready once it has read what Kafka has had since\n",
		in.dir, born.Is, ships(born), in.dir)
	return nil
}

// explainOccupied says what to mind before a directory is moved away.
func explainOccupied(err error) error {
	var there *occupied
	if !errors.As(err, &there) {
		return err
	}
	return fmt.Errorf("%w: move it away first; if a node ran on it, ask `waytrace relay status` there before whether all of it has reached Kafka: what has not is nowhere else", err)
}

// receive fills a directory with the copy that a daemon makes of its own.
func receive(ctx context.Context, std *streams, daemon *client, path string, in *incoming) (err error) {
	asked, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	silent := time.AfterFunc(silenceLimit, func() {
		stop(fmt.Errorf("%s has said nothing for %s: look at /ready", daemon.base, silenceLimit))
	})
	defer silent.Stop()
	defer func() {
		switch {
		case err == nil:
		case ctx.Err() != nil:
			err = stoppedBefore(in)
		case asked.Err() != nil:
			err = context.Cause(asked)
		}
	}()
	patient := daemon.http
	patient.Timeout = 0
	response, err := daemon.ask(asked, &patient, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		a, err := daemon.read(response)
		if err != nil {
			return err
		}
		return a.problem()
	}
	heard := hearing{response.Body, func() { silent.Reset(silenceLimit) }}
	size, err := in.fill(asked, std, newCopyReader(heard))
	if err != nil {
		return fmt.Errorf("%s: %w", daemon.base, err)
	}
	fmt.Fprintf(std.err, "%d files, %s\n", size.files, bytesOf(size.bytes))
	return nil
}

// stoppedBefore is a copy that was interrupted.
func stoppedBefore(in *incoming) error {
	return fmt.Errorf("stopped; nothing is in %s: begin again", in.dir)
}

// hearing tells when something is read.
type hearing struct {
	io.Reader
	heard func()
}

func (h hearing) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n > 0 {
		h.heard()
	}
	return n, err
}

// examine opens a copy to see whether it is sound.
func examine(std *streams, dir string) (store.Examined, error) {
	fmt.Fprintln(std.err, "opening the copy to see whether it is sound")
	return store.Examine(dir, warnings(std))
}

// holds says what is in a directory.
func holds(e store.Examined) string {
	return fmt.Sprintf("%d parcels, %d changes, up to %s", e.Waybills, e.Seq, e.Clock.Time().Format(time.RFC3339))
}

// ships says what a new node brings with it.
func ships(r store.Reborn) string {
	if r.Records == 0 {
		return ""
	}
	return fmt.Sprintf(", with %d records that the old one had not shipped to Kafka", r.Records)
}

// checkForm refuses what this version cannot open before it is copied.
func checkForm(form int64) error {
	if form > store.Form {
		return fmt.Errorf("the other side has directories of form %d, and this version of waytrace reads up to form %d: install the version that the other side has", form, store.Form)
	}
	return nil
}
