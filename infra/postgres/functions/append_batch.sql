-- Appends many requests in one call: lock the shard's counter, check, insert, advance, notify. To be the last statement of
-- its transaction, for the counter's row holds up the whole shard until the commit.
--
-- A request is one append to one stream; `p_expected` is the stream's version before it, or -1 for wherever it ends, and
-- `p_behind` (null: 0) the number of facts that earlier requests of this call append to the same stream. Facts come in the
-- order of their requests, which `p_request` numbers from 1; `p_version` is right where nothing is refused. `p_body` is the
-- metadata and the data of the first fact, of the second and so on, and `p_cut` where each begins and the last one ends.
--
-- Returns the shard's position before the batch. Where every request went in as it stands, that says all, and the arrays
-- are null. Else, by request: its last position (null: refused), its last version (refused: the stream's actual one), and
-- whether its facts had been there already.
-- `p_whole`: all or nothing; a refusal raises CV409. A consumer's watermark moves from `p_from` to `p_upto` in the same
-- transaction, or raises 40001 when another instance has moved it. `p_life`: the lives of the server (keys.life) in which the
-- keys of these facts were obtained; CV410 where that is not the present one.
CREATE OR REPLACE FUNCTION log.append_batch(
    p_shard smallint,
    p_tenant text[], p_stream text[], p_expected int[], p_behind int[],
    p_correlation uuid[], p_causation uuid[], p_occurred timestamptz[],
    p_request int[], p_version int[],
    p_type text[], p_event uuid[], p_body bytea, p_cut int[],
    p_whole boolean DEFAULT false,
    p_consumer text DEFAULT NULL, p_from bigint DEFAULT NULL, p_upto bigint DEFAULT NULL, p_life uuid[] DEFAULT '{}',
    OUT head bigint, OUT pos bigint[], OUT version int[], OUT duplicate boolean[]
) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = log, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off  -- a plan is kept: one that was made while the log was empty would read all of it when it no longer is
AS $$
#variable_conflict use_column
DECLARE
    v_facts int := cardinality(p_event);
    v_keys_durable boolean;
    v_as_expected boolean;
    v_actual int[];
    v_place int[];                          -- of each fact in the batch; null: it is not written
    v_version int[] := p_version;
    v_found record;
    v_inserted int := 0;
    v_known int := 0;
    v_request int;
    v_first int;
    v_last int := 0;
    v_now timestamptz;
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
    UPDATE log_head AS h SET pos = h.pos + v_facts WHERE h.shard = p_shard
    RETURNING h.pos - v_facts, p_life <@ ARRAY(SELECT k.id FROM keys.life AS k) INTO head, v_keys_durable;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'shard % does not exist; create it with log.create_shard', p_shard
            USING ERRCODE = 'no_data_found';
    END IF;
    -- This transaction's flush makes every key of this life durable; one of another life may be gone.
    IF NOT v_keys_durable THEN
        RAISE EXCEPTION 'facts of this batch were sealed before a crash of the server' USING ERRCODE = 'CV410';
    END IF;

    -- Elements are read by their number: to start one function is cheaper than to unnest many arrays. Of a stream only what
    -- lies from the expected version on is looked at, and not every entry of it that stands on the index's page.
    SELECT bool_and(p_expected[i] = coalesce(e.version, 0) + coalesce(p_behind[i], 0)) INTO v_as_expected
    FROM generate_series(1, cardinality(p_stream)) AS i
    LEFT JOIN LATERAL (
        SELECT e.version FROM event AS e
        WHERE e.shard = p_shard AND e.tenant = p_tenant[i] AND e.stream_id = p_stream[i]
            AND e.version >= p_expected[i] - coalesce(p_behind[i], 0)
        ORDER BY e.version DESC LIMIT 1
    ) AS e ON true;

    IF NOT v_as_expected THEN
        SELECT array_agg(coalesce(e.version, 0) + coalesce(r.behind, 0) ORDER BY r.i) INTO v_actual
        FROM unnest(p_tenant, p_stream, p_behind) WITH ORDINALITY AS r (tenant, stream, behind, i)
        LEFT JOIN LATERAL (
            SELECT e.version FROM event AS e
            WHERE e.shard = p_shard AND e.tenant = r.tenant AND e.stream_id = r.stream
            ORDER BY e.version DESC LIMIT 1
        ) AS e ON true;
        v_place := array_fill(NULL::int, ARRAY[v_facts]);
        FOR v_request IN 1 .. cardinality(p_stream) LOOP
            v_first := v_last + 1;
            WHILE v_last < v_facts AND p_request[v_last + 1] = v_request LOOP
                v_last := v_last + 1;
            END LOOP;
            duplicate[v_request] := false;
            IF v_known > 0 AND p_behind[v_request] > 0 THEN
                -- Facts that were there already are counted in the stream's version, and not once more.
                v_actual[v_request] := v_actual[v_request] - (
                    SELECT count(*) FROM unnest(p_request) AS f (request)
                    WHERE f.request < v_request AND duplicate[f.request]
                        AND p_tenant[f.request] = p_tenant[v_request] AND p_stream[f.request] = p_stream[v_request]
                );
            END IF;
            IF p_expected[v_request] <> v_actual[v_request] THEN
                SELECT e.version, e.pos INTO v_found FROM event AS e
                WHERE e.shard = p_shard AND e.tenant = p_tenant[v_request] AND e.stream_id = p_stream[v_request]
                    AND e.event_id = p_event[v_first]
                    AND (p_expected[v_request] = -1 OR e.version = p_expected[v_request] + 1);
                duplicate[v_request] := FOUND;
            END IF;
            IF duplicate[v_request] THEN
                v_known := v_known + 1;
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

    v_now := clock_timestamp();
    INSERT INTO event (
        shard, pos, stream_id, version, tenant, category, type, event_id, correlation_id, causation_id,
        occurred_at, recorded_at, meta, data
    )
    SELECT
        p_shard, append_batch.head + coalesce(v_place[i], i), p_stream[p_request[i]], v_version[i],
        p_tenant[p_request[i]], split_part(p_type[i], '.', 1), p_type[i], p_event[i], p_correlation[p_request[i]],
        p_causation[p_request[i]], p_occurred[p_request[i]], v_now,
        substr(p_body, p_cut[2 * i - 1] + 1, p_cut[2 * i] - p_cut[2 * i - 1]),
        substr(p_body, p_cut[2 * i] + 1, p_cut[2 * i + 1] - p_cut[2 * i])
    FROM generate_series(1, v_facts) AS i
    WHERE v_place IS NULL OR v_place[i] IS NOT NULL;

    -- A notification wakes every connection that listens to anything. Who wants to be told holds this lock, and to get it waits
    -- until we have committed (libs/kit/listen.py): so nobody who waits is left asleep, and a backlog costs no notifications.
    IF NOT pg_try_advisory_xact_lock(hashtextextended('log_' || p_shard, 0)) THEN
        PERFORM pg_notify('log_' || p_shard, (append_batch.head + v_inserted)::text);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION log.append_batch FROM PUBLIC;
