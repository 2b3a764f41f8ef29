//go:build unix

package transport

import (
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// rawConn gives direct access to the socket below nc, or nil when there is something
// in between, such as TLS.
func rawConn(nc net.Conn) syscall.RawConn {
	var raw syscall.RawConn
	var err error
	switch s := nc.(type) {
	case *net.TCPConn:
		raw, err = s.SyscallConn()
	case *net.UnixConn:
		raw, err = s.SyscallConn()
	}
	if err != nil {
		return nil
	}
	return raw
}

// readReady is the callback of RawConn.Read. It takes memory only now, when there may
// be data, and gives it back when there is none.
func (c *Conn) readReady(fd uintptr) bool {
	for {
		n, err := syscall.Read(int(fd), c.inputRoom()) // a descriptor is a small int
		switch err {
		case nil:
			c.readN = n
			if n == 0 {
				c.readErr = io.EOF
			}
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			c.restInput()
			return false
		default:
			c.readErr = os.NewSyscallError("read", err)
			return true
		}
	}
}

// writeReady is the callback of RawConn.Write. It never asks to wait.
func (c *Conn) writeReady(fd uintptr) bool {
	for c.wroteN < len(c.writing) {
		n, err := syscall.Write(int(fd), c.writing[c.wroteN:]) // a descriptor is a small int
		switch err {
		case nil:
			c.wroteN += n
		case syscall.EINTR:
		case syscall.EAGAIN:
			return true
		default:
			c.writeErr = os.NewSyscallError("write", err)
			return true
		}
	}
	return true
}

// TryWrite writes as much of b as the kernel takes without blocking and returns how
// much that is; less than len(b) with a nil error means that the rest would block.
// Call it only if CanTryWrite. An error ends the connection's use for writing. An
// expired write deadline makes it fail with os.ErrDeadlineExceeded.
func (c *Conn) TryWrite(b []byte) (int, error) {
	if c.raw == nil {
		return 0, fmt.Errorf("transport: try to write: %w", errNoTryWrite)
	}
	c.writing, c.wroteN, c.writeErr = b, 0, nil
	err := c.raw.Write(c.onWritable)
	c.writing = nil
	if err == nil {
		err = c.writeErr
	}
	if err != nil {
		return c.wroteN, fmt.Errorf("transport: write: %w", err)
	}
	return c.wroteN, nil
}
