package supervisor

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// script turns actions into a line: "stop c b; start b c after 1.5s #2".
func script(actions []Action) string {
	var out []string
	for _, a := range actions {
		switch a := a.(type) {
		case *StopChildren:
			out = append(out, "stop "+strings.Join(a.Names, " "))
		case *StartChildren:
			out = append(out, fmt.Sprintf("start %s after %v #%d", strings.Join(a.Names, " "), a.After, a.Token))
		case *GiveUp:
			out = append(out, "give up: "+a.Err.Error())
		}
	}
	return strings.Join(out, "; ")
}

func newGroup(t *testing.T, cfg GroupConfig, children string) *Group {
	t.Helper()
	for name := range strings.FieldsSeq(children) {
		spec := ChildSpec{Name: strings.Trim(name, "!?")}
		if strings.HasSuffix(name, "!") {
			spec.Restart = RestartPermanent
		}
		if strings.HasSuffix(name, "?") {
			spec.Restart = RestartTemporary
		}
		cfg.Children = append(cfg.Children, spec)
	}
	g, err := NewGroup(cfg)
	require.NoError(t, err)
	return g
}

var errCrash = errors.New("crash")

// Each line of a table is an event and the actions it must cause. Events: "start", "stop",
// "started <token>" (the answer is who is spawned, or "no"), "<child> ends", "<child> fails",
// "<child> refused" (permanent), "halt <child>", "<seconds>s" sets the clock.
func TestGroup(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		strategy GroupStrategy
		max      int    // restarts in 10 s
		children string // "!" marks permanent children, "?" temporary ones
		lines    [][2]string
	}{
		{"one for one", OneForOne, 5, "a b c", [][2]string{
			{"start", "start a b c after 0s #1"},
			{"started 1", "a b c"},
			{"b fails", "start b after 1.5s #2"},
			{"c fails", "start c after 1.5s #3"}, // its own first failure
			{"started 3", "c"},
			{"started 2", "b"},
			{"started 2", "no"},
			{"b fails", "start b after 2.25s #4"},
			{"started 4", "b"},
			{"a ends", ""},
			{"b ends", ""},
			{"done", "no"},
			{"c ends", ""},
			{"done", "yes"},
		}},
		{"restart types", OneForOne, 5, "a b! c?", [][2]string{
			{"start", "start a b c after 0s #1"},
			{"started 1", "a b c"},
			{"a refused", "start a after 1.5s #2"},
			{"started 2", "a"},
			{"a ends", ""},
			{"b ends", "start b after 1.5s #3"},
			{"started 3", "b"},
			{"b refused", "start b after 2.25s #4"},
			{"c fails", ""},
			{"done", "no"},
		}},
		{"one for all", OneForAll, 5, "a b c", [][2]string{
			{"start", "start a b c after 0s #1"},
			{"started 1", "a b c"},
			{"b fails", "stop c a"},
			{"started 2", "no"}, // not while a child is still there
			{"a ends", ""},
			{"c fails", "start a b c after 1.5s #2"}, // its error is of no interest any more
			{"c fails", ""},
			{"started 2", "a b c"},
			{"c ends", ""}, // a normal end of a transient child is nobody else's business
			{"a fails", "stop b"},
			{"b ends", "start a b after 2.25s #3"}, // c has ended for good
		}},
		{"rest for one", RestForOne, 5, "a b c d", [][2]string{
			{"start", "start a b c d after 0s #1"},
			{"started 1", "a b c d"},
			{"c fails", "stop d"},
			{"d ends", "start c d after 1.5s #2"},
			{"started 2", "c d"},
			{"d fails", "start d after 2.25s #3"},
			{"started 3", "d"},
			{"a fails", "stop d c b"},
			{"d ends", ""},
			{"c ends", ""},
			{"b ends", "start a b c d after 3.375s #4"},
		}},
		{"rest for one takes a waiting sibling along", RestForOne, 5, "a b c", [][2]string{
			{"start", "start a b c after 0s #1"},
			{"started 1", "a b c"},
			{"c fails", "start c after 1.5s #2"},
			{"a fails", "stop b"},
			{"started 2", "no"},
			{"b ends", "start a b c after 2.25s #3"},
			{"started 2", "no"},
			{"started 3", "a b c"},
		}},
		{"rest for one takes a stopping sibling along", RestForOne, 5, "a b c", [][2]string{
			{"start", "start a b c after 0s #1"},
			{"started 1", "a b c"},
			{"b fails", "stop c"},
			{"a fails", ""}, // nobody left to stop, but c is still there
			{"c ends", "start a b c after 2.25s #3"},
		}},
		{"temporary siblings are not restarted", OneForAll, 5, "a b? c", [][2]string{
			{"start", "start a b c after 0s #1"},
			{"started 1", "a b c"},
			{"b fails", ""},
			{"stop", "stop c a"},
		}},
		{"temporary siblings are stopped along", OneForAll, 5, "a b?", [][2]string{
			{"start", "start a b after 0s #1"},
			{"started 1", "a b"},
			{"a fails", "stop b"},
			{"b ends", "start a after 1.5s #2"},
		}},
		{"stop in good order", RestForOne, 5, "a b c", [][2]string{
			{"start", "start a b c after 0s #1"},
			{"started 1", "a b c"},
			{"b fails", "stop c"},
			{"c ends", "start b c after 1.5s #2"},
			{"stop", "stop a"},
			{"started 2", "no"},
			{"done", "no"},
			{"a fails", ""},
			{"done", "yes"},
			{"start", ""},
		}},
		{"stop while siblings stop", OneForAll, 5, "a b", [][2]string{
			{"start", "start a b after 0s #1"},
			{"started 1", "a b"},
			{"a fails", "stop b"},
			{"stop", ""}, // b was asked already
			{"b ends", ""},
			{"done", "yes"},
		}},
		{"stop before the start", OneForOne, 5, "a b", [][2]string{
			{"start", "start a b after 0s #1"},
			{"stop", ""},
			{"started 1", "no"},
			{"done", "yes"},
		}},
		{"intensity at the limit and past it", OneForAll, 2, "a b", [][2]string{
			{"start", "start a b after 0s #1"},
			{"started 1", "a b"},
			{"a fails", "stop b"},
			{"b ends", "start a b after 1.5s #2"},
			{"2s", ""},
			{"started 2", "a b"},
			{"b fails", "stop a"},
			{"a ends", "start a b after 2.25s #3"},
			{"11s", ""}, // the first restart has expired, the second counts
			{"started 3", "a b"},
			{"a fails", "stop b"},
			{"b ends", "start a b after 2.25s #4"},
			{"12s", ""}, // exactly a window after the second
			{"started 4", "a b"},
			{"a fails", "stop b; give up: supervisor: a: more restarts than 2 in 10s: crash"},
			{"b fails", ""},
			{"done", "yes"},
		}},
		{"unknown and idle children", OneForOne, 5, "a", [][2]string{
			{"a fails", ""},
			{"nobody fails", ""},
			{"start", "start a after 0s #1"},
			{"start", ""},
			{"a fails", ""},
			{"started 7", "no"},
			{"started 1", "a"},
			{"a fails", "start a after 1.5s #2"},
			{"a fails", ""},
		}},
		{"a child is stopped for good", OneForAll, 5, "a! b c", [][2]string{
			{"start", "start a b c after 0s #1"},
			{"started 1", "a b c"},
			{"halt a", "stop a"},
			{"a ends", ""}, // also one that is permanent
			{"b fails", "stop c"},
			{"c ends", "start b c after 1.5s #2"},
			{"halt c", ""},
			{"halt nobody", ""},
			{"started 2", "b"},
			{"halt b", "stop b"},
			{"b fails", ""},
			{"started 2", "no"},
			{"done", "yes"},
		}},
		{"a stopping sibling is stopped for good", OneForAll, 5, "a b c", [][2]string{
			{"start", "start a b c after 0s #1"},
			{"started 1", "a b c"},
			{"a fails", "stop c b"},
			{"c ends", ""},
			{"halt b", "start a c after 1.5s #2"},
			{"b ends", ""},
			{"started 2", "a c"},
			{"b fails", ""},
			{"halt a", "stop a"},
			{"halt a", ""},
			{"c ends", ""},
			{"a fails", ""},
			{"done", "yes"},
		}},
		{"no children", OneForAll, 5, "", [][2]string{{"start", ""}, {"done", "yes"}, {"stop", ""}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGroup(t, GroupConfig{
				Strategy:  tt.strategy,
				Intensity: Intensity{MaxRestarts: tt.max, Window: 10 * time.Second},
			}, tt.children)
			now := at(0)
			for i, line := range tt.lines {
				require.Equal(t, line[1], play(t, g, line[0], &now), "line %d: %s", i, line[0])
			}
		})
	}
}

func play(t *testing.T, g *Group, event string, now *time.Time) string {
	t.Helper()
	yesno := map[bool]string{true: "yes", false: "no"}
	words := strings.Fields(event)
	var token uint64
	switch {
	case event == "start":
		return script(g.Start())
	case event == "stop":
		return script(g.Stop())
	case event == "done":
		return yesno[g.Done()]
	case words[0] == "started":
		_, err := fmt.Sscan(words[1], &token)
		require.NoError(t, err)
		if names := g.Started(token); len(names) > 0 {
			return strings.Join(names, " ")
		}
		return "no"
	case words[0] == "halt":
		return script(g.StopChild(words[1]))
	case len(words) == 1:
		d, err := time.ParseDuration(event)
		require.NoError(t, err)
		*now = at(d.Seconds())
		return ""
	}
	reasons := map[string]error{"ends": nil, "fails": errCrash, "refused": Permanent(io.EOF)}
	require.Contains(t, reasons, words[1])
	return script(g.Terminated(words[0], reasons[words[1]], *now, middle))
}

func TestGroupGivesUpWithTheCause(t *testing.T) {
	t.Parallel()
	g := newGroup(t, GroupConfig{Intensity: Intensity{Window: time.Second}}, "a! b")
	require.NotEmpty(t, g.Started(g.Start()[0].(*StartChildren).Token))
	actions := g.Terminated("a", nil, at(0), middle)
	require.Equal(t, "stop b; give up: supervisor: a: more restarts than 0 in 1s: ended normally", script(actions))

	g = newGroup(t, GroupConfig{Intensity: Intensity{Window: time.Second}}, "a")
	require.NotEmpty(t, g.Started(g.Start()[0].(*StartChildren).Token))
	actions = g.Terminated("a", Bug(errCrash), at(0), middle)
	require.Len(t, actions, 1)
	err := actions[0].(*GiveUp).Err
	require.ErrorIs(t, err, errCrash)
	require.Equal(t, ClassPermanent, Classify(err))
	var ie *IntensityError
	require.ErrorAs(t, err, &ie)
	require.Equal(t, "a", ie.Child)
	require.Nil(t, g.Terminated("a", errCrash, at(0), middle))
}

// A thousand children that fail at once each wait for their own first delay, spread over its band.
func TestGroupOfManyFailsAtOnce(t *testing.T) {
	t.Parallel()
	const n = 1000
	cfg := GroupConfig{Intensity: Intensity{MaxRestarts: n}}
	for i := range n {
		cfg.Children = append(cfg.Children, ChildSpec{Name: fmt.Sprint(i)})
	}
	g, err := NewGroup(cfg)
	require.NoError(t, err)
	require.NotEmpty(t, g.Started(g.Start()[0].(*StartChildren).Token))
	seen := map[time.Duration]bool{}
	for i := range n {
		actions := g.Terminated(fmt.Sprint(i), errCrash, at(0), float64(i)/n)
		require.Len(t, actions, 1)
		start := actions[0].(*StartChildren)
		require.Equal(t, Backoff{}.Delay(1, float64(i)/n), start.After)
		seen[start.After] = true
		require.Equal(t, start.Names, g.Started(start.Token))
	}
	require.Len(t, seen, n)
	require.IsType(t, &GiveUp{}, g.Terminated("7", errCrash, at(0), middle)[1])
}

func TestGroupEnded(t *testing.T) {
	t.Parallel()
	g := newGroup(t, GroupConfig{}, "a b?")
	require.True(t, g.Ended("a"))
	token := g.Start()[0].(*StartChildren).Token
	require.False(t, g.Ended("a"), "about to be started")
	g.Started(token)
	require.False(t, g.Ended("a"))
	g.Terminated("a", errCrash, at(0), middle)
	require.False(t, g.Ended("a"), "it is started again")
	g.Terminated("b", errCrash, at(0), middle)
	require.True(t, g.Ended("b"))
	g.Stop()
	require.True(t, g.Ended("a"))
	require.False(t, g.Ended("nobody"))
}

// Whatever happens in whatever order, a child is never started while it is still there, and
// once everything has ended nothing is left over.
func TestGroupRandomHistories(t *testing.T) {
	t.Parallel()
	for seed := range 600 {
		h := newHistory(t, uint64(seed))
		for range 200 {
			h.step()
		}
		h.finish()
	}
}

func TestGroupValidate(t *testing.T) {
	t.Parallel()
	_, err := NewGroup(GroupConfig{
		Strategy:  7,
		Intensity: Intensity{MaxRestarts: -1},
		Backoff:   Backoff{Growth: 0.5},
		Children:  []ChildSpec{{Name: "a"}, {}, {Name: "a"}, {Name: "b", Restart: 9}},
	})
	for _, want := range []string{
		"supervisor: group: ", "unknown strategy GroupStrategy(7)", "max restarts -1", "growth 0.5",
		"child 1 has no name", `child 2: name "a" is taken`, "child 3 (b): unknown restart type RestartType(9)",
	} {
		require.ErrorContains(t, err, want)
	}
}
