package commands

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"slices"
	"time"
	"unsafe"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"daybook/domain/stream"
	"daybook/domain/tab"
	"daybook/eventstore"
	"daybook/internal/auth"
)

const (
	// keysKept is how far back the tabs of a table are read for the keys of its orders.
	keysKept = 30 * 24 * time.Hour
	// blockTabs is after how many tabs of a table the event that opens the next one repeats the keys of them all, so that
	// a process that begins need not read each.
	blockTabs = 16
	// keyReaders is how many blocks are read at a time, and how many tabs of one that is repeated nowhere.
	keyReaders = 4
	// waveMax is how many blocks are asked for before it is looked whether they are old enough.
	waveMax = 16
)

// tableKeys are the commands that stand on the tabs of a table before its newest one: those with keys of the last keysKept,
// and maybe older ones. A table's tabs follow on one another, and one that another follows is closed for ever. So an
// append to tab n at the expected revision shows that all is known which the table's tablets have ordered, if n is folded
// and those before it are here. That makes keys certain without a claim.
type tableKeys struct {
	turn
	through int        // the last tab that is in it; 0: it was never read
	blocks  []keyBlock // oldest first
}

// keyBlock are the commands on some tabs that follow on one another.
type keyBlock struct {
	first, last int       // tabs
	at          time.Time // no order is younger
	keys        []key
}

// key is a part of a command's id: two with the same are most likely one.
type key uint64

func keyOf(id uuid.UUID) key { return key(binary.BigEndian.Uint64(id[:])) }

func (b keyBlock) encode() []byte {
	text := make([]byte, 0, len(b.keys)*8)
	for _, k := range b.keys {
		text = binary.BigEndian.AppendUint64(text, uint64(k))
	}
	return text
}

func decodeKeys(text []byte) (keys []key) {
	for ; len(text) >= 8; text = text[8:] {
		keys = append(keys, key(binary.BigEndian.Uint64(text)))
	}
	return keys
}

// add appends a younger block, and makes one of those that belong together.
func (t *tableKeys) add(b keyBlock) {
	t.through = b.last
	t.blocks = append(t.blocks, b)
	if (b.last+1)%blockTabs != 0 {
		return
	}
	first := slices.IndexFunc(t.blocks, func(of keyBlock) bool { return of.first >= b.last+1-blockTabs })
	whole := keyBlock{first: t.blocks[first].first, last: b.last, at: b.at}
	for _, of := range t.blocks[first:] {
		whole.keys = append(whole.keys, of.keys...)
	}
	t.blocks = append(t.blocks[:first], whole)
}

// forget drops what is older than a time.
func (t *tableKeys) forget(before time.Time) {
	old := 0
	for old < len(t.blocks) && t.blocks[old].at.Before(before) {
		old++
	}
	t.blocks = slices.Delete(t.blocks, 0, old)
}

// opening is what the event that opens a tab repeats: the keys of the last blockTabs tabs, nil of most.
func (t *tableKeys) opening(n int) []byte {
	if n%blockTabs != 0 || t.through != n-1 || len(t.blocks) == 0 {
		return nil
	}
	return t.blocks[len(t.blocks)-1].encode()
}

func (t *tableKeys) bytes() int {
	n := int(unsafe.Sizeof(*t)) + turnBytes + listBytes(t.blocks)
	for _, b := range t.blocks {
		n += listBytes(b.keys)
	}
	return n
}

// tableOrders is a table whose tablets order over a log in which keys are not found by their id.
type tableOrders struct {
	service          *Service
	storeID, tableID string
	keys             *tableKeys
}

func (s *Service) ordersOf(device auth.Device) *tableOrders {
	name := tableKey(device.StoreID, device.TableID)
	keys := s.tableKeys.GetOrPut(name, func() (*tableKeys, int) {
		t := &tableKeys{turn: newTurn()}
		return t, len(name) + t.bytes()
	})
	return &tableOrders{s, device.StoreID, device.TableID, keys}
}

// before looks for a request on the tabs before the n-th, which are closed. It returns what the n-th has to repeat if it
// is opened, and the answer if the request was carried out. Error: ErrKeyReused.
func (o *tableOrders) before(ctx context.Context, n int, req Request) (opening []byte, answer Answer, found bool, err error) {
	release, err := o.keys.take(ctx)
	if err != nil {
		return nil, Answer{}, false, err
	}
	defer release()
	if o.keys.through < n-1 {
		if err := o.read(ctx, n-1); err != nil {
			return nil, Answer{}, false, err
		}
		name := tableKey(o.storeID, o.tableID)
		o.service.tableKeys.Put(name, o.keys, len(name)+o.keys.bytes())
	}
	for _, b := range o.keys.blocks {
		if !slices.Contains(b.keys, keyOf(req.CommandID)) {
			continue
		}
		if answer, found, err = o.answered(ctx, b, req); found || err != nil {
			return nil, answer, found, err
		}
	}
	return o.keys.opening(n), Answer{}, false, nil
}

// answered returns the first answer to a request that may stand on one of a block's tabs.
func (o *tableOrders) answered(ctx context.Context, b keyBlock, req Request) (Answer, bool, error) {
	for n := b.first; n <= b.last; n++ {
		name := o.stream(n)
		for e, err := range o.service.log.ReadStream(ctx, name, eventstore.StreamRead{Fresh: true}) {
			if err != nil {
				return Answer{}, false, err
			}
			meta, err := readMetadata(e)
			if err != nil {
				return Answer{}, false, err
			}
			if meta.CommandID == req.CommandID {
				answer, err := firstAnswer(ctx, o.service.log, name, e.Revision, req)
				return answer, true, err
			}
		}
	}
	return Answer{}, false, nil
}

func (o *tableOrders) stream(n int) string { return stream.Tab(o.storeID, tab.ID(o.tableID, n)) }

// read adds the tabs up to the last.
func (o *tableOrders) read(ctx context.Context, last int) error {
	horizon := o.service.now().Add(-keysKept)
	o.keys.forget(horizon)
	first := o.keys.through + 1
	if last-first < blockTabs && o.keys.through > 0 {
		tabs, err := o.tabs(ctx, first, last)
		for _, b := range tabs {
			o.keys.add(b)
		}
		return err
	}
	blocks, err := o.back(ctx, last, horizon)
	if err != nil {
		return err
	}
	o.keys.blocks, o.keys.through = nil, last
	for _, b := range slices.Backward(blocks) {
		o.keys.add(b)
	}
	return nil
}

// back reads the tabs up to the last one back to a time, the youngest block first.
func (o *tableOrders) back(ctx context.Context, last int, horizon time.Time) (blocks []keyBlock, err error) {
	for wave := 1; last > 0; {
		var read []keyBlock
		if single := (last + 1) % blockTabs; single > 0 {
			read, err = o.tabs(ctx, max(1, last+1-single), last)
		} else {
			read, err = o.wave(ctx, last, wave)
			wave = min(2*wave, waveMax)
		}
		if err != nil {
			return nil, err
		}
		for _, b := range slices.Backward(read) {
			if b.at.Before(horizon) {
				return blocks, nil
			}
			blocks = append(blocks, b)
			last = b.first - 1
		}
	}
	return blocks, nil
}

// wave reads some whole blocks up to the last tab, oldest first.
func (o *tableOrders) wave(ctx context.Context, last, size int) ([]keyBlock, error) {
	blocks := make([][]keyBlock, size)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(keyReaders)
	for i := range size {
		to := last - i*blockTabs
		if to < 1 {
			break
		}
		group.Go(func() (err error) {
			blocks[size-1-i], err = o.block(ctx, max(1, to+1-blockTabs), to)
			return err
		})
	}
	err := group.Wait()
	return slices.Concat(blocks...), err
}

// block reads the tabs of a block, as the tab that follows them repeats them, or else each for itself.
func (o *tableOrders) block(ctx context.Context, from, to int) ([]keyBlock, error) {
	repeated, found, err := o.repeated(ctx, from, to)
	if found || err != nil {
		return []keyBlock{repeated}, err
	}
	return o.tabs(ctx, from, to)
}

// repeated reads a block from the event that opens the tab after it.
func (o *tableOrders) repeated(ctx context.Context, from, to int) (b keyBlock, found bool, err error) {
	for e, err := range o.service.log.ReadStream(ctx, o.stream(to+1), eventstore.StreamRead{Limit: 1, Fresh: true}) {
		if err != nil {
			return b, false, err
		}
		meta, at, err := keyed(e)
		if err != nil || len(meta.Before) == 0 {
			return b, false, err
		}
		return keyBlock{first: from, last: to, at: at, keys: decodeKeys(meta.Before)}, true, nil
	}
	return b, false, nil
}

// tabs reads tabs, each for itself.
func (o *tableOrders) tabs(ctx context.Context, from, to int) ([]keyBlock, error) {
	blocks := make([]keyBlock, to-from+1)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(keyReaders)
	for n := from; n <= to; n++ {
		group.Go(func() (err error) {
			blocks[n-from], err = o.tab(ctx, n)
			return err
		})
	}
	return blocks, group.Wait()
}

// tab returns the commands on a tab that is closed.
func (o *tableOrders) tab(ctx context.Context, n int) (keyBlock, error) {
	b := keyBlock{first: n, last: n}
	kept, err := o.service.tabs.ifKept(ctx, o.stream(n), func(s *foldedStream[tab.State]) bool {
		for id := range s.commands {
			b.keys = append(b.keys, keyOf(id))
		}
		for _, order := range s.state.Orders {
			b.at = order.PlacedAt
		}
		return s.state.Closed
	})
	if kept || err != nil {
		return b, err
	}
	b.keys = nil
	for e, err := range o.service.log.ReadStream(ctx, o.stream(n), eventstore.StreamRead{Fresh: true}) {
		if err != nil {
			return b, err
		}
		meta, at, err := keyed(e)
		if err != nil {
			return b, err
		}
		b.at = at
		if k := keyOf(meta.CommandID); !slices.Contains(b.keys, k) {
			b.keys = append(b.keys, k)
		}
	}
	return b, nil
}

// keyed reads the command of an event and when it happened.
func keyed(e eventstore.Event) (meta metadata, at time.Time, err error) {
	var data struct{ At time.Time }
	if meta, err = readMetadata(e); err != nil {
		return meta, at, err
	}
	if err := json.Unmarshal(e.Data, &data); err != nil || data.At.IsZero() {
		return meta, e.Created, nil //nolint:nilerr // whoever folds the event says what is wrong
	}
	return meta, data.At, nil
}
