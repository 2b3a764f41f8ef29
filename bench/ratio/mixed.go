package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/bench/report"
)

const (
	// perSide is the number of subscribers of each of the two groups.
	perSide = 5
	// pace is how many events are published in a second: few enough for subscribers that decode and check each.
	pace = 20_000
	// mixedLoad is what the runs of the table of serializers are called.
	mixedLoad = "20,000 events/s in JSON to 10 subscribers"
)

// mixture is what the subscribers of a JSON publisher speak.
type mixture struct{ a, b string }

func (m mixture) String() string {
	if m.a == m.b {
		return "10 " + m.a
	}
	return fmt.Sprintf("%d %s, %d %s", perSide, m.a, perSide, m.b)
}

// mixtures are those measured; the first is what the others are compared with.
func mixtures() []mixture {
	return []mixture{{"json", "json"}, {"msgpack", "msgpack"}, {"msgpack", "cbor"}}
}

// mixed measures what it costs the router that publisher and subscribers speak different serializers. wampload
// cannot do that: cloverleaf bench does, in one process for each group.
func (b *bench) mixed(ctx context.Context, l link) error {
	for range b.rounds {
		for _, m := range mixtures() {
			r := b.withDaemon(ctx, func(p *process) (result, error) { return b.fanOut(ctx, l, p, m) })
			if err := b.done(run{mixedLoad, l.Transport, m.String(), r}); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// fanOut publishes to two groups of subscribers, and looks at the router meanwhile.
func (b *bench) fanOut(ctx context.Context, l link, router *process, m mixture) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, b.dur+time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "ratio")
	if err != nil {
		return result{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	side := func(name, ser string, publishers, subscribers int) (*process, error) {
		args := []string{
			"bench", "pubsub", "--url", l.url(router.address), "--serializer", ser, "--acknowledge", "--quiet",
			"--publishers", fmt.Sprint(publishers), "--subscribers", fmt.Sprint(subscribers),
			"--json", filepath.Join(dir, name),
		}
		if publishers > 0 {
			args = append(args, "--rate", fmt.Sprint(pace), "--warmup", "1s", "--duration", (b.dur + time.Second).String())
		}
		return start(exec.CommandContext(ctx, b.daemon, args...))
	}
	var children []*process
	defer func() {
		for _, c := range children {
			c.stop()
		}
	}()
	for name, ser := range map[string]string{"a": m.a, "b": m.b} {
		c, err := side(name, ser, 0, perSide)
		if err != nil {
			return result{}, err
		}
		children = append(children, c)
	}
	<-time.After(time.Second) // until they have subscribed
	publisher, err := side("p", "json", 1, 0)
	if err != nil {
		return result{}, err
	}
	<-time.After(3 * time.Second / 2) // it warms up
	before, err := used(router.pid())
	<-time.After(b.dur)
	after, err2 := used(router.pid())
	if err := errors.Join(err, err2); err != nil {
		publisher.stop()
		return result{}, err
	}
	_ = publisher.cmd.Wait()
	<-time.After(2 * time.Second) // for what is on its way: the subscribers are behind
	for _, c := range children {
		c.stop()
	}
	children = nil
	return sum(dir, before, after)
}

// sum puts together what the processes of a fan-out say.
func sum(dir string, before, after usage) (result, error) {
	p, err := readReport(filepath.Join(dir, "p"))
	if err != nil {
		return result{}, err
	}
	rate := p.PerSecond * 2 * perSide
	r := before.to(after, uint64(rate*after.at.Sub(before.at).Seconds()))
	for _, name := range []string{"p", "a", "b"} {
		one, err := readReport(filepath.Join(dir, name))
		if err != nil {
			return result{}, err
		}
		r.Errors += one.ErrorCount() + one.Corrupt + one.Duplicates
		r.Lost += one.Lost
		r.Disorder += one.OutOfOrder
	}
	return r, nil
}

func readReport(path string) (*report.Report, error) {
	f, err := os.Open(path) //nolint:gosec // a file of ours
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return report.Read(f)
}
