// Package stream names the streams of the log, and lists what kinds there are (kinds.go). A name is category-id or
// category-storeId-rest; categories and ids hold no '-'. Because the store id leads, the events of one store are a few
// prefixes of the log.
package stream

import "strings"

// The categories. Each has its line in the list of kinds.
const (
	StoreCategory   = "store"
	MenuCategory    = "menu"
	TabCategory     = "tab"
	ImportCategory  = "import"
	OwnerCategory   = "owner"
	PairingCategory = "pairing"
	ClaimCategory   = "claim"
	ParkedCategory  = "parked"
)

// Store is the stream of a store: its opening, tables and tablets.
func Store(storeID string) string { return StoreCategory + "-" + storeID }

// Menu is the stream of a store's menu.
func Menu(storeID string) string { return MenuCategory + "-" + storeID }

// Tab is the stream of one tab.
func Tab(storeID, tabID string) string { return TabCategory + "-" + storeID + "-" + tabID }

// Import is the stream of an import of sales: that it was begun and ended. The sales are tabs.
func Import(storeID, batchID string) string { return ImportCategory + "-" + storeID + "-" + batchID }

// Owner is the stream of an owner: which stores they opened.
func Owner(ownerID string) string { return OwnerCategory + "-" + ownerID }

// Pairing is the stream of a pairing code, named by the code's hash.
func Pairing(pairingID string) string { return PairingCategory + "-" + pairingID }

// Claim is the stream of a key's claim: which stream the command of that id belongs to. Only a log that several
// processes append to has claims.
func Claim(storeID, commandID string) string { return ClaimCategory + "-" + storeID + "-" + commandID }

// Parked is the stream of the events that a read model leaves out.
func Parked(model string) string { return ParkedCategory + "-" + model }

// Parse splits a name. Parts that the name lacks are "".
func Parse(name string) (category, storeID, rest string) {
	category, rest, _ = strings.Cut(name, "-")
	storeID, rest, _ = strings.Cut(rest, "-")
	return category, storeID, rest
}
