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

// admits refuses a tablet's token, with auth.ErrToken, before more of its request is looked at. It asks what this process
// knows first, and the log only if that says no; so what it lets in has to be asked for again.
func (s *Service) admits(ctx context.Context, token string) error {
	storeID, _, ok := auth.ParseDeviceToken(token)
	if !ok {
		return auth.ErrToken
	}
	state, err := s.stores.glance(ctx, stream.Store(storeID))
	if err != nil {
		return err
	}
	if _, live := liveDevice(state, token); live {
		return nil
	}
	_, err = s.Device(ctx, token)
	return err
}

// liveDevice returns the device of a store that a token belongs to, and whether it is good.
func liveDevice(state store.State, token string) (store.Device, bool) {
	_, deviceID, _ := auth.ParseDeviceToken(token)
	device, known := state.Device(deviceID)
	return device, known && device.Live() && subtle.ConstantTimeCompare(device.TokenHash, auth.HashToken(token)) == 1
}

// Device returns the tablet that a token belongs to, or auth.ErrToken. It reads the log: a revoked token is dead.
func (s *Service) Device(ctx context.Context, token string) (auth.Device, error) {
	storeID, _, ok := auth.ParseDeviceToken(token)
	if !ok {
		return auth.Device{}, auth.ErrToken
	}
	state, err := s.stores.load(ctx, stream.Store(storeID))
	if err != nil {
		return auth.Device{}, err
	}
	device, live := liveDevice(state, token)
	if !live {
		return auth.Device{}, auth.ErrToken
	}
	described, err := s.describe(state)
	return auth.Device{Store: described, DeviceID: device.DeviceID, TableID: device.TableID}, err
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
