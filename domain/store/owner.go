package store

import (
	"slices"
	"time"

	"daybook/domain/event"
	"daybook/domain/refusal"
)

// OwnedMax is how many stores one owner may open.
const OwnedMax = 1000

// Owner is an owner as the log knows them: by the stores that they opened, or were about to open. Stores that were opened
// before owners had a stream are counted later, by a policy. The zero Owner has opened none.
type Owner struct {
	Stores []string // ids
}

// StoreClaimed: an owner is about to open a store, or opened it before owners had a stream. It counts, whether or not the
// store is opened then.
type StoreClaimed struct {
	StoreID string    `json:"storeId"`
	At      time.Time `json:"at"`
}

// EventType is the stored name.
func (StoreClaimed) EventType() string { return "owner.store_claimed.v1" }

// ClaimStore asks whether an owner may open one more store. Claiming twice is claiming once.
type ClaimStore struct {
	StoreID string
	At      time.Time
}

// ErrStores: the owner has as many stores as there may be.
var ErrStores = refusal.New(refusal.TooMuch, "store_limit_reached", "an owner may have 1000 stores")

// OwnerDecider is the behaviour of an owner.
var OwnerDecider = event.Decider[Owner, ClaimStore, StoreClaimed]{
	Initial: func() Owner { return Owner{} },
	Decide:  claimStore,
	Evolve: func(s Owner, e StoreClaimed) Owner {
		s.Stores = append(slices.Clip(s.Stores), e.StoreID)
		return s
	},
	Catalog: event.Catalog[StoreClaimed]{"owner.store_claimed.v1": event.As[StoreClaimed, StoreClaimed]},
}

func claimStore(s Owner, c ClaimStore) ([]StoreClaimed, error) {
	switch {
	case slices.Contains(s.Stores, c.StoreID):
		return nil, nil
	case len(s.Stores) >= OwnedMax:
		return nil, ErrStores
	}
	return []StoreClaimed{StoreClaimed(c)}, nil
}
