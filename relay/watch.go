package relay

import (
	"context"
	"fmt"
	"sync"
	"time"

	"waytrace/trace"
)

// The states of the topic.
const (
	topicAsking  = "asking" // Kafka has not answered yet
	topicReady   = "ready"
	topicMissing = "missing"
	topicNarrow  = "narrow" // it has too few partitions
	topicOther   = "other"  // it is not the one that this directory belongs to
)

// A footing is whether the topic is one to work with: nothing is shipped or read while
// it is not.
type footing struct {
	mu      sync.Mutex
	state   string
	trouble string        // what is wrong, and what would help, for people
	there   string        // which topic there is where it is another, see view.id
	home    string        // which one the directory belongs to; empty is not known yet
	firm    chan struct{} // closed while it is ready
}

func newFooting() *footing { return &footing{state: topicAsking, firm: make(chan struct{})} }

// ready is closed while the topic is one to work with.
func (f *footing) ready() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.firm
}

// holds reports whether the topic is one to work with.
func (f *footing) holds() bool {
	select {
	case <-f.ready():
		return true
	default:
		return false
	}
}

// what says the state, and what is wrong.
func (f *footing) what() (state, trouble string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state, f.trouble
}

// set changes the state, and reports whether it was another.
func (f *footing) set(state, trouble string) (changed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed = f.state != state
	switch {
	case changed && state == topicReady:
		close(f.firm)
	case changed && f.state == topicReady:
		f.firm = make(chan struct{})
	}
	f.state, f.trouble = state, trouble
	return changed
}

// lookEvery is how often the topic is looked at. It costs a request only while it is not
// ready, and must be well within silence.
const lookEvery = time.Second

// watch looks at the topic until the relay closes: whether it is there, wide enough, and
// the one that this directory belongs to.
func (r *Relay) watch() {
	var retry backoff
	judged := false
	for r.ctx.Err() == nil {
		v, err := r.broker.look(r.ctx)
		if err != nil {
			r.failed("metadata", err)
			r.pause(retry.next())
			continue
		}
		retry = backoff{}
		state, trouble, err := r.judge(v)
		if err != nil {
			r.failed("topic", err)
			r.pause(lookEvery)
			continue
		}
		if state != topicReady && r.greet() {
			r.complain(state, trouble)
		}
		changed := r.topic.set(state, trouble)
		if changed && state == topicReady {
			r.log.Info("relay: the topic is ready", "topic", r.broker.topic)
		}
		if state == topicReady && !judged {
			judged = true
			r.reached()
			r.criticize()
		}
		select {
		case <-r.look:
		case <-time.After(lookEvery):
		case <-r.ctx.Done():
		}
	}
}

// complain counts a topic that is not ready, and says so in the log now and then.
func (r *Relay) complain(state, trouble string) {
	failures("metadata", "topic_"+state).Inc()
	if r.said.due("topic "+state, say(trace.ErrUnavailable, "%s", trouble)) {
		r.log.Error("relay: nothing is shipped or read before the topic is as it must be", "what", trouble)
	}
}

// greet asks Kafka for something that is not in memory, and reports whether it answered.
func (r *Relay) greet() bool {
	if err := r.broker.greet(r.ctx); err != nil {
		r.failed("metadata", err)
		return false
	}
	r.reached()
	return true
}

// judge says what state a topic is in. One that the directory is the first to use becomes
// its own.
func (r *Relay) judge(v view) (state, trouble string, err error) {
	switch {
	case v.missing:
		return topicMissing, fmt.Sprintf("topic %s is not there; create it: %s", r.broker.topic, createCommand(r.broker.addresses, r.broker.topic, v.brokers)), nil
	case len(v.partitions) < trace.Partitions:
		return topicNarrow, fmt.Sprintf("topic %s has %s; add the others: %s", r.broker.topic, narrow(len(v.partitions)), r.broker.widenCommand()), nil
	}
	f := r.topic
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.home == "" {
		if f.home, err = r.store.Topic(); err != nil {
			return "", "", err
		}
	}
	if f.home == "" {
		if err := r.store.SetTopic(v.id); err != nil {
			return "", "", err
		}
		f.home = v.id
	}
	if f.home != v.id {
		f.there = v.id
		return topicOther, fmt.Sprintf("this directory belongs to %s, and kafka.brokers and kafka.topic name %s: set them back; "+
			"or, if the topic has really moved: waytrace relay adopt", topicName(f.home), topicName(v.id)), nil
	}
	home := f.home
	r.broker.home.Store(&home)
	return topicReady, "", nil
}

// criticize says in the log what could be better about the topic.
func (r *Relay) criticize() {
	report, err := r.broker.Check(r.ctx)
	if err != nil {
		r.failed("metadata", err)
		return
	}
	for _, f := range report.Findings {
		if f.Level == Risky {
			r.log.Warn("relay: the topic is not as it should be", "topic", report.Topic, "what", f.Text, "help", f.Command)
		}
	}
}

// Adopt makes the topic that there is the directory's own, on an operator's word that it
// is the former one which has moved: shipping goes on where it was, and so does reading
// where the same records are at the same offsets; elsewhere it needs a clone. The error
// is of kind ErrInvalid where there is nothing to adopt, ErrUnavailable where it could
// not be written.
func (r *Relay) Adopt(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return trace.Problemf(trace.ErrUnavailable, "unavailable", "it was given up before it began: %v", err)
	}
	f := r.topic
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state != topicOther {
		return trace.Invalid("not_another", "", "the topic is %s, and this directory belongs to no other", f.state)
	}
	if err := r.store.SetTopic(f.there); err != nil {
		return err
	}
	r.log.Warn("relay: the directory belongs to another topic now, by an operator's word", "was", f.home, "is", f.there)
	f.home = f.there
	ring(r.look)
	return nil
}
