// Package router holds the rules of a WAMP router: handshake, realm tables, broker
// and dealer. It has no actor, no socket, no clock and no goroutine; package actors
// puts it to work.
//
// # Who owns what
//
// A [Realm] is the control plane: it owns registrations and subscriptions and
// publishes them as immutable [Snapshot] values. A [Session] is the data plane: it
// routes what its own peer sends against the realm's latest snapshot, and owns the
// calls its peer waits for and the invocations its peer works on. A call has one
// record on each side, and only the owner of a record acts on it: a foreign YIELD
// finds no record and answers nobody, and every CALL gets exactly one final answer.
//
// # Meta API
//
// A CALL of a procedure below "wamp" goes to the Realm as a Command, behind what the
// session asked of it before, and is answered from the realm's own tables. Events about
// sessions, registrations and subscriptions are published by the Realm to whoever is
// subscribed at that moment; nothing is made of them when nobody is. Subscriptions to
// URIs below "wamp" raise no events themselves.
//
// # Authorization
//
// An [AuthorizationConfig] has rules for roles, and an [Authorizer] for what they leave open. Rules
// are part of the snapshot: a session looks them up with the route of a URI. For an Authorizer it
// asks its surroundings, and its peer's requests wait until [Session.Authorized].
//
// # Retained events and histories
//
// A PUBLISH goes straight to its subscribers; what is to be kept of it goes to the Realm as
// well. A realm retains the last event of 10 000 topics and 8 MiB at most, with up to 8
// later ones of each topic that are for certain sessions only; when it is more, the topics
// go that were not published to for the longest time. A [HistoryConfig] adds a standing
// subscription whose last events are kept. All of it is in memory.
//
// # Authentication
//
// A [Handshake] lets one [Authenticator] decide about a client: static principals ([Tickets],
// [CRAUsers], [SCRAMUsers], [CryptosignUsers]), a function of the program ([TicketFunc]) or a WAMP
// procedure ([DynamicAuthenticator]). What blocks is an [Exchange] with Later, which package actors
// runs on a goroutine that ends with the connection. Whatever fails refuses the client.
//
// # Testaments
//
// A session may leave events behind that the Realm publishes when it has ended, 256 and
// 1 MiB at most. Whether it may publish them is decided when it leaves them. Whoever asks
// for a history needs the permission to subscribe.
//
// # Concurrency
//
// Realm, Session and Handshake are not safe for concurrent use: each belongs to one
// actor. Snapshot, Registration, Subscription, Peer and Events are immutable once
// they are published and may be read by everybody.
package router
