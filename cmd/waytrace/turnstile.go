package main

import (
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"waytrace/trace"
)

// A turnstile is a listener that turns away who comes when its server has as many
// connections as it may. Clients that come again at once, thousands of them, would take
// the processor from those who are inside: so it turns away one in turnPace, and the
// others wait in the kernel's queue for their turn or for a place.
type turnstile struct {
	net.Listener
	server *fasthttp.Server
	secure bool // words would need a handshake first: the connection is closed without
}

// turnPace lets a full queue of the kernel's, 4096 on Linux, be told within three seconds.
const turnPace = 500 * time.Microsecond

func (t turnstile) Accept() (net.Conn, error) {
	for {
		c, err := t.Listener.Accept()
		if err != nil || int(t.server.GetOpenConnectionsCount()) < t.server.Concurrency {
			return c, err
		}
		turnAway(c, t.secure)
		time.Sleep(turnPace)
	}
}

// turnAway tells a client, as a problem document, that there is no place, and closes its
// connection. What it asks is not read, so that it cannot be in the words of a carrier.
func turnAway(c net.Conn, secure bool) {
	var ctx fasthttp.RequestCtx
	setRequestID(&ctx)
	refuse(&ctx, errNoPlace)
	ctx.SetConnectionClose()
	unrouted.status(&ctx)
	if !secure {
		ctx.Response.WriteTo(c) // a new connection has room for so little
	}
	c.Close()
}

var errNoPlace = trace.Problemf(trace.ErrUnavailable, "busy", "there are as many connections as there may be: come again in a second")
