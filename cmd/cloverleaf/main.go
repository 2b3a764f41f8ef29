// Command cloverleaf runs a WAMP router.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `cloverleaf is a WAMP router and toolbox.

Usage:

    cloverleaf router [flags]   run a router until SIGINT or SIGTERM
    cloverleaf version          print the version
    cloverleaf help             print this text

'cloverleaf router -h' lists its flags.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		say(stderr, usage)
		return exitUsage
	}
	switch args[0] {
	case "router":
		return runRouter(ctx, args[1:], stdout, stderr)
	case "version", "--version":
		say(stdout, "cloverleaf "+version()+"\n")
		return exitOK
	case "help", "-h", "--help":
		say(stdout, usage)
		return exitOK
	default:
		say(stderr, fmt.Sprintf("cloverleaf: unknown command %q\n\n%s", args[0], usage))
		return exitUsage
	}
}

// say writes text for people; there is nobody to tell when that fails.
func say(w io.Writer, text string) { _, _ = io.WriteString(w, text) }
