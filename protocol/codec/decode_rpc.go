package codec

import (
	"math"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

func (d *decoding) call() *protocol.Call {
	m := d.arena.call()
	m.Request = d.id("Request")
	options := &m.Options
	for o := d.options("Options"); o.next(); {
		switch string(o.key) {
		case "timeout":
			options.Timeout = o.uint(uint64(protocol.MaxID))
		case "progress":
			options.Progress = o.bool()
		case "receive_progress":
			options.ReceiveProgress = o.bool()
		case "disclose_me":
			options.DiscloseMe = o.bool()
		case "runmode":
			options.RunMode = o.text()
		case "rkey":
			options.RKey = o.any()
		default:
			if !o.passthru(&options.Passthru) {
				o.extension(&options.Extra)
			}
		}
	}
	options.Passthru = active(options.Passthru)
	m.Procedure = d.uri("Procedure")
	m.Payload = d.payload(options.Extra)
	return m
}

func (d *decoding) cancel() *protocol.Cancel {
	m := &protocol.Cancel{Request: d.id("Request")}
	for o := d.options("Options"); o.next(); {
		if string(o.key) == "mode" {
			m.Mode = protocol.CancelMode(o.text())
		} else {
			o.extra(&m.Extra)
		}
	}
	return m
}

func (d *decoding) result() *protocol.Result {
	m := d.arena.result()
	m.Request = d.id("Request")
	for o := d.options("Details"); o.next(); {
		switch {
		case string(o.key) == "progress":
			m.Details.Progress = o.bool()
		case !o.passthru(&m.Details.Passthru):
			o.extension(&m.Details.Extra)
		}
	}
	m.Details.Passthru = active(m.Details.Passthru)
	m.Payload = d.payload(m.Details.Extra)
	return m
}

func (d *decoding) yield() *protocol.Yield {
	m := d.arena.yield()
	m.Request = d.id("Request")
	for o := d.options("Options"); o.next(); {
		switch {
		case string(o.key) == "progress":
			m.Options.Progress = o.bool()
		case !o.passthru(&m.Options.Passthru):
			o.extension(&m.Options.Extra)
		}
	}
	m.Options.Passthru = active(m.Options.Passthru)
	m.Payload = d.payload(m.Options.Extra)
	return m
}

func (d *decoding) register() *protocol.Register {
	m := &protocol.Register{Request: d.id("Request")}
	options := &m.Options
	for o := d.options("Options"); o.next(); {
		switch string(o.key) {
		case "match":
			options.Match = o.match()
		case "invoke":
			options.Invoke = protocol.InvokePolicy(o.text())
		case "concurrency":
			options.Concurrency = int(o.uint(math.MaxInt32))
		case "disclose_caller":
			options.DiscloseCaller = o.bool()
		case "forward_timeout":
			options.ForwardTimeout = o.bool()
		case "force_reregister":
			options.ForceReregister = o.bool()
		default:
			o.extra(&options.Extra)
		}
	}
	m.Procedure = d.uri("Procedure")
	return m
}

func (d *decoding) invocation() *protocol.Invocation {
	m := d.arena.invocation()
	m.Request, m.Registration = d.id("Request"), d.id("Registration")
	details := &m.Details
	for o := d.options("Details"); o.next(); {
		switch string(o.key) {
		case "progress":
			details.Progress = o.bool()
		case "receive_progress":
			details.ReceiveProgress = o.bool()
		case "timeout":
			details.Timeout = o.uint(uint64(protocol.MaxID))
		case "caller":
			details.Caller = o.id()
		case "caller_authid":
			details.CallerAuthID = o.text()
		case "caller_authrole":
			details.CallerAuthRole = o.text()
		case "procedure":
			details.Procedure = o.uri()
		case "trustlevel":
			details.TrustLevel = o.trustLevel()
		default:
			if !o.passthru(&details.Passthru) {
				o.extension(&details.Extra)
			}
		}
	}
	details.Passthru = active(details.Passthru)
	m.Payload = d.payload(details.Extra)
	return m
}

func (d *decoding) interrupt() *protocol.Interrupt {
	m := &protocol.Interrupt{Request: d.id("Request")}
	for o := d.options("Options"); o.next(); {
		switch string(o.key) {
		case "mode":
			m.Mode = protocol.CancelMode(o.text())
		case "reason":
			m.Reason = o.uri()
		default:
			o.extra(&m.Extra)
		}
	}
	return m
}
