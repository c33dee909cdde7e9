package main

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"hash/maphash"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"waytrace/carriers"
	"waytrace/trace"
)

// guards know who may come in: by key, by token, by address.
type guards struct {
	keys *Keyring
	// Without any key: everybody may, because the operator said so, or whoever is on
	// this machine, because the listener is on loopback.
	everybody, open bool
	proxies         []Network
	exempt          []Network
	replicated      bool // what comes with keys is acknowledged once Kafka has it
}

// scope lets in whoever shows a key with the scope. Whoever only reads is nobody whose
// requests are counted, so that who they are besides stays open.
func (g *guards) scope(scope string) guard {
	return func(ctx *fasthttp.RequestCtx) (trace.Asker, error) {
		who := trace.Asker{Account: trace.DefaultAccount, Replicated: g.replicated}
		if scope != "read" {
			from := g.address(ctx)
			who.Sender, who.Exempt = addresses.name(from), contains(g.exempt, from)
		}
		if g.keys.Empty() && (g.everybody || g.open && !foreignPage(ctx) && !forwarded(ctx)) {
			return who, nil
		}
		scheme, bearer, _ := strings.Cut(lent(ctx.Request.Header.PeekCanonical(authorization)), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return who, trace.Problemf(trace.ErrUnauthorized, "no_key", "send a key as Authorization: Bearer <key>")
		}
		key, ok := g.keys.Find(bearer)
		if !ok {
			return who, trace.Problemf(trace.ErrUnauthorized, "unknown_key", "the key is not known, or was revoked")
		}
		if !key.Has(scope) {
			return who, trace.Problemf(trace.ErrUnauthorized, "missing_scope", "the key has no scope %s", scope)
		}
		who.Account, who.Sender, who.Carriers = key.Account, keyIDs.name(key.ID), key.Carriers
		return who, nil
	}
}

// carrier lets in whom one of a carrier's doors knows by address, for that door's
// account. Where none has tokens or addresses they are for this machine alone.
func (g *guards) carrier(c carriers.Carrier) guard {
	type known struct {
		door     carriers.Door
		networks []Network
	}
	var doors []known
	closed := false
	for _, door := range doorsOf(c) {
		networks := parseNetworks(door.Addresses)
		doors = append(doors, known{door, networks})
		closed = closed || len(door.Tokens) > 0 || len(networks) > 0
	}
	return func(ctx *fasthttp.RequestCtx) (trace.Asker, error) {
		from := g.address(ctx)
		exempt := contains(g.exempt, from)
		// A page in somebody's browser has that one's address, and so has a proxy here.
		direct := !fromPage(ctx) && !(from.IsLoopback() && forwarded(ctx))
		for i := range doors {
			if direct && contains(doors[i].networks, from) {
				return asker(doors[i].door, from, exempt), nil
			}
		}
		who := asker(c.Push.Door, from, exempt)
		switch {
		case c.Push.Signed:
			return who, nil // a signature is for the dialect to verify
		case closed:
			path := c.Code
			if len(c.Push.Calls) > 0 {
				path += "/<call>"
			}
			return who, trace.Problemf(trace.ErrUnauthorized, "not_allowed",
				"push to /push/%s/<token>, or from an address in carriers.%s.addresses", path, c.Code)
		case from.IsLoopback() && !forwarded(ctx) && !foreignPage(ctx):
			return who, nil
		}
		return who, trace.Problemf(trace.ErrUnauthorized, "not_allowed",
			"this door is open to this machine alone, by the name localhost, until carriers.%s.tokens, addresses or a secret are set", c.Code)
	}
}

// carrierToken lets in whoever knows a token of one of the carrier's doors, for
// that door's account. All tokens are looked at, so that time tells nothing.
func (g *guards) carrierToken(c carriers.Carrier) guard {
	type known struct {
		door carriers.Door
		hash [sha256.Size]byte
	}
	var tokens []known
	for _, door := range doorsOf(c) {
		for _, token := range door.Tokens {
			tokens = append(tokens, known{door, sha256.Sum256([]byte(token))})
		}
	}
	return func(ctx *fasthttp.RequestCtx) (trace.Asker, error) {
		from := g.address(ctx)
		token, _ := ctx.UserValue("tail").(string)
		shown := sha256.Sum256([]byte(token))
		found := -1
		for i := range tokens {
			same := subtle.ConstantTimeCompare(shown[:], tokens[i].hash[:])
			found = subtle.ConstantTimeSelect(same, i, found)
		}
		door := c.Push.Door
		if found >= 0 {
			door = tokens[found].door
		}
		who := asker(door, from, contains(g.exempt, from))
		if found < 0 {
			return who, trace.Problemf(trace.ErrUnauthorized, "wrong_token", "the token at the end of the path is not one of this door's")
		}
		return who, nil
	}
}

// gateway lets in as carrier does, and whoever shows a token as the last segment of
// the path, which is taken away then.
func (g *guards) gateway(c carriers.Carrier) guard {
	byAddress, byToken := g.carrier(c), g.carrierToken(c)
	return func(ctx *fasthttp.RequestCtx) (trace.Asker, error) {
		path, _ := ctx.UserValue("path").(string)
		tail, _ := ctx.UserValue("tail").(string)
		at := strings.LastIndexByte(path, '/')
		ctx.SetUserValue("tail", tail[strings.LastIndexByte(tail, '/')+1:])
		if who, err := byToken(ctx); err == nil {
			ctx.SetUserValue("path", path[:at])
			return who, nil
		}
		return byAddress(ctx)
	}
}

// replicated is the mode in which a push is acknowledged once Kafka has it, too.
const replicated = "replicated"

// doorsOf are a carrier's doors: the usual one, then those of further accounts in
// the order of their names.
func doorsOf(c carriers.Carrier) []carriers.Door {
	doors := []carriers.Door{c.Push.Door}
	for _, account := range slices.Sorted(maps.Keys(c.Push.Accounts)) {
		door := c.Push.Accounts[account]
		door.Account, door.Acknowledge = account, cmp.Or(door.Acknowledge, c.Push.Door.Acknowledge)
		doors = append(doors, door)
	}
	return doors
}

func asker(door carriers.Door, from netip.Addr, exempt bool) trace.Asker {
	return trace.Asker{Account: door.Account, Sender: addresses.name(from), Exempt: exempt, Replicated: door.Acknowledge == replicated}
}

// address is the client's: the peer's, or what a trusted proxy in front says.
// Of the addresses in X-Forwarded-For, those that trusted proxies wrote count,
// from the right.
func (g *guards) address(ctx *fasthttp.RequestCtx) netip.Addr {
	peer, _ := netip.AddrFromSlice(ctx.RemoteIP())
	peer = peer.Unmap()
	if len(g.proxies) == 0 {
		return peer
	}
	var hops []string
	for _, line := range ctx.Request.Header.PeekAll(fasthttp.HeaderXForwardedFor) {
		hops = append(hops, strings.Split(string(line), ",")...)
	}
	for i := len(hops) - 1; i >= 0 && contains(g.proxies, peer); i-- {
		peer = hopAddress(hops[i])
	}
	return peer
}

// hopAddress reads one address of X-Forwarded-For, with or without a port. What
// cannot be read is nobody's address: never the proxy's.
func hopAddress(hop string) netip.Addr {
	hop = strings.TrimSpace(hop)
	if a, err := netip.ParseAddr(hop); err == nil {
		return a.Unmap()
	}
	if a, err := netip.ParseAddrPort(hop); err == nil {
		return a.Addr().Unmap()
	}
	return netip.Addr{}
}

// forwarded reports whether a proxy stands between: then a loopback peer says
// nothing about the client.
func forwarded(ctx *fasthttp.RequestCtx) bool {
	for _, name := range proxyNames {
		if len(ctx.Request.Header.PeekCanonical(name)) > 0 {
			return true
		}
	}
	return false
}

// Names of headers as the server has them once it has read them.
var (
	authorization = []byte(fasthttp.HeaderAuthorization)
	origin        = []byte(fasthttp.HeaderOrigin)
	fetchSite     = []byte("Sec-Fetch-Site")
	proxyNames    = [][]byte{[]byte(fasthttp.HeaderXForwardedFor), []byte(fasthttp.HeaderForwarded), []byte(fasthttp.HeaderVia), []byte("X-Real-Ip")}
)

// foreignPage reports whether a browser may send this for a page of another
// site: then being on this machine says nothing about who asks. Its requests say
// so, or name the page they come from, or ask for this machine by a name that is
// not its own.
func foreignPage(ctx *fasthttp.RequestCtx) bool {
	return fromPage(ctx) || !ownName(lent(ctx.Request.Header.Host()))
}

// fromPage reports whether a browser says that a page of another site asks.
func fromPage(ctx *fasthttp.RequestCtx) bool {
	h := &ctx.Request.Header
	if site := lent(h.PeekCanonical(fetchSite)); site == "cross-site" || site == "same-site" {
		return true
	}
	page := lent(h.PeekCanonical(origin))
	_, host, _ := strings.Cut(page, "://")
	return page != "" && !ownName(host)
}

// ownName reports whether a host, with or without a port, is this machine's name
// for itself.
func ownName(host string) bool { return usualName(host) || closeName(host) }

// closeName looks closely.
func closeName(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") || err == nil && a.Unmap().IsLoopback()
}

// usualName reports whether a host is one of the two names that this machine is called
// by nearly always, in their usual form.
func usualName(host string) bool {
	rest, ok := strings.CutPrefix(host, "127.0.0.1")
	if !ok {
		if rest, ok = strings.CutPrefix(host, "localhost"); !ok {
			return false
		}
	}
	if rest == "" {
		return true
	}
	if rest[0] != ':' {
		return false
	}
	for i := 1; i < len(rest); i++ {
		if rest[i] < '0' || rest[i] > '9' {
			return false
		}
	}
	return true
}

// names are what senders are called where they are counted. One who comes again soon has
// the same text again, which takes no memory.
type names[K comparable] struct {
	seed  maphash.Seed
	call  func(K) string
	slots [256]atomic.Pointer[named[K]] // by hash; the last one to come has it
}

type named[K comparable] struct {
	key  K
	name string
}

func newNames[K comparable](call func(K) string) *names[K] {
	return &names[K]{seed: maphash.MakeSeed(), call: call}
}

func (n *names[K]) name(key K) string {
	slot := &n.slots[maphash.Comparable(n.seed, key)%uint64(len(n.slots))]
	if known := slot.Load(); known != nil && known.key == key {
		return known.name
	}
	name := n.call(key)
	slot.Store(&named[K]{key, name})
	return name
}

var (
	addresses = newNames(netip.Addr.String)
	keyIDs    = newNames(func(id string) string { return "key " + id })
)

func contains(networks []Network, a netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// parseNetworks reads what Check has found good.
func parseNetworks(texts []string) (networks []Network) {
	for _, text := range texts {
		if n, err := parseNetwork(text); err == nil {
			networks = append(networks, n)
		}
	}
	return networks
}
