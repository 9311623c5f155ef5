// Package commands is the command API: it loads a stream, lets the domain decide, appends, answers. Nothing here is
// decided by the routes, and nothing is read from a read model but a hint where to look in the log.
//
// Not here: rules (domain), answers to questions (readapi).
package commands

import (
	"sync/atomic"
	"time"

	"daybook/domain/calendar"
	"daybook/domain/imports"
	"daybook/domain/menu"
	"daybook/domain/store"
	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
	"daybook/internal/auth"
	"daybook/internal/cache"
	"daybook/internal/httpapi"
)

// Service carries out commands. Safe for concurrent use.
type Service struct {
	log    eventstore.Store
	secret auth.Secret
	now    func() time.Time

	stores *aggregate[store.State, store.Command, store.Event]
	owners *aggregate[store.Owner, store.ClaimStore, store.StoreClaimed]
	codes  *aggregate[store.Code, store.IssueCode, store.CodeIssued]
	menus  *aggregate[menu.State, menu.Command, menu.Event]
	tabs   *aggregate[tab.State, tab.Command, tab.Event]

	imports *aggregate[imports.State, imports.Command, imports.Event]

	others  *others
	tellers map[string]func(eventstore.Event) // what folds the events of others, by category

	keys   *keys
	shared atomic.Bool // others append to an indexed log

	numbers  *cache.Cache[string, int] // the newest tab of each table, as a hint
	caches   []keptCache               // all that is kept
	pairings *httpapi.Tries            // wrong pairing codes

	tableKeys *cache.Cache[string, *tableKeys]
}

// New makes a service on a log.
func New(log eventstore.Store, secret auth.Secret, now func() time.Time) *Service {
	s := &Service{log: log, secret: secret, now: now, others: newOthers(), tellers: map[string]func(eventstore.Event){}, pairings: httpapi.NewTries(wrongCodesMax, time.Minute)}
	k := &keys{log: log}
	k.indexed, _ = log.(eventstore.Indexed)
	k.claims = func() bool { return k.indexed == nil || s.shared.Load() }
	s.keys = k
	s.others.went = s.Drop
	s.others.history = func() uint64 { return eventstore.HistoryOf(log) }
	s.numbers = cache.New[string, int](numbersBytesMax)
	s.tableKeys = cache.New[string, *tableKeys](tableKeysBytesMax)
	s.caches = []keptCache{{"tab_numbers", s.numbers, numbersBytesMax}, {"table_keys", s.tableKeys, tableKeysBytesMax}}
	s.stores = newAggregate(s, stream.StoreCategory, "stores", store.Decider, k, storesBytesMax, storeBytes)
	s.owners = newAggregate(s, stream.OwnerCategory, "owners", store.OwnerDecider, k, ownersBytesMax, ownerBytes)
	s.codes = newAggregate(s, stream.PairingCategory, "codes", store.CodeDecider, k, codesBytesMax, codeBytes)
	s.menus = newAggregate(s, stream.MenuCategory, "menus", menu.Decider, k, menusBytesMax, menuBytes)
	s.tabs = newAggregate(s, stream.TabCategory, "tabs", tab.Decider, k, tabsBytesMax, tabBytes)
	s.imports = newAggregate(s, stream.ImportCategory, "imports", imports.Decider, k, importsBytesMax, importBytes)
	return s
}

// Alone says that no other process appends to this log, until Share: then nothing that is folded is read again.
func (s *Service) Alone() { s.others.alone.Store(true) }

// Share says that other processes append to this log from now on, over a protocol that does not find an append by its id:
// keys are claimed for them, too.
func (s *Service) Share() {
	s.shared.Store(true)
	s.others.alone.Store(false)
}

// Drop forgets all that is folded: the log has gone back. Commands that are under way may still decide on it; what they
// append is refused unless the log is as they know it.
func (s *Service) Drop() {
	s.others.drop()
	s.numbers.Clear()
	s.tableKeys.Clear()
}

// when is now, as a store sees it: to the millisecond, with the offset of its zone, and with its business date.
func (s *Service) when(h calendar.Hours) tab.When {
	now := s.now().Truncate(time.Millisecond).In(h.Zone)
	return tab.When{At: now, BusinessDate: h.BusinessDate(now)}
}

// moment is now to the millisecond, in UTC, for what has no business date.
func (s *Service) moment() time.Time { return s.now().Truncate(time.Millisecond).UTC() }
