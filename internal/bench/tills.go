package bench

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/google/uuid"

	"daybook/commands"
	"daybook/internal/app"
	"daybook/internal/auth"
)

// httpTill is a Daybook that serves everything in one process, projections included.
type httpTill struct {
	*server
	run     *run
	tablets []tablet
	tabs    [writers]string
}

func (r *run) newHTTPTill(ctx context.Context) (*httpTill, error) {
	s, err := r.serve(ctx, app.Config{Data: r.newDir("orders"), LocalSignIn: true, Log: quiet})
	if err != nil {
		return nil, err
	}
	tablets, err := s.openRestaurants(ctx)
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return &httpTill{server: s, run: r, tablets: tablets}, nil
}

func (h *httpTill) order(ctx context.Context, writer int) (err error) {
	h.tabs[writer], _, err = h.server.order(ctx, h.tablets[writer])
	return err
}

func (h *httpTill) pay(ctx context.Context, writer int) error {
	return h.server.pay(ctx, h.tablets[writer], h.tabs[writer])
}

func (h *httpTill) close() error {
	return errors.Join(h.stop(), h.run.verify(context.Background(), h.Config))
}

// processTill calls the command side in process. No projection runs beside it, as none runs in PostgreSQL.
type processTill struct {
	*app.App
	run     *run
	stores  []auth.Store
	devices []auth.Device
	lines   [writers]commands.PlaceOrder
	tabs    [writers]string
}

func (r *run) newProcessTill(ctx context.Context) (*processTill, error) {
	setUp, err := r.newHTTPTill(ctx) // what is set up is the same
	if err != nil {
		return nil, err
	}
	if err := setUp.stop(); err != nil {
		return nil, err
	}
	a, err := app.Open(setUp.Config)
	if err != nil {
		return nil, err
	}
	p := &processTill{App: a, run: r}
	if err := p.find(ctx, setUp.tablets); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return p, nil
}

func (p *processTill) find(ctx context.Context, tablets []tablet) error {
	ownerID, err := p.Dir.Profiles().OwnerID(owner)
	if err != nil {
		return err
	}
	for writer, t := range tablets {
		of, err := p.Commands.Owned(ctx, ownerID, t.storeID)
		if err != nil {
			return err
		}
		p.stores = append(p.stores, of)
		p.devices = append(p.devices, auth.Device{Store: of, DeviceID: "bench", TableID: t.tableID})
		for _, l := range t.lines {
			p.lines[writer].Lines = append(p.lines[writer].Lines, commands.OrderLine(l))
		}
	}
	return nil
}

func (p *processTill) request(writer int) commands.Request {
	return commands.Request{CommandID: uuid.New(), Keyed: true, Fingerprint: "bench", Actor: "bench", StoreID: p.stores[writer].StoreID}
}

func (p *processTill) order(ctx context.Context, writer int) error {
	answer, err := p.Commands.PlaceOrder(ctx, p.devices[writer], p.request(writer), p.lines[writer])
	if err != nil {
		return err
	}
	var ordered struct {
		TabID string `json:"tabId"`
	}
	err = json.Unmarshal(answer.Body, &ordered)
	p.tabs[writer] = ordered.TabID
	return err
}

func (p *processTill) pay(ctx context.Context, writer int) error {
	_, err := p.Commands.TakePayment(ctx, p.stores[writer], p.tabs[writer], p.request(writer), commands.TakePayment{Method: "CASH"})
	return err
}

func (p *processTill) close() error {
	return errors.Join(p.Close(), p.run.verify(context.Background(), p.Config))
}
