package examples

// Cases returns what the programs are expected to do.
func Cases() []Case {
	return append(pubSubCases(), rpcCases()...)
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

func pubSubCases() []Case {
	options := publisher("pubsub/options", "Got event, publication ID")
	options.BackendPrints = []string{"publish: com.myapp.topic1 0", "Published with publication ID"}
	return []Case{
		pair("overview", "Got result: 5", "Got event: Hello, world!"),
		publisher("pubsub/basic", "Got event: ", "Got event: ", "Got event: ", "Got event: ", "Got event: ", "enough events"),
		publisher("pubsub/complex", "heartbeat, publication", " 23 Hello {"),
		publisher("pubsub/methods", "Got event on topic1: ", "Got event on topic2: Hello world."),
		options,
		publisher("pubsub/unsubscribe", "Subscribed with", "Got event: ", "Unsubscribed", "Subscribed with", "Got event: "),
	}
}

func rpcCases() []Case {
	cancel := pair("rpc/cancel", "canceling the call", "canceled: ", "timed out: ")
	cancel.BackendPrints = []string{"stopped: wamp.error.canceled", "stopped: wamp.error.timeout"}
	return []Case{
		bare("quickstart", "2 + 3 = 5"),
		bare("actorsystem", "the bank is open"),
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
		pair("rpc/slowsquare", "Quick Square: 9 in ", "Slow Square: 9 in ", "All finished."),
		cancel,
	}
}
