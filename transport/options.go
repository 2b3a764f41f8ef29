package transport

import (
	"errors"
	"fmt"
	"time"
)

// Limits and defaults of Options.
const (
	MinMessageSize          = 512      // smallest MaxMessageSize, and smallest RawSocket announcement
	MaxMessageSize          = 16 << 20 // largest MaxMessageSize, and largest RawSocket frame
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultPingInterval     = 30 * time.Second
	DefaultPingTimeout      = 10 * time.Second
	DefaultPingSize         = 12
	MaxPingSize             = 125 // of a control frame: RFC 6455, section 5.5
	DefaultCloseTimeout     = time.Second
)

// Options are the settings that clients and servers share. The zero value means the
// defaults.
type Options struct {
	// MaxMessageSize is the longest message, in bytes, that is accepted from the
	// peer: 512 to 16 MiB, default 16 MiB. A longer one ends the connection with
	// ErrMessageTooLong. RawSocket announces it rounded up to a power of two.
	MaxMessageSize int
	// HandshakeTimeout bounds everything from the start of dialing, or from the
	// accepted connection, until the first message may be sent. Default 10 s.
	HandshakeTimeout time.Duration
	// PingInterval is how often the owner of the connection sends a ping. Default
	// 30 s; negative is never. This package only carries it.
	PingInterval time.Duration
	// PingTimeout is how long the owner of the connection waits for any sign of life
	// after a ping. Default 10 s. This package only carries it. A ping is sent after an interval
	// without a sign of life, so a peer that has gone is noticed within two intervals and this.
	PingTimeout time.Duration
	// PingSize is how many octets a ping carries, up to 125. Default 12. This package only
	// carries it.
	PingSize int
	// CloseTimeout is how long the owner of the connection waits for the peer to close it, once
	// everything is written. Default 1 s. This package only carries it.
	CloseTimeout time.Duration
}

// WithDefaults returns o with every zero field set to its default.
func (o Options) WithDefaults() Options {
	if o.MaxMessageSize == 0 {
		o.MaxMessageSize = MaxMessageSize
	}
	if o.HandshakeTimeout == 0 {
		o.HandshakeTimeout = DefaultHandshakeTimeout
	}
	if o.PingInterval == 0 {
		o.PingInterval = DefaultPingInterval
	}
	if o.PingTimeout == 0 {
		o.PingTimeout = DefaultPingTimeout
	}
	if o.PingSize == 0 {
		o.PingSize = DefaultPingSize
	}
	if o.CloseTimeout == 0 {
		o.CloseTimeout = DefaultCloseTimeout
	}
	return o
}

// Validate reports every setting that is out of range, each by its name.
func (o Options) Validate() error {
	var errs []error
	if o.MaxMessageSize != 0 && (o.MaxMessageSize < MinMessageSize || o.MaxMessageSize > MaxMessageSize) {
		errs = append(errs, fmt.Errorf("options.maxMessageSize: %d is not in %d..%d",
			o.MaxMessageSize, MinMessageSize, MaxMessageSize))
	}
	if o.HandshakeTimeout < 0 {
		errs = append(errs, fmt.Errorf("options.handshakeTimeout: %v is negative", o.HandshakeTimeout))
	}
	if o.PingTimeout < 0 {
		errs = append(errs, fmt.Errorf("options.pingTimeout: %v is negative", o.PingTimeout))
	}
	if o.PingSize < 0 || o.PingSize > MaxPingSize {
		errs = append(errs, fmt.Errorf("options.pingSize: %d is not in 1..%d", o.PingSize, MaxPingSize))
	}
	if o.CloseTimeout < 0 {
		errs = append(errs, fmt.Errorf("options.closeTimeout: %v is negative", o.CloseTimeout))
	}
	return errors.Join(errs...)
}
