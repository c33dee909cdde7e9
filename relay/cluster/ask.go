package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

// ask asks a sister how she is, and keeps what comes of it; nothing where ctx ends
// first.
func (c *Cluster) ask(ctx context.Context, i int) {
	sister := c.settings.Nodes[i]
	sent := time.Now()
	report, err := c.fetch(ctx, sister)
	came := time.Now()
	if ctx.Err() != nil {
		return
	}
	answered, trouble := err == nil, ""
	switch {
	case err != nil:
		trouble = err.Error()
	case report.Start == c.start:
		answered, trouble = false, sister.URL+" leads to this node itself: mend cluster.nodes"
	case report.Name != sister.Name:
		trouble = fmt.Sprintf("%s calls itself %s: mend cluster.nodes here, or cluster.self there", sister.URL, report.Name)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	n := &c.nodes[i]
	n.asked, n.answered, n.trouble = true, answered, trouble
	n.set(trouble == "" && report.Ready, came)
	if answered {
		n.report = report
	}
	if trouble == "" {
		// The clock was read somewhere between question and answer.
		n.clock = reading{report.Clock, sent.Add(came.Sub(sent) / 2)}
	}
}

// fetch gets a sister's report. Its error is in words for people, and never holds the
// key.
func (c *Cluster) fetch(ctx context.Context, sister Node) (r Report, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, sister.URL+"/cluster", nil)
	if err != nil {
		return r, fmt.Errorf("%s: %w", sister.URL, inner(err))
	}
	request.Header.Set("Authorization", "Bearer "+c.settings.Key)
	response, err := c.http.Do(request)
	if err != nil {
		return r, explain(sister.URL, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReport+1))
	switch {
	case err != nil:
		return r, explain(sister.URL, err)
	case response.StatusCode == http.StatusUnauthorized:
		return r, fmt.Errorf("%s refuses the key: give both nodes the same cluster.key", sister.URL)
	case response.StatusCode != http.StatusOK:
		return r, fmt.Errorf("%s answers %d: is that the admin listener of a waytrace with cluster.nodes?", sister.URL, response.StatusCode)
	case len(body) > maxReport:
		return r, fmt.Errorf("%s answers more than %d bytes: is that the admin listener of a waytrace?", sister.URL, maxReport)
	}
	if err := r.parse(body); err != nil {
		return Report{}, fmt.Errorf("%s: %w: is that the admin listener of a waytrace?", sister.URL, err)
	}
	return r, nil
}

// explain says what would help when there was no answer.
func explain(to string, err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s: is waytrace running there?", to)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%s did not answer within %s", to, limit)
	}
	return fmt.Errorf("%s: %w", to, inner(err))
}

// inner is the error without the address that net/http puts before it.
func inner(err error) error {
	var full *url.Error
	if errors.As(err, &full) {
		return full.Err
	}
	return err
}
