// Command calculator is a pocket calculator whose state belongs to an actor: calls are messages in
// its mailbox, so nothing needs a lock.
//
//	cloverleaf router --demo
//	go run ./examples/app/calculator backend
//	go run ./examples/app/calculator frontend
package main

import (
	"context"
	"fmt"
	"math/big"
	"strings"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/actors"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	example.Main("crossbardemo", example.Roles{"backend": backend, "frontend": frontend})
}

func backend(ctx context.Context, cfg cloverleaf.Config) error {
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	runtime := cloverleaf.NewRuntime(cloverleaf.RuntimeConfig{Logger: cfg.Logger})
	defer runtime.Stop(context.WithoutCancel(ctx))
	pid := runtime.System().Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return new(calculator) }))
	comp.RegisterActor("com.example.calculator.clear", pid)
	comp.RegisterActor("com.example.calculator.calc", pid)
	example.SayReady(comp)
	if err := runtime.Start(ctx, comp); err != nil {
		return err
	}
	return comp.Wait() // when ctx ends, the component leaves and stops
}

// calculator has a display and an operation that waits for its second operand.
type calculator struct {
	current big.Rat
	op      string
}

// Receive implements actor.Actor.
func (c *calculator) Receive(ctx actor.Context) {
	inv, ok := ctx.Message().(*actors.Invocation)
	if !ok {
		return
	}
	if inv.Procedure() == "com.example.calculator.clear" {
		*c = calculator{}
		ctx.Respond("0")
		return
	}
	var op string
	var number any // a number, or the text of one
	if err := inv.Decode(&op, &number); err != nil {
		ctx.Respond(err)
		return
	}
	operand, ok := new(big.Rat).SetString(fmt.Sprint(number))
	if !ok {
		ctx.Respond(session.NewError("com.example.error.not_a_number", number))
		return
	}
	if err := c.calc(op, operand); err != nil {
		ctx.Respond(err)
		return
	}
	ctx.Respond(c.display())
	if op == "=" {
		*c = calculator{}
	}
}

// calc finishes the operation that waits, and lets op wait.
func (c *calculator) calc(op string, operand *big.Rat) error {
	switch c.op {
	case "+":
		c.current.Add(&c.current, operand)
	case "-":
		c.current.Sub(&c.current, operand)
	case "*":
		c.current.Mul(&c.current, operand)
	case "/":
		if operand.Sign() == 0 {
			return session.NewError("com.example.error.division_by_zero")
		}
		c.current.Quo(&c.current, operand)
	default:
		c.current.Set(operand)
	}
	c.op = op
	return nil
}

func (c *calculator) display() string {
	if c.current.IsInt() {
		return c.current.Num().String()
	}
	return strings.TrimRight(c.current.FloatString(20), "0")
}

// frontend presses 1.5 + 2 * 4 =, from left to right as pocket calculators do.
func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		if _, err := s.Call(ctx, "com.example.calculator.clear"); err != nil {
			return err
		}
		display := ""
		for _, key := range []struct{ number, op string }{{"1.5", "+"}, {"2", "*"}, {"4", "="}} {
			var err error
			if display, err = session.Call[string](ctx, s, "com.example.calculator.calc", key.op, key.number); err != nil {
				return err
			}
			fmt.Println(key.number, key.op, "shows", display)
		}
		if result, ok := new(big.Rat).SetString(display); !ok || result.Cmp(big.NewRat(14, 1)) != 0 {
			return fmt.Errorf("the result is not %s", display)
		}
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}
