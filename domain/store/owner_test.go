package store_test

import (
	"fmt"

	"daybook/domain/domaintest"
	"daybook/domain/store"
)

// claimed are the claims of n stores.
func claimed(n int) (all []store.StoreClaimed) {
	for i := range n {
		all = append(all, store.StoreClaimed{StoreID: fmt.Sprint("s", i+1), At: noon})
	}
	return all
}

var claims = []domaintest.Case[store.ClaimStore, store.StoreClaimed]{
	{Name: "the first store", When: store.ClaimStore{StoreID: "s1", At: noon}, Then: claimed(1)},
	{Name: "a store once more", Given: claimed(3), When: store.ClaimStore{StoreID: "s2", At: noon}},
	{Name: "the last store", Given: claimed(999), When: store.ClaimStore{StoreID: "s1000", At: noon}, Then: claimed(1000)[999:]},
	{Name: "one more than there may be", Given: claimed(1000), When: store.ClaimStore{StoreID: "s1001", At: noon}, Refused: store.ErrStores},
	{Name: "the last store once more", Given: claimed(1000), When: store.ClaimStore{StoreID: "s1000", At: noon}},
}
