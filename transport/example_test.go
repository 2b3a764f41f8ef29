package transport_test

import (
	"context"
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// printer prints the first message and ends reading.
type printer struct{}

func (p printer) Message(data []byte) error {
	fmt.Printf("%s\n", data)
	return fmt.Errorf("one is enough")
}
func (printer) Ping([]byte) error { return nil }
func (printer) Pong([]byte) error { return nil }
func (printer) Drained() error    { return nil }

// A server that reads one message, and the client that sends it.
func Example() {
	ctx := context.Background()
	l, err := transport.Listen(ctx, "127.0.0.1:0", transport.ServerConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan error)
	go func() {
		_ = l.Serve(func(c *transport.Conn) { // until l is closed
			err := c.Serve(printer{})
			_ = c.Close()
			done <- err
		})
	}()

	c, err := transport.Dial(ctx, transport.ClientConfig{URL: l.URLs()[0]})
	if err != nil {
		fmt.Println(err)
		return
	}
	f := c.Framing()
	buf := append(f.Begin(nil), "a message encoded with "+c.Serializer().String()...)
	buf, _ = f.End(buf, 0) // fails for RawSocket messages over 16 MiB only
	if _, err := c.Write(buf); err != nil {
		fmt.Println(err)
	}
	fmt.Println(<-done)
	_ = c.Close()
	_ = l.Close()
	// Output:
	// a message encoded with cbor
	// one is enough
}
