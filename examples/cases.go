package examples

import (
	"net/http"
	"net/url"
	"slices"
)

// Cases returns what the programs are expected to do.
func Cases() []Case {
	return slices.Concat(guideCases(), pubSubCases(), rpcCases(), appCases(), authCases())
}

// pair returns the case of a backend and a frontend.
func pair(program string, prints ...string) Case {
	return Case{
		Name: program, Program: program, Backend: []string{"backend"}, Frontend: []string{"frontend"}, Prints: prints,
	}
}

// publisher returns the case of a frontend that may start as soon as the backend publishes.
func publisher(program string, prints ...string) Case {
	c := pair(program, prints...)
	c.Ready = "publish: com.myapp."
	return c
}

// alone returns the case of a program that needs no other.
func alone(program string, prints ...string) Case {
	return Case{Name: program, Program: program, Frontend: []string{}, Prints: prints}
}

// bare returns the case of a program that runs its own router.
func bare(program string, prints ...string) Case {
	c := alone(program, prints...)
	c.Bare = true
	return c
}

// needing returns the case with another router.
func needing(r Router, c Case) Case {
	c.Needs = r
	return c
}

// serving returns the case of a program that goes on until it is interrupted.
func serving(program, ready string, prints ...string) Case {
	return Case{Name: program, Program: program, Backend: []string{}, Ready: ready, BackendPrints: prints}
}

// as returns the case with other roles than backend and frontend.
func (c Case) as(backend, ready, frontend string, frontendArgs ...string) Case {
	c.Name += " " + backend + " " + frontend
	c.Backend, c.Ready, c.Frontend = []string{backend}, ready, append([]string{frontend}, frontendArgs...)
	return c
}

func guideCases() []Case {
	webapp := serving("guide/webapp", "Connected to WAMP router")
	webapp.Backend = []string{"--http", "127.0.0.1:0"}
	webapp.Requests = []Request{{Path: "/", Status: http.StatusOK, Body: "Published to 'com.myapp.request_served'"}}
	apart := webapp
	apart.Name, apart.Ready, apart.Needs = "guide/webapp without session", "Web application on", Nowhere
	apart.Requests = []Request{{Path: "/", Status: http.StatusInternalServerError, Body: "No WAMP session"}}
	publish := pair("guide/pubsub")
	publish.BackendPrints = []string{"event received: 0", "event received: 1", "event received: 2"}
	return []Case{
		bare("quickstart", "2 + 3 = 5"),
		bare("actorsystem", "the bank is open"),
		pair("overview", "Got result: 5", "Got event: Hello, world!"),
		serving("guide/join", "session ready: session "),
		needing(Realms, alone("guide/components", "add2 called in crossbardemo", "called in realm1 with result 5")),
		webapp, apart,
		alone("guide/session", "session created for", "transport connected", "session joined", "the limit is 7", "session left: left", "transport disconnected"),
		needing(Auth, alone("guide/longer", "joined session ", "Calling 'example.foo'",
			"foo called: [42] map[something:nothing]", "returning in 5", "returning in 1", "returning '42'", "Result: 42")),
		pair("guide/rpc", "session ready", "call result: 5").as("register", "procedure registered", "call"),
		pair("guide/rpc", "session ready", "call result: 5").as("declare", "procedure registered", "call"),
		publish.as("subscribe", "subscribed to topic", "publish", "--count", "3"),
		publish.as("declare", "subscribed to topic", "publish", "--count", "3"),
	}
}

func pubSubCases() []Case {
	options := publisher("pubsub/options", "Got event, publication ID")
	options.BackendPrints = []string{"publish: com.myapp.topic1 0", "Published with publication ID"}
	return []Case{
		publisher("pubsub/basic", "Got event: ", "Got event: ", "Got event: ", "Got event: ", "Got event: ", "enough events"),
		publisher("pubsub/complex", "heartbeat, publication", " 23 Hello {"),
		publisher("pubsub/methods", "Got event on topic1: ", "Got event on topic2: Hello world."),
		options,
		needing(History, pair("pubsub/retained", "retained: some data, topic was com.example.no_history_here",
			"retained: some data, topic was com.example.history", "history: ")),
		needing(TLS, publisher("pubsub/tls", "Got event: ", "Got event: ", "Got event: ", "Got event: ", "Got event: ")),
		publisher("pubsub/unsubscribe", "Subscribed with", "Got event: ", "Unsubscribed", "Subscribed with", "Got event: "),
	}
}

func rpcCases() []Case {
	authorize := alone("rpc/authorize", "bob wants to register exact example.foo: true", "registered example.foo", "com.foo.private was refused",
		"the prefix prefix.fail. was refused", "the prefix example. was refused",
		"carol wants to join crossbardemo by wamp-scram: true", "joined as carol, role dynamic_authed, by wamp-scram")
	authorize.Needs, authorize.Frontend = Nowhere, []string{"demo"}
	cancel := pair("rpc/cancel", "canceling the call", "canceled: ", "timed out: ")
	cancel.BackendPrints = []string{"stopped: wamp.error.canceled", "stopped: "} // by whom the second one is, depends on the router
	return []Case{
		pair("rpc/timeservice", "Current time from time service: "),
		pair("rpc/arguments",
			"Pinged!", "Add2: 5", "Starred 1: somebody starred 0x", "Starred 2: Homer starred 0x", "Starred 3: somebody starred 5x",
			"Starred 4: Homer starred 5x", "Orders 1: [Product 0 Product 1", "Orders 2: ", "Arglen 1: [0 0]", "Arglen 2: [3 0]",
			"Arglen 3: [0 3]", "Arglen 4: [3 3]"),
		pair("rpc/complex", "Result: 6 + 8i", "Forename: Homer, Surname: Simpson"),
		pair("rpc/methods", "add2: 5", "mul2: 6", "square2: 13", "div2: 0.667"),
		pair("rpc/errors",
			"Result: 1.4142", "foolish questions", "math domain error", "Compare Error: too small by 14", "only errors we expected"),
		pair("rpc/options", "Squared 2 = 4", "Squared 0 = 0", "Squared -2 = 4"),
		pair("rpc/progress", "Progress: 0", "Progress: 1", "Progress: 2", "Final: 3", "Without progress: 2"),
		authorize,
		pair("rpc/slowsquare", "Quick Square: 9 in ", "Slow Square: 9 in ", "All finished."),
		cancel,
	}
}

func appCases() []Case {
	web := serving("app/web", "open http://", "visits: 1", "visits: 2")
	web.Backend = []string{"--http", "127.0.0.1:0"}
	web.Requests = []Request{
		{Path: "/", Status: http.StatusOK, Body: "visit 1"},
		{Path: "/", Status: http.StatusOK, Body: "visit 2"},
		{Path: "/square/12", Status: http.StatusOK, Body: "12 squared is 144"},
		{Path: "/square/submit", Form: url.Values{"x": {"7"}}, Status: http.StatusOK, Body: "7 squared is 49"},
		{Path: "/square/x", Status: http.StatusBadRequest, Body: "must be a number"},
	}
	subscribe := pair("app/subscribe", "published")
	subscribe.BackendPrints = []string{"triggersubscribe() called", "got event: Hello!"}
	keyvalue := pair("app/keyvalue", "color is green", "keys are [color leaves]", "color is <nil>")
	keyvalue.Backend = []string{"backend", "--file", "keyvalue.json"}
	rawsocket := needing(Unix, pair("rawsocket", "connected by rs://", "Got result: 1", "Got event: Hello, world! Time is", "Got result: 5"))
	rawsocket.Ready = "connected by rs+unix://"
	component := pair("component", "calling 'example.foo'", "example.foo() = 42")
	component.BackendPrints = []string{"joined session ", "foo []", "returning in 5", "returning '42'"}
	canceled := pair("component", "call was canceled successfully").as("backend", "ready", "cancel")
	canceled.BackendPrints = []string{"foo [some args]", "nobody waits for foo any more"}
	credential := alone("component", `"iterations": 4096`, `"kdf": "argon2id-13"`, `"stored-key": "`)
	credential.Name, credential.Frontend = "component credential", []string{"credential", "--password", "p4ssw0rd"}
	meta := pair("meta", "meta: wamp.", "I have seen it all.").as("backend", "ready", "listener")
	return []Case{
		meta, component, canceled, credential, web, subscribe, keyvalue, rawsocket,
		pair("app/hello", "Hello 5"),
		pair("app/calculator", "1.5 + shows 1.5", "2 * shows 3.5", "4 = shows 14"),
		pair("series", "Realm joined", "Current time", "Realm left", "Realm joined", "Realm left", "Realm joined", "Realm left"),
		alone("connections", " joined ", "bob is done", "alice leaves"),
		alone("prefix", "publishing com.non_matching", "received: here are", "received: some progressive", "received: results"),
		alone("reconnect",
			"joined", "result: 23", "result: 26", "cutting the connection", "session ended: transport lost", "transport disconnected",
			"transport connected", "joined", "result: 27", "cutting the connection", "joined", "result: 25", "session ended: left"),
	}
}

func authCases() []Case {
	method := func(r Router, role, prints string, args ...string) Case {
		c := needing(r, alone("auth", prints))
		c.Name, c.Frontend = "auth "+role, append([]string{role}, args...)
		return c
	}
	denied := method(Auth, "client", "registered example.foo")
	denied.Program, denied.Name = "rpc/authorize", "rpc/authorize client"
	denied.Prints = append(denied.Prints, "com.foo.private was refused", "the prefix prefix.fail. was refused")
	return []Case{
		denied,
		needing(Auth, pair("component", "com.foo.private was refused, as expected", "example.foo() = 42").as("backend", "ready", "wampcra")),
		needing(Auth, pair("component", "example.foo() = 42").as("backend", "ready", "scram")),
		method(Auth, "wampcra", "joined as username, role authenticated, by wampcra"),
		method(Auth, "salted", "joined as salted, role authenticated, by wampcra"),
		method(Auth, "cryptosign", "joined as alice, role authenticated, by cryptosign"),
		method(Auth, "scram", "joined as carol, role authenticated, by scram"),
		method(Tickets, "ticket", "joined as joe, role user, by ticket", "--authid", "joe", "--secret", "s3cr3t"),
	}
}
