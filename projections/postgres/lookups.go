package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"daybook/projections"
)

const (
	// lookupsAtOnce is how many statements of lookups are under way at a time. While they are, further lookups gather,
	// and go together with the next: a thousand small ones a second, one for each order, would take a whole processor.
	lookupsAtOnce = 2
	// lookupFieldsMax is how many fields one statement looks up, or those of one lookup if it has more.
	lookupFieldsMax = 1000
	// lookupMax is what a statement may take. It is for one that hangs, which must not hold up the others for ever.
	lookupMax = 10 * time.Second
)

// lookup is one Get or GetEach.
type lookup struct {
	target     projections.Target
	partitions []string
	fields     []string

	done   chan struct{}                  // closed when the following are set
	values []map[string]projections.Value // of each partition
	at     projections.Checkpoint
	err    error
}

func newLookup(target projections.Target, partitions, fields []string) *lookup {
	l := &lookup{
		target: target, partitions: partitions, fields: fields, done: make(chan struct{}),
		values: make([]map[string]projections.Value, len(partitions)),
	}
	for i := range l.values {
		l.values[i] = make(map[string]projections.Value, len(fields))
	}
	return l
}

// size is how many lines a statement has for the lookup.
func (l *lookup) size() int { return max(1, len(l.partitions)*len(l.fields)) }

// lookups carries out Gets and GetEaches, many in one statement, each in one.
type lookups struct {
	mu      sync.Mutex
	waiting []*lookup
	running int // statements
}

// add begins a lookup.
func (g *lookups) add(l *lookup, s *Sink) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, l)
	if g.running < lookupsAtOnce {
		g.running++
		go g.run(s)
	}
}

// run carries out what waits, until nothing does.
func (g *lookups) run(s *Sink) {
	for together := g.next(); len(together) > 0; together = g.next() {
		err := s.lookUp(together)
		for _, l := range together {
			l.err = err
			close(l.done)
		}
	}
}

// next returns what waits, as far as it fits into one statement. If nothing does, the caller no longer runs.
func (g *lookups) next() []*lookup {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, fields := 0, 0
	for ; n < len(g.waiting); n++ {
		if fields += g.waiting[n].size(); n > 0 && fields > lookupFieldsMax {
			break
		}
	}
	together := g.waiting[:n:n]
	if g.waiting = g.waiting[n:]; n == 0 {
		g.running--
	}
	return together
}

// selectLookups has a line for each field that is looked up. OFFSET 0 keeps PostgreSQL to looking each up by the index,
// whatever it thinks of the table's size.
const selectLookups = `
SELECT l.n, l.place, ` + checkpointColumns + `, f.field, f.counter, f.document
FROM unnest($1::int[], $2::int[], $3::text[], $4::int[], $5::text[], $6::text[]) AS l (n, place, model, generation, partition, field)
JOIN read_target t ON t.model = l.model AND t.generation = l.generation AND NOT t.dropped
LEFT JOIN LATERAL (
	SELECT * FROM read_field WHERE target = t.id AND partition = l.partition AND field = l.field OFFSET 0
) f ON true`

// lookUp fills in several lookups by one statement. Their callers may be gone by then.
func (s *Sink) lookUp(together []*lookup) error {
	ctx, cancel := context.WithTimeout(context.Background(), lookupMax)
	defer cancel()
	err := s.call(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, selectLookups, lookupArguments(together)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var n, place int
			var c scannedCheckpoint
			var field *string
			var v scannedValue
			if err := rows.Scan(append([]any{&n, &place}, append(c.into(), &field, &v.counter, &v.document)...)...); err != nil {
				return err
			}
			l := together[n]
			if l.at, err = c.checkpoint(); err != nil {
				return err
			}
			if field != nil {
				l.values[place][*field] = v.value()
			}
		}
		return rows.Err()
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: postgres does not answer", projections.ErrSinkUnavailable)
	}
	return err
}

// lookupArguments are those of selectLookups. A lookup of no field, which asks for the checkpoint, has one that does not
// exist.
func lookupArguments(together []*lookup) []any {
	var numbers, places, generations []int
	var models, partitions, fields []string
	add := func(n, place int, l *lookup, partition, field string) {
		numbers, places = append(numbers, n), append(places, place)
		models, generations = append(models, l.target.Model), append(generations, l.target.Generation)
		partitions, fields = append(partitions, partition), append(fields, field)
	}
	for n, l := range together {
		for place, partition := range l.partitions {
			for _, field := range l.fields {
				add(n, place, l, partition, field)
			}
		}
		if len(l.partitions)*len(l.fields) == 0 {
			add(n, 0, l, "", "")
		}
	}
	return []any{numbers, places, models, generations, partitions, fields}
}
