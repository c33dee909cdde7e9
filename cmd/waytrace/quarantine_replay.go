package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"golang.org/x/term"
)

// QuarantineReplayCmd is `waytrace quarantine replay`.
type QuarantineReplayCmd struct {
	Operator
	IDs     []string `arg:"" optional:"" name:"id" help:"Requests, as ls gives them."`
	All     bool     `help:"All requests."`
	Carrier string   `help:"All of this carrier's door; events stands for /v1/events." placeholder:"CODE"`
}

// Help is the example of --help.
func (*QuarantineReplayCmd) Help() string {
	return `What is understood now is stored as if it had been from the start, and leaves the quarantine; the
rest stays there with its new faults. To replay twice does no harm. For single requests the status
is 1 when something of one is still not understood.

Example:

	waytrace quarantine replay 8c4f5e0fd6b8fa1d0f1a2b3c4d5e6f70
	waytrace quarantine replay --carrier sf
	waytrace quarantine replay --all`
}

// Validate is asked by kong.
func (c *QuarantineReplayCmd) Validate() error { return oneChoice(c.IDs, c.All, c.Carrier) }

// oneChoice wants ids, all, or a carrier's.
func oneChoice(ids []string, all bool, carrier string) error {
	if n := min(len(ids), 1); n == 1 && (all || carrier != "") || n == 0 && all == (carrier != "") {
		return errors.New("give ids, or --all, or --carrier")
	}
	return nil
}

// Run replays what is meant.
func (c *QuarantineReplayCmd) Run(ctx context.Context, std *streams) error {
	daemon, err := c.client()
	if err != nil {
		return err
	}
	defer daemon.close()
	if len(c.IDs) == 0 {
		total, err := howMany(ctx, daemon, c.Carrier)
		if err != nil {
			return err
		}
		done, err := watchStream(ctx, std, daemon, http.MethodPost, "/quarantine/replay"+queryOf("carrier", c.Carrier), total, func(t tally) uint64 { return t.Requests })
		if err != nil {
			return err
		}
		fmt.Fprintf(std.err, "%d read again, %d understood, %d events were news\n", done.Requests, done.Replayed, done.Fresh)
		return nil
	}
	faulty := 0
	for _, id := range c.IDs {
		got, err := daemon.send(ctx, http.MethodPost, "/quarantine/"+url.PathEscape(id)+"/replay", "", nil)
		if err != nil {
			return err
		}
		var done struct {
			Replayed bool
			Fresh    int
			Faults   []faultItem
		}
		if got.status != http.StatusOK {
			return fmt.Errorf("%s: %w", plain(id), got.problem())
		}
		if err := json.Unmarshal(got.body, &done); err != nil {
			return fmt.Errorf("%s: the answer is not a replay's: is this the admin listener?", c.Admin)
		}
		if _, err := std.out.Write(got.body); err != nil {
			return err
		}
		if done.Replayed {
			fmt.Fprintf(std.err, "%s: understood, %d events were news\n", plain(id), done.Fresh)
			continue
		}
		faulty++
		fmt.Fprintf(std.err, "%s: stays, %d events were news; %d faults\n", plain(id), done.Fresh, len(done.Faults))
	}
	if faulty > 0 {
		return fmt.Errorf("%d of %d still not understood", faulty, len(c.IDs))
	}
	return nil
}

// howMany lie in quarantine, for a bar; 0 where that is not known.
func howMany(ctx context.Context, daemon *client, carrier string) (int, error) {
	got, err := daemon.do(ctx, "/quarantine?limit=1"+strings.Replace(queryOf("carrier", carrier), "?", "&", 1), "", nil)
	if err != nil {
		return 0, err
	}
	if got.status != http.StatusOK {
		return 0, got.problem()
	}
	var kept quarantined
	if err := json.Unmarshal(got.body, &kept); err != nil {
		return 0, fmt.Errorf("%s: the answer is not a quarantine: is this the admin listener?", daemon.base)
	}
	if carrier != "" {
		return 0, nil // the total is that of all doors
	}
	return kept.Total, nil
}

// QuarantineDropCmd is `waytrace quarantine drop`.
type QuarantineDropCmd struct {
	Operator
	IDs     []string `arg:"" optional:"" name:"id" help:"Requests, as ls gives them."`
	All     bool     `help:"All requests."`
	Carrier string   `help:"All of this carrier's door; events stands for /v1/events." placeholder:"CODE"`
	Yes     bool     `help:"Do not ask before many are removed."`
}

// Help is the example of --help.
func (*QuarantineDropCmd) Help() string {
	return `What is dropped is lost: its sender was told that it was taken, and does not send it again.

Example:

	waytrace quarantine drop 8c4f5e0fd6b8fa1d0f1a2b3c4d5e6f70
	waytrace quarantine drop --carrier sf --yes
	waytrace quarantine drop --all`
}

// Validate is asked by kong.
func (c *QuarantineDropCmd) Validate() error { return oneChoice(c.IDs, c.All, c.Carrier) }

// Run drops what is meant.
func (c *QuarantineDropCmd) Run(ctx context.Context, std *streams) error {
	daemon, err := c.client()
	if err != nil {
		return err
	}
	defer daemon.close()
	for _, id := range c.IDs {
		got, err := daemon.send(ctx, http.MethodDelete, "/quarantine/"+url.PathEscape(id), "", nil)
		if err != nil {
			return err
		}
		if got.status != http.StatusOK {
			return fmt.Errorf("%s: %w", plain(id), got.problem())
		}
		fmt.Fprintf(std.err, "%s: dropped\n", plain(id))
	}
	if len(c.IDs) > 0 {
		return nil
	}
	total, err := howMany(ctx, daemon, c.Carrier)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("all %d requests", total)
	if c.Carrier != "" {
		what = "all requests of " + plain(c.Carrier)
	}
	if err := c.confirm(std, what); err != nil {
		return err
	}
	done, err := watchStream(ctx, std, daemon, http.MethodDelete, "/quarantine"+queryOf("carrier", c.Carrier), total, func(t tally) uint64 { return t.Dropped })
	if err != nil {
		return err
	}
	fmt.Fprintf(std.err, "%d dropped\n", done.Dropped)
	return nil
}

// confirm asks, where somebody is there to be asked.
func (c *QuarantineDropCmd) confirm(std *streams, what string) error {
	if c.Yes {
		return nil
	}
	if in, ok := std.in.(*os.File); !ok || !term.IsTerminal(int(in.Fd())) {
		return fmt.Errorf("this would drop %s: say --yes", what)
	}
	fmt.Fprintf(std.err, "drop %s? They are lost. [y/N] ", what)
	said, err := bufio.NewReader(std.in).ReadString('\n')
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(said)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was dropped")
}
