//go:build interop

package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

// ours is a component of this module, in the process of the test.
func ours() *kind {
	return &kind{
		name:        "cloverleaf",
		start:       startComponent,
		ours:        true,
		interrupts:  true,
		cancelModes: []string{"skip", "kill", "killnowait"},
		serializers: map[string][]string{
			webSocket: {"json", "msgpack", "cbor"},
			rawSocket: {"json", "msgpack", "cbor"},
		},
	}
}

// componentPeer is a peer that is a component. Like the peer programs it
// connects once and ends with its session.
type componentPeer struct {
	runtime   *cloverleaf.Runtime
	component *cloverleaf.Component
	told      chan report
	ended     chan struct{} // closed after told
	exchange  *tail
	log       *tail

	mu            sync.Mutex
	over          bool // told is closed
	registrations map[uint64]*session.Registration
	subscriptions map[uint64]*session.Subscription
}

// startComponent starts a component; it connects by itself.
func startComponent(url, serializer, realm string) (peer, error) {
	chosen, ok := protocol.ParseSerializer(serializer)
	if !ok {
		return nil, fmt.Errorf("unknown serializer %q", serializer)
	}
	p := &componentPeer{
		told:          make(chan report, reportQueue),
		ended:         make(chan struct{}),
		exchange:      &tail{},
		log:           &tail{},
		registrations: map[uint64]*session.Registration{},
		subscriptions: map[uint64]*session.Subscription{},
	}
	logger := slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	transports := cloverleaf.URLs(url)
	transports[0].MaxRetries = -1
	var err error
	p.component, err = cloverleaf.NewComponent(cloverleaf.Config{
		Realm:       realm,
		Transports:  transports,
		Serializers: []protocol.Serializer{chosen},
		Logger:      logger,
	})
	if err != nil {
		return nil, err
	}
	p.listen()
	p.runtime = cloverleaf.NewRuntime(cloverleaf.RuntimeConfig{Logger: logger})
	if err := p.runtime.Start(context.Background(), p.component); err != nil {
		return nil, err
	}
	go p.wait()
	return p, nil
}

// listen reports what happens to the component.
func (p *componentPeer) listen() {
	p.component.OnJoin(func(_ context.Context, s *session.Session) error {
		p.report(report{
			Kind: reportJoined, Session: uint64(s.ID()), Realm: string(s.Realm()), AuthRole: s.Details().AuthRole,
		})
		return nil
	})
	p.component.OnLeave(func(_ context.Context, _ *session.Session, reason error) { p.reportEnd(reason) })
	p.component.OnConnectFailure(func(_ context.Context, err error) { p.reportEnd(err) })
	p.component.OnDisconnect(func(_ context.Context, err error) {
		p.report(report{Kind: reportClosed, Clean: err == nil})
	})
}

// reportEnd reports a GOODBYE or ABORT, or whatever else ended the session.
func (p *componentPeer) reportEnd(err error) {
	var end *session.EndedError
	if errors.As(err, &end) && end.Reason != "" {
		p.report(report{Kind: reportLeft, Reason: string(end.Reason), Message: end.Message})
		return
	}
	p.report(report{Kind: reportFailed, Message: err.Error()})
}

func (p *componentPeer) report(r report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exchange.add("<- " + line(r))
	if p.over {
		return
	}
	select {
	case p.told <- r:
	default:
		p.exchange.add("!! too many unread reports")
	}
}

// wait ends the reports with the component.
func (p *componentPeer) wait() {
	err := p.component.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exchange.add(fmt.Sprint("<- component ended: ", err))
	p.over = true
	close(p.told)
	close(p.ended)
}

func (p *componentPeer) reports() <-chan report { return p.told }

func (p *componentPeer) trace() string {
	return "commands and answers:\n" + p.exchange.String() + "log:\n" + p.log.String()
}

// stop cuts the connection, so that the router sees it lost.
func (p *componentPeer) stop() {
	if pid := p.component.PID(); pid != nil {
		p.runtime.System().Root.Stop(pid)
	}
	<-p.ended
	_ = p.runtime.Stop(context.Background()) // nothing is left to stop but the runtime itself
}

func (p *componentPeer) do(ctx context.Context, cmd command) (reply, error) {
	p.exchange.add("-> " + line(cmd))
	got, err := p.execute(ctx, cmd)
	if err != nil {
		p.exchange.add(fmt.Sprintf("<- %s %s: %v", cmd.Op, cmd.URI, err))
		return reply{}, fmt.Errorf("%s %s: %w", cmd.Op, cmd.URI, asWAMP(err))
	}
	p.exchange.add(fmt.Sprintf("<- %s %s: %s", cmd.Op, cmd.URI, line(got)))
	return got, nil
}

func (p *componentPeer) execute(ctx context.Context, cmd command) (reply, error) {
	s, ok := p.component.Session()
	if !ok {
		return reply{}, errPeerEnded
	}
	switch cmd.Op {
	case opRegister:
		return p.register(ctx, s, cmd)
	case opUnregister:
		p.mu.Lock()
		r := p.registrations[cmd.Target]
		p.mu.Unlock()
		return reply{}, s.Unregister(ctx, r)
	case opSubscribe:
		return p.subscribe(ctx, s, cmd)
	case opUnsubscribe:
		p.mu.Lock()
		sub := p.subscriptions[cmd.Target]
		p.mu.Unlock()
		return reply{}, s.Unsubscribe(ctx, sub)
	case opCall:
		return callWith(ctx, s, cmd)
	case opPublish:
		return publishWith(ctx, s, cmd)
	case opLeave:
		return reply{}, s.Leave(ctx)
	case opCancel:
		return reply{}, errors.New("a call is canceled by its context")
	default:
		return reply{}, fmt.Errorf("unknown command %q", cmd.Op)
	}
}

func (p *componentPeer) register(ctx context.Context, s *session.Session, cmd command) (reply, error) {
	var opts []session.RegisterOption
	for name, v := range cmd.Options {
		switch text := fmt.Sprint(v); name {
		case "match":
			m, ok := protocol.ParseMatch(text)
			if !ok {
				return reply{}, unknownOption(cmd, name+"="+text)
			}
			opts = append(opts, session.Match(m))
		case "invoke":
			opts = append(opts, session.Invoke(protocol.InvokePolicy(text)))
		default:
			return reply{}, unknownOption(cmd, name)
		}
	}
	handler, err := p.handler(cmd.Behaviour)
	if err != nil {
		return reply{}, err
	}
	r, err := s.Register(ctx, cmd.URI, handler, opts...)
	if err != nil {
		return reply{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.registrations[uint64(r.ID())] = r
	return reply{ID: uint64(r.ID())}, nil
}

func (p *componentPeer) subscribe(ctx context.Context, s *session.Session, cmd command) (reply, error) {
	var opts []session.SubscribeOption
	for name, v := range cmd.Options {
		m, ok := protocol.ParseMatch(fmt.Sprint(v))
		if name != "match" || !ok {
			return reply{}, unknownOption(cmd, fmt.Sprint(name, "=", v))
		}
		opts = append(opts, session.Match(m))
	}
	sub, err := s.Subscribe(ctx, cmd.URI, func(_ context.Context, ev *session.Event) error {
		r := report{
			Kind: reportEvent, Subscribed: cmd.URI, Topic: string(ev.Topic()), Publication: uint64(ev.Publication()),
		}
		var err error
		r.payload, err = payloadOf(ev)
		p.report(r)
		return err
	}, opts...)
	if err != nil {
		return reply{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.subscriptions[uint64(sub.ID())] = sub
	return reply{ID: uint64(sub.ID())}, nil
}

func callWith(ctx context.Context, s *session.Session, cmd command) (reply, error) {
	var got reply
	var stepErr error
	opts := []session.CallOption{session.Args(cmd.Args...)}
	if cmd.KwArgs != nil {
		opts = append(opts, session.KwArgs(map[string]any(cmd.KwArgs)))
	}
	for name, v := range cmd.Options {
		switch {
		case name == "receive_progress" && v == true:
			opts = append(opts, session.OnProgress(func(r *session.Result) {
				step, err := payloadOf(r)
				got.Progress, stepErr = append(got.Progress, step), errors.Join(stepErr, err)
			}))
		case name == "receive_progress":
		case name == "timeout":
			millis, ok := v.(int)
			if !ok {
				return reply{}, unknownOption(cmd, fmt.Sprint(name, "=", v))
			}
			opts = append(opts, session.Timeout(time.Duration(millis)*time.Millisecond))
		case name == optionCancel:
			opts = append(opts, session.OnCancel(protocol.CancelMode(fmt.Sprint(v))))
		default:
			return reply{}, unknownOption(cmd, name)
		}
	}
	r, err := s.Call(ctx, cmd.URI, opts...)
	if err != nil {
		return reply{}, err
	}
	got.payload, err = payloadOf(r)
	return got, errors.Join(stepErr, err)
}

func publishWith(ctx context.Context, s *session.Session, cmd command) (reply, error) {
	opts := []session.PublishOption{session.Args(cmd.Args...)}
	if cmd.KwArgs != nil {
		opts = append(opts, session.KwArgs(map[string]any(cmd.KwArgs)))
	}
	for name, v := range cmd.Options {
		switch {
		case name == "acknowledge" && v == true:
			opts = append(opts, session.Acknowledge())
		case name == "exclude_me":
			opts = append(opts, session.ExcludeMe(v == true))
		default:
			return reply{}, unknownOption(cmd, name)
		}
	}
	id, err := s.Publish(ctx, cmd.URI, opts...)
	return reply{ID: uint64(id)}, err
}

// handler returns what a procedure can be registered with.
func (p *componentPeer) handler(b behaviour) (any, error) {
	switch b {
	case echo:
		return func(_ context.Context, inv *session.Invocation) (session.Reply, error) {
			got, err := payloadOf(inv)
			return session.Reply{Args: got.Args, KwArgs: map[string]any(got.KwArgs)}, err
		}, nil
	case value:
		return func(v any) any { return v }, nil
	case nothing:
		return func() any { return nil }, nil
	case add2:
		return func(a, b int64) int64 { return a + b }, nil
	case fail:
		return func(_ context.Context, inv *session.Invocation) (session.Reply, error) {
			got, err := payloadOf(inv)
			if err != nil {
				return session.Reply{}, err
			}
			return session.Reply{}, &session.Error{URI: customError, Args: got.Args, KwArgs: got.KwArgs}
		}, nil
	case crash:
		return func() error { return errors.New("crashed on purpose") }, nil
	case progress:
		return inSteps, nil
	case called:
		return func(inv *session.Invocation) string { return string(inv.Procedure()) }, nil
	case whoami:
		return func(inv *session.Invocation) uint64 { return uint64(inv.Session().ID()) }, nil
	case hang:
		return p.hang, nil
	default:
		return nil, fmt.Errorf("unknown behaviour %q", b)
	}
}

func inSteps(ctx context.Context, inv *session.Invocation, count int) (int, error) {
	for i := 0; inv.Details.ReceiveProgress && i < count; i++ {
		if err := inv.Yield(ctx, session.Reply{Args: []any{i}, KwArgs: map[string]any{"step": i}}); err != nil {
			return 0, err
		}
	}
	return count, nil
}

func (p *componentPeer) hang(ctx context.Context, inv *session.Invocation) error {
	p.report(report{Kind: reportInvoked, Procedure: string(inv.Procedure())})
	<-ctx.Done()
	p.report(report{Kind: reportInterrupted, Procedure: string(inv.Procedure())})
	return ctx.Err()
}

// payloadOf returns the application's data of a message.
func payloadOf(m interface {
	Args() ([]any, error)
	KwArgs() (map[string]any, error)
},
) (payload, error) {
	args, err := m.Args()
	kwargs, kwErr := m.KwArgs()
	return payload{Args: args, KwArgs: kwargs}, errors.Join(err, kwErr)
}

// asWAMP returns an error that the router or another peer sent as *wampError,
// and likewise what the session made up itself.
func asWAMP(err error) error {
	var refusal *session.Error
	switch {
	case errors.Is(err, context.Canceled) && !session.IsRemote(err):
		return &wampError{URI: localCanceled}
	case errors.As(err, &refusal):
		return &wampError{URI: string(refusal.URI), payload: payload{Args: refusal.Args, KwArgs: refusal.KwArgs}}
	case errors.Is(err, session.ErrClosed), errors.Is(err, errPeerEnded):
		return err
	default:
		return &wampError{URI: localError, payload: payload{Args: list{err.Error()}}}
	}
}

func unknownOption(cmd command, name string) error {
	return fmt.Errorf("unknown option %q of %s", name, cmd.Op)
}

// line returns v as one line for a trace.
func line(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
