package codec_test

import (
	"fmt"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
	"github.com/cloverleaf-wamp/cloverleaf/protocol/codec"
)

// A client encodes a call; a router reads it and leaves the arguments as they are.
func Example() {
	p, err := codec.EncodePayload(protocol.JSON, []any{23, 42}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := codec.Append(nil, protocol.JSON, &protocol.Call{Request: 1, Procedure: "com.example.add2", Payload: p})
	fmt.Println(string(data), err)

	m, err := codec.NewDecoder(protocol.JSON).Decode(data)
	if call, ok := m.(*protocol.Call); ok {
		fmt.Println(call.Procedure, string(call.Payload.Args), err)
	}
	// Output:
	// [48,1,{},"com.example.add2",[23,42]] <nil>
	// com.example.add2 [23,42] <nil>
}

// A wrong message is refused with the reason.
func ExampleUnmarshal() {
	_, err := codec.Unmarshal(protocol.JSON, []byte(`[16,1,{"acknowledge":1},"com.example.topic"]`))
	fmt.Println(err)
	// Output: protocol: PUBLISH: acknowledge: must be a boolean, not an integer
}

// Arguments go straight into variables.
func ExampleDecodeArgs() {
	p := protocol.Payload{Serializer: protocol.JSON, Args: []byte(`["Alice", 30, {"city": "Bonn"}]`)}
	var name string
	var age int
	var address struct {
		City string `json:"city"`
	}
	err := codec.DecodeArgs(p, &name, &age, &address)
	fmt.Println(name, age, address.City, err)

	fmt.Println(codec.DecodeArgs(p, &age))
	// Output:
	// Alice 30 Bonn <nil>
	// codec: argument 0: want an integer, not text
}

// Binary has a form of its own in JSON.
func ExampleTranscode() {
	p, err := codec.EncodePayload(protocol.CBOR, []any{[]byte{1, 2, 3}, 1.0, "text"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err = codec.Transcode(p, protocol.JSON)
	fmt.Println(string(p.Args), err)
	// Output: ["\u0000AQID",1.0,"text"] <nil>
}
