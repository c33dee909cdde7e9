// Command waytrace takes the parcel traces that carriers push, keeps them, and
// answers where a parcel is. One binary is the daemon and its clients.
//
// `waytrace serve` runs the daemon, `waytrace push` and `waytrace trace` talk
// to one; `waytrace --help` lists the rest. Every flag is an environment
// variable too, WAYTRACE_ and its name, and the settings of serve may stand in
// a YAML file (--config).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands are the subcommands, one file each.
type commands struct {
	Serve      ServeCmd      `cmd:"" help:"Run the daemon."`
	Push       PushCmd       `cmd:"" help:"Send samples to a daemon, as a carrier would."`
	Trace      TraceCmd      `cmd:"" help:"Show where a parcel is."`
	Keys       KeysCmd       `cmd:"" help:"Make, list and revoke API keys."`
	Quarantine QuarantineCmd `cmd:"" help:"Look at pushes that were taken but not understood, and replay them."`
	Codes      CodesCmd      `cmd:"" help:"Show what the carriers' codes mean, or which ones nobody knows."`
	Refold     RefoldCmd     `cmd:"" help:"Judge all parcels anew by the code tables as they are now."`
	Override   OverrideCmd   `cmd:"" help:"Say yourself what became of a parcel."`
	Clone      CloneCmd      `cmd:"" help:"Make a new node from one that runs."`
	Backup     BackupCmd     `cmd:"" help:"Copy all parcels into a directory."`
	Restore    RestoreCmd    `cmd:"" help:"Make a node of a backup, or of a directory that is older than its log."`
	Verify     VerifyCmd     `cmd:"" help:"Read the whole store and see whether it fits together, or compare it with another node's."`
	Relay      RelayCmd      `cmd:"" help:"Look at what nodes tell each other through Kafka, and let it go on."`
	Doctor     DoctorCmd     `cmd:"" help:"Look at everything that the settings lead to, and say what would help."`
	Bench      BenchCmd      `cmd:"" help:"Measure a daemon of its own against what this machine can do."`
	Import     ImportCmd     `cmd:"" help:"Build the directory of a new node from the history that another system has."`
	Version    VersionCmd    `cmd:"" help:"Say which version this is."`
}

// streams are where a command reads and writes: data to out, words for people
// to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run does what the arguments say until it is done or ctx ends, and returns the
// exit status: 0 done, 1 failed, 2 wrong usage.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	helped := false
	command, err := grammar(&commands{},
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }),
		kong.BindTo(ctx, (*context.Context)(nil)),
	).Parse(args)
	var broken *fileError
	switch {
	case helped:
		return 0
	case errors.As(err, &broken):
		fmt.Fprintln(stderr, "waytrace:", broken)
		return 1
	case err != nil:
		fmt.Fprintln(stderr, "waytrace:", err)
		fmt.Fprintf(stderr, "%s --help shows how it is used\n", strings.Join(append([]string{"waytrace"}, selected(err)...), " "))
		return 2
	}
	err = command.Run(&streams{stdin, stdout, stderr})
	if err != nil && !errors.Is(err, errSaid) {
		fmt.Fprintln(stderr, "waytrace:", err)
	}
	if err != nil {
		return 1
	}
	return 0
}

// errSaid is a command's failure that it has told already, in a better place.
var errSaid = errors.New("said")

// grammar is how a command line reads.
func grammar(into *commands, options ...kong.Option) *kong.Kong {
	return kong.Must(into, append(options,
		kong.Name("waytrace"),
		kong.Description("Takes the parcel traces that carriers push, keeps them, and answers where a parcel is."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.PostBuild(nameFlags),
		kong.Resolvers(&settingsFile{}))...)
}

// selected is the subcommand that a wrong usage was about, as far as it is known.
func selected(err error) (words []string) {
	var wrong *kong.ParseError
	if errors.As(err, &wrong) && wrong.Context != nil {
		for _, at := range wrong.Context.Path {
			if at.Command != nil {
				words = append(words, at.Command.Name)
			}
		}
	}
	return words
}
