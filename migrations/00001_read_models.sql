-- Read models: what the projections keep of the log. All of it can be made again from the log, so nothing here is ever
-- migrated row by row: a new version of a read model is a new generation.

-- +goose Up
CREATE TABLE read_model (
    model  text COLLATE "C" PRIMARY KEY,
    active integer NOT NULL CHECK (active > 0)
);
COMMENT ON TABLE read_model IS 'which generation of a read model is served; without a row, generation 1';

CREATE TABLE read_target (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model            text COLLATE "C" NOT NULL,
    generation       integer NOT NULL CHECK (generation > 0),
    log              text COLLATE "C" NOT NULL,
    version          integer NOT NULL,
    commit_position  numeric(20) NOT NULL,
    prepare_position numeric(20) NOT NULL,
    resumed          integer NOT NULL,
    dropped          boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX read_target_key ON read_target (model, generation) WHERE NOT dropped;
COMMENT ON TABLE read_target IS 'one generation of one read model, and its checkpoint: the events of log up to and including the position, folded by version';
COMMENT ON COLUMN read_target.dropped IS 'its fields are being deleted; a target of the same name has another id';

CREATE TABLE read_field (
    target    bigint NOT NULL, -- read_target.id; a foreign key would cost a look-up for each row written
    partition text COLLATE "C" NOT NULL,
    field     text COLLATE "C" NOT NULL,
    counter   bigint,
    document  jsonb,
    PRIMARY KEY (target, partition, field),
    CONSTRAINT read_field_holds_one CHECK ((counter IS NULL) <> (document IS NULL))
) WITH (fillfactor = 80); -- room for counters to grow in their place
COMMENT ON TABLE read_field IS 'a field of a partition of a target: a counter or a row';

CREATE VIEW read_served AS
SELECT t.model, f.partition, f.field, f.counter, f.document
FROM read_target t
JOIN read_field f ON f.target = t.id
WHERE NOT t.dropped
  AND t.generation = coalesce((SELECT m.active FROM read_model m WHERE m.model = t.model), 1);
COMMENT ON VIEW read_served IS 'the fields of the generations that are served';

-- +goose Down
DROP VIEW read_served;
DROP TABLE read_field, read_target, read_model;
