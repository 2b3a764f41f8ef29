package actors

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/router"
	"github.com/cloverleaf-wamp/cloverleaf/transport"
)

// RouterConfig configures a Router. The zero value of each field is its default.
type RouterConfig struct {
	// Realms are the realms to serve, by unique name. None means one, "realm1", that
	// admits anonymous clients.
	Realms []RealmConfig
	// Session are the rules for the sessions.
	Session router.SessionConfig
	// Options are those of the transports: handshake deadline and keepalive.
	Options transport.Options
	// Limits bound queues.
	Limits Limits
	// GoodbyeTimeout is how long a client may take to answer GOODBYE. Default 2 s.
	GoodbyeTimeout time.Duration
	// Agent is announced in WELCOME. Default "cloverleaf".
	Agent string
}

// RealmConfig configures a realm.
type RealmConfig struct {
	Name protocol.URI
	// Authenticators are the accepted methods; none admits anonymous clients only.
	Authenticators []router.Authenticator
	// Paths are the accepted methods by the path of the WebSocket request, instead of
	// Authenticators. An empty list admits anonymous clients only.
	Paths map[string][]router.Authenticator
	// Authorization says who may do what. The zero value allows everything, also
	// wamp.session.kill: a realm that strangers may join needs Roles.
	Authorization router.AuthorizationConfig
	// SlowConsumers is what happens to events for a client that does not keep up.
	// Default SlowDisconnect.
	SlowConsumers SlowConsumerPolicy
	// History are the topics and patterns whose last events are kept.
	History []router.HistoryConfig
}

// Limits bound what is queued for one connection, in bytes.
type Limits struct {
	// Inbound is what may be read and not handled yet; reading pauses above it.
	// Default 256 KiB.
	Inbound int
	// HighMark is what may be queued for a receiver before those who send to it are
	// read no more, until half of it is gone. Default 1 MiB.
	HighMark int
	// HardMark is what may be queued for a receiver before it is a slow consumer, see
	// SlowConsumerPolicy. Default 16 MiB. One message may always be queued.
	HardMark int
	// SlowConsumerTimeout is how long a receiver may take no bytes at all before it is
	// a slow consumer, and how long it may hold up those who send to it. Default 10 s.
	SlowConsumerTimeout time.Duration
}

func (c RouterConfig) withDefaults() RouterConfig {
	c.Options = c.Options.WithDefaults()
	if len(c.Realms) == 0 {
		c.Realms = []RealmConfig{{Name: "realm1"}}
	}
	if c.GoodbyeTimeout == 0 {
		c.GoodbyeTimeout = 2 * time.Second
	}
	if c.Agent == "" {
		c.Agent = Agent
	}
	l := &c.Limits
	if l.Inbound == 0 {
		l.Inbound = 256 << 10
	}
	if l.HighMark == 0 {
		l.HighMark = 1 << 20
	}
	if l.HardMark == 0 {
		l.HardMark = 16 << 20
	}
	if l.SlowConsumerTimeout == 0 {
		l.SlowConsumerTimeout = 10 * time.Second
	}
	return c
}

func (c RouterConfig) validate() error {
	errs := []error{c.Options.Validate()}
	seen := make(map[protocol.URI]bool)
	for _, r := range c.Realms {
		switch {
		case !r.Name.Valid():
			errs = append(errs, fmt.Errorf("realms: %q is not a valid URI", r.Name))
		case seen[r.Name]:
			errs = append(errs, fmt.Errorf("realms: %q is there twice", r.Name))
		}
		for _, err := range r.check() {
			errs = append(errs, fmt.Errorf("realms: %q: %w", r.Name, err))
		}
		seen[r.Name] = true
	}
	l := c.Limits
	if l.Inbound < 0 || l.HighMark < 0 || l.HardMark < 0 || l.SlowConsumerTimeout < 0 {
		errs = append(errs, errors.New("limits: must not be negative"))
	}
	if l.HardMark != 0 && l.HardMark < l.HighMark {
		errs = append(errs, errors.New("limits: HardMark is below HighMark"))
	}
	if c.GoodbyeTimeout < 0 {
		errs = append(errs, errors.New("goodbyeTimeout: is negative"))
	}
	return errors.Join(errs...)
}

// check returns what is wrong with the settings of a realm, other than its name.
func (c RealmConfig) check() []error {
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(c.Paths)) {
		if !strings.HasPrefix(path, "/") {
			errs = append(errs, fmt.Errorf("paths: %q does not start with a slash", path))
		}
		if slices.Contains(c.Paths[path], nil) {
			errs = append(errs, fmt.Errorf("paths: %q: an authenticator is nil", path))
		}
	}
	if i := slices.Index(c.Authenticators, nil); i >= 0 {
		errs = append(errs, fmt.Errorf("authenticators[%d]: is nil", i))
	}
	if !c.SlowConsumers.valid() {
		errs = append(errs, fmt.Errorf("slowConsumers: %q is none of disconnect, drop-oldest, drop-newest", string(c.SlowConsumers)))
	}
	if _, err := router.NewAccess(c.Authorization); err != nil {
		errs = append(errs, fmt.Errorf("authorization: %w", err))
	}
	for i, h := range c.History {
		if err := h.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("history: %w", err))
		}
		if slices.ContainsFunc(c.History[:i], func(o router.HistoryConfig) bool { return o.Topic == h.Topic && o.Match == h.Match }) {
			errs = append(errs, fmt.Errorf("history: topic: %q is there twice", string(h.Topic)))
		}
	}
	return errs
}

// Router is a WAMP router made of actors: one for each realm, one for each connection
// and one for its transport. It is safe for concurrent use.
type Router struct {
	host    *Host
	cfg     RouterConfig
	name    string
	realms  map[protocol.URI]*realmRef
	started time.Time

	sessionActors, transportActors *spawner

	services *services // the router's own sessions
	closing  atomic.Bool

	joined        atomic.Int64
	droppedEvents atomic.Uint64
	slowConsumers atomic.Uint64
	failures      atomic.Uint64

	mu       sync.Mutex
	sessions map[string]*actor.PID // actors of connections, by PID id
	// authorization is what was configured last, by realm.
	authorization map[protocol.URI]router.AuthorizationConfig
	internal      int // those of them that are the router's own
	ids           map[protocol.ID]struct{}
	empty         chan struct{} // closed when closing and no session is left
}

// routerRoles are the roles and features of every realm.
func routerRoles() protocol.Roles {
	return protocol.Roles{}.
		With(protocol.Broker, protocol.FeatureSubscriberBlackWhiteListing|protocol.FeaturePublisherExclusion|
			protocol.FeaturePublisherIdentification|protocol.FeaturePatternBasedSubscription|
			protocol.FeatureSessionMetaAPI|protocol.FeatureSubscriptionMetaAPI|protocol.FeatureSubscriptionRevocation|
			protocol.FeatureEventRetention|protocol.FeatureEventHistory).
		With(protocol.Dealer, protocol.FeatureProgressiveCallResults|protocol.FeatureCallTimeout|
			protocol.FeatureCallCanceling|protocol.FeatureCallerIdentification|
			protocol.FeaturePatternBasedRegistration|protocol.FeatureSharedRegistration|
			protocol.FeatureSessionMetaAPI|protocol.FeatureRegistrationMetaAPI|protocol.FeatureRegistrationRevocation|
			protocol.FeatureTestamentMetaAPI)
}

// NewRouter starts a router in the host. Errors name the setting at fault.
func NewRouter(h *Host, cfg RouterConfig) (*Router, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("actors: router: %w", err)
	}
	r := &Router{
		host: h, cfg: cfg.withDefaults(), name: fmt.Sprintf("router-%d", h.names.Add(1)),
		started: time.Now(),

		sessionActors:   h.newSpawner(),
		transportActors: h.newSpawner(actor.WithDispatcher(h.dispatcher.Low())),

		realms:        make(map[protocol.URI]*realmRef),
		authorization: make(map[protocol.URI]router.AuthorizationConfig),

		sessions: make(map[string]*actor.PID),
		ids:      make(map[protocol.ID]struct{}),
		empty:    make(chan struct{}),
	}
	r.services = newServices(r)
	for _, c := range r.cfg.Realms {
		r.authorization[c.Name] = c.Authorization
	}
	accesses, err := r.accesses(r.authorization)
	if err != nil {
		return nil, fmt.Errorf("actors: router: %w", err)
	}
	for _, c := range r.cfg.Realms {
		ref, err := r.newRealmRef(c, router.Admission{
			Roles: routerRoles(), Agent: r.cfg.Agent, Authenticators: c.Authenticators,
		}, accesses[c.Name])
		if err != nil {
			r.stopRealms()
			return nil, fmt.Errorf("actors: router: realm %s: %w", c.Name, err)
		}
		r.realms[c.Name] = ref
	}
	return r, nil
}

// Accept serves a connection; the router owns it from now on. It returns at once.
func (r *Router) Accept(c *transport.Conn) {
	if !r.spawn(&routerSession{router: r, conn: c}) {
		_ = c.Close()
	}
}

// AcceptPipe serves a client in this process; the router owns its end of the pipe.
func (r *Router) AcceptPipe(p *transport.PipeEnd) {
	r.acceptPipe(&routerSession{router: r, pipe: p})
}

// AcceptPipeAs is AcceptPipe for a client that the program vouches for: it becomes who,
// in whatever realm it joins, without authentication. Its authmethod is "local", and so is
// its authprovider unless who has another; an empty AuthRole means "anonymous", an empty
// AuthID one of the router's choice. Authorization is as for everybody of that role.
func (r *Router) AcceptPipeAs(p *transport.PipeEnd, who router.Principal) {
	r.acceptPipe(&routerSession{router: r, pipe: p, as: &who})
}

func (r *Router) acceptPipe(s *routerSession) {
	if !r.spawn(s) {
		s.pipe.Close(ErrRouterClosed)
	}
}

// ErrRouterClosed says that the router has been closed.
var ErrRouterClosed = errors.New("actors: router is closed")

// spawn starts a session actor without a parent: a parent would keep the remains of
// every child that it ever had.
func (r *Router) spawn(s *routerSession) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing.Load() {
		return false
	}
	pid, err := r.sessionActors.spawn(s, r.name+"/session/"+strconv.FormatUint(r.host.names.Add(1), 10))
	if err != nil {
		r.host.logger.Error("session actor not started", "reason", err)
		return false
	}
	r.sessions[pid.Id] = pid
	if s.internal {
		r.internal++
	}
	return true
}

// forget is called by each session actor when it has stopped.
func (r *Router) forget(s *routerSession) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.sessions[s.self.Id]; there && s.internal {
		r.internal--
	}
	delete(r.sessions, s.self.Id)
	r.checkEmpty()
}

func (r *Router) checkEmpty() {
	if !r.closing.Load() || len(r.sessions) > 0 {
		return
	}
	select {
	case <-r.empty:
	default:
		close(r.empty)
	}
}

// RouterStats are counts of a Router, since it was started unless it says otherwise. The
// sessions by which the router calls procedures itself are not counted.
type RouterStats struct {
	// Connections are those open now, joined or not; Sessions those joined now.
	Connections, Sessions int
	// DroppedEvents counts the events that a SlowConsumerPolicy dropped, once for each
	// receiver.
	DroppedEvents uint64
	// SlowConsumers counts the clients that were disconnected because they did not
	// read.
	SlowConsumers uint64
	// Failures counts the connections that were ended by a panic in their actor, which
	// is a bug.
	Failures uint64
}

// Stats returns the present counts. They are read one after the other.
func (r *Router) Stats() RouterStats {
	return RouterStats{
		Connections:   r.Sessions(),
		Sessions:      int(r.joined.Load()),
		DroppedEvents: r.droppedEvents.Load(),
		SlowConsumers: r.slowConsumers.Load(),
		Failures:      r.failures.Load(),
	}
}

// clock is the time since the router was started, in nanoseconds and never 0.
func (r *Router) clock() int64 { return int64(time.Since(r.started)) + 1 }

// Sessions returns the number of open connections, joined or not, without the router's own.
func (r *Router) Sessions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions) - r.internal
}

// Close says GOODBYE system_shutdown to every session and stops the router when they
// have left. A ctx that ends before cuts the remaining connections; its error is
// returned then. Close may be called more than once.
func (r *Router) Close(ctx context.Context) error {
	r.mu.Lock()
	first := !r.closing.Swap(true)
	pids := make([]*actor.PID, 0, len(r.sessions))
	for _, pid := range r.sessions {
		pids = append(pids, pid)
	}
	r.checkEmpty()
	r.mu.Unlock()
	r.services.stop()
	if first {
		bye := &kick{reason: protocol.CloseSystemShutdown, message: "the router is shutting down"}
		for _, pid := range pids {
			r.host.send(pid, bye)
		}
	}
	err := r.wait(ctx)
	r.services.wait(ctx)
	if first {
		r.stopRealms()
	}
	return err
}

func (r *Router) stopRealms() {
	for _, ref := range r.realms {
		r.host.system.Root.Stop(ref.pid)
	}
}

// wait returns when no session is left, cutting those that are at the end of ctx.
func (r *Router) wait(ctx context.Context) error {
	select {
	case <-r.empty:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	for _, pid := range r.sessions {
		r.host.system.Root.Stop(pid)
	}
	r.mu.Unlock()
	<-r.empty
	return fmt.Errorf("actors: router: close: %w", context.Cause(ctx))
}

// admit returns the rules of joining a realm by a path of WebSocket, "" for other ways.
func (r *Router) admit(realm protocol.URI, path string) (router.Admission, bool) {
	ref := r.realms[realm]
	if ref == nil {
		return router.Admission{}, false
	}
	rules := ref.admission
	rules.Access = ref.snapshot.Load().Access()
	if methods, ok := ref.paths[path]; ok {
		rules.Authenticators = methods
	}
	return rules, true
}

func (r *Router) realm(name protocol.URI) *realmRef { return r.realms[name] }

// reserveID returns a session id that nobody else has and nobody can guess.
func (r *Router) reserveID() protocol.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		id := protocol.GlobalID(binary.LittleEndian.Uint64(b[:]))
		if _, taken := r.ids[id]; !taken {
			r.ids[id] = struct{}{}
			return id
		}
	}
}

func (r *Router) releaseID(id protocol.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ids, id)
}
