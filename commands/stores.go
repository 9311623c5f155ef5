package commands

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"daybook/domain/money"
	"daybook/domain/refusal"
	"daybook/domain/store"
	"daybook/domain/stream"
	"daybook/internal/auth"
	"daybook/internal/httpapi"
	"daybook/internal/zones"
)

// OpenStore is what an owner says to open a store. Absent fields are nil and have their defaults.
type OpenStore struct {
	Name          string  `json:"name"`
	PosGrade      string  `json:"posGrade"`
	SettlementDay int     `json:"settlementDay"`
	TimeZone      *string `json:"timeZone"`     // nil: Asia/Seoul
	Currency      *string `json:"currency"`     // nil: KRW
	CloseoutHour  int     `json:"closeoutHour"` // absent: 0
}

var errTimeZone = refusal.New(refusal.Invalid, "invalid_time_zone", "timeZone is an IANA name such as Asia/Seoul")

// command makes the domain's command of what an owner said, with the defaults.
func (w OpenStore) command(storeID, ownerID string, at time.Time) (store.Open, error) {
	c := store.Open{
		StoreID: storeID, OwnerID: ownerID, Name: w.Name, Grade: store.Grade(w.PosGrade), SettlementDay: w.SettlementDay,
		TimeZone: "Asia/Seoul", Currency: "KRW", CloseoutHour: w.CloseoutHour, At: at,
	}
	if w.TimeZone != nil {
		c.TimeZone = *w.TimeZone
	}
	if w.Currency != nil {
		c.Currency = money.Currency(*w.Currency)
	}
	if _, err := zones.Load(c.TimeZone); err != nil {
		return c, errTimeZone
	}
	return c, nil
}

// claimStore counts a store among its owner's before it is opened, unless it is there already: their stream decides
// whether they may have one more. Error: store.ErrStores, and what opening it would refuse.
func (s *Service) claimStore(ctx context.Context, ownerID, storeID string, req Request, wanted OpenStore) error {
	state, err := s.stores.load(ctx, stream.Store(storeID))
	if err != nil || state.StoreID != "" {
		return err
	}
	command, err := wanted.command(storeID, ownerID, s.moment())
	if err != nil {
		return err
	}
	if _, err := store.Decide(state, command); err != nil {
		return err
	}
	// A command of its own, without a key: an owner's stream knows its stores.
	req.CommandID, req.Keyed = uuid.New(), false
	return carryOut(ctx, s.owners, stream.Owner(ownerID), req, store.ClaimStore{StoreID: storeID, At: s.moment()})
}

// OpenStore opens a store for an owner. The request's scope is the owner.
func (s *Service) OpenStore(ctx context.Context, ownerID string, req Request, wanted OpenStore) (Answer, error) {
	storeID := req.newID("s")
	req.StoreID = storeID
	if err := s.claimStore(ctx, ownerID, storeID, req, wanted); err != nil {
		return Answer{}, err
	}
	return s.stores.execute(ctx, stream.Store(storeID), req, decision[store.State, store.Command, store.Event]{
		status: http.StatusCreated,
		decide: func(store.State) (store.Command, error) {
			return wanted.command(storeID, ownerID, s.moment())
		},
		answer: func(state store.State, _ []store.Event) (any, error) { return storeBody(state), nil },
	})
}

func storeBody(s store.State) any {
	return struct {
		StoreID       string    `json:"storeId"`
		Name          string    `json:"name"`
		PosGrade      string    `json:"posGrade"`
		SettlementDay int       `json:"settlementDay"`
		TimeZone      string    `json:"timeZone"`
		Currency      string    `json:"currency"`
		CloseoutHour  int       `json:"closeoutHour"`
		OpenedAt      time.Time `json:"openedAt"`
	}{s.StoreID, s.Name, string(s.Grade), s.SettlementDay, s.TimeZone, string(s.Currency), s.CloseoutHour, s.OpenedAt}
}

// AddTable is what an owner says to add a table.
type AddTable struct {
	Name string `json:"name"`
}

// AddTable adds a table to a store.
func (s *Service) AddTable(ctx context.Context, storeID string, req Request, wanted AddTable) (Answer, error) {
	tableID := req.newID("t")
	return s.stores.execute(ctx, stream.Store(storeID), req, decision[store.State, store.Command, store.Event]{
		status: http.StatusCreated,
		decide: func(store.State) (store.Command, error) {
			return store.AddTable{TableID: tableID, Name: wanted.Name, At: s.moment()}, nil
		},
		answer: func(store.State, []store.Event) (any, error) {
			return struct {
				TableID string `json:"tableId"`
				Name    string `json:"name"`
			}{tableID, wanted.Name}, nil
		},
	})
}

// IssuePairingCode makes a code with which a tablet can be paired with a table, once, within store.CodeLifetime.
func (s *Service) IssuePairingCode(ctx context.Context, ownerID, storeID, tableID string, req Request) (Answer, error) {
	state, err := s.ownedState(ctx, ownerID, storeID)
	if err != nil {
		return Answer{}, err
	}
	code, pairingID := s.secret.PairingCode(req.CommandID.String())
	return s.codes.execute(ctx, stream.Pairing(pairingID), req, decision[store.Code, store.IssueCode, store.CodeIssued]{
		status: http.StatusCreated, secret: true, begins: true,
		decide: func(store.Code) (store.IssueCode, error) {
			return store.IssueCode{Store: state, PairingID: pairingID, TableID: tableID, At: s.moment()}, nil
		},
		answer: func(issued store.Code, _ []store.CodeIssued) (any, error) {
			return struct {
				PairingCode string    `json:"pairingCode"`
				ExpiresAt   time.Time `json:"expiresAt"`
			}{code, issued.ExpiresAt}, nil
		},
	})
}

// wrongCodesMax is how many wrong pairing codes one caller may try in a minute. A code has 2^40 values and lives ten
// minutes; a wrong one names no store, so that only the caller can be counted. Right codes are not counted: attempts at
// one address do no harm to tablets at others.
const wrongCodesMax = 5

// errWrongCodes: a caller has tried too many wrong codes and has to wait.
func errWrongCodes(wait time.Duration) error {
	no := httpapi.NewProblem(http.StatusTooManyRequests, "too_many_attempts", "too many wrong pairing codes from this address; try again later")
	no.RetryAfter = wait
	return no
}

// PairDevice is what a tablet says to be paired.
type PairDevice struct {
	PairingCode string `json:"pairingCode"`
}

// PairDevice redeems a pairing code for a device token. makeRequest is told the code's id, the scope of the caller's key.
func (s *Service) PairDevice(ctx context.Context, wanted PairDevice, makeRequest func(pairingID, storeID string) (Request, error)) (Answer, error) {
	if wanted.PairingCode == "" || len(wanted.PairingCode) > 100 {
		return Answer{}, store.ErrCode
	}
	pairingID := auth.PairingID(wanted.PairingCode)
	code, err := s.codes.glance(ctx, stream.Pairing(pairingID)) // it never changes
	if err != nil {
		return Answer{}, err
	}
	if code.PairingID == "" {
		return Answer{}, store.ErrCode
	}
	req, err := makeRequest(pairingID, code.StoreID)
	if err != nil {
		return Answer{}, err
	}
	deviceID := req.newID("d")
	token, hash := auth.NewDeviceToken(code.StoreID, deviceID)
	return s.stores.execute(ctx, stream.Store(code.StoreID), req, decision[store.State, store.Command, store.Event]{
		status: http.StatusCreated, secret: true,
		decide: func(store.State) (store.Command, error) {
			return store.PairDevice{DeviceID: deviceID, Code: code, TokenHash: hash, At: s.moment()}, nil
		},
		answer: func(store.State, []store.Event) (any, error) {
			return struct {
				DeviceID    string `json:"deviceId"`
				DeviceToken string `json:"deviceToken"`
				StoreID     string `json:"storeId"`
				TableID     string `json:"tableId"`
			}{deviceID, token, code.StoreID, code.TableID}, nil
		},
	})
}

// RevokeDevice makes a tablet's token dead.
func (s *Service) RevokeDevice(ctx context.Context, storeID, deviceID string, req Request) (Answer, error) {
	return s.stores.execute(ctx, stream.Store(storeID), req, decision[store.State, store.Command, store.Event]{
		status: http.StatusNoContent,
		decide: func(store.State) (store.Command, error) {
			return store.RevokeDevice{DeviceID: deviceID, At: s.moment()}, nil
		},
		answer: func(store.State, []store.Event) (any, error) { return nil, nil },
	})
}

// EnsureTable adds a table of a name to a store, unless an earlier call did.
func (s *Service) EnsureTable(ctx context.Context, of auth.Store, name string) error {
	actor := "owner:" + of.OwnerID
	req, err := newRequest(s.secret, of.StoreID+" "+actor+" ensure table", name, actor, of.StoreID, "", "ensure table", name)
	if err != nil {
		return err
	}
	_, err = s.AddTable(ctx, of.StoreID, req, AddTable{Name: name})
	return err
}
