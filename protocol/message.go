package protocol

import "strconv"

// MessageType is the integer in front of every message.
type MessageType uint16

// The message types of the Basic and Advanced Profile.
const (
	TypeHello         MessageType = 1
	TypeWelcome       MessageType = 2
	TypeAbort         MessageType = 3
	TypeChallenge     MessageType = 4
	TypeAuthenticate  MessageType = 5
	TypeGoodbye       MessageType = 6
	TypeError         MessageType = 8
	TypePublish       MessageType = 16
	TypePublished     MessageType = 17
	TypeSubscribe     MessageType = 32
	TypeSubscribed    MessageType = 33
	TypeUnsubscribe   MessageType = 34
	TypeUnsubscribed  MessageType = 35
	TypeEvent         MessageType = 36
	TypeCall          MessageType = 48
	TypeCancel        MessageType = 49
	TypeResult        MessageType = 50
	TypeRegister      MessageType = 64
	TypeRegistered    MessageType = 65
	TypeUnregister    MessageType = 66
	TypeUnregistered  MessageType = 67
	TypeInvocation    MessageType = 68
	TypeInterrupt     MessageType = 69
	TypeYield         MessageType = 70
	TypeEventReceived MessageType = 337
)

// String returns the name in the spelling of the specification, such as "CALL".
func (t MessageType) String() string {
	switch t {
	case TypeHello:
		return "HELLO"
	case TypeWelcome:
		return "WELCOME"
	case TypeAbort:
		return "ABORT"
	case TypeChallenge:
		return "CHALLENGE"
	case TypeAuthenticate:
		return "AUTHENTICATE"
	case TypeGoodbye:
		return "GOODBYE"
	case TypeError:
		return "ERROR"
	case TypeCall:
		return "CALL"
	case TypeCancel:
		return "CANCEL"
	case TypeResult:
		return "RESULT"
	case TypeRegister:
		return "REGISTER"
	case TypeRegistered:
		return "REGISTERED"
	case TypeUnregister:
		return "UNREGISTER"
	case TypeUnregistered:
		return "UNREGISTERED"
	case TypeInvocation:
		return "INVOCATION"
	case TypeInterrupt:
		return "INTERRUPT"
	case TypeYield:
		return "YIELD"
	default:
		return t.pubSubName()
	}
}

func (t MessageType) pubSubName() string {
	switch t {
	case TypePublish:
		return "PUBLISH"
	case TypePublished:
		return "PUBLISHED"
	case TypeSubscribe:
		return "SUBSCRIBE"
	case TypeSubscribed:
		return "SUBSCRIBED"
	case TypeUnsubscribe:
		return "UNSUBSCRIBE"
	case TypeUnsubscribed:
		return "UNSUBSCRIBED"
	case TypeEvent:
		return "EVENT"
	case TypeEventReceived:
		return "EVENT_RECEIVED"
	default:
		return "message type " + strconv.Itoa(int(t))
	}
}

// Message is one of the pointer types of this package, *Hello to *EventReceived.
//
//sumtype:decl
type Message interface {
	// Type returns the integer in front of the message.
	Type() MessageType
	isMessage()
}
