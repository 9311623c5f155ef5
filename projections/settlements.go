package projections

import (
	"context"

	"daybook/domain/calendar"
	"daybook/domain/money"
	"daybook/domain/settlement"
	"daybook/domain/store"
	"daybook/eventstore"
)

// Settled is what a store's period earned. Error: money.ErrOverflow.
func Settled(p calendar.Period, grade, currency string, tenders []TenderFigures) (settlement.Earned, error) {
	takings := make([]settlement.Taking, len(tenders))
	for i, t := range tenders {
		takings[i] = settlement.Taking{Amount: t.Amount, Fee: t.Fee}
	}
	return settlement.FeePolicies().Settle(p, store.Grade(grade), money.Currency(currency), takings)
}

// Tenders returns what a period (see PeriodPartition) took by each method and card company, once the read model
// includes a position, in byte order of both. It reads those that this program knows, and, if they are not all that was
// counted, the whole period: a newer program may know more. Errors: those of Period.
func (r *PeriodReader) Tenders(ctx context.Context, at eventstore.Position, partition string) ([]TenderFigures, error) {
	values, err := r.Get(ctx, at, partition, append(TenderFields(settlement.FeePolicies()), CountGross)...)
	if err != nil {
		return nil, err
	}
	tenders, gross := ReadTenders(values), values[CountGross].Counter
	for _, t := range tenders {
		gross -= t.Amount // whatever it comes to, it is not 0 if one lacks
	}
	if gross == 0 {
		return tenders, nil
	}
	figures, err := r.Period(ctx, at, partition)
	return figures.Tenders, err
}
