package transport

import (
	"net"
	"sync/atomic"
	"syscall"
)

// CountWrites has everything counted that is written to c from now on. Call it before anybody writes.
func CountWrites(c *Conn, n *atomic.Int64) {
	c.nc = countedConn{c.nc, n}
	if c.raw != nil {
		c.raw = countedSocket{c.raw, n}
	}
}

// countedConn counts the calls of Write.
type countedConn struct {
	net.Conn
	n *atomic.Int64
}

func (c countedConn) Write(b []byte) (int, error) {
	c.n.Add(1)
	return c.Conn.Write(b)
}

// countedSocket counts the calls of Write, each of which is one system call as long as the kernel has room.
type countedSocket struct {
	syscall.RawConn
	n *atomic.Int64
}

func (s countedSocket) Write(f func(fd uintptr) bool) error {
	s.n.Add(1)
	return s.RawConn.Write(f)
}
