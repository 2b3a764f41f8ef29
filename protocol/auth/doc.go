// Package auth computes the authentication methods of WAMP for both sides: ticket,
// WAMP-CRA, WAMP-SCRAM and cryptosign (Advanced Profile, "Authentication").
//
// It does no I/O and knows no clock: time is an argument, and randomness comes from an
// [io.Reader], which outside of tests is crypto/rand.Reader.
//
// # Usage
//
// A client has one object for each attempt to join, [CRAClient], [SCRAMClient] or
// [CryptosignClient]. HelloExtra returns what goes into HELLO.Details.authextra, Answer
// turns CHALLENGE.Extra into AUTHENTICATE, and Verify checks WELCOME.
//
// A router has one object for each challenge, [CRAServer], [SCRAMServer] or
// [CryptosignServer]. Challenge returns the CHALLENGE to send and Verify checks the answer
// to it, once, and only in time. Who may join under which name is the router's affair; this
// package proves only who knows a secret. A router should challenge for names it does not
// know as well: [CRAConfig.Fake] and [SCRAMCredential.Fake] make up an account that stays
// the same from one attempt to the next and that nobody can join with.
//
// # Cost
//
// [CRAClient.Answer], [SCRAMClient.Answer], [DeriveCRAKey] and [NewSCRAMCredential] derive
// keys, which is slow on purpose and cannot be interrupted: call them on a goroutine that
// may be busy for a while, and not too many at once: Argon2 also takes memory. [Limits] bounds
// what a router may ask of a client. Everything else takes microseconds.
//
// # Concurrency
//
// Functions, configurations and CRAClient may be used by several goroutines at once. The other
// clients and the servers are one exchange each and belong to one goroutine at a time.
//
// # Errors
//
// Errors name the method and the element at fault and never contain a secret. [ErrMalformed],
// [ErrCost], [ErrChannelBinding], [ErrUntrustedRouter] and [ErrDenied] tell them apart.
//
// # Secrets
//
// Types that hold secrets print and log as "[redacted]", whatever the verb, and also inside
// of other structs.
//
// # Compatibility
//
// SCRAM exists twice. The method "wamp-scram" is that of the specification
// ([SCRAMStandard]); Autobahn and Crossbar.io have "scram" ([SCRAMAutobahn]), which is not
// compatible with it.
//
// Names and passwords are prepared with SASLprep (RFC 4013) where a method asks for it, with
// one restriction: text that normalization form NFKC would change is refused rather than
// normalized, so a string either means the same to every peer or is an error. ASCII, and text
// of precomposed letters as keyboards produce it, is not affected. As the RFC says, characters
// newer than Unicode 3.2 are refused.
package auth
