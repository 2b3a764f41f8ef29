package auth

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// binder has the same bindings for every test connection.
func binder(t BindingType) (ChannelBinding, error) {
	switch t {
	case TLSUnique:
		return ChannelBinding{t, bytes.Repeat([]byte{5}, 12)}, nil
	case TLSExporter:
		return ChannelBinding{t, bytes.Repeat([]byte{6}, 32)}, nil
	default:
		return ChannelBinding{}, errors.New("no such binding")
	}
}

func bindingOf(t *testing.T, bt BindingType) ChannelBinding {
	t.Helper()
	if bt == NoBinding {
		return ChannelBinding{}
	}
	b, err := binder(bt)
	require.NoError(t, err)
	return b
}

type signPair struct {
	client *CryptosignClient
	server *CryptosignServer
}

func newSignPair(t *testing.T, c CryptosignConfig, s CryptosignServerConfig) signPair {
	t.Helper()
	random := newCounter()
	client, err := NewCryptosignClient(random, c)
	require.NoError(t, err)
	server, err := NewCryptosignServer(random, issued, &protocol.HelloDetails{AuthExtra: client.HelloExtra()}, s)
	require.NoError(t, err)
	return signPair{client, server}
}

func TestCryptosignExchange(t *testing.T) {
	t.Parallel()
	router := seedKey(t, 9)
	tests := []struct {
		name    string
		binding BindingType
		router  []PublicKey
	}{
		{"plain", NoBinding, nil},
		{"tls-unique", TLSUnique, nil},
		{"tls-exporter", TLSExporter, nil},
		{"router", NoBinding, []PublicKey{seedKey(t, 8).PublicKey(), router.PublicKey()}},
		{"router, tls-unique", TLSUnique, []PublicKey{router.PublicKey()}},
		{"router, tls-exporter", TLSExporter, []PublicKey{router.PublicKey()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newSignPair(
				t, CryptosignConfig{Key: seedKey(t, 1), Binding: bindingOf(t, tt.binding), RouterKeys: tt.router},
				CryptosignServerConfig{Key: router, Bind: binder, RequireBinding: tt.binding != NoBinding})
			ch := p.server.Challenge()
			require.Equal(t, "cryptosign", ch.Method)
			require.Equal(t, len(tt.router) > 0, ch.Extra["signature"] != nil)
			answer, err := p.client.Answer(ch.Extra)
			require.NoError(t, err)
			require.NoError(t, p.server.Verify(issued.Add(DefaultTimeout), answer))
			require.NoError(t, p.client.Verify(&protocol.WelcomeDetails{}))
			_, err = p.client.Answer(ch.Extra)
			require.ErrorIs(t, err, ErrUntrustedRouter, "a second challenge")
		})
	}
}

func TestNewCryptosignClientRefuses(t *testing.T) {
	t.Parallel()
	key := seedKey(t, 1)
	_, err := NewCryptosignClient(newCounter(), CryptosignConfig{})
	require.ErrorContains(t, err, "private key is missing")
	for name, b := range map[string]ChannelBinding{
		"zeros":              {TLSExporter, make([]byte, 32)},
		"no data":            {TLSUnique, nil},
		"short":              {TLSExporter, []byte{1}},
		"no type":            {NoBinding, []byte{1}},
		"unknown":            {"tls-magic", []byte{1}},
		"not for cryptosign": {TLSServerEndPoint, []byte{1}},
	} {
		_, err := NewCryptosignClient(newCounter(), CryptosignConfig{Key: key, Binding: b})
		require.ErrorIs(t, err, ErrChannelBinding, name)
	}
	_, err = NewCryptosignClient(broken{}, CryptosignConfig{Key: key})
	require.ErrorIs(t, err, errBroken)
}

func TestCryptosignClientRefuses(t *testing.T) {
	t.Parallel()
	const good = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	tests := []struct {
		name    string
		binding BindingType
		extra   protocol.Dict
		kind    error
		text    string
	}{
		{"nothing", NoBinding, nil, ErrMalformed, "CHALLENGE: challenge: missing"},
		{"short", NoBinding, protocol.Dict{"challenge": good[2:]}, ErrMalformed, "CHALLENGE: challenge: has 62 digits, not 64"},
		{"not hexadecimal", NoBinding, protocol.Dict{"challenge": "x" + good[1:]}, ErrMalformed, "CHALLENGE: challenge: not hexadecimal"},
		{"octets", NoBinding, protocol.Dict{"challenge": make([]byte, 32)}, ErrMalformed, "CHALLENGE: challenge: not text"},
		{"binding not text", NoBinding, protocol.Dict{"challenge": good, "channel_binding": 1}, ErrMalformed, "channel_binding: not text"},
		{"binding left out", TLSExporter, protocol.Dict{"challenge": good}, ErrChannelBinding, "not the one that was asked for"},
		{"binding null", TLSExporter, protocol.Dict{"challenge": good, "channel_binding": nil}, ErrChannelBinding, "not the one that was asked for"},
		{"other binding", TLSExporter, protocol.Dict{"challenge": good, "channel_binding": "tls-unique"}, ErrChannelBinding, "not the one that was asked for"},
		{"unasked binding", NoBinding, protocol.Dict{"challenge": good, "channel_binding": "tls-unique"}, ErrChannelBinding, "not the one that was asked for"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, err := NewCryptosignClient(newCounter(), CryptosignConfig{Key: seedKey(t, 1), Binding: bindingOf(t, tt.binding)})
			require.NoError(t, err)
			_, err = client.Answer(tt.extra)
			require.ErrorIs(t, err, tt.kind)
			require.ErrorContains(t, err, tt.text)
			if tt.binding != NoBinding {
				require.ErrorIs(t, client.Verify(&protocol.WelcomeDetails{}), ErrUntrustedRouter)
			}
		})
	}
}

func TestCryptosignClientRefusesRouter(t *testing.T) {
	t.Parallel()
	router, stranger := seedKey(t, 9), seedKey(t, 8)
	tests := []struct {
		name   string
		tamper func(protocol.Dict)
		kind   error
		text   string
	}{
		{"no key", func(d protocol.Dict) { delete(d, "pubkey") }, ErrUntrustedRouter, "did not sign"},
		{"no signature", func(d protocol.Dict) { delete(d, "signature") }, ErrUntrustedRouter, "did not sign"},
		{"bad key", func(d protocol.Dict) { d["pubkey"] = "x" }, ErrMalformed, "pubkey: has 1 digits"},
		{"signature not text", func(d protocol.Dict) { d["signature"] = 1 }, ErrMalformed, "signature: not text"},
		{"other key", func(d protocol.Dict) { d["pubkey"] = stranger.PublicKey().String() }, ErrUntrustedRouter, "pubkey: not a key of a trusted router"},
		{"other signer", func(d protocol.Dict) {
			own := parseOwn(d)
			d["signature"] = stranger.sign(own, nil)
		}, ErrUntrustedRouter, "signature: wrong"},
		{"other challenge", func(d protocol.Dict) { d["signature"] = router.sign(challenge{1}, nil) }, ErrUntrustedRouter, "for another challenge"},
		{"other connection", func(d protocol.Dict) {
			own := parseOwn(d)
			d["signature"] = router.sign(own, &channelID{1})
		}, ErrUntrustedRouter, "another connection"},
		{"cut", func(d protocol.Dict) { d["signature"] = d["signature"].(string)[:128] }, ErrUntrustedRouter, "has 128 digits, not 192"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newSignPair(t, CryptosignConfig{Key: seedKey(t, 1), RouterKeys: []PublicKey{router.PublicKey()}}, CryptosignServerConfig{Key: router})
			extra := p.server.Challenge().Extra
			tt.tamper(extra)
			_, err := p.client.Answer(extra)
			require.ErrorIs(t, err, tt.kind)
			require.ErrorContains(t, err, tt.text)
			require.ErrorIs(t, p.client.Verify(&protocol.WelcomeDetails{}), ErrUntrustedRouter)
		})
	}
	p := newSignPair(t, CryptosignConfig{Key: seedKey(t, 1), RouterKeys: []PublicKey{router.PublicKey()}}, CryptosignServerConfig{})
	_, err := p.client.Answer(p.server.Challenge().Extra)
	require.ErrorIs(t, err, ErrUntrustedRouter, "a router without a key")
}

// parseOwn returns the client's challenge, which follows the signature of an unbound router.
func parseOwn(extra protocol.Dict) (own challenge) {
	message, err := hex.DecodeString(extra["signature"].(string)[128:])
	if err != nil {
		return challenge{}
	}
	return challenge(message)
}

func TestNewCryptosignServerRefuses(t *testing.T) {
	t.Parallel()
	public := seedKey(t, 1).PublicKey().String()
	zeros := func(t BindingType) (ChannelBinding, error) { return ChannelBinding{t, make([]byte, 32)}, nil }
	other := func(BindingType) (ChannelBinding, error) { return ChannelBinding{TLSUnique, []byte{1}}, nil }
	tests := []struct {
		name  string
		extra protocol.Dict
		cfg   CryptosignServerConfig
		kind  error
		text  string
	}{
		{"nothing", nil, CryptosignServerConfig{}, ErrMalformed, "HELLO: authextra: pubkey: missing"},
		{"short key", protocol.Dict{"pubkey": public[1:]}, CryptosignServerConfig{}, ErrMalformed, "pubkey: has 63 digits"},
		{"bad key", protocol.Dict{"pubkey": "g" + public[1:]}, CryptosignServerConfig{}, ErrMalformed, "pubkey: not hexadecimal"},
		{"bad challenge", protocol.Dict{"pubkey": public, "challenge": "00"}, CryptosignServerConfig{}, ErrMalformed, "challenge: has 2 digits"},
		{"binding not text", protocol.Dict{"pubkey": public, "channel_binding": true}, CryptosignServerConfig{}, ErrMalformed, "channel_binding: not text"},
		{"unknown binding", bind(public, "tls-magic"), CryptosignServerConfig{Bind: binder}, ErrMalformed, "channel_binding: unknown type"},
		{"no TLS", bind(public, TLSExporter), CryptosignServerConfig{}, ErrChannelBinding, "has no channel binding"},
		{"zeros", bind(public, TLSExporter), CryptosignServerConfig{Bind: zeros}, ErrChannelBinding, "no data"},
		{"other type", bind(public, TLSExporter), CryptosignServerConfig{Bind: other}, ErrChannelBinding, "no binding of the requested type"},
		{"required", protocol.Dict{"pubkey": public}, CryptosignServerConfig{Bind: binder, RequireBinding: true}, ErrChannelBinding, "requires"},
		{"failing", bind(public, TLSServerEndPoint), CryptosignServerConfig{Bind: binder}, nil, "no such binding"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := NewCryptosignServer(newCounter(), issued, &protocol.HelloDetails{AuthExtra: tt.extra}, tt.cfg)
			require.ErrorContains(t, err, tt.text)
			if tt.kind != nil {
				require.ErrorIs(t, err, tt.kind)
			}
		})
	}
	_, err := NewCryptosignServer(broken{}, issued, &protocol.HelloDetails{AuthExtra: protocol.Dict{"pubkey": public}}, CryptosignServerConfig{})
	require.ErrorIs(t, err, errBroken)
}

func bind(public string, t BindingType) protocol.Dict {
	return protocol.Dict{"pubkey": public, "channel_binding": string(t)}
}

func TestCryptosignServerRefuses(t *testing.T) {
	t.Parallel()
	key := seedKey(t, 1)
	server := func() *CryptosignServer {
		return newSignPair(t, CryptosignConfig{Key: key, Binding: bindingOf(t, TLSExporter)}, CryptosignServerConfig{Bind: binder, Timeout: time.Second}).server
	}
	right := func(s *CryptosignServer) string { return key.sign(s.own, s.id) }
	tests := []struct {
		name string
		sign func(*CryptosignServer) string
		text string
	}{
		{"nothing", func(*CryptosignServer) string { return "" }, "has 0 digits, not 192"},
		{"signature only", func(s *CryptosignServer) string { return right(s)[:128] }, "has 128 digits, not 192"},
		{"too long", func(s *CryptosignServer) string { return right(s) + "00" }, "has 194 digits, not 192"},
		{"not hexadecimal", func(s *CryptosignServer) string { return "x" + right(s)[1:] }, "not hexadecimal"},
		{"other challenge", func(s *CryptosignServer) string { return key.sign(challenge{1}, s.id) }, "for another challenge or another connection"},
		{"other connection", func(s *CryptosignServer) string { return key.sign(s.own, &channelID{1}) }, "for another challenge or another connection"},
		{"no connection", func(s *CryptosignServer) string { return key.sign(s.own, nil) }, "for another challenge or another connection"},
		{"other key", func(s *CryptosignServer) string { return seedKey(t, 2).sign(s.own, s.id) }, "signature: wrong"},
		{"signature of something else", func(s *CryptosignServer) string {
			return key.sign(challenge{1}, s.id)[:128] + right(s)[128:]
		}, "signature: wrong"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := server()
			err := s.Verify(issued, &protocol.Authenticate{Signature: tt.sign(s)})
			require.ErrorIs(t, err, ErrDenied)
			require.ErrorContains(t, err, tt.text)
			require.ErrorIs(t, s.Verify(issued, &protocol.Authenticate{Signature: right(s)}), ErrDenied, "a second answer")
		})
	}
	s := server()
	require.ErrorIs(t, s.Verify(issued.Add(time.Second+1), &protocol.Authenticate{Signature: right(s)}), ErrDenied, "a late answer")
	s = server()
	require.NoError(t, s.Verify(issued.Add(time.Second), &protocol.Authenticate{Signature: strings.ToUpper(right(s))}))
}

func TestPublicKey(t *testing.T) {
	t.Parallel()
	const text = "020b13239ca0f10a1c65feaf26e8dfca6e84c81d2509a2b7b75a7e5ee5ce4b66"
	key, err := ParsePublicKey(strings.ToUpper(text))
	require.NoError(t, err)
	require.Equal(t, text, key.String())
	marshaled, err := key.MarshalText()
	require.NoError(t, err)
	var again PublicKey
	require.NoError(t, again.UnmarshalText(marshaled))
	require.Equal(t, key, again)
	for _, bad := range []string{"", "x", text[:63], text + "0", "z" + text[1:]} {
		_, err := ParsePublicKey(bad)
		require.Error(t, err, bad)
	}
}

func TestSigningKey(t *testing.T) {
	t.Parallel()
	var zero SigningKey
	require.True(t, zero.IsZero())
	require.Equal(t, PublicKey{}, zero.PublicKey())
	require.True(t, zero.Seed().Empty())

	key, err := GenerateSigningKey(newCounter())
	require.NoError(t, err)
	require.False(t, key.IsZero())
	again, err := NewSigningKey([]byte(key.Seed().Reveal()))
	require.NoError(t, err)
	require.Equal(t, key.PublicKey(), again.PublicKey())
	_, err = GenerateSigningKey(broken{})
	require.ErrorIs(t, err, errBroken)
	_, err = NewSigningKey(make([]byte, 64))
	require.ErrorContains(t, err, "32 octets, not 64")
}
