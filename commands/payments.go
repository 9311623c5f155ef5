package commands

import (
	"context"
	"net/http"

	"daybook/domain/settlement"
	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/internal/auth"
)

// TakePayment is what an owner says to take a payment.
type TakePayment struct {
	Method      string `json:"method"`
	CardCompany string `json:"cardCompany"` // "" or absent with CASH
	Amount      *int64 `json:"amount"`      // nil: what is due
}

// TakePayment takes a payment against a tab of a store, and closes the tab if all is paid then.
func (s *Service) TakePayment(ctx context.Context, of auth.Store, tabID string, req Request, wanted TakePayment) (Answer, error) {
	if !auth.ValidID(tabID) {
		return Answer{}, tab.ErrUnknown
	}
	paymentID := req.newID("y")
	return s.tabs.execute(ctx, stream.Tab(of.StoreID, tabID), req, decision[tab.State, tab.Command, tab.Event]{
		status: http.StatusCreated,
		decide: func(tab.State) (tab.Command, error) {
			when := s.when(of.Hours)
			return tab.TakePayment{
				StoreID: of.StoreID, PaymentID: paymentID, Method: tab.Method(wanted.Method), CardCompany: wanted.CardCompany,
				Amount: wanted.Amount, Fees: settlement.FeePolicies().On(when.BusinessDate), SettlementDay: of.SettlementDay, When: when,
			}, nil
		},
		answer: func(state tab.State, _ []tab.Event) (any, error) { return paymentBody(state), nil },
	})
}

// paymentBody answers with the payment that was just taken, the tab's last.
func paymentBody(state tab.State) any {
	paid, status := state.Payments[len(state.Payments)-1], "OPEN"
	if state.Closed {
		status = "CLOSED"
	}
	return struct {
		PaymentID string `json:"paymentId"`
		Amount    int64  `json:"amount"`
		Fee       int64  `json:"fee"`
		Due       int64  `json:"due"`
		TabStatus string `json:"tabStatus"`
	}{paid.PaymentID, paid.Amount, paid.Fee, state.Due(), status}
}
