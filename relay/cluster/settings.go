package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Settings say which nodes work together. The zero value is a node that is alone.
type Settings struct {
	// Nodes are all of them, this one too, in an order that is the same everywhere.
	Nodes []Node
	// Self is this node's name among them.
	Self string
	// Key is what the nodes show each other as bearer; all have the same.
	Key string
}

// A Node is one of those that work together: a name that stays when its directory is
// born anew, and the address of its admin listener, http://host:port.
type Node struct {
	Name, URL string
}

// ParseNodes reads nodes written as name=url. What is wrong with them is an error for
// each, one a line.
func ParseNodes(texts []string) ([]Node, error) {
	nodes, wrong := make([]Node, 0, len(texts)), []error(nil)
	for _, text := range texts {
		name, address, _ := strings.Cut(text, "=")
		n := Node{Name: name}
		u, err := url.Parse(address)
		switch {
		case !validName.MatchString(name):
			wrong = append(wrong, fmt.Errorf("cluster.nodes: %q does not begin with a name: write name=http://host:port, the name of letters, digits, \".\", \"_\" and \"-\"", shorten(text)))
			continue
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.TrimRight(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
			wrong = append(wrong, fmt.Errorf("cluster.nodes: %s: that is not the address of an admin listener: write %s=http://10.0.0.1:8081", name, name))
			continue
		}
		n.URL = u.Scheme + "://" + strings.ToLower(u.Host)
		for _, other := range nodes {
			switch {
			case other.Name == n.Name:
				wrong = append(wrong, fmt.Errorf("cluster.nodes: %s is there twice: give each node a name of its own", n.Name))
			case other.URL == n.URL:
				wrong = append(wrong, fmt.Errorf("cluster.nodes: %s and %s have the same address: each has a listener of its own", other.Name, n.Name))
			}
		}
		nodes = append(nodes, n)
	}
	return nodes, errors.Join(wrong...)
}

var validName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// leastKey is the least length of a key: 16 random bytes in hexadecimal, of the 32 that
// the help asks for.
const leastKey = 32

var validKey = regexp.MustCompile(`^[!-~]*$`) // what fits into a header

// Check judges settings whose nodes ParseNodes has read, and reports all that is wrong,
// one a line. It never repeats the key.
func (s *Settings) Check() error {
	var wrong []error
	note := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if len(s.Nodes) == 0 {
		if s.Self != "" {
			note("cluster.self is %q and there are no cluster.nodes: list all nodes, or leave both out", shorten(s.Self))
		}
		return errors.Join(wrong...)
	}
	names := make([]string, len(s.Nodes))
	for i, n := range s.Nodes {
		names[i] = n.Name
	}
	if !slices.Contains(names, s.Self) {
		note("cluster.self is %q: name the one of cluster.nodes that this node is: %s", shorten(s.Self), strings.Join(names, ", "))
	}
	const help = "make one with `openssl rand -hex 32` and give it to all nodes"
	switch {
	case len(s.Nodes) == 1: // nobody to show it to
	case s.Key == "":
		note("cluster.key is empty: %s", help)
	case len(s.Key) < leastKey:
		note("cluster.key has %d characters: at least %d: %s", len(s.Key), leastKey, help)
	case !validKey.MatchString(s.Key):
		note("cluster.key has a space or a character that does not fit into a header: %s", help)
	}
	return errors.Join(wrong...)
}

// digest is the list of nodes in 16 hexadecimal digits, so that sisters can tell
// whether theirs is the same without showing it.
func digest(nodes []Node) string {
	h := sha256.New()
	for _, n := range nodes {
		fmt.Fprintf(h, "%s=%s\n", n.Name, n.URL)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// shorten keeps a text that somebody wrote from filling the screen.
func shorten(text string) string { return fmt.Sprintf("%.80s", text) }
