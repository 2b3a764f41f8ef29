package examples

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
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
	// Requests are made of the web server whose URL the backend prints, before the frontend starts.
	Requests []Request
	// Bare programs have no flags, and no use for a router.
	Bare bool
	// Needs says which router the case needs, beyond one with a realm that allows everything.
	Needs Router
}

// Router is what a case needs of its router.
type Router string

// What cases need.
const (
	// Plain has realms that let anybody do everything.
	Plain Router = ""
	// Nowhere is a URL where there is no router.
	Nowhere Router = "nowhere"
	// Realms has at least the realms realm1 and crossbardemo.
	Realms Router = "realms"
	// Auth has the users of the demonstration router, and Setup.URL leads to where they may join.
	Auth Router = "auth"
	// Tickets has a user joe with the ticket s3cr3t.
	Tickets Router = "tickets"
	// History keeps a history of com.example.history.
	History Router = "history"
	// TLS is a router whose certificate is in the file Setup.CA.
	TLS Router = "tls"
	// Unix has a unix socket for Setup.BackendURL.
	Unix Router = "unix"
)

// Request is a request of a web server.
type Request struct {
	Path   string
	Form   url.Values // nil is a GET
	Status int
	Body   string // what is in the answer
}

// Setup says where the programs connect to.
type Setup struct {
	URL, Realm string
	// BackendURL is that of the backend, if it is another.
	BackendURL string
	// CA is the certificate for cases that need TLS.
	CA string
	// Serializer and BackendSerializer are for the frontend and the backend; "" leaves it to them.
	Serializer, BackendSerializer string
	// Frontend, if it is not nil, takes the place of the frontend. The backend is running.
	Frontend func(ctx context.Context) error
	// Interval is the time between two steps, see package example. Default 20 ms.
	Interval time.Duration
}

func (c *Case) flags(s Setup) []string {
	if c.Bare {
		return nil
	}
	if s.Interval == 0 {
		s.Interval = 20 * time.Millisecond
	}
	flags := []string{"--url", s.URL, "--interval", s.Interval.String()}
	for name, value := range map[string]string{"--realm": s.Realm, "--serializer": s.Serializer, "--ca": s.CA} {
		if value != "" {
			flags = append(flags, name, value)
		}
	}
	return flags
}

func (s Setup) forBackend() Setup {
	s.Serializer = s.BackendSerializer
	if s.BackendURL != "" {
		s.URL = s.BackendURL
	}
	return s
}

// Run plays the case with a binary that Build made. It fails if a program does not print what it
// is to print, or ends with another exit code than 0; the error has everything that was printed.
// The programs are gone when it returns. ctx bounds it.
func (c *Case) Run(ctx context.Context, binary string, setup Setup) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	run := &running{Case: c, binary: binary}
	err := run.all(ctx, setup)
	cancel()
	for _, p := range []*process{run.backend, run.frontend} {
		if p != nil && err != nil {
			_ = p.wait()
			err = fmt.Errorf("%w\n%s", err, p)
		}
	}
	return err
}

// running is a case that is played.
type running struct {
	*Case
	binary            string
	backend, frontend *process
}

func (r *running) all(ctx context.Context, setup Setup) error {
	if err := r.startBackend(ctx, setup.forBackend()); err != nil {
		return err
	}
	if err := r.playFrontend(ctx, setup); err != nil || r.backend == nil {
		return err
	}
	if err := r.backend.await(ctx, r.BackendPrints...); err != nil {
		return err
	}
	return r.backend.interrupt()
}

func (r *running) startBackend(ctx context.Context, setup Setup) (err error) {
	if r.Backend == nil {
		return nil
	}
	if r.backend, err = start(ctx, r.binary, r.Program, r.Backend, r.flags(setup)); err != nil {
		return err
	}
	ready := r.Ready
	if ready == "" {
		ready = "ready"
	}
	if err := r.backend.await(ctx, ready); err != nil {
		return err
	}
	for _, q := range r.Requests {
		if err := q.do(ctx, r.backend.url()); err != nil {
			return err
		}
	}
	return nil
}

func (r *running) playFrontend(ctx context.Context, setup Setup) (err error) {
	switch {
	case setup.Frontend != nil:
		return setup.Frontend(ctx)
	case r.Frontend == nil:
		return nil
	}
	if r.frontend, err = start(ctx, r.binary, r.Program, r.Frontend, r.flags(setup)); err != nil {
		return err
	}
	return errors.Join(r.frontend.wait(), r.frontend.await(ctx, r.Prints...))
}

func (q *Request) do(ctx context.Context, base string) error {
	method, body := http.MethodGet, io.Reader(nil)
	if q.Form != nil {
		method, body = http.MethodPost, strings.NewReader(q.Form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(base, "/")+q.Path, body)
	if err != nil {
		return err
	}
	if q.Form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != q.Status || !strings.Contains(string(text), q.Body)) {
		err = fmt.Errorf("%s %s: %s: %s", method, q.Path, resp.Status, text)
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
	p.cmd.Dir = filepath.Dir(binary) // for the files that programs write
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

// url returns the first URL of a web server that was printed.
func (p *process) url() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.lines {
		if i := strings.Index(line, "http://"); i >= 0 {
			return line[i:]
		}
	}
	return ""
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
