// Command prefix subscribes to all topics that start with "com.example.", and asks which topic an
// event came from. It also calls a procedure of its own that answers in pieces.
//
//	cloverleaf router --demo
//	go run ./examples/prefix
package main

import (
	"context"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.Main("crossbardemo", example.Roles{"": run})
}

func run(ctx context.Context, cfg cloverleaf.Config) error {
	topics := make(chan string)
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		for _, topic := range []string{"com.example.foo", "com.non_matching", "com.example.some.other.uri"} {
			fmt.Println("publishing", topic)
			// A publisher gets its own events only if it asks for them.
			if _, err := s.Publish(ctx, topic, session.ExcludeMe(false), session.Acknowledge()); err != nil {
				return err
			}
		}
		if err := expect(ctx, topics, "com.example.foo", "com.example.some.other.uri"); err != nil {
			return err
		}
		_, err := s.Call(ctx, "com.example.progressive", session.OnProgress(func(res *session.Result) {
			piece, _ := session.As[string](res, nil)
			fmt.Println("received:", piece)
		}))
		return err
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Subscribe("com.example.", func(ctx context.Context, ev *session.Event) {
		fmt.Println("topic", ev.Topic())
		example.Put(ctx, topics, string(ev.Topic()))
	}, session.Prefix())
	comp.Register("com.example.progressive", progressive)
	return cloverleaf.Run(ctx, comp)
}

func expect(ctx context.Context, topics <-chan string, wants ...string) error {
	for _, want := range wants {
		topic, err := example.Next(ctx, topics)
		if err != nil {
			return err
		}
		if topic != want {
			return fmt.Errorf("got an event of %s, not %s", topic, want)
		}
	}
	return nil
}

// progressive is for callers that want progressive results.
func progressive(ctx context.Context, inv *session.Invocation) error {
	if !inv.Details.ReceiveProgress {
		return session.NewError("com.example.error.progress", "you can only call me with OnProgress")
	}
	for _, piece := range []string{"here are", "some progressive", "results"} {
		if err := inv.Progress(ctx, piece); err != nil {
			return err
		}
	}
	return nil
}
