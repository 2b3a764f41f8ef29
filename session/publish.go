package session

import (
	"context"
	"sync"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

var publishPool = sync.Pool{ //nolint:gochecknoglobals // a pool has to outlive its users
	New: func() any { return new(publishCommand) },
}

// settled returns the command to the pool if nobody waits for it.
func (c *publishCommand) settled(id protocol.ID, err error) {
	if c.pooled {
		c.put()
		return
	}
	c.settle(id, err)
}

// Size implements Command.
func (c *publishCommand) Size() int { return small + c.msg.Payload.Size() }

// Reject implements Command.
func (c *publishCommand) Reject(err error) { c.settled(0, err) }

// put takes a command back that nobody refers to.
func (c *publishCommand) put() {
	out := c.out[:0]
	if c.sess.shared || cap(out) > keepBuffer {
		out = nil
	}
	*c = publishCommand{out: out}
	publishPool.Put(c)
}

// Publish publishes an event to a topic.
//
//	_, err := s.Publish(ctx, "com.myapp.oncounter", session.Args(7))
//
// It does not wait for the router unless [Acknowledge] is given: an event that the router refuses
// is then lost without a word, as WAMP has it. The identifier is that of the publication, and
// zero without Acknowledge. It fails like [Session.Call] for what is wrong on this side, and with
// the [*EndedError] once the session is over. While a slow router leaves too much data unread,
// Publish waits, no longer than ctx allows.
func (s *Session) Publish(ctx context.Context, topic string, opts ...PublishOption) (protocol.ID, error) {
	spec := publishSpec{}
	for _, o := range opts {
		o.applyPublish(&spec)
	}
	id, err := s.publish(ctx, protocol.URI(topic), &spec)
	if err != nil {
		return 0, s.wrap("publish", protocol.URI(topic), err)
	}
	return id, nil
}

// PublishAsync is Publish for those who cannot wait, such as actors. reply, if it is not nil, is
// called as Publish returns; see CallAsync.
func (s *Session) PublishAsync(topic string, reply func(protocol.ID, error), opts ...PublishOption) {
	spec := publishSpec{}
	for _, o := range opts {
		o.applyPublish(&spec)
	}
	uri := protocol.URI(topic)
	answer := func(id protocol.ID, err error) {
		if reply != nil {
			reply(id, s.wrap("publish", uri, err))
		}
	}
	c, err := s.newPublish(uri, &spec)
	if err != nil {
		answer(0, err)
		return
	}
	c.reply = answer
	s.poster.Post(c)
}

// sharedPublish is a PUBLISH that is handed over as it is, with the memory of a small payload.
type sharedPublish struct {
	protocol.Publish
	buf [48]byte
}

// newPublish encodes a publication, on the goroutine of the publisher.
func (s *Session) newPublish(topic protocol.URI, spec *publishSpec) (*publishCommand, error) {
	if err := checkExact(topic, false); err != nil {
		return nil, err
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	c := publishPool.Get().(*publishCommand) // see New
	c.sess = s
	if s.shared {
		m := new(sharedPublish)
		c.msg, c.out = &m.Publish, m.buf[:0]
	} else {
		c.msg = &c.own
	}
	c.msg.Topic, c.msg.Options = topic, spec.options
	var err error
	if c.msg.Payload, c.out, err = encodeValues(c.out, s.details.Serializer, spec.args, spec.kwargs); err == nil && s.fits != nil {
		err = s.fits(c.msg) // nobody would be there to hear of it later
	}
	if err != nil {
		c.put()
		return nil, err
	}
	return c, nil
}

func (s *Session) publish(ctx context.Context, topic protocol.URI, spec *publishSpec) (protocol.ID, error) {
	c, err := s.newPublish(topic, spec)
	if err != nil {
		return 0, err
	}
	if err := s.poster.Await(ctx); err != nil {
		c.put()
		return 0, err
	}
	if !spec.options.Acknowledge {
		c.pooled = true
		s.poster.Post(c)
		return 0, nil
	}
	c.ack = newAck()
	s.poster.Post(c)
	if err := s.wait(ctx, &c.ack, nil); err != nil {
		return 0, err
	}
	return c.id, nil
}
