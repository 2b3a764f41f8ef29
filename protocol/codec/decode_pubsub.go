package codec

import "github.com/cloverleaf-wamp/cloverleaf/protocol"

func (d *decoding) publish() *protocol.Publish {
	m := d.arena.publish()
	m.Request = d.id("Request")
	options := &m.Options
	for o := d.options("Options"); o.next(); {
		switch string(o.key) {
		case "acknowledge":
			options.Acknowledge = o.bool()
		case "exclude_me":
			options.IncludeMe = !o.bool()
		case "disclose_me":
			options.DiscloseMe = o.bool()
		case "retain":
			options.Retain = o.bool()
		case "rkey":
			options.RKey = o.any()
		default:
			if !o.filter(&options.Filter) && !o.passthru(&options.Passthru) {
				o.extension(&options.Extra)
			}
		}
	}
	options.Passthru = active(options.Passthru)
	m.Topic = d.uri("Topic")
	m.Payload = d.payload(options.Extra)
	return m
}

// filter reads one of the lists of receivers and reports whether it was one.
func (o *dict) filter(filter **protocol.EventFilter) bool {
	switch string(o.key) {
	case "exclude":
		made(filter).Exclude = o.ids()
	case "exclude_authid":
		made(filter).ExcludeAuthID = o.texts()
	case "exclude_authrole":
		made(filter).ExcludeAuthRole = o.texts()
	case "eligible":
		made(filter).Eligible = o.ids()
	case "eligible_authid":
		made(filter).EligibleAuthID = o.texts()
	case "eligible_authrole":
		made(filter).EligibleAuthRole = o.texts()
	default:
		return false
	}
	return true
}

func (d *decoding) subscribe() *protocol.Subscribe {
	m := &protocol.Subscribe{Request: d.id("Request")}
	options := &m.Options
	for o := d.options("Options"); o.next(); {
		switch string(o.key) {
		case "match":
			options.Match = o.match()
		case "get_retained":
			options.GetRetained = o.bool()
		case "nkey":
			options.NKey = o.any()
		default:
			o.extension(&options.Extra)
		}
	}
	m.Topic = d.uri("Topic")
	return m
}

func (d *decoding) event() *protocol.Event {
	m := d.arena.event()
	m.Subscription, m.Publication = d.id("Subscription"), d.id("Publication")
	details := &m.Details
	for o := d.options("Details"); o.next(); {
		switch string(o.key) {
		case "publisher":
			details.Publisher = o.id()
		case "publisher_authid":
			details.PublisherAuthID = o.text()
		case "publisher_authrole":
			details.PublisherAuthRole = o.text()
		case "topic":
			details.Topic = o.uri()
		case "retained":
			details.Retained = o.bool()
		case "payload_limit_exceeded":
			details.PayloadLimitExceeded = o.bool()
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
