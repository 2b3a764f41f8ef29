package protocol

// Hello opens a session: [1, Realm, Details]. Client to router, first message.
type Hello struct {
	Realm   URI
	Details HelloDetails
}

// HelloDetails are the details of a HELLO.
type HelloDetails struct {
	Agent       string   // agent: name and version of the client's implementation
	Roles       Roles    // roles: the client's roles and their features
	AuthMethods []string // authmethods: offered methods
	AuthID      string   // authid: who the client claims to be
	AuthRole    string   // authrole: the role it wishes
	AuthExtra   Dict     // authextra: method specific data
	Extra       Dict     // every other key
}

// Welcome accepts a session: [2, Session, Details]. Router to client.
type Welcome struct {
	Session ID
	Details WelcomeDetails
}

// WelcomeDetails are the details of a WELCOME.
type WelcomeDetails struct {
	Agent        string
	Roles        Roles
	Realm        URI // realm: the realm joined, which a router may have chosen
	AuthID       string
	AuthRole     string
	AuthMethod   string
	AuthProvider string
	AuthExtra    Dict
	Extra        Dict
}

// Abort refuses or ends a session at once: [3, Details, Reason, Args?, KwArgs?].
// Either peer; never answered.
type Abort struct {
	Details CloseDetails
	Reason  URI
	Payload Payload
}

// CloseDetails are the details of an ABORT or GOODBYE.
type CloseDetails struct {
	Message string // message: text for people
	Extra   Dict
}

// Challenge asks for credentials: [4, AuthMethod, Extra]. Router to client.
type Challenge struct {
	Method string
	Extra  Dict
}

// Authenticate answers a Challenge: [5, Signature, Extra]. Client to router.
type Authenticate struct {
	Signature string
	Extra     Dict
}

// Goodbye closes a session: [6, Details, Reason]. Either peer; answered by a
// GOODBYE unless it is itself the answer.
type Goodbye struct {
	Details CloseDetails
	Reason  URI
}

// Error refuses a request:
// [8, RequestType, Request, Details, Error, Args?, KwArgs?]. Router to client; a
// callee sends it with RequestType INVOCATION.
type Error struct {
	RequestType MessageType
	Request     ID
	Details     ErrorDetails
	Error       URI
	Payload     Payload
}

// ErrorDetails are the details of an ERROR.
type ErrorDetails struct {
	Passthru *Passthru
	Extra    Dict
}

// Type returns TypeHello.
func (*Hello) Type() MessageType { return TypeHello }

// Type returns TypeWelcome.
func (*Welcome) Type() MessageType { return TypeWelcome }

// Type returns TypeAbort.
func (*Abort) Type() MessageType { return TypeAbort }

// Type returns TypeChallenge.
func (*Challenge) Type() MessageType { return TypeChallenge }

// Type returns TypeAuthenticate.
func (*Authenticate) Type() MessageType { return TypeAuthenticate }

// Type returns TypeGoodbye.
func (*Goodbye) Type() MessageType { return TypeGoodbye }

// Type returns TypeError.
func (*Error) Type() MessageType { return TypeError }

func (*Hello) isMessage()        {}
func (*Welcome) isMessage()      {}
func (*Abort) isMessage()        {}
func (*Challenge) isMessage()    {}
func (*Authenticate) isMessage() {}
func (*Goodbye) isMessage()      {}
func (*Error) isMessage()        {}
