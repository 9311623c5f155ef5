package embedded

import (
	"bytes"
	"context"

	"github.com/cockroachdb/pebble/v2"

	"daybook/projections"
)

// view is everything as of one moment. It is an iterator and not a snapshot, because making one needs no lock of Pebble.
type view struct {
	s    *Sink
	iter *pebble.Iterator
}

func (s *Sink) view() (*view, error) {
	iter, err := s.db.NewIter(nil)
	if err != nil {
		return nil, s.trouble(err)
	}
	return &view{s, iter}, nil
}

func (v *view) Close() { v.iter.Close() } // its error is that of the last read, which was returned

// get returns the value of a key, nil if there is none. It is good until the next use of the view.
func (v *view) get(key []byte) ([]byte, error) {
	if !v.iter.SeekGE(key) || !bytes.Equal(v.iter.Key(), key) {
		return nil, v.s.trouble(v.iter.Error())
	}
	value, err := v.iter.ValueAndErr()
	return value, v.s.trouble(err)
}

// each calls fn with the keys from first up to last (exclusive) without their prefix, and their values, until fn
// returns false or an error.
func (v *view) each(ctx context.Context, first, last []byte, prefix int, fn func(key, value []byte) (bool, error)) error {
	passed := 0
	for more := v.iter.SeekGE(first); more && bytes.Compare(v.iter.Key(), last) < 0; more = v.iter.Next() {
		value, err := v.iter.ValueAndErr()
		if err != nil {
			return v.s.trouble(err)
		}
		goOn, err := fn(v.iter.Key()[prefix:], value)
		if err != nil || !goOn {
			return err
		}
		if passed++; passed%interruptEvery != 0 {
			continue
		}
		if err := v.s.interrupted(ctx); err != nil {
			return err
		}
	}
	return v.s.trouble(v.iter.Error())
}

func (v *view) checkpoint(target projections.Target) (projections.Checkpoint, error) {
	stored, err := v.get(checkpointKey(target))
	if err != nil || stored == nil {
		return projections.Checkpoint{}, err
	}
	at, err := parseCheckpoint(stored)
	return at, v.s.trouble(err)
}

// read calls fn with a view.
func (s *Sink) read(ctx context.Context, fn func(*view) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	v, err := s.view()
	if err != nil {
		return err
	}
	defer v.Close()
	return fn(v)
}

// Checkpoint returns where a target stands. See projections.Sink.
func (s *Sink) Checkpoint(ctx context.Context, target projections.Target) (at projections.Checkpoint, err error) {
	if err := target.Check(); err != nil {
		return at, err
	}
	err = s.read(ctx, func(v *view) error {
		at, err = v.checkpoint(target)
		return err
	})
	return at, err
}

// Get returns fields of a partition. See projections.Sink.
func (s *Sink) Get(ctx context.Context, target projections.Target, partition string, fields ...string) (map[string]projections.Value, projections.Checkpoint, error) {
	values, at, err := s.GetEach(ctx, target, []string{partition}, fields...)
	if err != nil {
		return nil, projections.Checkpoint{}, err
	}
	return values[0], at, nil
}

// GetEach returns fields of partitions. See projections.Sink.
func (s *Sink) GetEach(ctx context.Context, target projections.Target, partitions []string, fields ...string) ([]map[string]projections.Value, projections.Checkpoint, error) {
	if err := projections.CheckGetEach(target, partitions, fields); err != nil {
		return nil, projections.Checkpoint{}, err
	}
	all := make([]map[string]projections.Value, len(partitions))
	var at projections.Checkpoint
	err := s.read(ctx, func(v *view) (err error) {
		for i, partition := range partitions {
			if all[i], err = v.fields(ctx, target, partition, fields); err != nil {
				return err
			}
		}
		at, err = v.checkpoint(target)
		return err
	})
	if err != nil {
		return nil, projections.Checkpoint{}, err
	}
	return all, at, nil
}

// fields returns those fields of a partition that exist.
func (v *view) fields(ctx context.Context, target projections.Target, partition string, fields []string) (map[string]projections.Value, error) {
	values := make(map[string]projections.Value, len(fields))
	prefix := partitionPrefix(target, partition)
	for _, field := range fields {
		stored, err := v.get(append(prefix, field...))
		if err != nil {
			return nil, err
		}
		if stored == nil {
			continue
		}
		if values[field], err = parseValue(stored); err != nil {
			return nil, v.s.trouble(err)
		}
		if err := v.s.interrupted(ctx); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// List returns entries of a partition. See projections.Sink.
func (s *Sink) List(ctx context.Context, target projections.Target, partition, after string, limit int) ([]projections.Entry, projections.Checkpoint, error) {
	if err := projections.CheckList(target, partition, after, limit); err != nil {
		return nil, projections.Checkpoint{}, err
	}
	var found listed
	var at projections.Checkpoint
	err := s.read(ctx, func(v *view) (err error) {
		if at, err = v.checkpoint(target); err != nil {
			return err
		}
		prefix := partitionPrefix(target, partition)
		first := append(prefix[:len(prefix):len(prefix)], after...)
		if after != "" {
			first = append(first, 0) // the first key after it
		}
		return v.each(ctx, first, end(prefix), len(prefix), func(field, stored []byte) (bool, error) {
			if err := found.add(field, stored); err != nil {
				return false, s.trouble(err)
			}
			return len(found.entries) != limit, nil
		})
	})
	if err != nil {
		return nil, projections.Checkpoint{}, err
	}
	return found.whole(), at, nil
}

// listed are entries of one partition. Their names and rows are copied into one piece of memory each: a month of a
// thousand products is three thousand entries, and every query about it reads them all.
type listed struct {
	entries     []projections.Entry
	names, rows []byte
	ends        []struct{ name, row int } // of each entry
}

func (l *listed) add(field, stored []byte) error {
	kind, row, counter, err := splitValue(stored)
	if err != nil {
		return err
	}
	l.names = append(l.names, field...)
	if kind == rowKind {
		l.rows = append(l.rows, row...)
	}
	l.entries = append(l.entries, projections.Entry{Value: projections.Value{Counter: counter}})
	l.ends = append(l.ends, struct{ name, row int }{len(l.names), len(l.rows)})
	return nil
}

func (l *listed) whole() []projections.Entry {
	names, name, row := string(l.names), 0, 0
	for i, end := range l.ends {
		l.entries[i].Field = names[name:end.name]
		if end.row > row { // a row is never empty
			l.entries[i].Row = l.rows[row:end.row:end.row]
		}
		name, row = end.name, end.row
	}
	return l.entries
}

// Scan passes all entries of a target. See projections.Sink. Batches go on being applied meanwhile.
func (s *Sink) Scan(ctx context.Context, target projections.Target, fn func(string, projections.Entry) error) (projections.Checkpoint, error) {
	if err := target.Check(); err != nil {
		return projections.Checkpoint{}, err
	}
	var at projections.Checkpoint
	err := s.read(ctx, func(v *view) (err error) {
		if at, err = v.checkpoint(target); err != nil {
			return err
		}
		prefix := targetPrefix(target)
		partition := ""
		return v.each(ctx, prefix, end(prefix), len(prefix), func(name, stored []byte) (bool, error) {
			before, field, ok := bytes.Cut(name, []byte{0})
			value, err := parseValue(stored)
			if err != nil || !ok {
				return false, s.trouble(errDamaged)
			}
			if string(before) != partition {
				partition = string(before)
			}
			if err := fn(partition, projections.Entry{Field: string(field), Value: value}); err != nil {
				return false, err
			}
			return true, s.interrupted(ctx) // after each, as fn may take its time
		})
	})
	if err != nil {
		return projections.Checkpoint{}, err
	}
	return at, nil
}
