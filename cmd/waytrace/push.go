package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"waytrace/carriers"
	"waytrace/trace"
)

// PushCmd is `waytrace push`.
type PushCmd struct {
	Files     []string `arg:"" name:"file" help:"Bodies to send, or case files (.push); - is standard input."`
	As        string   `help:"Whose words they are: a carrier's code, or events for /v1/events." default:"sf"`
	Call      string   `help:"Which of the carrier's calls, where it has several." placeholder:"NAME"`
	To        string   `help:"The daemon." default:"http://127.0.0.1:8080"`
	Token     string   `help:"Token that ends the carrier's path." placeholder:"TOKEN"`
	Secret    string   `help:"Sign as the carrier does, with this. Better said in WAYTRACE_SECRET: what a shell runs is remembered." placeholder:"SECRET"`
	SecretKey string   `help:"The name that goes with the secret, such as an app key, where the carrier has one." placeholder:"NAME"`
	Key       string   `help:"API key with scope push, for --as events." placeholder:"KEY"`
}

// Help is the example of --help.
func (*PushCmd) Help() string {
	return `Each file is one request; the answers go to standard output. The status is 1 when one of them is
not the carrier's yes. A body is put into the carrier's envelope; a case file is sent as it stands,
unless there is a secret: then its body is what is put into an envelope and signed.

Example:

	waytrace push carriers/sf/testdata/document-json.push
	WAYTRACE_SECRET="$SECRET" waytrace push --as alibaba --call notifyTrace trace.json
	waytrace push --as events --key "$KEY" events.json
	echo '{"Body":{"WaybillRoute":[]}}' | waytrace push -`
}

// asEvents stands for /v1/events among the carriers.
const asEvents = "events"

// Run pushes the files, one after the other.
func (c *PushCmd) Run(ctx context.Context, std *streams) error {
	daemon, err := newClient(c.To, c.Key)
	if err != nil {
		return err
	}
	defer daemon.close()
	dialect, err := c.dialect()
	if err != nil {
		return err
	}
	show := newShow(std, len(c.Files))
	defer show.close()
	refused := 0
	for _, name := range c.Files {
		source, err := c.source(name, std.in)
		if err != nil {
			return err
		}
		r, err := c.request(name, source, dialect)
		if err != nil {
			return fmt.Errorf("%s: %s", name, trace.Words(err))
		}
		got, err := daemon.do(ctx, r.Path, r.ContentType, r.Body)
		if err != nil {
			return err
		}
		taken := got.status == http.StatusOK && (dialect.Yes == nil || dialect.Yes(got.body))
		said := "taken" + remark(c.As, got.body)
		if !taken {
			refused++
			said = fmt.Sprintf("not taken (%d)", got.status)
		}
		show.answer(name, taken, said, got.body)
	}
	if refused > 0 {
		return fmt.Errorf("%d of %d not taken", refused, len(c.Files))
	}
	return nil
}

// Validate is asked by kong.
func (c *PushCmd) Validate() error {
	switch {
	case c.As == asEvents && c.Token != "":
		return errors.New("/v1/events takes no token: give --key")
	case c.As == asEvents && c.Call != "":
		return errors.New("/v1/events has no calls")
	}
	return nil
}

// dialect is that of the carrier whose words they are; an empty one where this
// program does not have it, as the daemon may.
func (c *PushCmd) dialect() (*carriers.Push, error) {
	known, err := ownCarriers()
	if err != nil {
		return nil, err
	}
	for _, k := range known {
		if k.Push == nil || k.Code != c.As && !slices.Contains(k.Aliases, c.As) {
			continue
		}
		switch {
		case c.Call != "" && !slices.Contains(k.Push.Calls, c.Call):
			return nil, fmt.Errorf("%s has no call %q; it has: %s", c.As, c.Call, cmp.Or(strings.Join(k.Push.Calls, ", "), "none"))
		case c.Secret != "" && k.Push.Outgoing == nil:
			return nil, fmt.Errorf("%s signs nothing: leave the secret away", c.As)
		}
		return k.Push, nil
	}
	if c.Secret != "" && c.As != asEvents {
		return nil, fmt.Errorf("how %s signs is not known here: leave the secret away", c.As)
	}
	return new(carriers.Push), nil
}

func (c *PushCmd) source(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}

// request makes the request of a file. Below a line "---- events" a case file
// says what was understood; of any other file all is the body.
func (c *PushCmd) request(name string, source []byte, dialect *carriers.Push) (*carriers.Outgoing, error) {
	r := carriers.Request{Body: source}
	isCase := strings.HasSuffix(name, ".push")
	if isCase {
		r = caseRequest(source)
	}
	if r.Shape() == carriers.Empty && r.Query == "" {
		return nil, errors.New("there is nothing in it")
	}
	if dialect.Outgoing != nil && (c.Secret != "" || !isCase) {
		out, err := dialect.Outgoing(r.Body, carriers.Sending{Call: cmp.Or(c.Call, r.Call), Key: c.SecretKey, Secret: c.Secret})
		if err != nil {
			return nil, err
		}
		if r.Query != "" && !strings.Contains(out.Path, "?") {
			out.Path += "?" + r.Query
		}
		out.Path = c.withToken(out.Path)
		return out, nil
	}
	path := "/push/" + url.PathEscape(c.As)
	if call := cmp.Or(c.Call, r.Call); call != "" {
		path += "/" + call
	}
	switch {
	case c.As == asEvents:
		path = "/v1/events"
	case r.Path != "":
		path = r.Path
	}
	if r.Query != "" {
		path += "?" + r.Query
	}
	return &carriers.Outgoing{Path: c.withToken(path), ContentType: cmp.Or(r.ContentType, contentTypes[r.Shape()]), Body: append([]byte{}, r.Body...)}, nil
}

// contentTypes of requests that name none.
var contentTypes = map[carriers.Shape]string{
	carriers.JSON: "application/json", carriers.XML: "application/xml", carriers.Form: "application/x-www-form-urlencoded",
}

// withToken ends a path with the token, before the query. A token is never printed.
func (c *PushCmd) withToken(path string) string {
	if c.Token == "" {
		return path
	}
	path, query, _ := strings.Cut(path, "?")
	path += "/" + url.PathEscape(c.Token)
	if query != "" {
		path += "?" + query
	}
	return path
}

// caseRequest finds the request in a case file: headers, an empty line, the body.
// Where the first lines are no headers all is body.
func caseRequest(source []byte) (r carriers.Request) {
	if end := bytes.LastIndex(source, []byte("\n---- events\n")); end >= 0 {
		source = source[:end]
	}
	r.Body = source
	head, body, found := bytes.Cut(source, []byte("\n\n"))
	if !found || !caseHeaders.Match(head) {
		return r
	}
	r.Body = body
	for line := range strings.Lines(string(head)) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), ": "); name {
		case "Content-Type":
			r.ContentType = value
		case "Query":
			r.Query = value
		case "Path":
			r.Path = value
		case "Call":
			r.Call = value
		}
	}
	return r
}

var caseHeaders = regexp.MustCompile(`^[A-Za-z-]+: [^\n]*(\n[A-Za-z-]+: [^\n]*)*$`)

// remark is what /v1/events says beyond yes.
func remark(as string, body []byte) string {
	var said struct {
		Accepted, Duplicates int
		Quarantined          []struct{}
	}
	if as != asEvents || json.Unmarshal(body, &said) != nil {
		return ""
	}
	return fmt.Sprintf(": %d new, %d known, %d in quarantine", said.Accepted, said.Duplicates, len(said.Quarantined))
}

// A show prints the answers to standard output and what was done to standard
// error: a progress bar for many files on a terminal, with a line for each that
// was not taken; elsewhere a line for every file.
type show struct {
	std     *streams
	bars    *mpb.Progress // nil without a bar
	bar     *mpb.Bar
	answers io.Writer
}

func newShow(std *streams, files int) *show {
	s := &show{std: std, answers: std.out}
	if files > 1 && isTerminal(std.err) {
		s.bars = mpb.New(mpb.WithOutput(std.err), mpb.WithWidth(40))
		s.bar = s.bars.AddBar(int64(files),
			mpb.PrependDecorators(decor.CountersNoUnit("%d of %d")),
			mpb.AppendDecorators(decor.Percentage()))
		if isTerminal(std.out) {
			s.answers = s.bars // above the bar, or they would tear it
		}
	}
	return s
}

func (s *show) answer(name string, taken bool, said string, body []byte) {
	if s.bar == nil {
		fmt.Fprintf(s.std.err, "%s: %s\n", name, said)
	} else if !taken {
		fmt.Fprintf(s.bars, "%s: %s\n", name, said)
	}
	fmt.Fprintf(s.answers, "%s\n", bytes.TrimRight(body, "\n"))
	if s.bar != nil {
		s.bar.Increment()
	}
}

// close leaves the bar where it is.
func (s *show) close() {
	if s.bar != nil {
		s.bar.Abort(false) // does nothing to one that is complete
		s.bars.Wait()
	}
}
