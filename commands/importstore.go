package commands

import (
	"context"
	"errors"

	"daybook/domain/store"
	"daybook/domain/stream"
	"daybook/internal/auth"
)

// StoreWishes are what is said about the store that an import goes to. nil: whatever the store has, or, of one that is to be
// opened, the default.
type StoreWishes struct {
	PosGrade      *string // default: BRONZE
	SettlementDay *int    // default: 1
	TimeZone      *string // default: Asia/Seoul
	Currency      *string // default: KRW
	CloseoutHour  *int    // default: 0
}

// ErrOtherStore: a store that is open is not as it was wished.
var ErrOtherStore = errors.New("the store has another currency, time zone, close-out hour, grade or settlement day than was given; " +
	"leave out what is for a new store")

// ImportTo returns the open store of an owner that an import goes to. Errors: store.ErrUnknown, ErrOtherStore.
func (s *Service) ImportTo(ctx context.Context, ownerID, storeID string, wishes StoreWishes) (auth.Store, error) {
	state, err := s.ownedState(ctx, ownerID, storeID)
	if err != nil {
		return auth.Store{}, err
	}
	if !wishes.hold(state) {
		return auth.Store{}, ErrOtherStore
	}
	return s.describe(state)
}

// ImportToNew returns the store of an owner that imports of that name go to. If it is not open yet, it is what open will
// open; otherwise open does nothing. Errors: what OpenStore refuses, ErrOtherStore.
func (s *Service) ImportToNew(ctx context.Context, ownerID, name string, wishes StoreWishes) (of auth.Store, open func(context.Context) error, err error) {
	wanted := wishes.openStore(name)
	actor := "owner:" + ownerID
	req, err := newRequest(s.secret, actor+" import", name, actor, "", "", "import", wanted)
	if err != nil {
		return of, nil, err
	}
	storeID := req.newID("s")
	state, err := s.stores.load(ctx, stream.Store(storeID))
	if err != nil {
		return of, nil, err
	}
	if state.StoreID != "" {
		of, err := s.ImportTo(ctx, ownerID, storeID, wishes)
		return of, func(context.Context) error { return nil }, err
	}
	command, err := wanted.command(storeID, ownerID, s.moment())
	if err != nil {
		return of, nil, err
	}
	opened, err := store.Decide(store.State{}, command)
	if err != nil {
		return of, nil, err
	}
	of, err = s.describe(store.Decider.Fold(store.State{}, opened...))
	return of, func(ctx context.Context) error {
		_, err := s.OpenStore(ctx, ownerID, req, wanted)
		return err
	}, err
}

// ImportedStore returns the store of an owner that imports of that name go to, opened on first use.
func (s *Service) ImportedStore(ctx context.Context, ownerID, name string, wishes StoreWishes) (auth.Store, error) {
	of, open, err := s.ImportToNew(ctx, ownerID, name, wishes)
	if err != nil {
		return of, err
	}
	return of, open(ctx)
}

func (w StoreWishes) openStore(name string) OpenStore {
	return OpenStore{
		Name: name, PosGrade: or(w.PosGrade, string(store.Bronze)), SettlementDay: or(w.SettlementDay, 1),
		TimeZone: w.TimeZone, Currency: w.Currency, CloseoutHour: or(w.CloseoutHour, 0),
	}
}

// hold says whether a store is as wished.
func (w StoreWishes) hold(s store.State) bool {
	return or(w.PosGrade, string(s.Grade)) == string(s.Grade) && or(w.SettlementDay, s.SettlementDay) == s.SettlementDay &&
		or(w.TimeZone, s.TimeZone) == s.TimeZone && or(w.Currency, string(s.Currency)) == string(s.Currency) &&
		or(w.CloseoutHour, s.CloseoutHour) == s.CloseoutHour
}

// or returns what was said, or else the other.
func or[T any](said *T, other T) T {
	if said != nil {
		return *said
	}
	return other
}
