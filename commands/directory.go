package commands

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"

	"daybook/domain/calendar"
	"daybook/domain/store"
	"daybook/domain/stream"
	"daybook/internal/auth"
	"daybook/internal/zones"
)

var _ auth.Access = (*Service)(nil)

// Owned returns a store of an owner, or store.ErrUnknown. It reads the log: a store is there once it was opened.
func (s *Service) Owned(ctx context.Context, ownerID, storeID string) (auth.Store, error) {
	state, err := s.ownedState(ctx, ownerID, storeID)
	if err != nil {
		return auth.Store{}, err
	}
	return s.describe(state)
}

func (s *Service) ownedState(ctx context.Context, ownerID, storeID string) (store.State, error) {
	if !auth.ValidID(storeID) {
		return store.State{}, store.ErrUnknown
	}
	state, err := s.stores.load(ctx, stream.Store(storeID))
	if err == nil && (state.StoreID == "" || state.OwnerID != ownerID) {
		err = store.ErrUnknown
	}
	return state, err
}

// Device returns the tablet that a token belongs to, or auth.ErrToken. It reads the log: a revoked token is dead.
func (s *Service) Device(ctx context.Context, token string) (auth.Device, error) {
	storeID, deviceID, ok := auth.ParseDeviceToken(token)
	if !ok {
		return auth.Device{}, auth.ErrToken
	}
	state, err := s.stores.load(ctx, stream.Store(storeID))
	if err != nil {
		return auth.Device{}, err
	}
	device, known := state.Device(deviceID)
	if !known || !device.Live() || subtle.ConstantTimeCompare(device.TokenHash, auth.HashToken(token)) != 1 {
		return auth.Device{}, auth.ErrToken
	}
	described, err := s.describe(state)
	return auth.Device{Store: described, DeviceID: deviceID, TableID: device.TableID}, err
}

// OpenedAt is when a store was opened.
func (s *Service) OpenedAt(ctx context.Context, storeID string) (time.Time, error) {
	state, err := s.stores.load(ctx, stream.Store(storeID))
	return state.OpenedAt, err
}

func (s *Service) describe(state store.State) (auth.Store, error) {
	zone, err := zones.Load(state.TimeZone)
	if err != nil {
		return auth.Store{}, fmt.Errorf("store %s: %w", state.StoreID, err)
	}
	return auth.Store{
		StoreID: state.StoreID, OwnerID: state.OwnerID, Currency: string(state.Currency), SettlementDay: state.SettlementDay,
		MonthlyFee: state.Grade.MonthlyFee(state.Currency),
		Hours:      calendar.Hours{Zone: zone, Closeout: state.CloseoutHour},
	}, nil
}
