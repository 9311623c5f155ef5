package policies

import (
	"daybook/domain/store"
	"daybook/domain/stream"
)

// OwnedStores counts every store that was opened among its owner's. Opening one does so first; what an earlier program
// opened, before owners had a stream, is counted by this policy, so that the limit of stores holds for all owners. A store
// that is counted already changes nothing, and one above the limit is refused: it stays open, and no other is opened.
var OwnedStores = Policy{
	Name:  "owned_stores",
	Types: []string{store.Opened{}.EventType()},
	React: on(store.Catalog, func(e store.Opened) []Command {
		return []Command{{stream.Owner(e.OwnerID), store.ClaimStore{StoreID: e.StoreID, At: e.At}}}
	}),
}
