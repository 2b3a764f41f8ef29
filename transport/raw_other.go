//go:build !unix

package transport

import (
	"fmt"
	"net"
	"syscall"
)

// rawConn gives no direct access: reads and writes go through nc.
func rawConn(net.Conn) syscall.RawConn { return nil }

func (c *Conn) readReady(uintptr) bool  { return true }
func (c *Conn) writeReady(uintptr) bool { return true }

// TryWrite fails: CanTryWrite is false on this system.
func (c *Conn) TryWrite([]byte) (int, error) {
	return 0, fmt.Errorf("transport: try to write: %w", errNoTryWrite)
}
