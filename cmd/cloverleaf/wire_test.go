package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// recorder is a router that agrees to everything, and keeps what it was told.
type recorder struct {
	url string
	// mute keeps it from answering messages of these types.
	mute []int

	mu       sync.Mutex
	messages []string
	changed  chan struct{} // closed with the next message
}

func newRecorder(t *testing.T, mute ...int) *recorder {
	t.Helper()
	l, err := transport.Listen(t.Context(), "127.0.0.1:0", transport.ServerConfig{})
	require.NoError(t, err)
	r := &recorder{url: l.URLs()[0], mute: mute, changed: make(chan struct{})}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []*transport.Conn
	wg.Go(func() {
		_ = l.Serve(func(c *transport.Conn) {
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			_ = c.Serve(&recorded{r: r, c: c})
			_ = c.Close()
		})
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return r
}

// told returns the messages of a type, as the client sent them in JSON.
func (r *recorder) told(messageType int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, m := range r.messages {
		if strings.HasPrefix(m, fmt.Sprintf("[%d,", messageType)) {
			list = append(list, m)
		}
	}
	return list
}

// await waits for a message of a type.
func (r *recorder) await(t *testing.T, messageType int) {
	t.Helper()
	timeout := time.After(patience)
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		if len(r.told(messageType)) > 0 {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			require.FailNow(t, "no such message comes", "%v", r.messages)
		}
	}
}

type recorded struct {
	r *recorder
	c *transport.Conn
}

func (h *recorded) Message(data []byte) error {
	var elements []json.RawMessage
	if err := json.Unmarshal(data, &elements); err != nil {
		return err
	}
	h.r.mu.Lock()
	h.r.messages = append(h.r.messages, string(data))
	close(h.r.changed)
	h.r.changed = make(chan struct{})
	h.r.mu.Unlock()
	kind, err := strconv.Atoi(string(elements[0]))
	if err != nil {
		return err
	}
	if slices.Contains(h.r.mute, kind) {
		return nil
	}
	const roles = `{"roles":{"broker":{},"dealer":{"features":{"call_timeout":true,"call_canceling":true,"progressive_call_results":true}}}}`
	var request json.RawMessage
	if len(elements) > 1 {
		request = elements[1]
	}
	switch kind {
	case 1:
		return h.send(`[2,1,` + roles + `]`)
	case 6:
		return h.send(`[6,{},"wamp.close.goodbye_and_out"]`)
	case 16:
		if bytes.Contains(elements[2], []byte("acknowledge")) {
			return h.send(fmt.Sprintf(`[17,%s,77]`, request))
		}
	case 32:
		return h.send(fmt.Sprintf(`[33,%s,7]`, request))
	case 48:
		return h.send(fmt.Sprintf(`[50,%s,{},["ok"]]`, request))
	case 49:
		return h.send(fmt.Sprintf(`[8,48,%s,{},"wamp.error.canceled"]`, request))
	case 64:
		return h.send(fmt.Sprintf(`[65,%s,8]`, request))
	}
	return nil
}

func (h *recorded) send(message string) error {
	f := h.c.Framing()
	frame, err := f.End(append(f.Begin(nil), message...), 0)
	if err == nil {
		_, err = h.c.Write(frame)
	}
	return err
}

func (h *recorded) Ping(payload []byte) error {
	_, err := h.c.Write(h.c.Framing().AppendPong(nil, payload))
	return err
}
func (*recorded) Pong([]byte) error { return nil }
func (*recorded) Drained() error    { return nil }

// What each flag of call and publish puts on the wire.
func TestRequestsOnTheWire(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		kind int
		want string
	}{
		"call":             {[]string{"call", "a.b"}, 48, `[48,1,{},"a.b"]`},
		"arguments":        {[]string{"call", "a.b", "1", "x", `{"y":2.0}`, "-3"}, 48, `[48,1,{},"a.b",[1,"x",{"y":2.0},-3]]`},
		"after --":         {[]string{"call", "a.b", "--", "--url", "-x"}, 48, `[48,1,{},"a.b",["--url","-x"]]`},
		"keywords":         {[]string{"call", "-k", "b=1", "a.b", "-k=a=x=y"}, 48, `[48,1,{},"a.b",[],{"a":"x=y","b":1}]`},
		"timeout":          {[]string{"call", "a.b", "-o", "timeout=1500"}, 48, `[48,1,{"timeout":1500},"a.b"]`},
		"disclose_me":      {[]string{"call", "a.b", "-o", "disclose_me=true"}, 48, `[48,1,{"disclose_me":true},"a.b"]`},
		"not disclose_me":  {[]string{"call", "a.b", "-o", "disclose_me=false"}, 48, `[48,1,{},"a.b"]`},
		"receive_progress": {[]string{"call", "a.b", "-o", "receive_progress=true"}, 48, `[48,1,{"receive_progress":true},"a.b"]`},
		"no progress":      {[]string{"call", "a.b", "-o", "receive_progress=false"}, 48, `[48,1,{},"a.b"]`},
		"runmode":          {[]string{"call", "a.b", "-o", "runmode=all"}, 48, `[48,1,{"runmode":"all"},"a.b"]`},
		"rkey":             {[]string{"call", "a.b", "-o", "rkey=5"}, 48, `[48,1,{"rkey":5},"a.b"]`},
		"custom":           {[]string{"call", "a.b", "-o", `_mine={"a":[1]}`}, 48, `[48,1,{"_mine":{"a":[1]}},"a.b"]`},
		"several":          {[]string{"call", "a.b", "-o", "timeout=1", "-o", "_x=y"}, 48, `[48,1,{"timeout":1,"_x":"y"},"a.b"]`},

		"publish":          {[]string{"publish", "a.b"}, 16, `[16,1,{"acknowledge":true},"a.b"]`},
		"no acknowledge":   {[]string{"publish", "a.b", "--no-acknowledge"}, 16, `[16,1,{},"a.b"]`},
		"acknowledge":      {[]string{"publish", "a.b", "--no-acknowledge", "-o", "acknowledge=true"}, 16, `[16,1,{"acknowledge":true},"a.b"]`},
		"acknowledge off":  {[]string{"publish", "a.b", "-o", "acknowledge=false"}, 16, `[16,1,{},"a.b"]`},
		"event":            {[]string{"publish", "a.b", "1", "-k", "x=y"}, 16, `[16,1,{"acknowledge":true},"a.b",[1],{"x":"y"}]`},
		"exclude_me":       {[]string{"publish", "a.b", "-o", "exclude_me=false"}, 16, `[16,1,{"acknowledge":true,"exclude_me":false},"a.b"]`},
		"exclude_me on":    {[]string{"publish", "a.b", "-o", "exclude_me=true"}, 16, `[16,1,{"acknowledge":true},"a.b"]`},
		"disclose":         {[]string{"publish", "a.b", "-o", "disclose_me=true"}, 16, `[16,1,{"acknowledge":true,"disclose_me":true},"a.b"]`},
		"retain":           {[]string{"publish", "a.b", "-o", "retain=true"}, 16, `[16,1,{"acknowledge":true,"retain":true},"a.b"]`},
		"publish rkey":     {[]string{"publish", "a.b", "-o", "rkey=k"}, 16, `[16,1,{"acknowledge":true,"rkey":"k"},"a.b"]`},
		"publish custom":   {[]string{"publish", "a.b", "-o", "_x=1"}, 16, `[16,1,{"acknowledge":true,"_x":1},"a.b"]`},
		"exclude":          {[]string{"publish", "a.b", "-o", "exclude=[1,2]"}, 16, `[16,1,{"acknowledge":true,"exclude":[1,2]},"a.b"]`},
		"exclude_authid":   {[]string{"publish", "a.b", "-o", "exclude_authid=joe"}, 16, `[16,1,{"acknowledge":true,"exclude_authid":["joe"]},"a.b"]`},
		"exclude_authrole": {[]string{"publish", "a.b", "-o", "exclude_authrole=r"}, 16, `[16,1,{"acknowledge":true,"exclude_authrole":["r"]},"a.b"]`},
		"eligible":         {[]string{"publish", "a.b", "-o", "eligible=9"}, 16, `[16,1,{"acknowledge":true,"eligible":[9]},"a.b"]`},
		"nobody eligible":  {[]string{"publish", "a.b", "-o", "eligible=[]"}, 16, `[16,1,{"acknowledge":true,"eligible":[]},"a.b"]`},
		"eligible_authid":  {[]string{"publish", "a.b", "-o", "eligible_authid=a", "-o", `eligible_authid=["b"]`}, 16, `[16,1,{"acknowledge":true,"eligible_authid":["a","b"]},"a.b"]`},
		"eligible_role":    {[]string{"publish", "a.b", "-o", "eligible_authrole=r"}, 16, `[16,1,{"acknowledge":true,"eligible_authrole":["r"]},"a.b"]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecorder(t)
			newShell(t, "CLOVERLEAF_URL="+r.url, "CLOVERLEAF_SERIALIZER=json").works(c.args...)
			told := r.told(c.kind)
			require.Len(t, told, 1)
			require.JSONEq(t, c.want, told[0])
			require.Equal(t, []string{`[6,{},"wamp.close.close_realm"]`}, r.told(6), "it says GOODBYE")
		})
	}
}

// What each flag of subscribe and register puts on the wire.
func TestDeclarationsOnTheWire(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		kind int
		want string
	}{
		"subscribe":        {[]string{"subscribe", "a.b"}, 32, `[32,1,{},"a.b"]`},
		"exact":            {[]string{"subscribe", "a.b", "--match", "exact"}, 32, `[32,1,{},"a.b"]`},
		"prefix":           {[]string{"subscribe", "a.", "--match=prefix"}, 32, `[32,1,{"match":"prefix"},"a."]`},
		"everything":       {[]string{"subscribe", "", "--match=prefix"}, 32, `[32,1,{"match":"prefix"},""]`},
		"wildcard":         {[]string{"subscribe", "a..c", "--match=wildcard"}, 32, `[32,1,{"match":"wildcard"},"a..c"]`},
		"get_retained":     {[]string{"subscribe", "a.b", "-o", "get_retained=true"}, 32, `[32,1,{"get_retained":true},"a.b"]`},
		"nkey":             {[]string{"subscribe", "a.b", "-o", "nkey=1"}, 32, `[32,1,{"nkey":1},"a.b"]`},
		"subscribe custom": {[]string{"subscribe", "a.b", "-o", "_x=1"}, 32, `[32,1,{"_x":1},"a.b"]`},

		"register":         {[]string{"register", "a.b", "--echo"}, 64, `[64,1,{"concurrency":8},"a.b"]`},
		"concurrency":      {[]string{"register", "a.b", "--echo", "--concurrency", "2"}, 64, `[64,1,{"concurrency":2},"a.b"]`},
		"no limit":         {[]string{"register", "a.b", "--echo", "--concurrency=0"}, 64, `[64,1,{},"a.b"]`},
		"register prefix":  {[]string{"register", "a.", "--echo", "--match", "prefix", "--concurrency=0"}, 64, `[64,1,{"match":"prefix"},"a."]`},
		"invoke":           {[]string{"register", "a.b", "--echo", "--invoke", "roundrobin", "--concurrency=0"}, 64, `[64,1,{"invoke":"roundrobin"},"a.b"]`},
		"disclose_caller":  {[]string{"register", "a.b", "--echo", "-o", "disclose_caller=true", "--concurrency=0"}, 64, `[64,1,{"disclose_caller":true},"a.b"]`},
		"force_reregister": {[]string{"register", "a.b", "--echo", "-o", "force_reregister=true", "--concurrency=0"}, 64, `[64,1,{"force_reregister":true},"a.b"]`},
		"forward_timeout":  {[]string{"register", "a.b", "--echo", "-o", "forward_timeout=true", "--concurrency=0"}, 64, `[64,1,{"forward_timeout":true},"a.b"]`},
		"register custom":  {[]string{"register", "a.b", "-o", "_x=1", "--concurrency=0", "--", "true"}, 64, `[64,1,{"_x":1},"a.b"]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecorder(t)
			j := newShell(t, "CLOVERLEAF_URL="+r.url, "CLOVERLEAF_SERIALIZER=json").start(c.args...)
			j.says("ed ") // subscribed to, registered
			told := r.told(c.kind)
			require.Len(t, told, 1)
			require.JSONEq(t, c.want, told[0])
			j.interrupt()
			require.Zero(t, j.wait().code)
			require.Len(t, r.told(6), 1, "it says GOODBYE")
		})
	}
}

// What the flags of all clients put into HELLO.
func TestHelloOnTheWire(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args, environ []string
		realm         string
		details       map[string]any
	}{
		"default":              {nil, nil, "realm1", nil},
		"realm":                {[]string{"--realm", "other"}, nil, "other", nil},
		"realm of environment": {nil, []string{"CLOVERLEAF_REALM=env"}, "env", nil},
		"precedence":           {[]string{"--realm=flag"}, []string{"CLOVERLEAF_REALM=env"}, "flag", nil},
		"later entry":          {nil, []string{"CLOVERLEAF_REALM=a", "CLOVERLEAF_REALM=b"}, "b", nil},
		"empty variable":       {nil, []string{"CLOVERLEAF_REALM="}, "realm1", nil},
		"authid":               {[]string{"--authid", "joe"}, nil, "realm1", map[string]any{"authid": "joe", "authmethods": []any{"anonymous"}}},
		"authrole":             {[]string{"--authrole", "r"}, nil, "realm1", map[string]any{"authrole": "r"}},
		"ticket":               {[]string{"--authid=joe", "--ticket=t"}, nil, "realm1", map[string]any{"authid": "joe", "authmethods": []any{"ticket"}}},
		"cra":                  {nil, []string{"CLOVERLEAF_AUTHID=joe", "CLOVERLEAF_SECRET=s"}, "realm1", map[string]any{"authid": "joe", "authmethods": []any{"wampcra"}}},
		"all": {
			[]string{"--authid=joe"},
			[]string{"CLOVERLEAF_TICKET=t", "CLOVERLEAF_SECRET=s", "CLOVERLEAF_PRIVATE_KEY=" + strings.Repeat("ab", 32)},
			"realm1",
			map[string]any{"authid": "joe", "authmethods": []any{"cryptosign", "wampcra", "ticket"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecorder(t)
			s := newShell(t, append(c.environ, "CLOVERLEAF_URL="+r.url)...)
			s.works(append([]string{"publish", "a.b", "--serializer", "json"}, c.args...)...)
			var hello []any
			require.Len(t, r.told(1), 1)
			require.NoError(t, json.Unmarshal([]byte(r.told(1)[0]), &hello))
			require.Equal(t, c.realm, hello[1])
			details, ok := hello[2].(map[string]any)
			require.True(t, ok)
			for _, key := range []string{"authid", "authrole", "authmethods"} {
				require.Equal(t, c.details[key], details[key], key)
			}
		})
	}
}

// --repeat sends so many requests in one session, and --concurrency so many at once.
func TestRepeat(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	s := newShell(t, "CLOVERLEAF_URL="+r.url, "CLOVERLEAF_SERIALIZER=json")
	require.Len(t, s.run("call", "a.b", "--repeat", "25", "--concurrency", "4").lines(), 25)
	require.Len(t, r.told(48), 25)
	require.Len(t, r.told(1), 1)
	require.Len(t, s.run("publish", "a.b", "--repeat", "25", "--concurrency", "100").lines(), 25)
	require.Len(t, r.told(16), 25)
	require.Empty(t, s.works("publish", "a.b", "--repeat", "5", "--no-acknowledge"))
	require.Len(t, r.told(16), 30, "all of them were sent")
}

// A router that does not answer GOODBYE holds nobody up for long, and the work was done.
func TestSilentGoodbye(t *testing.T) {
	t.Parallel()
	r := newRecorder(t, 6)
	require.Equal(t, "\"ok\"\n", newShell(t, "CLOVERLEAF_URL="+r.url, "CLOVERLEAF_SERIALIZER=json").works("call", "a.b"))
}

// The end of --timeout cancels the call and says GOODBYE.
func TestTimeoutCancels(t *testing.T) {
	t.Parallel()
	r := newRecorder(t, 48)
	s := newShell(t, "CLOVERLEAF_URL="+r.url, "CLOVERLEAF_SERIALIZER=json")
	got := s.run("call", "a.b", "--timeout", "1s", "--repeat", "3")
	require.Equal(t, 124, got.code)
	require.Equal(t, "cloverleaf call: timed out after 1s\n", got.stderr)
	require.Len(t, r.told(48), 1)
	require.Len(t, r.told(49), 1)
	require.Len(t, r.told(6), 1)
}

// An interrupt cancels the call and says GOODBYE.
func TestInterruptCancels(t *testing.T) {
	t.Parallel()
	r := newRecorder(t, 48)
	j := newShell(t, "CLOVERLEAF_URL="+r.url, "CLOVERLEAF_SERIALIZER=json").start("call", "a.b", "-v")
	r.await(t, 48)
	j.interrupt()
	require.Equal(t, 130, j.wait().code)
	require.Len(t, r.told(6), 1)
	j.says("cloverleaf call: interrupted\n")
}
