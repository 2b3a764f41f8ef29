// Command keyvalue is a store for keys and values that survives the end of the program.
//
//	cloverleaf router --demo
//	go run ./examples/app/keyvalue backend --file keyvalue.json
//	go run ./examples/app/keyvalue frontend
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/cloverleaf-wamp/cloverleaf"
	"github.com/cloverleaf-wamp/cloverleaf/examples/internal/example"
	"github.com/cloverleaf-wamp/cloverleaf/session"
)

func main() {
	file := flag.String("file", "keyvalue.json", "`FILE` to keep the values in")
	example.Main("realm1", example.Roles{
		"backend":  func(ctx context.Context, cfg cloverleaf.Config) error { return backend(ctx, cfg, *file) },
		"frontend": frontend,
	})
}

// store is the map in memory and its file.
type store struct {
	file string

	mu     sync.Mutex
	values map[string]any
}

func open(file string) (*store, error) {
	s := &store{file: file, values: map[string]any{}}
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, nil
	case err != nil:
		return nil, err
	}
	return s, json.Unmarshal(text, &s.values)
}

// set sets a value. Without one it removes the key; without a key it removes all.
func (s *store) set(args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(args) == 0:
		clear(s.values)
	case len(args) == 1 || args[1] == nil:
		delete(s.values, fmt.Sprint(args[0]))
	default:
		s.values[fmt.Sprint(args[0])] = args[1]
	}
	text, err := json.Marshal(s.values)
	if err != nil {
		return err
	}
	return os.WriteFile(s.file, text, 0o600)
}

// get returns the value of a key, and all of them without one.
func (s *store) get(key ...string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(key) == 0 {
		return maps.Clone(s.values)
	}
	return s.values[key[0]]
}

func (s *store) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.values))
}

func backend(ctx context.Context, cfg cloverleaf.Config, file string) error {
	s, err := open(file)
	if err != nil {
		return err
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	comp.Register("com.example.keyvalue.set", s.set)
	comp.Register("com.example.keyvalue.get", s.get)
	comp.Register("com.example.keyvalue.keys", s.keys)
	example.SayReady(comp)
	return cloverleaf.Run(ctx, comp)
}

func frontend(ctx context.Context, cfg cloverleaf.Config) error {
	cfg.Main = func(ctx context.Context, s *session.Session) error {
		const set, get, keys = "com.example.keyvalue.set", "com.example.keyvalue.get", "com.example.keyvalue.keys"
		for key, value := range map[string]any{"color": "green", "leaves": 4} {
			if _, err := s.Call(ctx, set, session.Args(key, value)); err != nil {
				return err
			}
		}
		color, err := session.Call[string](ctx, s, get, "color")
		if err != nil {
			return err
		}
		list, err := session.Call[[]string](ctx, s, keys)
		if err != nil {
			return err
		}
		fmt.Println("color is", color)
		fmt.Println("keys are", list)
		if _, err := s.Call(ctx, set, session.Args("color", nil)); err != nil {
			return err
		}
		gone, err := session.Call[any](ctx, s, get, "color")
		if err != nil {
			return err
		}
		fmt.Println("color is", gone)
		return nil
	}
	comp, err := cloverleaf.NewComponent(cfg)
	if err != nil {
		return err
	}
	return cloverleaf.Run(ctx, comp)
}
