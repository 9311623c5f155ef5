-- A checkpoint names the event at its position, so that an older copy of the log which has grown again is noticed.

-- +goose Up
ALTER TABLE read_target ADD COLUMN event text COLLATE "C" NOT NULL DEFAULT '';
COMMENT ON COLUMN read_target.event IS 'commit position, prepare position and id of the last event, separated by spaces; of another position than the checkpoint''s, or empty: not known';

-- +goose Down
ALTER TABLE read_target DROP COLUMN event;
