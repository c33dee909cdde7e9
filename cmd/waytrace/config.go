package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"waytrace/carriers"
	"waytrace/carriers/all"
	"waytrace/ingest"
	"waytrace/query"
	"waytrace/store"
)

// Config is every setting of the daemon. A flag wins over the environment, the
// environment over the YAML file, and the file over the default written here.
//
// A name of the file is the flag's with "_" for "-", and "." opens a section:
// --carriers.sf.at-once is WAYTRACE_CARRIERS_SF_AT_ONCE and carriers: {sf:
// {at_once: …}}.
type Config struct {
	Files

	Listen         string    `help:"Address of the public listener." default:"127.0.0.1:8080"`
	AdminListen    string    `help:"Address of the admin listener: health, metrics, profiles, operations." default:"127.0.0.1:8081"`
	TLSCert        string    `name:"tls-cert" help:"Certificate chain (PEM) for HTTPS, read again when it changes." placeholder:"FILE"`
	TLSKey         string    `name:"tls-key" help:"Private key (PEM) of --tls-cert." placeholder:"FILE"`
	TrustedProxies []Network `help:"Proxies whose word about the client's address is taken." placeholder:"CIDR"`
	Exempt         []Network `help:"Senders that are never limited and never blocked." placeholder:"CIDR"`
	InsecureNoAuth bool      `help:"Serve the network without keys: everybody may read and push."`

	Acknowledge string `help:"When what comes through /v1 is acknowledged: local, once it is synced here; replicated, once Kafka has it too. A carrier's own is carriers.<code>.acknowledge." default:"local" enum:"local,replicated"`

	AtOnce        int  `help:"Requests of one key that may be under way at once; more get 503. A carrier's own is carriers.<code>.at-once." default:"64"`
	BytesInFlight Size `help:"Bytes of bodies that may be worked on at once, of all senders together; more get 503. What is still arriving is bounded by --connections." default:"256MiB"`

	Connections int `help:"Connections that may be open at once; each may hold one body of up to 1 MiB (2 MiB in chunks) while it arrives." default:"2048" placeholder:"N"`

	JSONDecoder string `name:"json-decoder" help:"What reads JSON: sonic (fast) or std (Go's own)." default:"sonic" enum:"sonic,std"`
	LogLevel    string `help:"Least level that is logged: debug, info, warn or error." default:"info" enum:"debug,info,warn,error"`
	LogFormat   string `help:"Form of the log: text or json." default:"text" enum:"text,json"`

	Store      StoreSettings      `embed:"" prefix:"store."`
	Query      QuerySettings      `embed:"" prefix:"query."`
	Quarantine QuarantineSettings `embed:"" prefix:"quarantine."`
	Fold       FoldSettings       `embed:"" prefix:"fold."`
	Feed       FeedSettings       `embed:"" prefix:"feed."`
	Kafka      KafkaSettings      `embed:"" prefix:"kafka."`
	Cluster    ClusterSettings    `embed:"" prefix:"cluster."`
	Carriers   all.Settings       `embed:"" prefix:"carriers."`
}

// Files are where settings, keys and data lie; the commands that work on them
// without a daemon take the same flags.
type Files struct {
	ConfigFile string `name:"config" help:"Settings in YAML." placeholder:"FILE"`
	Data       string `help:"Directory of the data." default:"./data"`
	KeysFile   string `help:"API keys, as hashes (default: keys.yaml beside the --config file, in the data directory where there is none)." placeholder:"FILE"`
}

// StoreSettings say how much memory the store takes.
type StoreSettings struct {
	Cache    Size `help:"Memory for blocks read from the disk; 0 is an eighth of what there is." default:"0"`
	Heads    Size `help:"Memory for what is known of the parcels written to last, so that it need not be looked for; 0 is a sixteenth of what there is." default:"0"`
	Memtable Size `help:"Bytes gathered in memory before a table is written; up to three times as much may be in memory." default:"128MiB"`

	SyncDelay time.Duration `help:"Lengthen every wait for the disk by so much, to rehearse a slower one." default:"0s"`
}

// QuerySettings say how much memory is spent on answers.
type QuerySettings struct {
	Cache   Size `help:"Memory for answers that may be asked for again; 0 is a sixth of what there is." default:"0"`
	NoCache bool `help:"Keep no answers: each is read and written anew."`

	RehearseDelay time.Duration `help:"Spend so much processor time more on every request, to see whether a measurement would notice." default:"0s"`
}

// FoldSettings say how facts become a status. Nodes that work together must have the
// same; after a change, `waytrace refold` brings what is stored up to it.
type FoldSettings struct {
	EpochDays      int  `help:"Days after a parcel's end when a new one may have its number." default:"60"`
	HidePreTransit bool `help:"Leave out what happens before the carrier has the parcel: orders and labels."`
}

// FeedSettings say how long it is remembered in which order this node learned things.
type FeedSettings struct {
	Days      int  `help:"Days that the feed goes back." default:"7"`
	MaxSize   Size `help:"Bytes of it that are kept, of a longer one the newest; 0 is a fifth of the disk." default:"0"`
	MaxOutbox Size `help:"Bytes of it that may wait for Kafka; beyond them pushes are refused. 0 is a fifth of the disk." default:"0"`
}

// KafkaSettings say where the topic is that nodes share. Without brokers the node is
// alone.
type KafkaSettings struct {
	Brokers     []string `help:"Kafka brokers to begin with, host:port. Without any the node is alone." placeholder:"HOST:PORT"`
	Topic       string   `help:"Topic that the nodes share." default:"waytrace"`
	TLS         bool     `name:"tls" help:"Speak TLS to the brokers."`
	CA          string   `name:"ca" help:"Certificates (PEM) to trust in place of the system's." placeholder:"FILE"`
	TLSCert     string   `name:"tls-cert" help:"Certificate (PEM) to show to the brokers." placeholder:"FILE"`
	TLSKey      string   `name:"tls-key" help:"Private key (PEM) of kafka.tls-cert." placeholder:"FILE"`
	SASL        string   `name:"sasl" help:"How to log in: none, plain, scram-sha-256 or scram-sha-512." default:"none" enum:"none,plain,scram-sha-256,scram-sha-512"`
	User        string   `help:"User to log in as."`
	Password    string   `help:"Its password; better given as WAYTRACE_KAFKA_PASSWORD or in the file than as a flag."`
	Compression string   `help:"How batches are compressed: none, snappy, lz4 or zstd." default:"lz4" enum:"none,snappy,lz4,zstd"`
	MaxLag      int      `help:"Records that a starting node may be behind when it becomes ready." default:"10000"`
}

// ClusterSettings say which nodes there are, so that one of them acts for all where
// only one should: each polls, notifies and books for its share of the parcels.
type ClusterSettings struct {
	Nodes []string `help:"All nodes in the same order everywhere, each its name and the address of its admin listener: a=http://10.0.0.1:8081." placeholder:"NAME=URL"`
	Self  string   `help:"Which of them this one is."`
	Key   string   `help:"What the nodes show each other: the same on all of them (openssl rand -hex 32)."`
}

// QuarantineSettings say how much is kept of what was not understood.
type QuarantineSettings struct {
	Days    int  `help:"Days that a request stays in quarantine." default:"30"`
	MaxSize Size `help:"Bytes of requests that quarantine may hold; at four fifths it raises an alarm, and when it is full new ones are refused: their senders are told to send again." default:"1GiB"`
}

// store is what the settings say of the directory.
func (c *Config) store(log *slog.Logger) store.Options {
	return store.Options{
		CacheSize: int64(c.Store.Cache), HeadsSize: int64(c.Store.Heads), MemTableSize: uint64(c.Store.Memtable), Log: log,
		SyncDelay: c.Store.SyncDelay,
		FeedAge:   time.Duration(c.Feed.Days) * 24 * time.Hour, FeedSize: int64(c.Feed.MaxSize), OutboxSize: int64(c.Feed.MaxOutbox),
	}
}

// answers is the memory that the settings give to answers; nil is none.
func (c *Config) answers() *query.Cache {
	if c.Query.NoCache {
		return nil
	}
	return query.NewCache(int64(c.Query.Cache))
}

// Keys is the path of the keys file.
func (f Files) Keys() string {
	switch {
	case f.KeysFile != "":
		return f.KeysFile
	case f.ConfigFile != "":
		return filepath.Join(filepath.Dir(f.ConfigFile), "keys.yaml")
	}
	return filepath.Join(f.Data, "keys.yaml")
}

// flags are what leads another command to the same keys file.
func (f Files) flags() string {
	switch {
	case f.KeysFile != "":
		return " --keys-file " + f.KeysFile
	case f.ConfigFile != "":
		return " --config " + f.ConfigFile
	case f.Data != "./data":
		return " --data " + f.Data
	}
	return ""
}

// ServeCmd is `waytrace serve`.
type ServeCmd struct {
	Config
	CheckConfig bool `help:"Judge the settings, print them with secrets masked, and exit."`
}

// Help is the example of --help.
func (*ServeCmd) Help() string {
	return `Without any setting it listens on this machine alone and keeps its data in ./data.

Example:

	waytrace serve --data /var/lib/waytrace --config /etc/waytrace/waytrace.yaml

with settings such as

	listen: 0.0.0.0:8443
	tls_cert: /etc/waytrace/cert.pem
	tls_key: /etc/waytrace/key.pem
	carriers:
	  sf:
	    tokens: [ … ]   # then SF pushes to /push/sf/<token>`
}

// Run judges the settings and hands them to the daemon.
func (s *ServeCmd) Run(ctx context.Context, std *streams) error {
	if err := s.Config.Check(); err != nil {
		return err
	}
	s.Config.shareMemory()
	if s.CheckConfig {
		fmt.Fprint(std.out, s.Config.String())
		for _, doubt := range s.Config.doubts() {
			fmt.Fprintln(std.err, "look at this:", doubt)
		}
		fmt.Fprintln(std.err, "config is good")
		return nil
	}
	shareCores()
	return serve(ctx, &s.Config, s.Config.Logger(std.err), std.err)
}

// Logger writes to w as the settings say.
func (c *Config) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		level = slog.LevelInfo // Check has refused others
	}
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// Check judges everything that can be judged without starting, and reports all
// that is wrong with it, one a line.
func (c *Config) Check() error {
	var wrong []error
	note := func(err error) {
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	note(checkAddress("listen", c.Listen))
	note(checkAddress("admin_listen", c.AdminListen))
	if c.Listen == c.AdminListen && !strings.HasSuffix(c.Listen, ":0") {
		note(fmt.Errorf("listen and admin_listen are both %s: give the admin listener a port of its own", c.Listen))
	}
	if info, err := os.Stat(c.Data); err == nil && !info.IsDir() {
		note(fmt.Errorf("data: %s is a file: name a directory", c.Data))
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		note(errors.New("tls_cert and tls_key go together: give both, or neither for plain HTTP"))
	} else if c.TLSCert != "" {
		_, err := newCertificates(c.TLSCert, c.TLSKey, slog.New(slog.DiscardHandler))
		note(err)
	}
	for _, s := range []struct {
		name string
		n    int
	}{{"at_once", c.AtOnce}, {"connections", c.Connections}, {"quarantine.days", c.Quarantine.Days}, {"fold.epoch_days", c.Fold.EpochDays},
		{"feed.days", c.Feed.Days}, {"kafka.max_lag", c.Kafka.MaxLag}} {
		if s.n < 1 {
			note(fmt.Errorf("%s is %d: at least 1", s.name, s.n))
		}
	}
	for _, s := range []struct {
		name  string
		size  Size
		least Size
	}{
		{"bytes_in_flight", c.BytesInFlight, 1 << 20},
		{"store.memtable", c.Store.Memtable, 1 << 20},
		{"quarantine.max_size", c.Quarantine.MaxSize, ingest.MaxBody},
	} {
		if s.size < s.least {
			note(fmt.Errorf("%s is %s: at least %s", s.name, s.size, s.least))
		}
	}
	if size := c.Query.Cache; size > 0 && size < 1<<20 {
		note(fmt.Errorf("query.cache is %s: at least 1MiB, or 0 for a share of the memory; query.no_cache keeps nothing", size))
	}
	wrong = append(wrong, c.checkCluster()...)
	note(c.checkOpen())
	return errors.Join(append(wrong, c.checkCarriers()...)...)
}

// checkOpen refuses to be open to the network without keys.
func (c *Config) checkOpen() error {
	keys, err := openKeyring(c.Keys(), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if !keys.Empty() || c.InsecureNoAuth {
		return nil
	}
	scope := "read"
	for _, l := range [][2]string{{"listen", c.Listen}, {"admin_listen", c.AdminListen}} {
		if checkAddress(l[0], l[1]) == nil && !loopback(l[1]) {
			return fmt.Errorf("%s %s is open to the network and there is no key in %s: make one with `waytrace keys new --account main --scope %s%s`, listen on 127.0.0.1, or let everybody in with --insecure-no-auth",
				l[0], l[1], c.Keys(), scope, c.flags())
		}
		scope = "admin"
	}
	return nil
}

// checkAddress judges an address to listen on.
func checkAddress(name, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%s %q is not an address: write host:port, such as 127.0.0.1:8080", name, address)
	}
	return nil
}

// loopback reports whether an address to listen on is reached from this machine
// alone.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// checkCarriers judges the settings of every carrier.
func (c *Config) checkCarriers() (wrong []error) {
	list, err := c.Carriers.Carriers()
	if err != nil {
		wrong = append(wrong, err)
	}
	return append(wrong, checkDoors(list, len(c.Kafka.Brokers) > 0)...)
}

// checkDoors judges the doors of all carriers. A token opens one door only, and an
// address belongs to one account of a carrier. kafka is whether there are brokers.
func checkDoors(list []carriers.Carrier, kafka bool) (wrong []error) {
	owner := make(map[string]string) // of a token
	for _, carrier := range list {
		if carrier.Push == nil {
			continue
		}
		type place struct {
			name    string
			network Network
		}
		var places []place
		for i, door := range doorsOf(carrier) {
			name := "carriers." + carrier.Code
			if i > 0 {
				name += ".accounts." + door.Account
				if door.Account == carrier.Push.Door.Account {
					wrong = append(wrong, fmt.Errorf("%s: that is the account of carriers.%s itself: give another name", name, carrier.Code))
				}
				door.AtOnce = max(1, door.AtOnce) // the usual door's counts
			}
			wrong = append(wrong, checkDoor(name, door, kafka)...)
			for _, token := range door.Tokens {
				if other := owner[token]; other != "" && other != name {
					wrong = append(wrong, fmt.Errorf("%s.tokens: one is %s's too: a token opens one door", name, other))
				}
				owner[token] = name
			}
			for _, network := range parseNetworks(door.Addresses) {
				for _, p := range places {
					if p.name != name && p.network.Overlaps(network.Prefix) {
						wrong = append(wrong, fmt.Errorf("%s.addresses: %s is within %s's: an address belongs to one account", name, network, p.name))
					}
				}
				places = append(places, place{name, network})
			}
		}
	}
	return wrong
}

// checkDoor judges who may push at a carrier's door.
func checkDoor(name string, d carriers.Door, kafka bool) (wrong []error) {
	if !validAccount.MatchString(d.Account) {
		wrong = append(wrong, fmt.Errorf("%s.account %q is not a name: up to 64 letters, digits, \".\", \"_\" and \"-\"; %q is the usual one", name, d.Account, "main"))
	}
	if len(d.Tokens) > 2 {
		wrong = append(wrong, fmt.Errorf("%s.tokens has %d: two at most, the old and the new", name, len(d.Tokens)))
	}
	for i, token := range d.Tokens {
		if err := checkToken(token); err != nil {
			wrong = append(wrong, fmt.Errorf("%s.tokens, number %d: %w", name, i+1, err))
		} else if i > 0 && token == d.Tokens[0] {
			wrong = append(wrong, fmt.Errorf("%s.tokens, number %d: the same as the first", name, i+1))
		}
	}
	for _, address := range d.Addresses {
		if _, err := parseNetwork(address); err != nil {
			wrong = append(wrong, fmt.Errorf("%s.addresses: %w", name, err))
		}
	}
	switch {
	case d.Acknowledge != "" && d.Acknowledge != "local" && d.Acknowledge != replicated:
		wrong = append(wrong, fmt.Errorf("%s.acknowledge is %q: local or replicated", name, d.Acknowledge))
	case d.Acknowledge == replicated && !kafka:
		wrong = append(wrong, fmt.Errorf("%s.acknowledge is replicated and there is no kafka.brokers: name the brokers, or write local", name))
	}
	if d.AtOnce < 1 {
		wrong = append(wrong, fmt.Errorf("%s.at_once is %d: at least 1", name, d.AtOnce))
	}
	return wrong
}

// checkToken wants 32 random bytes. It never repeats the token.
func checkToken(token string) error {
	const help = "make one with `openssl rand -hex 32`"
	random := len(token) * 6 / 8
	if _, err := hex.DecodeString(token); err == nil {
		random = len(token) / 2
	}
	seen := make(map[rune]bool)
	for _, c := range token {
		seen[c] = true
	}
	switch {
	case !base64Text.MatchString(token):
		return errors.New("neither URL base64 nor hex: " + help)
	case random < 32:
		return fmt.Errorf("only %d bytes, 32 are wanted: %s", random, help)
	case len(seen) < 10: // of 64 random digits hardly ever fewer than 13 differ
		return errors.New("not random: " + help)
	}
	return nil
}

var base64Text = regexp.MustCompile(`^[A-Za-z0-9_-]*$`) // hex too
