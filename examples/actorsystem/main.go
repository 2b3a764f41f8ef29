// Command actorsystem uses WAMP from an actor system that was there before: an ordinary
// actor serves a procedure, and another one spawns a component, is told when it has
// joined, asks it to call and tells it to publish. It ends by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	url := flag.String("url", "", "`URL` of a router; without it the example runs its own")
	realm := flag.String("realm", "realm1", "`NAME` of the realm")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := run(ctx, *url, *realm, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "actorsystem:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url, realm string, out io.Writer) error {
	var transports []cloverleaf.Transport
	if url != "" {
		transports = cloverleaf.URLs(url)
	} else {
		router, err := cloverleaf.NewRouter(cloverleaf.RouterConfig{Realms: []cloverleaf.RealmConfig{{Name: realm}}})
		if err != nil {
			return err
		}
		defer router.Close(ctx)
		transports = []cloverleaf.Transport{router.Transport()} // no socket
	}

	system := actor.NewActorSystem(quiet()) // yours: it may hold anything else, too
	defer system.Shutdown()
	host := actors.NewHost(actors.HostConfig{System: system})
	defer host.Close()

	accounts := system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor {
		return &accountant{balances: map[string]int{"alice": 100}}
	}))
	done := make(chan error, 1)
	system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor {
		return &bank{host: host, transports: transports, realm: realm, accounts: accounts, out: out, done: done}
	}))
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// quiet keeps the actor system from writing to the terminal.
func quiet() actor.ConfigOption {
	return actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) })
}

// accountant is an ordinary actor that knows of WAMP no more than the type of a message.
type accountant struct{ balances map[string]int }

// Receive implements actor.Actor.
func (a *accountant) Receive(ctx actor.Context) {
	inv, ok := ctx.Message().(*actors.Invocation)
	if !ok {
		return
	}
	var name string
	var amount int
	if err := inv.Decode(&name, &amount); err != nil {
		ctx.Respond(err)
		return
	}
	balance, known := a.balances[name]
	if !known {
		ctx.Respond(session.NewError("com.example.error.no_such_account", name))
		return
	}
	a.balances[name] = balance + amount
	ctx.Respond(a.balances[name])
}

// bank is an actor that has a component as its child.
type bank struct {
	host       *actors.Host
	transports []cloverleaf.Transport
	realm      string
	accounts   *actor.PID
	component  *actor.PID
	out        io.Writer
	done       chan<- error
}

// Receive implements actor.Actor.
func (b *bank) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		b.start(ctx)
	case *actors.Joined:
		fmt.Fprintln(b.out, "joined", m.Session.Realm())
	case *ready:
		ctx.Send(b.component, &actors.Publish{
			Topic: "com.example.opened", Options: []session.PublishOption{session.ExcludeMe(false)},
		})
	case *actors.Event:
		b.opened(ctx)
	case *actors.CallResult:
		b.answered(ctx, m)
	case *actors.Left:
		fmt.Fprintln(b.out, "left")
	case *actors.Ended:
		b.done <- m.Err
	}
}

func (b *bank) start(ctx actor.Context) {
	deposit, err1 := actors.DeclareProcedure("com.example.deposit", actors.To(b.accounts))
	opened, err2 := actors.DeclareTopic("com.example.opened", actors.To(ctx.Self()))
	props, err3 := actors.ComponentProps(b.host, actors.ComponentConfig{
		Realm: protocol.URI(b.realm), Transports: b.transports, Name: "bank",
		Declarations: []*actors.Declaration{deposit, opened},
		Listeners:    tellReady(ctx.ActorSystem().Root, ctx.Self()),
	})
	if err := errors.Join(err1, err2, err3); err != nil {
		b.done <- err
		return
	}
	b.component = ctx.Spawn(props)
	ctx.Request(b.component, &actors.WatchSession{})
}

// ready tells the bank that everything declared is in place.
type ready struct{}

// tellReady returns listeners that send ready to an actor.
func tellReady(root *actor.RootContext, to *actor.PID) *actors.Listeners {
	l := new(actors.Listeners)
	l.OnReady(func(context.Context, *session.Session) error {
		root.Send(to, &ready{})
		return nil
	})
	return l
}

// opened asks the component to call; the answers come as messages.
func (b *bank) opened(ctx actor.Context) {
	fmt.Fprintln(b.out, "the bank is open")
	ctx.Request(b.component, &actors.Call{Procedure: "com.example.deposit", Args: []any{"alice", 20}, Ref: "alice"})
	ctx.Request(b.component, &actors.Call{Procedure: "com.example.deposit", Args: []any{"mallory", 20}, Ref: "mallory"})
}

func (b *bank) answered(ctx actor.Context, m *actors.CallResult) {
	balance, err := session.As[int](m.Result, m.Err)
	switch {
	case err != nil:
		fmt.Fprintln(b.out, m.Call.Ref, "fails with", session.ErrorURI(err))
	default:
		fmt.Fprintln(b.out, m.Call.Ref, "has", balance)
	}
	if m.Call.Ref == "mallory" {
		ctx.Send(b.component, &actors.Stop{})
	}
}
