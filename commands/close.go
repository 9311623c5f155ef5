package commands

import (
	"context"
	"net/http"

	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/internal/auth"
)

// CloseTab closes a tab of a store on which nothing is due, and counts it.
func (s *Service) CloseTab(ctx context.Context, of auth.Store, tabID string, req Request) (Answer, error) {
	if !auth.ValidID(tabID) {
		return Answer{}, tab.ErrUnknown
	}
	return s.tabs.execute(ctx, stream.Tab(of.StoreID, tabID), req, decision[tab.State, tab.Command, tab.Event]{
		status: http.StatusCreated,
		decide: func(tab.State) (tab.Command, error) {
			return tab.Close{StoreID: of.StoreID, SettlementDay: of.SettlementDay, When: s.when(of.Hours)}, nil
		},
		answer: func(state tab.State, _ []tab.Event) (any, error) {
			return struct {
				TabID     string `json:"tabId"`
				TabStatus string `json:"tabStatus"`
			}{state.TabID, "CLOSED"}, nil
		},
	})
}
