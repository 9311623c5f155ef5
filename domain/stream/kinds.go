package stream

import (
	"daybook/domain/command"
	"daybook/domain/event"
	"daybook/domain/imports"
	"daybook/domain/menu"
	"daybook/domain/parked"
	"daybook/domain/store"
	"daybook/domain/tab"
)

// Kind is a kind of streams: those of one aggregate, or of one kind of notes that the program makes for itself.
type Kind struct {
	Category string // what the names of its streams begin with
	Scope    Scope
	// Catalog reads every event that was ever stored in a stream of this kind, except command.Unchanged, which any may
	// hold.
	Catalog event.Catalog[event.Stored]
}

// Scope says what a stream is of, and so how its name goes on.
type Scope int

const (
	// Elsewhere: of no store. The category is followed by an id that tells.
	Elsewhere Scope = iota
	// OnePerStore: what happened to a store, in one stream, category-storeId.
	OnePerStore
	// ManyPerStore: what happened to a store, in many, category-storeId-rest.
	ManyPerStore
	// Aside: of a store, and not what happened to it: each log makes its own, and a copy lacks it. Named as
	// ManyPerStore.
	Aside
)

// kinds is the list of aggregates. What knows all streams follows from it: which streams of a shared log are ours,
// which a store's, who may write, and what must have frozen samples. A new aggregate is a line here; commands refuses
// to start with one that has none.
var kinds = []Kind{
	{StoreCategory, OnePerStore, event.Widen(store.Catalog)},
	{MenuCategory, OnePerStore, event.Widen(menu.Catalog)},
	{TabCategory, ManyPerStore, event.Widen(tab.Catalog)},
	{ImportCategory, ManyPerStore, event.Widen(imports.Catalog)},
	{OwnerCategory, Elsewhere, event.Widen(store.OwnerDecider.Catalog)},
	{PairingCategory, Elsewhere, event.Widen(store.CodeDecider.Catalog)}, // whoever knows a code does not know its store
	{ClaimCategory, Aside, event.Widen(command.Catalog)},
	{ParkedCategory, Elsewhere, event.Widen(parked.Catalog)},
}

// Kinds lists all kinds. The list is the caller's; the catalogs are not to be changed.
func Kinds() []Kind { return append([]Kind{}, kinds...) }

// KindOf returns the kind of a category, and whether there is one.
func KindOf(category string) (Kind, bool) {
	for _, k := range kinds {
		if k.Category == category {
			return k, true
		}
	}
	return Kind{}, false
}

// Prefixes are what the names of all streams begin with. In a log that others write to, the rest is theirs.
func Prefixes() []string {
	prefixes := make([]string, len(kinds))
	for i, k := range kinds {
		prefixes[i] = k.Category + "-"
	}
	return prefixes
}

// Own are the prefixes of a store's own streams: what its owner and tablets did.
func Own(storeID string) []string {
	var own []string
	for _, k := range kinds {
		switch k.Scope {
		case OnePerStore:
			own = append(own, k.Category+"-"+storeID)
		case ManyPerStore:
			own = append(own, k.Category+"-"+storeID+"-")
		case Elsewhere, Aside:
		}
	}
	return own
}

// IsAside reports whether a stream holds what each log makes for itself, and no fact.
func IsAside(name string) bool {
	category, _, _ := Parse(name)
	k, _ := KindOf(category)
	return k.Scope == Aside
}
