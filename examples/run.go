package examples

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Case is a scenario: programs that run beside each other, and what they print.
type Case struct {
	// Name says what the case is about, unlike any other.
	Name string
	// Program is the folder of the program, such as "rpc/complex".
	Program string
	// Backend are the arguments of the program that runs until it is interrupted. Nil: there is
	// none, and the frontend is all.
	Backend []string
	// Ready is what the backend prints before the frontend may start. Default "ready".
	Ready string
	// Frontend are the arguments of the program that ends by itself. Nil: the backend is all, and
	// is interrupted when it has printed BackendPrints.
	Frontend []string
	// Prints and BackendPrints are what the two print, in this order, possibly among other things.
	Prints, BackendPrints []string
	// Bare programs have no flags, and no use for a router.
	Bare bool
	// Needs says which router the case needs, beyond one with a realm that allows everything.
	Needs Router
}

// Router is what a case needs of its router.
type Router string

// What cases need.
const (
	// Plain is a realm that lets anybody do everything.
	Plain Router = ""
)

// Setup says where the programs connect to.
type Setup struct {
	URL, Realm string
	// Serializer and BackendSerializer are for the frontend and the backend; "" leaves it to them.
	Serializer, BackendSerializer string
	// Interval is the time between two steps, see package example. Default 20 ms.
	Interval time.Duration
}

func (c *Case) flags(s Setup, serializer string) []string {
	if c.Bare {
		return nil
	}
	interval := s.Interval
	if interval == 0 {
		interval = 20 * time.Millisecond
	}
	flags := []string{"--url", s.URL, "--interval", interval.String()}
	if s.Realm != "" {
		flags = append(flags, "--realm", s.Realm)
	}
	if serializer != "" {
		flags = append(flags, "--serializer", serializer)
	}
	return flags
}

// Run plays the case with a binary that Build made. It fails if a program does not print what it
// is to print, or ends with another exit code than 0; the error has everything that was printed.
// The programs are gone when it returns. ctx bounds it.
func (c *Case) Run(ctx context.Context, binary string, setup Setup) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var backend, frontend *process
	err := func() (err error) {
		if c.Backend != nil {
			if backend, err = start(ctx, binary, c.Program, c.Backend, c.flags(setup, setup.BackendSerializer)); err != nil {
				return err
			}
			ready := c.Ready
			if ready == "" {
				ready = "ready"
			}
			if err := backend.await(ctx, ready); err != nil {
				return err
			}
		}
		if c.Frontend != nil {
			if frontend, err = start(ctx, binary, c.Program, c.Frontend, c.flags(setup, setup.Serializer)); err != nil {
				return err
			}
			if err := errors.Join(frontend.wait(), frontend.await(ctx, c.Prints...)); err != nil {
				return err
			}
		}
		if backend == nil {
			return nil
		}
		if err := backend.await(ctx, c.BackendPrints...); err != nil {
			return err
		}
		return backend.interrupt()
	}()
	cancel()
	for _, p := range []*process{backend, frontend} {
		if p != nil && err != nil {
			_ = p.wait()
			err = fmt.Errorf("%w\n%s", err, p)
		}
	}
	return err
}

// process is a program that runs.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // valid when ended is closed

	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed when there is another line
}

func start(ctx context.Context, binary, name string, args, flags []string) (*process, error) {
	args = slices.Concat([]string{name}, args, flags)
	p := &process{cmd: exec.CommandContext(ctx, binary, args...), ended: make(chan struct{}), more: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		_, _ = r.Close(), w.Close()
		return nil, err
	}
	_ = w.Close()
	go p.read(r)
	return p, nil
}

func (p *process) read(r io.ReadCloser) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		p.mu.Lock()
		p.lines = append(p.lines, lines.Text())
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
	}
	_ = r.Close()
	p.err = p.cmd.Wait()
	close(p.ended)
}

// await returns when the texts have been printed, in this order.
func (p *process) await(ctx context.Context, texts ...string) error {
	line := 0
	for _, text := range texts {
		for {
			p.mu.Lock()
			lines, more := p.lines[line:], p.more
			p.mu.Unlock()
			i := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, text) })
			if i >= 0 {
				line += i + 1
				break
			}
			select {
			case <-more:
				continue
			case <-p.ended:
				if p.printed() == line+len(lines) {
					return fmt.Errorf("%s has not printed %q, and has ended", p.name(), text)
				}
			case <-ctx.Done():
				return fmt.Errorf("%s has not printed %q: %w", p.name(), text, ctx.Err())
			}
		}
	}
	return nil
}

func (p *process) printed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines)
}

func (p *process) wait() error {
	<-p.ended
	if p.err != nil {
		return fmt.Errorf("%s: %w", p.name(), p.err)
	}
	return nil
}

// interrupt ends the program as Ctrl-C does. It has to take that well.
func (p *process) interrupt() error {
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return fmt.Errorf("%s: %w", p.name(), err)
	}
	return p.wait()
}

func (p *process) name() string { return strings.Join(p.cmd.Args[1:], " ") }

// String returns the command line and everything that was printed.
func (p *process) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.name() + "\n\t" + strings.Join(p.lines, "\n\t")
}
