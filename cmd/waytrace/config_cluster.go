package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"

	"waytrace/relay"
	"waytrace/relay/cluster"
)

// kafka is what the settings say of the topic.
func (c *Config) kafka(log *slog.Logger) relay.Settings {
	k := &c.Kafka
	return relay.Settings{
		Brokers: k.Brokers, Topic: k.Topic, TLS: k.TLS, CA: k.CA, Cert: k.TLSCert, Key: k.TLSKey,
		SASL: k.SASL, User: k.User, Password: k.Password, Compression: k.Compression, MaxLag: k.MaxLag, Log: log,
	}
}

// cluster is what the settings say of the nodes.
func (c *Config) cluster() (s cluster.Settings, err error) {
	s.Self, s.Key = c.Cluster.Self, c.Cluster.Key
	if s.Nodes, err = cluster.ParseNodes(c.Cluster.Nodes); err != nil {
		return s, err
	}
	return s, s.Check()
}

// doubts are what may be meant and probably is a slip, one a line.
func (c *Config) doubts() (words []string) {
	s, err := c.cluster()
	if err != nil {
		return nil // Check says so
	}
	for _, n := range s.Nodes {
		if at, err := url.Parse(n.URL); err == nil && n.Name == s.Self && loopback(c.AdminListen) && !loopback(net.JoinHostPort(at.Hostname(), "0")) {
			words = append(words, fmt.Sprintf("cluster.nodes says that this node's admin listener is at %s, and admin_listen is %s, which this machine alone can reach: set admin_listen, unless a proxy here passes it on", n.URL, c.AdminListen))
		}
	}
	if len(s.Nodes) > 1 && len(c.Kafka.Brokers) == 0 {
		words = append(words, "there are cluster.nodes and no kafka.brokers: the nodes do not hear what each other learns")
	}
	return words
}

// checkCluster judges what a node says of Kafka and of its sisters.
func (c *Config) checkCluster() (wrong []error) {
	note := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	k := &c.Kafka
	for _, broker := range k.Brokers {
		host, port, err := net.SplitHostPort(broker)
		if _, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || host == "" {
			note("kafka.brokers: %q is not an address: write host:port, such as 10.0.0.5:9092", broker)
		}
	}
	if k.Topic == "" {
		note("kafka.topic is empty: name the topic that the nodes share, such as waytrace")
	}
	for name, file := range map[string]string{"kafka.ca": k.CA, "kafka.tls_cert": k.TLSCert, "kafka.tls_key": k.TLSKey} {
		if file == "" {
			continue
		}
		if _, err := os.Stat(file); err != nil {
			note("%s: %w", name, err)
		}
		if !k.TLS {
			note("%s is given and kafka.tls is not: switch it on, or leave the file out", name)
		}
	}
	if (k.TLSCert == "") != (k.TLSKey == "") {
		wrong = append(wrong, errors.New("kafka.tls_cert and kafka.tls_key go together: give both, or neither"))
	}
	if (k.SASL != "none") != (k.User != "" || k.Password != "") {
		note("kafka.sasl is %s: give it with kafka.user and kafka.password, or none of the three", k.SASL)
	}
	if c.Acknowledge == replicated && len(k.Brokers) == 0 {
		wrong = append(wrong, errors.New("acknowledge is replicated and there is no kafka.brokers: name the brokers, or write local"))
	}
	if _, err := c.cluster(); err != nil {
		wrong = append(wrong, err)
	}
	return wrong
}
