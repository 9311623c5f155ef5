package commands_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"daybook/commands"
	"daybook/domain/event"
	"daybook/domain/store"
	"daybook/domain/stream"
	"daybook/eventstore"
)

// Of an owner who has room for five more stores, five more are opened, however many are asked for at once, in however
// many processes; and the keys of those get their answers for ever.
func TestStoresOfAnOwner(t *testing.T) {
	t.Parallel()
	overEveryLog(t, func(t *testing.T, r *restaurant) {
		const room = 5
		var claims []eventstore.NewEvent
		for n := range store.OwnedMax - room {
			data, err := event.Encode(store.StoreClaimed{StoreID: fmt.Sprint("x", n), At: r.now})
			if err != nil {
				t.Fatal(err)
			}
			claims = append(claims, eventstore.NewEvent{ID: uuid.New(), Type: store.StoreClaimed{}.EventType(), Data: data})
		}
		must(r.log.Append(t.Context(), stream.Owner("o2"), eventstore.NoStream, claims))
		wanted := commands.OpenStore{Name: "Cafe", PosGrade: "GOLD", SettlementDay: 1}
		opened := sync.Map{} // answers by key
		var refused atomic.Int64
		open := func(s *commands.Service, key string) (commands.Answer, error) {
			return s.OpenStore(t.Context(), "o2", r.request(key, wanted), wanted)
		}
		var all sync.WaitGroup
		for process := range 2 {
			s := r.process()
			for n := range 10 {
				all.Go(func() {
					key := fmt.Sprintf("p%d-%d", process, n)
					answer, err := open(s, key)
					switch {
					case err == nil:
						opened.Store(key, string(answer.Body))
					case errors.Is(err, store.ErrStores):
						refused.Add(1)
					default:
						t.Error(err)
					}
				})
			}
		}
		all.Wait()
		n := 0
		opened.Range(func(key, first any) bool {
			n++
			if again, err := open(r.process(), key.(string)); err != nil || string(again.Body) != first {
				t.Errorf("%s again: %s, %v, want %s", key, again.Body, err, first)
			}
			return true
		})
		if n != room || refused.Load() != 20-room {
			t.Errorf("%d stores were opened and %d refused", n, refused.Load())
		}
		if _, err := r.service.OpenStore(t.Context(), "o3", r.request("", wanted), wanted); err != nil {
			t.Errorf("another owner: %v", err)
		}
		// What is refused for another reason does not count.
		bad := commands.OpenStore{Name: "", PosGrade: "GOLD", SettlementDay: 1}
		if _, err := r.service.OpenStore(t.Context(), "o4", r.request("", bad), bad); !errors.Is(err, store.ErrName) {
			t.Errorf("a store without a name: %v", err)
		}
		for _, err := range r.log.ReadStream(t.Context(), stream.Owner("o4"), eventstore.StreamRead{}) {
			t.Errorf("a store that was refused counts: %v", err)
		}
	})
}
