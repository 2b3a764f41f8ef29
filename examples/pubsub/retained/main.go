// Command retained publishes events that the router keeps: as the retained event of a topic, which
// later subscribers get at once, and in the history of a topic, which they may ask for. Which
// topics have a history is for the router to say, in RealmConfig.History; here com.example.history
// has one.
//
//	go run ./examples/pubsub/retained backend
//	go run ./examples/pubsub/retained frontend
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.Main("crossbardemo", example.Roles{"backend": backend, "frontend": frontend})
}

// backend publishes once, and need not be there any more when somebody subscribes.
func backend(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.OnReady(func(ctx context.Context, s *session.Session) error {
		for _, topic := range []string{"com.example.history", "com.example.no_history_here"} {
			id, err := s.Publish(ctx, topic, session.Args("some data, topic was "+topic), session.Retain(), session.Acknowledge())
			if err != nil {
				return err
			}
			fmt.Println("published", topic, "as", id)
		}
		fmt.Println("ready")
		return nil
	})
	return cloverleaf.Run(ctx, comp)
}

// stored is an event of a history.
type stored struct {
	Timestamp string `json:"timestamp"`
	Topic     string `json:"topic"`
	Args      []any  `json:"args"`
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		if _, err := retained(ctx, s, "com.example.no_history_here"); err != nil {
			return err
		}
		sub, err := retained(ctx, s, "com.example.history")
		if err != nil {
			return err
		}
		events, err := session.Call[[]stored](ctx, s, "wamp.subscription.get_events", sub.ID(), 10)
		if err != nil {
			return err
		}
		for _, ev := range events {
			fmt.Println("history:", ev.Timestamp, ev.Topic, ev.Args)
		}
		if len(events) == 0 {
			return errors.New("there is no history")
		}
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}

// retained subscribes and waits for the retained event.
func retained(ctx context.Context, s *session.Session, topic string) (*session.Subscription, error) {
	events := make(chan string)
	sub, err := s.Subscribe(ctx, topic, func(ctx context.Context, ev *session.Event, text string) {
		if ev.Details.Retained {
			example.Put(ctx, events, text)
		}
	}, session.GetRetained())
	if err != nil {
		return nil, err
	}
	text, err := example.Next(ctx, events)
	if err != nil {
		return nil, err
	}
	fmt.Println("retained:", text)
	return sub, nil
}
