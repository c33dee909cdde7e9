package cluster

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseNodes(t *testing.T) {
	got, err := ParseNodes([]string{"a=http://10.0.0.1:8081", "node-2.west=https://Admin.example/", "c_3=http://[::1]:8081"})
	want := []Node{{"a", "http://10.0.0.1:8081"}, {"node-2.west", "https://admin.example"}, {"c_3", "http://[::1]:8081"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
	if got, err := ParseNodes(nil); len(got) != 0 || err != nil {
		t.Errorf("no nodes: %v, %v", got, err)
	}
	for _, c := range []struct {
		texts []string
		want  string
	}{
		{[]string{"http://10.0.0.1:8081"}, `"http://10.0.0.1:8081" does not begin with a name: write name=http://host:port`},
		{[]string{"=http://10.0.0.1:8081"}, "does not begin with a name"},
		{[]string{"two words=http://10.0.0.1:8081"}, "does not begin with a name"},
		{[]string{strings.Repeat("a", 65) + "=http://10.0.0.1:8081"}, "does not begin with a name"},
		{[]string{"a"}, "a: that is not the address of an admin listener: write a=http://10.0.0.1:8081"},
		{[]string{"a=10.0.0.1:8081"}, "that is not the address"},
		{[]string{"a=ftp://10.0.0.1"}, "that is not the address"},
		{[]string{"a=http://"}, "that is not the address"},
		{[]string{"a=http://:8081"}, "that is not the address"},
		{[]string{"a=http://u:p@10.0.0.1:8081"}, "that is not the address"},
		{[]string{"a=http://10.0.0.1:8081/admin"}, "that is not the address"},
		{[]string{"a=http://10.0.0.1:8081?x=1"}, "that is not the address"},
		{[]string{"a=http://10.0.0.1:8081#x"}, "that is not the address"},
		{[]string{"a=http://10.0.0.1:80a"}, "that is not the address"},
		{[]string{"a=http://10.0.0.1:1", "a=http://10.0.0.2:1"}, "a is there twice"},
		{[]string{"a=http://host:1", "b=http://HOST:1/"}, "a and b have the same address"},
		{[]string{"!", "a=b"}, "admin listener"},
	} {
		_, err := ParseNodes(c.texts)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.texts, err, c.want)
			continue
		}
		for _, line := range strings.Split(err.Error(), "\n") {
			if !strings.HasPrefix(line, "cluster.nodes: ") {
				t.Errorf("%q: %q does not say which setting", c.texts, line)
			}
		}
	}
}

func TestSettingsCheck(t *testing.T) {
	a, b := Node{"a", "http://10.0.0.1:8081"}, Node{"b", "http://10.0.0.2:8081"}
	key := strings.Repeat("0123456789abcdef", 4)
	for _, c := range []struct {
		name string
		s    Settings
		want string
	}{
		{"alone", Settings{}, ""},
		{"alone, with a key for later", Settings{Key: key}, ""},
		{"one of one", Settings{Nodes: []Node{a}, Self: "a"}, ""},
		{"one of two", Settings{Nodes: []Node{a, b}, Self: "b", Key: key}, ""},
		{"who is it?", Settings{Nodes: []Node{a, b}, Key: key}, `cluster.self is "": name the one of cluster.nodes that this node is: a, b`},
		{"a stranger", Settings{Nodes: []Node{a, b}, Self: "c", Key: key}, `cluster.self is "c"`},
		{"nobody else", Settings{Self: "a"}, `cluster.self is "a" and there are no cluster.nodes`},
		{"no key", Settings{Nodes: []Node{a, b}, Self: "a"}, "cluster.key is empty: make one with `openssl rand -hex 32`"},
		{"a short key", Settings{Nodes: []Node{a, b}, Self: "a", Key: key[:31]}, "cluster.key has 31 characters: at least 32"},
		{"a key of words", Settings{Nodes: []Node{a, b}, Self: "a", Key: "correct horse battery staple horse"}, "does not fit into a header"},
		{"a key with a line end", Settings{Nodes: []Node{a, b}, Self: "a", Key: key + "\n"}, "does not fit into a header"},
	} {
		err := c.s.Check()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		case err != nil && c.s.Key != "" && strings.Contains(err.Error(), c.s.Key):
			t.Errorf("%s: the key is in %v", c.name, err)
		}
	}
	all := (&Settings{Nodes: []Node{a, b}}).Check()
	if all == nil || strings.Count(all.Error(), "\n") != 1 {
		t.Errorf("two things are wrong, reported: %v", all)
	}
}

func TestDigest(t *testing.T) {
	a, b := Node{"a", "http://10.0.0.1:8081"}, Node{"b", "http://10.0.0.2:8081"}
	seen := map[string]bool{}
	for _, nodes := range [][]Node{nil, {a}, {b}, {a, b}, {b, a}, {a, {"b", "http://10.0.0.3:8081"}}, {{"a", b.URL}, {"b", a.URL}}} {
		seen[digest(nodes)] = true
	}
	if len(seen) != 7 {
		t.Errorf("7 lists have %d digests", len(seen))
	}
	// It is compared between versions, so it must not change.
	if got := digest([]Node{a, b}); got != "15c543025d1e265e" {
		t.Errorf("digest %s", got)
	}
}
