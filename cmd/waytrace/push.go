package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"waytrace/carriers"
)

// PushCmd is `waytrace push`.
type PushCmd struct {
	Files []string `arg:"" name:"file" help:"Bodies to send, or case files (.push); - is standard input."`
	As    string   `help:"Whose words they are: a carrier's code, or events for /v1/events." default:"sf"`
	To    string   `help:"The daemon." default:"http://127.0.0.1:8080"`
	Token string   `help:"Token that ends the carrier's path." placeholder:"TOKEN"`
	Key   string   `help:"API key with scope push, for --as events." placeholder:"KEY"`
}

// Help is the example of --help.
func (*PushCmd) Help() string {
	return `Each file is one request; the answers go to standard output. The status is 1 when one of them is not the carrier's yes.

Example:

	waytrace push carriers/sf/testdata/document-json.push
	waytrace push --as events --key "$KEY" events.json
	echo '{"Body":{"WaybillRoute":[]}}' | waytrace push -`
}

// Run pushes the files, one after the other.
func (c *PushCmd) Run(ctx context.Context, std *streams) error {
	daemon, err := newClient(c.To, c.Key)
	if err != nil {
		return err
	}
	defer daemon.close()
	show := newShow(std, len(c.Files))
	defer show.close()
	refused := 0
	for _, name := range c.Files {
		source, err := c.source(name, std.in)
		if err != nil {
			return err
		}
		r, err := request(name, source, c.As)
		if err != nil {
			return err
		}
		path := c.path()
		if r.Query != "" {
			path += "?" + r.Query
		}
		got, err := daemon.do(ctx, path, r.ContentType, r.Body)
		if err != nil {
			return err
		}
		taken := yes(c.As, got)
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

// path is the door. A token in it is never printed.
func (c *PushCmd) path() string {
	path := "/push/" + url.PathEscape(c.As)
	if c.As == "events" {
		path = "/v1/events"
	}
	if c.Token != "" {
		path += "/" + url.PathEscape(c.Token)
	}
	return path
}

// Validate is asked by kong.
func (c *PushCmd) Validate() error {
	if c.As == "events" && c.Token != "" {
		return errors.New("/v1/events takes no token: give --key")
	}
	return nil
}

func (c *PushCmd) source(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}

// request makes the request of a file. Below a line "---- events" a case file
// says what was understood; of any other file all is the body. A content type
// that is not given follows from the body's shape.
func request(name string, source []byte, as string) (r carriers.Request, err error) {
	r.Body = source
	if strings.HasSuffix(name, ".push") {
		r = caseRequest(source)
	}
	if r.ContentType != "" {
		return r, nil
	}
	switch r.Shape() {
	case carriers.Empty:
		return r, fmt.Errorf("%s: there is nothing in it", name)
	case carriers.JSON:
		r.ContentType = "application/json"
	case carriers.XML:
		r.ContentType = "application/xml"
		if as == "sf" { // SF sends its XML as a field of a form
			r.Body, r.ContentType = []byte("content="+url.QueryEscape(string(r.Body))), formType
		}
	case carriers.Form:
		r.Body, r.ContentType = bytes.TrimRight(r.Body, "\r\n"), formType
	}
	return r, nil
}

const formType = "application/x-www-form-urlencoded"

// caseRequest finds the request in a case file: headers Content-Type and Query,
// an empty line, the body. Where the first lines are no headers all is body.
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
		}
	}
	return r
}

var caseHeaders = regexp.MustCompile(`^[A-Za-z-]+: [^\n]*(\n[A-Za-z-]+: [^\n]*)*$`)

// yeses say what a yes is, where it takes more than status 200.
var yeses = map[string]func(body []byte) bool{
	"sf": func(body []byte) bool {
		var said struct {
			Code string `json:"return_code"`
		}
		return json.Unmarshal(body, &said) == nil && said.Code == "0000" || bytes.Contains(body, []byte("<Head>OK</Head>"))
	},
}

func yes(as string, got *answer) bool {
	check := yeses[as]
	return got.status == http.StatusOK && (check == nil || check(got.body))
}

// remark is what /v1/events says beyond yes.
func remark(as string, body []byte) string {
	var said struct {
		Accepted, Duplicates int
		Quarantined          []struct{}
	}
	if as != "events" || json.Unmarshal(body, &said) != nil {
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
