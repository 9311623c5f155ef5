package readapi

import (
	"net/http"

	"daybook/domain/calendar"
	"daybook/internal/httpapi"
	"daybook/projections"
)

var (
	errTerm       = httpapi.NewProblem(http.StatusBadRequest, "invalid_term", "term is DAY, WEEK or MONTH; for settlements, DAY or MONTH")
	errDate       = httpapi.NewProblem(http.StatusBadRequest, "invalid_date", "start, from and to are dates yyyy-mm-dd, and needed; a period ends by 9999-12-31")
	errMisaligned = httpapi.NewProblem(http.StatusBadRequest, "period_misaligned",
		"start is not the first day of a period: a WEEK begins on Monday, a MONTH on the 1st, a settlement MONTH on the store's settlement day")
)

// statisticsTerms and settlementTerms are what term may say, and the periods that it means.
var (
	statisticsTerms = map[string]calendar.Term{"DAY": calendar.Day, "WEEK": calendar.Week, "MONTH": calendar.Month}
	settlementTerms = map[string]calendar.Term{"DAY": calendar.Day, "MONTH": calendar.SettlementMonth}
)

// lastDate is the last that yyyy-mm-dd can write.
var lastDate = calendar.MustParse("9999-12-31")

// periodOf reads the period that a query asks about from its term and the date parameter.
func periodOf(q query, terms map[string]calendar.Term, dateParam string) (calendar.Period, error) {
	term, known := terms[q.value("term")]
	if !known {
		return calendar.Period{}, errTerm
	}
	start, err := calendar.Parse(q.value(dateParam))
	if err != nil {
		return calendar.Period{}, errDate
	}
	p, err := calendar.Starting(term, start, q.store.SettlementDay)
	if err != nil {
		return calendar.Period{}, errMisaligned
	}
	if p.End > lastDate {
		return calendar.Period{}, errDate
	}
	return p, nil
}

// figures reads all counters of a period. A period in which nothing was sold is all zeros.
func (a *API) figures(q query, p calendar.Period) (projections.PeriodFigures, error) {
	return a.Counters.Period(q.ctx, q.at, projections.PeriodPartition(q.store.StoreID, p))
}
