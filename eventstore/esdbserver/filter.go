package esdbserver

import (
	"regexp"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"

	"daybook/eventstore"
)

// filter is a server-side filter: what the store can do by itself, and what is left to look at here.
type filter struct {
	store  eventstore.Filter
	passes func(e eventstore.Event) bool // nil: all that the store lets through
	// interval is after how many events, whether they pass or not, a subscription owes a checkpoint. 0: it owes none,
	// as there is no filter.
	interval uint64
	gone     func(e eventstore.Event) bool // what is not in $all any more
}

func newFilter(o *streams.ReadReq_Options_FilterOptions) (filter, error) {
	if o == nil {
		return filter{}, nil
	}
	f := filter{interval: max(1, uint64(o.GetMax())) * max(1, uint64(o.GetCheckpointIntervalMultiplier()))}
	of, expression := func(e eventstore.Event) string { return e.Stream }, o.GetStreamIdentifier()
	if o.GetEventType() != nil {
		of, expression = func(e eventstore.Event) string { return e.Type }, o.GetEventType()
	}
	prefixes, pattern := expression.GetPrefix(), expression.GetRegex()
	switch {
	case (len(prefixes) == 0) == (pattern == ""):
		return f, invalid("a filter needs either prefixes or a regular expression")
	case pattern != "":
		matcher, err := regexp.Compile(pattern)
		if err != nil {
			return f, invalid("filter: " + err.Error())
		}
		f.passes = func(e eventstore.Event) bool { return matcher.MatchString(of(e)) }
	case o.GetEventType() != nil:
		f.passes = func(e eventstore.Event) bool { return hasPrefix(e.Type, prefixes) }
	default:
		f.store.Prefixes = prefixes
	}
	return f, nil
}

func hasPrefix(s string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

func (f filter) pass(e eventstore.Event) bool {
	return (f.passes == nil || f.passes(e)) && !f.gone(e)
}
