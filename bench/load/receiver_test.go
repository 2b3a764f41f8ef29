package load

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// newTestRun is a run of one sender that has sent so much, with one receiver.
func newTestRun(mode string, senders int, sent uint64) (*run, *receiver) {
	r := &run{cfg: Config{Mode: mode, Senders: senders, Receivers: 1, Acknowledge: true}, first: 1 << 20, m: newMeter(2)}
	for range senders {
		l := &lane{m: r.m}
		l.begun.Store(sent)
		l.settled.Store(sent)
		r.lanes = append(r.lanes, l)
	}
	return r, r.newReceiver()
}

func TestReceiverTellsSendersApart(t *testing.T) {
	t.Parallel()
	r, v := newTestRun(PubSub, 2, 2)
	for _, n := range []uint64{0, 1} {
		for i := range uint64(2) {
			sender, counts := v.seen(r.first+i, n)
			require.EqualValues(t, i, sender)
			require.True(t, counts)
		}
	}
	require.True(t, r.delivered())
	f := r.faults()
	require.NoError(t, f.Err())
	sender, counts := v.seen(r.first, 1)
	require.Zero(t, sender)
	require.False(t, counts)
	f = r.faults()
	require.EqualError(t, f.Err(), "1 twice")
}

func TestReceiverOfALossyRouter(t *testing.T) {
	t.Parallel()
	r, v := newTestRun(PubSub, 1, 10)
	for _, n := range []uint64{0, 1, 3, 2, 6, 99} { // 4, 5, 7, 8 and 9 never come, and 99 was never sent
		v.seen(r.first, n)
	}
	require.False(t, r.delivered())
	f := r.faults()
	require.EqualError(t, f.Err(), "5 lost, 1 out of order, 1 corrupt")
	r.refused.Store(2) // were errors already
	f = r.faults()
	require.EqualError(t, f.Err(), "3 lost, 1 out of order, 1 corrupt")
}

// What others send is not counted if this run has senders of its own.
func TestReceiverAndStrangers(t *testing.T) {
	t.Parallel()
	r, v := newTestRun(PubSub, 1, 0)
	sender, counts := v.seen(7, 0)
	require.Equal(t, -1, sender)
	require.False(t, counts)
	require.Equal(t, []string{"1 calls or events of others came, which were not counted"}, r.receiverWarnings())

	r, v = newTestRun(PubSub, 0, 0)
	for _, n := range []uint64{5, 6, 9} { // it had begun before
		_, counts := v.seen(7, n)
		require.True(t, counts)
	}
	require.Empty(t, r.receiverWarnings())
	f := r.faults()
	require.EqualError(t, f.Err(), "2 lost")
}

// Routers must count their requests. The order of one that does not cannot be told.
func TestReceiverOfRandomRequests(t *testing.T) {
	t.Parallel()
	r, v := newTestRun(RPC, 1, 3)
	for n, request := range []protocol.ID{1 << 40, 1 << 50, 3} {
		v.called(r.first, uint64(2-n), request)
	}
	require.Len(t, r.receiverWarnings(), 1)
	f := r.faults()
	require.NoError(t, f.Err())
}

// A call without an answer is lost once, whether it has come to its callee or not.
func TestLostCalls(t *testing.T) {
	t.Parallel()
	r, v := newTestRun(RPC, 1, 5)
	r.lanes[0].settled.Store(3)
	for n := range uint64(4) {
		v.called(r.first, n, protocol.ID(n+1))
	}
	f := r.faults()
	require.EqualError(t, f.Err(), "2 lost")
}
