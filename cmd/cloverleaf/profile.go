package main

import (
	"errors"
	"os"
	"runtime/pprof"
)

// profile writes what the processor does to a file, if there is a name, until stop is called.
func profile(name string) (stop func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(name) //nolint:gosec // the user's own file
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
