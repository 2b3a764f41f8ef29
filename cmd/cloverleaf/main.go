// Command cloverleaf runs a WAMP router, and is a WAMP client for the command line.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run(untilSignal(), os.Args[1:], os.Stdout, os.Stderr))
}

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. The second ends the
// process at once, from before the context ends: whoever sees us leave may send it.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		cancel()
	}()
	return ctx
}

// run runs a command line in this process and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := &program{stdin: os.Stdin, stdout: stdout, stderr: stderr, environ: os.Environ()}
	return p.run(ctx, args)
}

// say writes text for people; there is nobody to tell when that fails.
func say(w io.Writer, text string) { _, _ = io.WriteString(w, text) }
