package actors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/session"
	"github.com/cloverleaf-wamp/cloverleaf/supervisor"
)

// observer is an actor of a user that writes down what it is told, after a delay.
type observer struct {
	delay time.Duration
	pid   *actor.PID

	mu   sync.Mutex
	got  []any
	text []string
}

func newObserver(h *Host, delay time.Duration) *observer {
	o := &observer{delay: delay}
	o.pid = h.system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return o }))
	return o
}

func (o *observer) Receive(ctx actor.Context) {
	text := ""
	switch m := ctx.Message().(type) {
	case *Started, *Connected, *Disconnected:
		text = fmt.Sprintf("%T", m)[len("*actors."):]
	case *ConnectFailed:
		text = fmt.Sprint("ConnectFailed ", m.Class, " ", m.Err)
	case *Joined:
		text = fmt.Sprint("Joined ", m.Session.ID())
	case *Ready:
		text = fmt.Sprint("Ready ", m.Session.ID())
	case *Left:
		text = fmt.Sprint("Left ", m.Session.ID(), " ", m.Reason.Reason)
	case *Ended:
		text = fmt.Sprint("Ended ", m.Err)
	default:
		return
	}
	settleAlone(o.delay)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.got = append(o.got, ctx.Message())
	o.text = append(o.text, text)
}

func (o *observer) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := o.text
	o.text = nil
	return text
}

// TestWatchTellsEverything: in order, from the start, to a watcher that is slow and to one that comes
// late, and the component waits for neither.
func TestWatchTellsEverything(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		f := newFakeRouter(nil, refuse(protocol.CloseSystemShutdown), welcome)
		c := newTestComponent(t, h, f.transport())
		first, slow, late := newObserver(h, 0), newObserver(h, time.Hour), newObserver(h, 0)
		c.cfg.Watchers = []*actor.PID{first.pid, slow.pid}
		release := make(chan struct{})
		c.cfg.Listeners.OnJoin(func(context.Context, *session.Session) error { <-release; return nil })
		start := time.Now()
		c.start()
		settle(10 * time.Second)
		require.Equal(t, []string{
			"Started", "ConnectFailed transient connection refused", "Connected",
			"ConnectFailed transient refused by router: wamp.close.system_shutdown", "Disconnected", "Connected", "Joined 3",
		}, first.take())
		h.send(c.pid, &WatchSession{PID: late.pid})
		synctest.Wait()
		require.Equal(t, []string{"Started", "Connected", "Joined 3"}, late.take())
		h.send(c.pid, &UnwatchSession{PID: late.pid})
		close(release)
		c.next()
		require.Less(t, time.Since(start), time.Minute, "nobody waits for the slow one")
		h.send(c.pid, &WatchSession{PID: late.pid})
		f.last().send(&protocol.Goodbye{Reason: protocol.CloseKilled})
		c.next()
		require.NoError(t, c.stop())
		synctest.Wait()
		end := []string{
			"Left 3 wamp.close.killed", "Disconnected", "Connected", "Joined 4", "Ready 4",
			"Left 4 wamp.close.goodbye_and_out", "Disconnected", "Ended <nil>",
		}
		require.Equal(t, append([]string{"Ready 3"}, end...), first.take())
		require.Equal(t, append([]string{"Started", "Connected", "Joined 3", "Ready 3"}, end...), late.take())
		for _, m := range first.got {
			if m, ok := m.(*Ended); ok {
				require.True(t, c.pid.Equal(m.Component))
			}
		}
		settle(24 * time.Hour)
		require.Len(t, slow.take(), 16, "it gets them all, when it comes to it")
		for _, o := range []*observer{first, slow, late} {
			h.system.Root.Stop(o.pid)
		}
	})
}

// TestWatcherThatStops is forgotten.
func TestWatcherThatStops(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		f := newFakeRouter(welcome)
		c := newTestComponent(t, h, f.transport())
		o := newObserver(h, 0)
		c.cfg.Watchers = []*actor.PID{o.pid}
		c.join()
		h.system.Root.Stop(o.pid)
		synctest.Wait()
		dead := 0
		sub := h.system.EventStream.Subscribe(func(ev any) {
			if _, ok := ev.(*actor.DeadLetterEvent); ok {
				dead++
			}
		})
		f.last().pipe.Close(nil)
		c.next()
		require.NoError(t, c.stop())
		require.Zero(t, dead)
		h.system.EventStream.Unsubscribe(sub)
	})
}

// TestMainIsNoFaultOfTheTransport: neither its retries nor IsFatal have a say in it, the delay grows
// with the failures of Main, and other transports stay what they are, a second choice.
func TestMainIsNoFaultOfTheTransport(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		boom := errors.New("boom")
		f, other := newFakeRouter(welcome), newFakeRouter(welcome)
		tr := f.transport()
		tr.MaxRetries = -1 // none
		tr.IsFatal = func(err error) bool { return errors.Is(err, boom) }
		tr.Backoff = supervisor.Backoff{Initial: time.Second, Growth: 2, Jitter: supervisor.NoJitter}
		c := newTestComponent(t, h, tr, other.transport())
		watch := newStopwatch()
		c.cfg.Restarts = supervisor.Intensity{MaxRestarts: 3, Window: time.Minute}
		c.cfg.Main = func(context.Context, *session.Session) error {
			watch.hit()
			return boom
		}
		var spent *supervisor.IntensityError
		require.ErrorAs(t, c.start().wait(), &spent)
		require.ErrorIs(t, spent, boom)
		require.Equal(t, []float64{0, 1, 3, 7}, watch.at)
		require.Equal(t, 4, f.attempts())
		require.Zero(t, other.attempts())
		require.Empty(t, eventsOf[*supervisor.ConnectFailed](c))
	})
}

// TestMainThatGivesUp: an error that says so is not tried again.
func TestMainThatGivesUp(t *testing.T) {
	for _, retry := range []bool{false, true} {
		t.Run(fmt.Sprint("retry ", retry), func(t *testing.T) {
			bubble(t, func(t *testing.T, h *Host) {
				f := newFakeRouter(welcome)
				c := newTestComponent(t, h, f.transport())
				c.cfg.RetryPermanent = retry
				runs := 0
				boom := errors.New("disk full")
				c.cfg.Main = func(context.Context, *session.Session) error {
					if runs++; runs == 3 {
						return nil
					}
					return supervisor.Permanent(boom)
				}
				err := c.start().wait()
				if retry {
					require.NoError(t, err)
					require.Equal(t, 3, runs)
					return
				}
				require.ErrorIs(t, err, boom)
				require.EqualError(t, err, "main: disk full")
				require.Equal(t, 1, runs)
				require.Len(t, received[*protocol.Goodbye](f.last()), 1)
			})
		})
	}
}

// TestJoinFailsBesideRefusal: a listener for join that fails does not hide that the router refused.
func TestJoinFailsBesideRefusal(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		n := 1
		c := newTestComponent(t, h, newFakeRouter(refuseDeclared(&n, protocol.ErrorNotAuthorized)).transport())
		c.register("com.proc", func() {})
		c.cfg.Listeners.OnJoin(func(ctx context.Context, _ *session.Session) error {
			<-ctx.Done() // the session is being given up
			return ctx.Err()
		})
		err := c.start().wait()
		require.Equal(t, protocol.ErrorNotAuthorized, session.ErrorURI(err))
	})
}

// TestDocsMessageTable: the page lists the messages and the listeners that there are.
func TestDocsMessageTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/supervision.md")
	require.NoError(t, err)
	source, err := os.ReadFile("messages.go")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "| message | listener | when |")
	require.True(t, found)
	_, life, found := strings.Cut(string(source), "// Messages about the life of a component")
	require.True(t, found)
	var listed, declared []string
	for _, m := range regexp.MustCompile("(?m)^\\| `\\*(\\w+)` \\|").FindAllStringSubmatch(table, -1) {
		listed = append(listed, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+) struct`).FindAllStringSubmatch(life, -1) {
		declared = append(declared, m[1])
	}
	require.ElementsMatch(t, declared, listed)
	listeners := reflect.TypeFor[*Listeners]()
	require.Equal(t, int(numLifecycle), listeners.NumMethod())
	for m := range listeners.Methods() {
		require.Contains(t, table, "`"+m.Name+"`")
	}
}
