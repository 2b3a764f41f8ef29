package auth

import (
	"math"
	"time"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// The names of the authentication methods in HELLO, CHALLENGE and WELCOME.
const (
	MethodAnonymous     = "anonymous"
	MethodTicket        = "ticket"
	MethodCRA           = "wampcra"
	MethodSCRAM         = "wamp-scram"
	MethodSCRAMAutobahn = "scram"
	MethodCryptosign    = "cryptosign"
)

// DefaultTimeout is how long a router accepts the answer to a challenge.
const DefaultTimeout = time.Minute

// maxText is the longest text that is looked at in a message, in octets.
const maxText = 64 << 10

// fields reads a dictionary of a peer.
type fields struct {
	method string
	where  string // the message it is from, for errors
	dict   protocol.Dict
}

func (f fields) fail(key, problem string) error {
	return failf(ErrMalformed, f.method, "%s: %s: %s", f.where, key, problem)
}

// optional returns the text under the key, and false when it is absent or null.
func (f fields) optional(key string) (string, bool, error) {
	switch v := f.dict[key].(type) {
	case nil:
		return "", false, nil
	case string:
		if len(v) > maxText {
			return "", false, f.fail(key, "too long")
		}
		return v, true, nil
	default:
		return "", false, f.fail(key, "not text")
	}
}

// text returns the text under the key, which must not be empty.
func (f fields) text(key string) (string, error) {
	switch v, ok, err := f.optional(key); {
	case err != nil:
		return "", err
	case !ok:
		return "", f.fail(key, "missing")
	case v == "":
		return "", f.fail(key, "empty")
	default:
		return v, nil
	}
}

// number returns the positive integer under the key. JSON makes floats of some integers.
func (f fields) number(key string) (int, error) {
	var n float64
	switch v := f.dict[key].(type) {
	case nil:
		return 0, f.fail(key, "missing")
	case int:
		n = float64(v)
	case int64:
		n = float64(v)
	case uint64:
		n = float64(v)
	case float64:
		n = v
	default:
		return 0, f.fail(key, "not a number")
	}
	if !(n >= 1 && n <= math.MaxInt32) || n != math.Trunc(n) {
		return 0, f.fail(key, "not an integer from 1 to 2^31-1")
	}
	return int(n), nil
}

// answerOnce lets a challenge be answered one time, and in time.
type answerOnce struct {
	method  string
	issued  time.Time
	timeout time.Duration
	done    bool
}

func newAnswerOnce(method string, now time.Time, timeout time.Duration) answerOnce {
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return answerOnce{method: method, issued: now, timeout: timeout}
}

func (a *answerOnce) answer(now time.Time) error {
	if a.done {
		return failf(ErrDenied, a.method, "the challenge was answered before")
	}
	a.done = true
	if age := now.Sub(a.issued); age < 0 || age > a.timeout {
		return failf(ErrDenied, a.method, "the challenge was not answered within %s", a.timeout)
	}
	return nil
}
