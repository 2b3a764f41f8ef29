package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// patience is how long a process may take to start, or to end.
	patience = 20 * time.Second
	// tick is the unit of processor time in /proc.
	tick = 10 * time.Millisecond
)

// process is a child. Stop ends it.
type process struct {
	cmd     *exec.Cmd
	stdout  *bufio.Reader
	stderr  bytes.Buffer
	address string // host:port, if it listens
}

// start starts a child, whose standard output is left to be read.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd}
	cmd.Stderr = &p.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdout = bufio.NewReader(out)
	return p, cmd.Start()
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop interrupts the child and waits for its end.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended
	kill := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	_, _ = io.Copy(io.Discard, p.stdout)
	_ = p.cmd.Wait() // how it ends is of no interest any more
}

// line returns the next line of the child's output.
func (p *process) line() (string, error) {
	stuck := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer stuck.Stop()
	s, err := p.stdout.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", p.cmd.Path, err, p.stderr.Bytes())
	}
	return strings.TrimSpace(s), nil
}

// startDaemon starts a router on a port of its own.
func startDaemon(ctx context.Context, path string, env []string) (*process, error) {
	cmd := exec.CommandContext(ctx, path, "router", "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), env...)
	p, err := start(cmd)
	if err != nil {
		return nil, err
	}
	line, err := p.line()
	if err == nil {
		if p.address = address(line); p.address == "" {
			err = fmt.Errorf("%s: no address in %q", path, line)
		}
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// address returns the first host:port of a text.
func address(text string) string { return regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(text) }

// startFloor starts the floor for a link, on a port of its own.
func startFloor(ctx context.Context, wampload string, l link, env []string) (*process, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, wampload, "floor", "-listen", l.url(address), "-ser", l.Serializer)
	cmd.Env = append(os.Environ(), env...)
	p, err := start(cmd)
	if err != nil {
		return nil, err
	}
	p.address = address
	for end := time.Now().Add(patience); ; {
		nc, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return p, nc.Close()
		}
		if time.Now().After(end) {
			p.stop()
			return nil, fmt.Errorf("floor: %w: %s", err, p.stderr.Bytes())
		}
		<-time.After(5 * time.Millisecond)
	}
}

// freeAddress returns an address of this machine that nobody listens at.
func freeAddress(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// usage is what a process has used so far.
type usage struct {
	at     time.Time
	cpu    time.Duration // user and system
	writes int64         // system calls
}

// used reads the usage of a process from /proc.
func used(pid int) (usage, error) {
	u := usage{at: time.Now()}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	if u.cpu, err = parseStat(stat); err != nil {
		return u, err
	}
	io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return u, err
	}
	u.writes, err = parseIO(io)
	return u, err
}

// parseStat returns the processor time that /proc/PID/stat tells.
func parseStat(b []byte) (time.Duration, error) {
	const user, system = 11, 12 // behind the name, which is in parentheses
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) <= system+1 {
		return 0, errors.New("stat: too short")
	}
	var sum time.Duration
	for _, field := range [][]byte{f[user], f[system]} {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("stat: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// parseIO returns the number of writes that /proc/PID/io tells.
func parseIO(b []byte) (int64, error) {
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "syscw: "); ok {
			return strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		}
	}
	return 0, errors.New("io: no syscw")
}

// openFiles returns how many files a process may have open, 0 if that is not known.
func openFiles() int {
	b, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(`(?m)^Max open files\s+(\d+)`).FindSubmatch(b)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(m[1])) // digits
	return n
}
