package transport

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

func published(id int) []protocol.Message {
	return []protocol.Message{&protocol.Published{Request: protocol.ID(id)}}
}

func TestPipe(t *testing.T) {
	t.Parallel()
	a, b := Pipe()
	require.Equal(t, protocol.MessagePack, a.Serializer())
	var atA, atB []protocol.Message
	b.Receive(func(msgs []protocol.Message) {
		atB = append(atB, msgs...)
		require.NoError(t, b.Send(msgs)) // a receiver may send
	})
	a.Receive(func(msgs []protocol.Message) { atA = append(atA, msgs...) })
	var sent []protocol.Message
	for i := range 100 {
		msgs := append(published(2*i), published(2*i+1)...)
		sent = append(sent, msgs...)
		require.NoError(t, a.Send(msgs))
	}
	require.Equal(t, sent, atB)
	require.Equal(t, sent, atA)
	require.Same(t, sent[0], atB[0])
}

func TestPipeKeepsUntilReceive(t *testing.T) {
	t.Parallel()
	a, b := Pipe()
	for i := range 5 {
		require.NoError(t, a.Send(published(i)))
	}
	var got []protocol.Message
	b.Receive(func(msgs []protocol.Message) {
		if len(got) == 0 {
			require.NoError(t, a.Send(published(5))) // meanwhile: after the ones kept
			require.Empty(t, got)
		}
		got = append(got, msgs...)
	})
	require.NoError(t, a.Send(published(6)))
	require.Len(t, got, 7)
	for i, m := range got {
		require.Equal(t, protocol.ID(i), m.(*protocol.Published).Request)
	}
}

func TestPipeClose(t *testing.T) {
	t.Parallel()
	reason := errors.New("reason")
	for _, given := range []error{nil, reason} {
		want := given
		if want == nil {
			want = io.EOF
		}
		a, b := Pipe()
		var order []string
		a.OnClose(func(err error) {
			require.Equal(t, want, err)
			order = append(order, "a closed")
		})
		require.NoError(t, a.Send(published(1)))
		a.Close(given)
		a.Close(errors.New("too late"))
		b.Close(errors.New("too late"))
		require.ErrorIs(t, a.Send(published(2)), net.ErrClosed)
		require.ErrorIs(t, b.Send(published(2)), net.ErrClosed)
		b.OnClose(func(err error) {
			require.Equal(t, want, err)
			order = append(order, "b closed")
		})
		require.Equal(t, []string{"a closed"}, order, "what was sent comes before the end")
		b.Receive(func([]protocol.Message) { order = append(order, "b got") })
		require.Equal(t, []string{"a closed", "b got", "b closed"}, order)
	}
}

// TestPipeCloseWithinReceive: the end comes after the call that is running.
func TestPipeCloseWithinReceive(t *testing.T) {
	t.Parallel()
	a, b := Pipe()
	var order []string
	b.OnClose(func(error) { order = append(order, "closed") })
	b.Receive(func([]protocol.Message) {
		b.Close(nil)
		order = append(order, "got")
	})
	require.NoError(t, a.Send(published(1)))
	require.Equal(t, []string{"got", "closed"}, order)
}

// TestPipeRace: whatever Send accepted arrives, in order, and nothing after the end.
func TestPipeRace(t *testing.T) {
	t.Parallel()
	for range 50 {
		a, b := Pipe()
		var got []protocol.ID
		closed := make(chan struct{})
		b.OnClose(func(error) { close(closed) })
		var sent int
		var wg sync.WaitGroup
		wg.Go(func() {
			for a.Send(published(sent)) == nil {
				sent++
			}
		})
		wg.Go(func() {
			b.Receive(func(msgs []protocol.Message) {
				select {
				case <-closed:
					panic("received after the end")
				default:
				}
				got = append(got, msgs[0].(*protocol.Published).Request)
				for _, m := range msgs[1:] {
					got = append(got, m.(*protocol.Published).Request)
				}
			})
		})
		wg.Go(func() { a.Close(nil) })
		wg.Wait()
		<-closed
		require.Len(t, got, sent)
		for i, id := range got {
			require.Equal(t, protocol.ID(i), id)
		}
	}
}
