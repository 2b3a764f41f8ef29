package protocol

import "strings"

// Predefined error URIs (WAMP specification, "Predefined URIs").
const (
	ErrorInvalidURI             URI = "wamp.error.invalid_uri"
	ErrorNoSuchProcedure        URI = "wamp.error.no_such_procedure"
	ErrorProcedureAlreadyExists URI = "wamp.error.procedure_already_exists"
	ErrorNoSuchRegistration     URI = "wamp.error.no_such_registration"
	ErrorNoSuchSubscription     URI = "wamp.error.no_such_subscription"
	ErrorNoSuchSession          URI = "wamp.error.no_such_session"
	ErrorInvalidArgument        URI = "wamp.error.invalid_argument"
	ErrorCanceled               URI = "wamp.error.canceled"
	ErrorTimeout                URI = "wamp.error.timeout"
	ErrorPayloadSizeExceeded    URI = "wamp.error.payload_size_exceeded"
	ErrorProtocolViolation      URI = "wamp.error.protocol_violation"
	ErrorNotAuthorized          URI = "wamp.error.not_authorized"
	ErrorAuthorizationFailed    URI = "wamp.error.authorization_failed"
	ErrorAuthorizationDenied    URI = "wamp.error.authorization_denied"
	ErrorAuthorizationRequired  URI = "wamp.error.authorization_required"
	ErrorNoSuchRealm            URI = "wamp.error.no_such_realm"
	ErrorNoSuchRole             URI = "wamp.error.no_such_role"
	ErrorNoSuchPrincipal        URI = "wamp.error.no_such_principal"
	ErrorNoMatchingAuthMethod   URI = "wamp.error.no_matching_auth_method"
	ErrorAuthenticationDenied   URI = "wamp.error.authentication_denied"
	ErrorAuthenticationFailed   URI = "wamp.error.authentication_failed"
	ErrorAuthenticationRequired URI = "wamp.error.authentication_required"
	ErrorOptionNotAllowed       URI = "wamp.error.option_not_allowed"
	ErrorDiscloseMeDisallowed   URI = "wamp.error.option_disallowed.disclose_me"
	ErrorNetworkFailure         URI = "wamp.error.network_failure"
	ErrorUnavailable            URI = "wamp.error.unavailable"
	ErrorNoAvailableCallee      URI = "wamp.error.no_available_callee"
	ErrorFeatureNotSupported    URI = "wamp.error.feature_not_supported"
)

// Error URIs outside the specification that deployed peers send and expect.
const (
	// ErrorRuntime is what a callee's failure without a URI of its own becomes.
	ErrorRuntime URI = "wamp.error.runtime_error"
	// ErrorInvalidPayload says that a value could not be encoded or decoded.
	ErrorInvalidPayload URI = "wamp.error.invalid_payload"
	// ErrorCannotAuthenticate is a client's ABORT when it cannot answer a CHALLENGE.
	ErrorCannotAuthenticate URI = "wamp.error.cannot_authenticate"
	// ErrorHistoryUnavailable says that no events of a subscription are kept.
	ErrorHistoryUnavailable URI = "wamp.error.history_unavailable"
	// ErrorLimitExceeded says that a configured limit of the router was reached.
	ErrorLimitExceeded URI = "wamp.error.limit_exceeded"
)

// Predefined reasons of GOODBYE.
const (
	CloseSystemShutdown URI = "wamp.close.system_shutdown"
	CloseRealm          URI = "wamp.close.close_realm"
	CloseGoodbyeAndOut  URI = "wamp.close.goodbye_and_out"
	CloseKilled         URI = "wamp.close.killed"
	CloseNormal         URI = "wamp.close.normal"
)

// CanonicalError maps spellings that the specification itself mixes onto the one
// this module uses: "wamp.error.cancelled" becomes ErrorCanceled.
func CanonicalError(uri URI) URI {
	if uri == "wamp.error.cancelled" {
		return ErrorCanceled
	}
	return uri
}

// ViolationError reports a message that breaks the protocol. The receiver of such
// a message answers with ABORT ErrorProtocolViolation and ends the session.
type ViolationError struct {
	Message MessageType // zero when the type could not be read
	Field   string      // the element or option key at fault, "" when it is the whole message
	Problem string      // what is wrong with it
}

// Error names the message, the field and the problem.
func (e *ViolationError) Error() string {
	var b strings.Builder
	b.WriteString("protocol: ")
	if e.Message != 0 {
		b.WriteString(e.Message.String())
		b.WriteString(": ")
	}
	if e.Field != "" {
		b.WriteString(e.Field)
		b.WriteString(": ")
	}
	b.WriteString(e.Problem)
	return b.String()
}
