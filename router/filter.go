package router

import (
	"slices"

	"github.com/cloverleaf-wamp/cloverleaf/protocol"
)

// filter is an EventFilter made ready for many receivers. Nil stands for a
// filter that admits everybody.
type filter struct {
	exclude, eligible                 list[protocol.ID]
	excludeAuthID, eligibleAuthID     list[string]
	excludeAuthRole, eligibleAuthRole list[string]
}

// newFilter returns the filter for the subscribers of subs.
func newFilter(f *protocol.EventFilter, subs []*Subscription) *filter {
	if f == nil {
		return nil
	}
	receivers := 0
	for _, sub := range subs {
		receivers += sub.Subscribers.Len()
	}
	return &filter{
		exclude: newList(f.Exclude, receivers), eligible: newList(f.Eligible, receivers),
		excludeAuthID: newList(f.ExcludeAuthID, receivers), eligibleAuthID: newList(f.EligibleAuthID, receivers),
		excludeAuthRole: newList(f.ExcludeAuthRole, receivers), eligibleAuthRole: newList(f.EligibleAuthRole, receivers),
	}
}

// admits reports whether p may get the event: every list that is present must let it
// through (Advanced Profile, "Subscriber Black- and Whitelisting").
func (f *filter) admits(p *Peer) bool {
	return f.eligible.admits(p.ID) && f.eligibleAuthID.admits(p.AuthID) && f.eligibleAuthRole.admits(p.AuthRole) &&
		!f.exclude.has(p.ID) && !f.excludeAuthID.has(p.AuthID) && !f.excludeAuthRole.has(p.AuthRole)
}

// list is one list of a filter. A long list for many receivers becomes a set, so that
// the work does not grow with the product of both: a peer chooses the list.
type list[T comparable] struct {
	few  []T // nil is absent
	many map[T]struct{}
}

func newList[T comparable](values []T, receivers int) list[T] {
	const few = 16
	if len(values) <= few || receivers <= few {
		return list[T]{few: values}
	}
	set := make(map[T]struct{}, len(values))
	for _, v := range values {
		set[v] = struct{}{}
	}
	return list[T]{many: set}
}

func (l *list[T]) has(v T) bool {
	if l.many != nil {
		_, found := l.many[v]
		return found
	}
	return slices.Contains(l.few, v)
}

// admits reports whether v is on the list, or the list is absent.
func (l *list[T]) admits(v T) bool { return l.few == nil && l.many == nil || l.has(v) }
