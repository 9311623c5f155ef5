package projections

import (
	"errors"

	"daybook/domain/money"
)

// CategoryAmounts are what products sold for, by their categories. Error: money.ErrOverflow.
func CategoryAmounts(products []ProductFigures) (map[string]int64, error) {
	amounts := map[string]int64{}
	for i := range products {
		sum, err := money.Add(amounts[products[i].Category], products[i].Amount)
		if err != nil {
			return nil, err
		}
		amounts[products[i].Category] = sum
	}
	return amounts, nil
}

// SoldIn sums up what products of a category sold, of all for "". Error: money.ErrOverflow.
func SoldIn(products []ProductFigures, category string) (quantity, amount int64, err error) {
	for i := range products {
		f := &products[i]
		if category != "" && f.Category != category {
			continue
		}
		var errQuantity, errAmount error
		quantity, errQuantity = money.Add(quantity, f.Quantity)
		amount, errAmount = money.Add(amount, f.Amount)
		if err := errors.Join(errQuantity, errAmount); err != nil {
			return 0, 0, err
		}
	}
	return quantity, amount, nil
}
