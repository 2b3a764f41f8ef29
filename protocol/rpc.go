package protocol

// Call calls a procedure: [48, Request, Options, Procedure, Args?, KwArgs?].
// Client to router.
type Call struct {
	Request   ID
	Options   CallOptions
	Procedure URI
	Payload   Payload
}

// CallOptions are the options of a CALL. The zero value is the default of the
// specification.
type CallOptions struct {
	Timeout         uint64 // timeout, in milliseconds; 0 is off
	Progress        bool   // progress: more chunks of this call follow
	ReceiveProgress bool   // receive_progress
	DiscloseMe      bool   // disclose_me
	RunMode         string // runmode
	RKey            any    // rkey; nil is absent
	Passthru        *Passthru
	Extra           Dict
}

// CancelMode says what becomes of the invocation of a canceled call (Advanced
// Profile, "Call Canceling").
type CancelMode string

// The modes of CANCEL and INTERRUPT. An absent mode is "".
const (
	// CancelSkip answers the caller at once and lets the callee finish.
	CancelSkip CancelMode = "skip"
	// CancelKill interrupts the callee and waits for its answer.
	CancelKill CancelMode = "kill"
	// CancelKillNoWait interrupts the callee and answers the caller at once.
	CancelKillNoWait CancelMode = "killnowait"
)

// Cancel cancels a call: [49, CALL.Request, Options]. Client to router.
type Cancel struct {
	Request ID
	Mode    CancelMode // mode
	Extra   Dict
}

// Result answers a call: [50, CALL.Request, Details, Args?, KwArgs?].
type Result struct {
	Request ID
	Details ResultDetails
	Payload Payload
}

// ResultDetails are the details of a RESULT.
type ResultDetails struct {
	Progress bool // progress: more results of this call follow
	Passthru *Passthru
	Extra    Dict
}

// InvokePolicy says which of several callees of one registration gets a call
// (Advanced Profile, "Shared Registration").
type InvokePolicy string

// The invocation policies. An absent policy is "", which means InvokeSingle.
const (
	InvokeSingle     InvokePolicy = "single"
	InvokeRoundRobin InvokePolicy = "roundrobin"
	InvokeRandom     InvokePolicy = "random"
	InvokeFirst      InvokePolicy = "first"
	InvokeLast       InvokePolicy = "last"
)

// Register registers a procedure or pattern: [64, Request, Options, Procedure].
type Register struct {
	Request   ID
	Options   RegisterOptions
	Procedure URI
}

// RegisterOptions are the options of a REGISTER.
type RegisterOptions struct {
	Match           Match        // match
	Invoke          InvokePolicy // invoke
	Concurrency     int          // concurrency: invocations at once; 0 is no limit
	DiscloseCaller  bool         // disclose_caller
	ForwardTimeout  bool         // forward_timeout
	ForceReregister bool         // force_reregister: evict the callee that holds the URI
	Extra           Dict
}

// Registered acknowledges a Register: [65, REGISTER.Request, Registration].
type Registered struct {
	Request      ID
	Registration ID
}

// Unregister ends a registration: [66, Request, Registration].
type Unregister struct {
	Request      ID
	Registration ID
	Extra        Dict // options that some peers append; usually nil
}

// Unregistered acknowledges an Unregister: [67, UNREGISTER.Request]. With
// Request 0 it revokes a registration: [67, 0, Details].
type Unregistered struct {
	Request ID
	Details RevocationDetails
}

// Invocation hands a call to a callee:
// [68, Request, Registration, Details, Args?, KwArgs?]. Router to client.
type Invocation struct {
	Request      ID
	Registration ID
	Details      InvocationDetails
	Payload      Payload
}

// InvocationDetails are the details of an INVOCATION. Zero values are absent on
// the wire.
type InvocationDetails struct {
	Progress        bool   // progress: more chunks of this call follow
	ReceiveProgress bool   // receive_progress: the caller accepts progressive results
	Timeout         uint64 // timeout, in milliseconds
	Caller          ID     // caller
	CallerAuthID    string // caller_authid
	CallerAuthRole  string // caller_authrole
	Procedure       URI    // procedure: set for pattern registrations
	TrustLevel      *int   // trustlevel
	Passthru        *Passthru
	Extra           Dict
}

// Interrupt asks a callee to stop: [69, INVOCATION.Request, Options].
type Interrupt struct {
	Request ID
	Mode    CancelMode // mode
	Reason  URI        // reason
	Extra   Dict
}

// Yield answers an invocation:
// [70, INVOCATION.Request, Options, Args?, KwArgs?]. Client to router.
type Yield struct {
	Request ID
	Options YieldOptions
	Payload Payload
}

// YieldOptions are the options of a YIELD.
type YieldOptions struct {
	Progress bool // progress: more results of this invocation follow
	Passthru *Passthru
	Extra    Dict
}

// Type returns TypeCall.
func (*Call) Type() MessageType { return TypeCall }

// Type returns TypeCancel.
func (*Cancel) Type() MessageType { return TypeCancel }

// Type returns TypeResult.
func (*Result) Type() MessageType { return TypeResult }

// Type returns TypeRegister.
func (*Register) Type() MessageType { return TypeRegister }

// Type returns TypeRegistered.
func (*Registered) Type() MessageType { return TypeRegistered }

// Type returns TypeUnregister.
func (*Unregister) Type() MessageType { return TypeUnregister }

// Type returns TypeUnregistered.
func (*Unregistered) Type() MessageType { return TypeUnregistered }

// Type returns TypeInvocation.
func (*Invocation) Type() MessageType { return TypeInvocation }

// Type returns TypeInterrupt.
func (*Interrupt) Type() MessageType { return TypeInterrupt }

// Type returns TypeYield.
func (*Yield) Type() MessageType { return TypeYield }

func (*Call) isMessage()         {}
func (*Cancel) isMessage()       {}
func (*Result) isMessage()       {}
func (*Register) isMessage()     {}
func (*Registered) isMessage()   {}
func (*Unregister) isMessage()   {}
func (*Unregistered) isMessage() {}
func (*Invocation) isMessage()   {}
func (*Interrupt) isMessage()    {}
func (*Yield) isMessage()        {}
