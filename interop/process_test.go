//go:build interop

package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	stopTimeout  = 10 * time.Second
	traceLines   = 30
	traceColumns = 400
	reportQueue  = 4096
)

var errPeerEnded = errors.New("the peer program has ended")

// programPeer is a peer in a program of its own, scripted by JSON lines.
type programPeer struct {
	program  *exec.Cmd
	stdin    io.WriteCloser
	told     chan report
	ended    chan struct{}
	exchange *tail
	log      *tail

	mu      sync.Mutex
	lastID  uint64
	pending map[uint64]chan answer
}

// answer is one line a program wrote: the outcome of a command or a report.
type answer struct {
	ID    uint64     `json:"id"`
	OK    *reply     `json:"ok"`
	Error *wampError `json:"error"`
}

// startProgram starts a peer program; it connects by itself.
func startProgram(name string, args []string, env ...string) (*programPeer, error) {
	p := &programPeer{
		program:  exec.Command(name, args...),
		told:     make(chan report, reportQueue),
		ended:    make(chan struct{}),
		exchange: &tail{},
		log:      &tail{},
		pending:  map[uint64]chan answer{},
	}
	p.program.Env = append(os.Environ(), env...)
	p.program.Stderr = p.log
	p.program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := p.program.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := p.program.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.program.Start(); err != nil {
		return nil, err
	}
	p.stdin = stdin
	go p.read(stdout)
	return p, nil
}

func (p *programPeer) read(stdout io.Reader) {
	defer close(p.ended)
	defer close(p.told)
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			p.exchange.add("<- " + string(bytes.TrimSpace(line)))
			if err := p.dispatch(line); err != nil {
				p.exchange.add("!! " + err.Error())
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *programPeer) dispatch(line []byte) error {
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		return err
	}
	if a.ID == 0 {
		var r report
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		select {
		case p.told <- r:
			return nil
		default:
			return errors.New("too many unread reports")
		}
	}
	p.mu.Lock()
	waiting, ok := p.pending[a.ID]
	delete(p.pending, a.ID)
	p.mu.Unlock()
	if !ok {
		return fmt.Errorf("answer to unknown command %d", a.ID)
	}
	waiting <- a
	return nil
}

func (p *programPeer) do(ctx context.Context, cmd command) (reply, error) {
	waiting := make(chan answer, 1)
	id, err := p.send(cmd, waiting)
	if err != nil {
		return reply{}, err
	}
	done := ctx.Done()
	for {
		select {
		case a := <-waiting:
			return a.outcome(cmd)
		case <-p.ended:
			return reply{}, fmt.Errorf("%s %s: %w", cmd.Op, cmd.URI, errPeerEnded)
		case <-done:
			if cmd.Op != opCall {
				return reply{}, fmt.Errorf("%s %s: %w", cmd.Op, cmd.URI, ctx.Err())
			}
			grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
			defer cancel()
			if _, err := p.do(grace, command{Op: opCancel, Target: id}); err != nil {
				return reply{}, fmt.Errorf("cancel call of %s: %w", cmd.URI, err)
			}
			ctx, done, cmd.Op = grace, grace.Done(), opCancel
		}
	}
}

func (p *programPeer) send(cmd command, waiting chan answer) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastID++
	cmd.ID = p.lastID
	line, err := json.Marshal(cmd)
	if err != nil {
		return 0, err
	}
	p.exchange.add("-> " + string(line))
	p.pending[cmd.ID] = waiting
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		return 0, fmt.Errorf("%w: %w", errPeerEnded, err)
	}
	return cmd.ID, nil
}

func (p *programPeer) reports() <-chan report { return p.told }

func (p *programPeer) trace() string {
	return "commands and answers:\n" + p.exchange.String() + "log:\n" + p.log.String()
}

// stop kills the program, so that its router sees a lost connection.
func (p *programPeer) stop() {
	_ = p.program.Process.Kill()
	<-p.ended
	_ = p.program.Wait()
}

func (a answer) outcome(cmd command) (reply, error) {
	switch {
	case a.Error != nil:
		return reply{}, fmt.Errorf("%s %s: %w", cmd.Op, cmd.URI, a.Error)
	case a.OK == nil:
		return reply{}, fmt.Errorf("%s %s: answer has neither ok nor error", cmd.Op, cmd.URI)
	default:
		return *a.OK, nil
	}
}

// tail keeps the last lines of a text. The zero value is empty.
type tail struct {
	mu    sync.Mutex
	lines []string
	rest  string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(line) > traceColumns {
		line = line[:traceColumns] + "…"
	}
	t.lines = append(t.lines, line)
	if len(t.lines) > traceLines {
		t.lines = t.lines[len(t.lines)-traceLines:]
	}
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	lines := strings.Split(t.rest+string(p), "\n")
	t.rest = lines[len(lines)-1]
	t.mu.Unlock()
	for _, line := range lines[:len(lines)-1] {
		t.add(line)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, line := range append(t.lines, t.rest) {
		b.WriteString("  " + line + "\n")
	}
	return b.String()
}
