package main

import (
	"context"

	"waytrace/bench/rivals"
)

// BenchRivalCmd is `waytrace bench rival`.
type BenchRivalCmd struct {
	Kind   string `arg:"" help:"postgres or redis." enum:"postgres,redis"`
	At     string `help:"Its address, as its driver takes it." required:"" placeholder:"URL"`
	Listen string `help:"Where pushes and questions come in." default:"127.0.0.1:0"`
}

// Help is the example of --help.
func (*BenchRivalCmd) Help() string {
	return `Answers POST /push/sf and GET /v1/traces/{number} out of another database, behind the daemon's own
kind of server, so that the same load can be put on both.

Example:

	waytrace bench rival postgres --at "$POSTGRES" --listen 127.0.0.1:8090

where bench/rivals/rivals.sh DIR COMMAND starts both databases and sets POSTGRES and REDIS.`
}

// Run serves until it is stopped.
func (c *BenchRivalCmd) Run(ctx context.Context, std *streams) error {
	shareCores()
	return rivals.Serve(ctx, newServer(nil, nil), rivals.Options{Kind: c.Kind, At: c.At, Listen: c.Listen, Words: std.err})
}
