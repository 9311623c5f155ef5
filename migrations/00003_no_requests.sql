-- The read model of requests is gone: whether a command was carried out before is asked of the log. Its fields are deleted
-- with those of the next generation that is dropped.

-- +goose Up
UPDATE read_target SET dropped = true WHERE model = 'requests' AND NOT dropped;
DELETE FROM read_model WHERE model = 'requests';

-- +goose Down
SELECT 1; -- what was dropped can be made again from the log
