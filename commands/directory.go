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

// Owned returns a store of an owner, or store.ErrUnknown. A store is there once it was opened, by whichever process.
func (s *Service) Owned(ctx context.Context, ownerID, storeID string) (auth.Store, error) {
	if !auth.ValidID(storeID) {
		return auth.Store{}, store.ErrUnknown
	}
	state, err := s.storeWith(ctx, storeID, func(state store.State) bool { return state.StoreID != "" && state.OwnerID == ownerID })
	switch {
	case err != nil:
		return auth.Store{}, err
	case state.StoreID == "" || state.OwnerID != ownerID:
		return auth.Store{}, store.ErrUnknown
	}
	return s.describe(state)
}

// ownedState returns a store of an owner as it is now, or store.ErrUnknown.
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

// storeWith returns a store that may be lateMax old if it has something then, and otherwise as it is now.
func (s *Service) storeWith(ctx context.Context, storeID string, has func(store.State) bool) (store.State, error) {
	state, err := s.stores.late(ctx, stream.Store(storeID))
	if err == nil && !has(state) {
		state, err = s.stores.load(ctx, stream.Store(storeID))
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

// Device returns the tablet that a token belongs to, or auth.ErrToken. A token that this process revoked is dead at once,
// one that another process revoked after lateMax.
func (s *Service) Device(ctx context.Context, token string) (auth.Device, error) {
	storeID, _, ok := auth.ParseDeviceToken(token)
	if !ok {
		return auth.Device{}, auth.ErrToken
	}
	state, err := s.storeWith(ctx, storeID, func(state store.State) bool {
		_, live := liveDevice(state, token)
		return live
	})
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
	state, err := s.storeWith(ctx, storeID, func(state store.State) bool { return state.StoreID != "" })
	return state.OpenedAt, err
}

func (s *Service) describe(state store.State) (auth.Store, error) {
	zone, err := zones.Load(state.TimeZone)
	if err != nil {
		return auth.Store{}, fmt.Errorf("store %s: %w", state.StoreID, err)
	}
	return auth.Store{
		StoreID: state.StoreID, OwnerID: state.OwnerID, Currency: string(state.Currency), SettlementDay: state.SettlementDay,
		Grade: string(state.Grade),
		Hours: calendar.Hours{Zone: zone, Closeout: state.CloseoutHour},
	}, nil
}
