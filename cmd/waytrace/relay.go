package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"waytrace/relay/cluster"
)

// RelayCmd is `waytrace relay`.
type RelayCmd struct {
	Status RelayStatusCmd `cmd:"" help:"Show what was shipped to the other nodes and read from them, partition by partition."`
	Parked RelayParkedCmd `cmd:"" help:"List what could not be shipped, so that the other nodes lack it."`
	Skip   RelaySkipCmd   `cmd:"" help:"Let a partition go on that has stopped, on your word."`
	Adopt  RelayAdoptCmd  `cmd:"" help:"Take the topic of the settings for the node's own, on your word."`
	Forget RelayForgetCmd `cmd:"" help:"Keep nothing for Kafka any more, on a node that ships no more."`
}

// Help is the example of --help.
func (*RelayCmd) Help() string {
	return `The relay carries facts between nodes through Kafka.

Example:

	waytrace relay status
	waytrace relay skip 3 --origin 9f86d081884c7d65 --to 1042`
}

// RelayStatusCmd is `waytrace relay status`.
type RelayStatusCmd struct{ Operator }

// Help is the example of --help.
func (*RelayStatusCmd) Help() string {
	return `A table on a terminal, JSON elsewhere. The exit status is 1 when a partition stands still.

Example:

	waytrace relay status
	waytrace relay status | jq .outbox`
}

// Run shows the relay of a daemon.
func (c *RelayStatusCmd) Run(ctx context.Context, std *streams) error {
	body, err := c.ask(ctx, http.MethodGet, "/relay")
	if err != nil {
		return err
	}
	var t togetherness
	if json.Unmarshal(body, &t) != nil || t.Relay == nil {
		return fmt.Errorf("%s: the answer is not of a relay: is this the admin listener?", c.Admin)
	}
	if isTerminal(std.out) {
		body = appendRelay(nil, &t)
	}
	if _, err := std.out.Write(body); err != nil {
		return err
	}
	stands := t.Relay.Fatal != ""
	for _, p := range t.Relay.Partitions {
		if p.Reason != "" {
			stands = true
			fmt.Fprintf(std.err, "partition %d: %s\n  %s\n", p.Partition, plain(p.Reason), plain(p.Help))
		}
	}
	switch {
	case t.Relay.Trouble != "":
		stands = true
		fmt.Fprintf(std.err, "topic %s: %s\n", plain(t.Relay.Topic), plain(t.Relay.Trouble))
	case !t.Relay.Connected:
		fmt.Fprintf(std.err, "Kafka does not answer: %s\n", plain(t.Relay.LastError))
	}
	if t.Relay.Skipped > 0 {
		fmt.Fprintf(std.err, "%d records were passed over on an operator's word since the start: clone this node from one that has them, or see what is missing with waytrace verify --peer\n", t.Relay.Skipped)
	}
	if stands {
		return errSaid
	}
	return nil
}

// appendRelay is the relay as a table.
func appendRelay(dst []byte, t *togetherness) []byte {
	rows := [][]string{{"partition", "owner", "shipped", "waiting", "read up to", "lag", "", "state"}}
	owner := ownersOf(t.Owners)
	for _, p := range t.Relay.Partitions {
		rows = append(rows, []string{strconv.Itoa(int(p.Partition)), owner[p.Partition], strconv.FormatUint(p.Shipped, 10),
			strconv.FormatUint(p.Waiting, 10), strconv.FormatInt(p.Offset, 10), strconv.FormatInt(p.Lag, 10),
			time.Duration(p.LagSeconds * float64(time.Second)).Round(100 * time.Millisecond).String(), p.State})
	}
	dst = appendTable(dst, rows)
	dst = fmt.Appendf(dst, "\ntopic %s; %d records wait, %s", plain(t.Relay.Topic), t.Outbox.Records, Size(t.Outbox.Bytes))
	if t.Outbox.Oldest != nil {
		dst = fmt.Appendf(dst, ", since %s", t.Outbox.Oldest.Local().Format(time.DateTime))
	}
	return fmt.Appendf(dst, "; %d parked\n", t.Relay.Parked)
}

// ownersOf names the owner of each partition.
func ownersOf(shares []cluster.Share) map[uint16]string {
	owner := make(map[uint16]string)
	for _, s := range shares {
		for _, p := range s.Partitions {
			owner[p] = s.Node
		}
	}
	return owner
}

// RelayParkedCmd is `waytrace relay parked`.
type RelayParkedCmd struct{ Operator }

// Help is the example of --help.
func (*RelayParkedCmd) Help() string {
	return `A record that Kafka will never take, for it is too large, is put aside, so that it holds up nobody.
The other nodes lack what it says until they are cloned from this one.

Example:

	waytrace relay parked`
}

// Run lists what is parked at a daemon.
func (c *RelayParkedCmd) Run(ctx context.Context, std *streams) error {
	body, err := c.ask(ctx, http.MethodGet, "/relay/parked")
	if err != nil {
		return err
	}
	if !isTerminal(std.out) {
		_, err = std.out.Write(body)
		return err
	}
	var items []parked
	if err := json.Unmarshal(body, &items); err != nil {
		return fmt.Errorf("%s: the answer is not a list of records: is this the admin listener?", c.Admin)
	}
	rows := [][]string{{"number", "carrier", "partition", "own", "bytes", "since", "why"}}
	for _, p := range items {
		rows = append(rows, []string{p.Number, p.Carrier, strconv.Itoa(int(p.Partition)), strconv.FormatUint(p.Own, 10),
			strconv.Itoa(p.Bytes), p.Since.Local().Format(time.DateTime), p.Reason})
	}
	if len(items) > 0 {
		if _, err := std.out.Write(appendTable(nil, rows)); err != nil {
			return err
		}
	}
	fmt.Fprintf(std.err, "%d parked\n", len(items))
	return nil
}

// RelaySkipCmd is `waytrace relay skip`.
type RelaySkipCmd struct {
	Operator
	Partition *uint16 `arg:"" optional:"" help:"The partition that stands still."`
	All       bool    `help:"All partitions that need a clone, where every node says that of itself: then the topic was lost."`
	Origin    string  `help:"Id of the node whose numbers have a hole, or came twice." placeholder:"ID"`
	To        uint64  `help:"Number of that node's to go on with." placeholder:"N"`
	Offset    *uint64 `help:"Offset to go on at, where a record cannot be read." placeholder:"N"`
}

// Help is the example of --help.
func (*RelaySkipCmd) Help() string {
	return `A partition stops where something is missing or cannot be read, for what is passed over stays
unknown to this node. /status and the log say where it stands, and with which of these it goes on.
Afterwards, see what is missing, and clone this node from one that has it:

	waytrace verify --peer http://10.0.0.7:8081

Example:

	waytrace relay skip 3 --origin 9f86d081884c7d65 --to 1042
	waytrace relay skip 3 --offset 90210
	waytrace relay skip --all --offset 0`
}

// Validate is asked by kong.
func (c *RelaySkipCmd) Validate() error {
	switch {
	case c.All == (c.Partition != nil):
		return errors.New("give a partition, or --all")
	case c.All && c.Offset == nil:
		return errors.New("--all goes with --offset: 0 where the topic was made anew")
	case (c.Offset != nil) == (c.Origin != "" || c.To != 0) || c.Offset == nil && (c.Origin == "" || c.To == 0):
		return errors.New("give --origin with --to, or --offset alone: `waytrace relay status` says which")
	}
	return nil
}

// Run gives a daemon the word.
func (c *RelaySkipCmd) Run(ctx context.Context, std *streams) error {
	partition, said := "all", "they go on"
	if !c.All {
		partition = strconv.Itoa(int(*c.Partition))
		said = "partition " + partition + " goes on"
	}
	path := "/relay/skip" + queryOf("partition", partition, "origin", c.Origin)
	if c.Offset != nil {
		path += "&offset=" + strconv.FormatUint(*c.Offset, 10)
	} else {
		path += "&to=" + strconv.FormatUint(c.To, 10)
	}
	if _, err := c.ask(ctx, http.MethodPost, path); err != nil {
		return err
	}
	fmt.Fprintln(std.err, said)
	return nil
}

// RelayAdoptCmd is `waytrace relay adopt`.
type RelayAdoptCmd struct{ Operator }

// Help is the example of --help.
func (*RelayAdoptCmd) Help() string {
	return `A directory belongs to one topic: in another one its offsets and numbers mean nothing, so a slip in
kafka.topic or kafka.brokers must not ship or read a single record. Where the topic has really moved,
such as to another Kafka cluster, this says so; then look at waytrace relay status.

Example:

	waytrace relay adopt`
}

// Run gives a daemon the word.
func (c *RelayAdoptCmd) Run(ctx context.Context, std *streams) error {
	if _, err := c.ask(ctx, http.MethodPost, "/relay/adopt"); err != nil {
		return err
	}
	fmt.Fprintln(std.err, "the topic is the node's own now")
	return nil
}

// RelayForgetCmd is `waytrace relay forget`.
type RelayForgetCmd struct{ Operator }

// Help is the example of --help.
func (*RelayForgetCmd) Help() string {
	return `A node keeps what Kafka has not yet, also while kafka.brokers is not set, for that may be a slip. Where
it is to stay alone, this lets go of it. Should it ship again one day, the others are to be clones of it.

Example:

	waytrace relay forget`
}

// Run gives a daemon the word.
func (c *RelayForgetCmd) Run(ctx context.Context, std *streams) error {
	if _, err := c.ask(ctx, http.MethodPost, "/relay/forget"); err != nil {
		return err
	}
	fmt.Fprintln(std.err, "nothing is kept for Kafka any more")
	return nil
}

// ask asks the listener once, and gives the body of a good answer.
func (o *Operator) ask(ctx context.Context, method, path string) ([]byte, error) {
	daemon, err := o.client()
	if err != nil {
		return nil, err
	}
	defer daemon.close()
	got, err := daemon.send(ctx, method, path, "", nil)
	switch {
	case err != nil:
		return nil, err
	case got.status != http.StatusOK:
		return nil, got.problem()
	}
	return got.body, nil
}
