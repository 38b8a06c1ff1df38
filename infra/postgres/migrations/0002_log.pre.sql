CREATE SCHEMA log;

-- The counter of a shard. Whoever holds its row appends next: position order is commit order.
CREATE TABLE log.log_head (
    shard smallint PRIMARY KEY CHECK (shard >= 0),
    pos bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

CREATE TABLE log.event (
    shard smallint NOT NULL,
    pos bigint NOT NULL,                    -- contiguous in its shard; equals the sequence of JetStream's EV_<shard>
    stream_id text COLLATE "C" NOT NULL,
    version int NOT NULL CHECK (version > 0),
    tenant text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    event_id uuid NOT NULL,
    correlation_id uuid NOT NULL,
    causation_id uuid,
    occurred_at timestamptz NOT NULL,       -- business time
    recorded_at timestamptz NOT NULL,       -- machine time
    meta bytea NOT NULL,                    -- JSON: source, subject, actor, config, traceparent
    data bytea NOT NULL,                    -- JSON of the fact; personal fields are sealed
    PRIMARY KEY (shard, pos),
    UNIQUE (shard, tenant, stream_id, version),
    CONSTRAINT event_size CHECK (octet_length(data) + octet_length(meta) <= 524288)
) PARTITION BY LIST (shard);

-- Sealed text does not compress.
ALTER TABLE log.event ALTER COLUMN data SET STORAGE EXTERNAL;

-- The last position that a consumer has examined.
CREATE TABLE log.checkpoint (
    consumer text COLLATE "C" NOT NULL,
    shard smallint NOT NULL,
    pos bigint NOT NULL CHECK (pos >= 0),
    PRIMARY KEY (consumer, shard)
) WITH (fillfactor = 10);

CREATE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only: % of %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON log.event
    FOR EACH ROW EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON log.event
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

-- A shard is a partition and its counter.
CREATE FUNCTION log.create_shard(p_shard smallint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_partition text := 'event_' || p_shard;
BEGIN
    IF EXISTS (SELECT FROM log.log_head WHERE shard = p_shard) THEN
        RETURN;
    END IF;
    EXECUTE format(
        'CREATE TABLE log.%I PARTITION OF log.event FOR VALUES IN (%s) '
        'WITH (autovacuum_vacuum_insert_scale_factor = 0.05, toast_tuple_target = 4080)', v_partition, p_shard);
    EXECUTE format(
        'CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON log.%I '
        'FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change()', v_partition);
    INSERT INTO log.log_head (shard) VALUES (p_shard);
END
$$;
REVOKE ALL ON FUNCTION log.create_shard(smallint) FROM PUBLIC;

SELECT log.create_shard(0::smallint);
