// Package transport moves WAMP messages as opaque bytes: over WebSocket, over
// RawSocket, and, for peers in one process, as values through a [Pipe].
//
// It knows frames, handshakes and sockets. It knows neither the content of a
// message nor an actor: whoever owns a [Conn] decides when to write.
//
// # Usage
//
// [Dial] opens a client connection; [Listen] serves WebSocket, RawSocket and plain
// HTTP on one port; [WebSocketHandler] puts a WAMP endpoint into somebody else's
// HTTP server. All of them yield a *Conn whose handshake is done.
//
// Reading: Conn.Serve runs on a goroutine of the caller's choice and hands complete
// messages to a [Handler]. It never writes; a ping is answered by the handler.
//
// Writing: [Framing] turns encoded messages into frames in a buffer of the caller,
// many frames to one buffer, and Conn.TryWrite or Conn.Write sends the buffer. Equal
// Framing values produce equal frames, so a frame can be built once for many peers.
//
// # Concurrency
//
// One goroutine may run Serve while one other writes. Close may be called by
// anybody at any time and ends both.
//
// # Memory
//
// Messages are handed over as slices of shared slabs of 16 KiB, or in a buffer of
// their own when they are over 2 KiB; a region of a slab is used once. Memory for a large
// message grows with the bytes that arrived, not with the length that was announced; who
// knows that nobody refers to such a message any more may give it to [Recycle].
// On plain TCP and unix sockets of unix systems an idle connection holds no read
// buffer. Elsewhere, and under TLS, it holds one of 1 KiB, and crypto/tls keeps
// buffers of its own.
//
// # Compression
//
// The permessage-deflate extension of WebSocket is neither offered nor accepted, so
// the size of a message on the wire is its size in memory.
//
// # Text
//
// The text frames of the JSON serializer are not checked to be UTF-8: the decoder of
// the message does that.
package transport
