package commands

import (
	"unsafe"

	"daybook/domain/imports"
	"daybook/domain/menu"
	"daybook/domain/store"
	"daybook/domain/tab"
	"daybook/internal/cache"
)

// What a service keeps of streams that it folded, in bytes, by kind. A tab of six orders takes 5 KiB, a menu of a thousand
// products 170 KiB, a store of thirty tables and tablets 17 KiB, a table's number 250 bytes.
const (
	tabsBytesMax    = 24 << 20
	menusBytesMax   = 24 << 20
	storesBytesMax  = 16 << 20
	ownersBytesMax  = 1 << 20
	codesBytesMax   = 2 << 20
	importsBytesMax = 1 << 20
	numbersBytesMax = 4 << 20
	// tableKeysBytesMax is for the keys on tables' tabs, which only logs need that are not indexed. A table of 20 tabs a
	// day with four orders each takes 25 KiB.
	tableKeysBytesMax = 16 << 20

	// BytesKept is all of them together.
	BytesKept = tabsBytesMax + menusBytesMax + storesBytesMax + ownersBytesMax + codesBytesMax + importsBytesMax + numbersBytesMax +
		tableKeysBytesMax
)

// keptCache is one of the caches of a service.
type keptCache struct {
	name     string // for operators
	cache    boundedCache
	bytesMax int64 // its part of BytesKept
}

type boundedCache interface {
	cache.Measured
	Bound(bytesMax int64)
}

// Bound makes the service keep up to so many bytes in all instead of BytesKept. What it has less room for, it reads again.
func (s *Service) Bound(bytesMax int64) {
	for _, c := range s.caches {
		c.cache.Bound(int64(float64(bytesMax) * float64(c.bytesMax) / BytesKept))
	}
}

// Caches are what the service keeps, by name.
func (s *Service) Caches() cache.Metrics {
	all := cache.Metrics{}
	for _, c := range s.caches {
		all[c.name] = c.cache
	}
	return all
}

// The weights are estimates from above: lists with the room that they have to grow, and texts as if each stood alone in
// memory, although those of an order that was placed here are often the menu's. TestWeights holds them to what the memory
// says.

const (
	turnBytes    = 96 + 16 // a channel of one token
	textBytes    = 8       // what memory for a text is rounded up by, on average
	commandsFew  = 8       // a map has room for so many at once
	commandBytes = 48      // of each one more: key, revision, and its share of slots that are empty
)

// commandsBytes is what a map of n command ids takes.
func commandsBytes(n int) int {
	const few = 256
	return few + commandBytes*max(0, n-commandsFew)
}

func textsBytes(texts ...string) (n int) {
	for _, text := range texts {
		n += len(text) + textBytes
	}
	return n
}

// listBytes is what a list takes, without what its elements refer to.
func listBytes[T any](list []T) int {
	var one T
	return cap(list) * int(unsafe.Sizeof(one))
}

func tabBytes(s tab.State) int {
	n := textsBytes(s.TabID, s.TableID) + listBytes(s.Orders) + listBytes(s.Payments)
	for _, o := range s.Orders {
		n += textsBytes(o.OrderID) + listBytes(o.Lines)
		for _, l := range o.Lines {
			n += textsBytes(l.ProductID, l.Name, l.Category)
		}
	}
	for _, p := range s.Payments {
		n += textsBytes(p.PaymentID, string(p.Method), p.CardCompany)
	}
	return n
}

func menuBytes(s menu.State) int {
	n := listBytes(s.Products)
	for _, p := range s.Products {
		n += textsBytes(p.ProductID, p.Name, p.Category)
	}
	return n
}

func storeBytes(s store.State) int {
	n := textsBytes(s.StoreID, s.OwnerID, s.Name, s.TimeZone) + listBytes(s.Tables) + listBytes(s.Devices)
	for _, t := range s.Tables {
		n += textsBytes(t.TableID, t.Name)
	}
	for _, d := range s.Devices {
		n += textsBytes(d.DeviceID, d.TableID, d.PairingID) + cap(d.TokenHash)
	}
	return n
}

func ownerBytes(o store.Owner) int { return listBytes(o.Stores) + textsBytes(o.Stores...) }

func codeBytes(c store.Code) int { return textsBytes(c.PairingID, c.StoreID, c.TableID) }

func importBytes(s imports.State) int {
	return textsBytes(s.Began.StoreID, s.Began.BatchID, string(s.Began.Method), s.Began.CardCompany)
}
