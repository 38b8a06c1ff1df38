-- Appends many requests in one call: lock the shard's counter, check, insert, advance, notify. To be the last statement of
-- its transaction, for the counter's row holds up the whole shard until the commit.
--
-- A request is one append to one stream; `p_expected` is the stream's version before it, or -1 for wherever it ends, and
-- `p_behind` (null: 0) the number of facts that earlier requests of this call append to the same stream. Facts come in the
-- order of their requests, which `p_request` numbers from 1; `p_version` is right where nothing is refused.
--
-- Returns the shard's position before the batch. Where every request went in as it stands, that says all, and the arrays
-- are null. Else, by request: its last position (null: refused), its last version (refused: the stream's actual one), and
-- whether its facts had been there already.
-- `p_whole`: all or nothing; a refusal raises CV409. A consumer's watermark moves from `p_from` to `p_upto` in the same
-- transaction, or raises 40001 when another instance has moved it.
DROP FUNCTION IF EXISTS log.append_batch;
CREATE FUNCTION log.append_batch(
    p_shard smallint,
    p_tenant text[], p_stream text[], p_expected int[], p_behind int[],
    p_correlation uuid[], p_causation uuid[], p_occurred timestamptz[],
    p_request int[], p_version int[],
    p_type text[], p_event uuid[], p_meta bytea[], p_data bytea[],
    p_whole boolean DEFAULT false,
    p_consumer text DEFAULT NULL, p_from bigint DEFAULT NULL, p_upto bigint DEFAULT NULL,
    OUT head bigint, OUT pos bigint[], OUT version int[], OUT duplicate boolean[]
) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = log, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    v_facts int := cardinality(p_event);
    v_actual int[];
    v_place int[];                          -- of each fact in the batch; null: it is not written
    v_version int[] := p_version;
    v_found record;
    v_inserted int := 0;
    v_request int;
    v_first int;
    v_last int := 0;
BEGIN
    IF p_consumer IS NOT NULL THEN
        UPDATE checkpoint AS c SET pos = p_upto
        WHERE c.consumer = p_consumer AND c.shard = p_shard AND c.pos = p_from;
        IF NOT FOUND AND p_from = 0 THEN
            INSERT INTO checkpoint AS c (consumer, shard, pos) VALUES (p_consumer, p_shard, p_upto)
            ON CONFLICT DO NOTHING;
        END IF;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the watermark of % in shard % is not at %', p_consumer, p_shard, p_from
                USING ERRCODE = 'serialization_failure';
        END IF;
    END IF;
    IF v_facts = 0 THEN
        RETURN;
    END IF;

    -- READ COMMITTED: every statement after this one sees what all earlier holders of the row have committed.
    UPDATE log_head AS h SET pos = h.pos + v_facts WHERE h.shard = p_shard RETURNING h.pos - v_facts INTO head;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'shard % does not exist; create it with log.create_shard', p_shard
            USING ERRCODE = 'no_data_found';
    END IF;

    SELECT array_agg(coalesce(e.version, 0) + coalesce(r.behind, 0) ORDER BY r.i) INTO v_actual
    FROM unnest(p_tenant, p_stream, p_behind) WITH ORDINALITY AS r (tenant, stream, behind, i)
    LEFT JOIN LATERAL (
        SELECT e.version FROM event AS e
        WHERE e.shard = p_shard AND e.tenant = r.tenant AND e.stream_id = r.stream
        ORDER BY e.version DESC LIMIT 1
    ) AS e ON true;

    IF v_actual <> p_expected THEN
        v_place := array_fill(NULL::int, ARRAY[v_facts]);
        FOR v_request IN 1 .. cardinality(p_stream) LOOP
            v_first := v_last + 1;
            WHILE v_last < v_facts AND p_request[v_last + 1] = v_request LOOP
                v_last := v_last + 1;
            END LOOP;
            duplicate[v_request] := false;
            IF p_expected[v_request] <> v_actual[v_request] THEN
                SELECT e.version, e.pos INTO v_found FROM event AS e
                WHERE e.shard = p_shard AND e.tenant = p_tenant[v_request] AND e.stream_id = p_stream[v_request]
                    AND e.event_id = p_event[v_first]
                    AND (p_expected[v_request] = -1 OR e.version = p_expected[v_request] + 1);
                duplicate[v_request] := FOUND;
            END IF;
            IF duplicate[v_request] THEN
                pos[v_request] := v_found.pos + v_last - v_first;
                version[v_request] := v_found.version + v_last - v_first;
            ELSIF p_expected[v_request] IN (-1, v_actual[v_request]) THEN
                pos[v_request] := head + v_inserted + v_last - v_first + 1;
                version[v_request] := v_actual[v_request] + v_last - v_first + 1;
            ELSIF p_whole THEN
                RAISE EXCEPTION 'the stream % is at version %', p_stream[v_request], v_actual[v_request]
                    USING ERRCODE = 'CV409', DETAIL = format('%s %s', v_request - 1, v_actual[v_request]);
            ELSE
                pos[v_request] := NULL;
                version[v_request] := v_actual[v_request];
            END IF;
            FOR v_fact IN v_first .. v_last LOOP
                IF NOT duplicate[v_request] AND pos[v_request] IS NOT NULL THEN
                    v_inserted := v_inserted + 1;
                    v_place[v_fact] := v_inserted;
                    v_version[v_fact] := v_actual[v_request] + v_fact - v_first + 1;
                END IF;
            END LOOP;
        END LOOP;
        UPDATE log_head AS h SET pos = append_batch.head + v_inserted WHERE h.shard = p_shard;
        IF v_inserted = 0 THEN
            RETURN;
        END IF;
    ELSE
        v_inserted := v_facts;
    END IF;

    INSERT INTO event (
        shard, pos, stream_id, version, tenant, category, type, event_id, correlation_id, causation_id,
        occurred_at, recorded_at, meta, data
    )
    SELECT
        p_shard, append_batch.head + coalesce(f.place, f.i), p_stream[f.request], f.version, p_tenant[f.request],
        split_part(f.type, '.', 1), f.type, f.event, p_correlation[f.request], p_causation[f.request],
        p_occurred[f.request], t.now, f.meta, f.data
    FROM (SELECT clock_timestamp() AS now OFFSET 0) AS t,
        unnest(v_place, v_version, p_request, p_type, p_event, p_meta, p_data) WITH ORDINALITY
            AS f (place, version, request, type, event, meta, data, i)
    WHERE v_place IS NULL OR f.place IS NOT NULL;

    PERFORM pg_notify('log_' || p_shard, (append_batch.head + v_inserted)::text);
END
$$;
REVOKE ALL ON FUNCTION log.append_batch FROM PUBLIC;
