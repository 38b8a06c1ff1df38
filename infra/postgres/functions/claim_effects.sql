-- Claims effects, for each ledger (a new ledger is added to the list): those that are open already (claim_effects), and those that
-- a service asks of itself, as they are opened (open_own_effects). What may stand against a claim is said here, once for both.
--
-- claim_effects: the look whether anything is due, the locks on the accounts, and the claim, each a statement of its own, so that
-- it sees what the holder before it has committed. Takes up to `p_limit` effects of the kinds `p_kind` for the claim `p_claim`, each
-- for as many seconds as `p_lease` says of its kind. Everything that may stand against it is looked at in one statement: the state,
-- the time, the order key, the gates, the kill switch, the breaker (`p_trouble` failures in a row leave one trial call), the
-- account's concurrency and its tokens. Returns the claims in the order of their intents, and with each the intent as the log holds
-- it.
--
-- open_own_effects: the append's answer (log.append_batch) and the intents (JSON, libs/kit/own_work.py) in, the claims out. What
-- waits already has its place and its tokens before what comes now. The shard's counter is held here, so that nobody is waited
-- for: where somebody else claims of an account at this moment, what is asked of it stays open, as does all where `p_limit` is 0.
DO $each$
DECLARE
    ledger text;
    name text;
    part text;
    functions text := $ddl$
CREATE OR REPLACE FUNCTION %1$I.claim_effects(
    p_claim uuid, p_limit int, p_kind text[], p_lease double precision[], p_trouble int
{returns}
    IF NOT EXISTS (
        SELECT FROM account a
        JOIN effect e USING (tenant, account)
        WHERE {live}
            AND e.state = 'open'
            AND e.kind = ANY (p_kind)
            AND e.not_before <= now()
    ) THEN
        RETURN;
    END IF;

    -- Locked, so that one claimer at a time counts what is in flight.
    SELECT array_agg(held.tenant), array_agg(held.account) INTO v_tenant, v_account
    FROM (
        SELECT a.tenant, a.account
        FROM account a
        WHERE {live}
            AND EXISTS (
                SELECT FROM effect e
                WHERE e.tenant = a.tenant AND e.account = a.account AND e.state = 'open'
                    AND e.kind = ANY (p_kind) AND e.not_before <= now()
            )
        ORDER BY a.tenant, a.account
        FOR NO KEY UPDATE OF a
    ) held;
    IF v_tenant IS NULL THEN
        RETURN;
    END IF;

    RETURN QUERY
    WITH usable AS MATERIALIZED (
        SELECT
            a.tenant,
            a.account,
            {tokens},
            CASE WHEN a.failures >= p_trouble THEN 1 ELSE a.concurrency END - (
                SELECT count(*) FROM effect e
                WHERE e.tenant = a.tenant AND e.account = a.account AND e.state = 'claimed'
            ) AS room
        FROM account a
        JOIN unnest(v_tenant, v_account) AS held (tenant, account) USING (tenant, account)
        WHERE {live}
    ),
    candidate AS MATERIALIZED (
        SELECT e.id, a.tenant, a.account, e.pos
        FROM usable a
        CROSS JOIN LATERAL (
            SELECT e.id, e.pos
            FROM effect e
            WHERE e.tenant = a.tenant
                AND e.account = a.account
                AND e.state = 'open'
                AND e.kind = ANY (p_kind)
                AND e.not_before <= now()
                AND {unhindered}
            ORDER BY e.pos, e.id
            LIMIT greatest(0, least(p_limit, floor(a.tokens)::bigint, a.room))
            FOR UPDATE OF e SKIP LOCKED
        ) e
    ),
    chosen AS MATERIALIZED (
        SELECT c.id, c.tenant, c.account
        FROM candidate c
        ORDER BY row_number() OVER (PARTITION BY c.tenant, c.account ORDER BY c.pos, c.id), c.pos
        LIMIT p_limit
    ),
    {spent},
    taken AS (
        UPDATE effect e
        SET
            state = 'claimed',
            claim = p_claim,
            lease_until = clock_timestamp() + make_interval(secs => p_lease[array_position(p_kind, e.kind)]),
            attempt = e.attempt + 1
        FROM chosen
        WHERE e.id = chosen.id
        RETURNING e.id, e.tenant, e.kind, e.account, e.attempt, e.opened_at, e.claim, e.pos, e.stream, e.version
    )
{answer}
    ORDER BY c.pos;
END
$fn$;
REVOKE ALL ON FUNCTION %1$I.claim_effects FROM PUBLIC;

CREATE OR REPLACE FUNCTION %1$I.open_own_effects(
    p_work jsonb, p_head bigint, p_pos bigint[], p_version int[],
    p_claim uuid, p_limit int, p_kind text[], p_lease double precision[], p_trouble int
{returns}
    INSERT INTO account (tenant, account)
    SELECT DISTINCT w.tenant, w.account FROM jsonb_to_recordset(p_work) AS w (tenant text, account text)
    WHERE NOT EXISTS (SELECT FROM account a WHERE a.tenant = w.tenant AND a.account = w.account)
    ON CONFLICT DO NOTHING;

    IF p_limit > 0 THEN
        -- Locked, so that one claimer at a time counts what is in flight.
        SELECT array_agg(held.tenant), array_agg(held.account) INTO v_tenant, v_account
        FROM (
            SELECT a.tenant, a.account
            FROM account a
            WHERE {live}
                AND (a.tenant, a.account) IN (
                    SELECT w.tenant, w.account FROM jsonb_to_recordset(p_work) AS w (tenant text, account text)
                )
            FOR NO KEY UPDATE OF a SKIP LOCKED
        ) held;
    END IF;

    RETURN QUERY
    WITH work AS MATERIALIZED (
        SELECT
            w.id, w.tenant, w.kind, w.account, w.order_key, w.stream, w.gates,
            coalesce(p_version[w.request] - w.back, w.version) AS version,
            coalesce(p_pos[w.request] - w.back, p_head + w.nth) AS pos
        FROM jsonb_to_recordset(p_work) AS w (
            id uuid, tenant text, kind text, account text, order_key text, stream text, gates text[],
            request int, back int, version int, nth int
        )
    ),
    usable AS MATERIALIZED (
        SELECT
            a.tenant, a.account, a.tokens,
            least(floor(a.tokens), a.concurrency - (
                SELECT count(*) FROM effect e
                WHERE e.tenant = a.tenant AND e.account = a.account AND e.state = 'claimed'
            )) - (
                SELECT count(*) FROM effect e
                WHERE e.tenant = a.tenant AND e.account = a.account AND e.state = 'open' AND e.not_before <= now()
            ) AS room
        FROM (
            SELECT
                a.tenant, a.account,
                CASE WHEN a.failures >= p_trouble THEN 1 ELSE a.concurrency END AS concurrency,
                {tokens}
            FROM account a
            JOIN unnest(v_tenant, v_account) AS held (tenant, account) USING (tenant, account)
            WHERE {live}
        ) a
    ),
    first AS MATERIALIZED (
        SELECT
            w.id, w.tenant, w.account, w.kind, w.order_key, w.gates, w.pos,
            row_number() OVER (PARTITION BY w.tenant, w.order_key ORDER BY w.pos, w.id) AS turn
        FROM work w
    ),
    ready AS MATERIALIZED (
        SELECT
            e.id, e.tenant, e.account, e.pos,
            row_number() OVER (PARTITION BY e.tenant, e.account ORDER BY e.pos, e.id) AS nth
        FROM first e
        WHERE e.turn = 1
            AND e.kind = ANY (p_kind)
            AND NOT EXISTS (SELECT FROM effect known WHERE known.id = e.id)
            AND {unhindered}
    ),
    chosen AS MATERIALIZED (
        SELECT r.id, r.tenant, r.account
        FROM ready r
        JOIN usable u USING (tenant, account)
        WHERE r.nth <= u.room
        ORDER BY r.nth, r.pos
        LIMIT p_limit
    ),
    {spent},
    taken AS (
        INSERT INTO effect (
            id, tenant, kind, account, order_key, stream, version, pos, gates, opened_at, state, attempt, claim, lease_until
        )
        SELECT
            w.id, w.tenant, w.kind, w.account, w.order_key, w.stream, w.version, w.pos, w.gates, clock_timestamp(),
            CASE WHEN c.id IS NULL THEN 'open' ELSE 'claimed' END,
            CASE WHEN c.id IS NULL THEN 0 ELSE 1 END,
            CASE WHEN c.id IS NOT NULL THEN p_claim END,
            CASE
                WHEN c.id IS NOT NULL
                THEN clock_timestamp() + make_interval(secs => p_lease[array_position(p_kind, w.kind)])
            END
        FROM work w
        LEFT JOIN chosen c ON c.id = w.id
        ON CONFLICT (id) DO NOTHING
        RETURNING id, tenant, kind, account, attempt, opened_at, claim, pos, stream, version
    )
{answer}
    WHERE c.claim IS NOT NULL
    ORDER BY c.pos;
END
$fn$;
REVOKE ALL ON FUNCTION %1$I.open_own_effects FROM PUBLIC;
$ddl$;
    parts CONSTANT jsonb := jsonb_build_object(
        -- what both return, and how they are run
        '{returns}', $part$) RETURNS TABLE (
    id uuid, kind text, account text, attempt int, opened_at timestamptz, claim uuid,
    pos bigint, stream_id text, version int, tenant text, category text, type text, event_id uuid, correlation_id uuid,
    causation_id uuid, occurred_at timestamptz, recorded_at timestamptz, meta bytea, data bytea
) LANGUAGE plpgsql
SET search_path = %1$I, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off  -- a plan is kept: one that was made while the tables were empty would read all of them later
AS $fn$
#variable_conflict use_column
DECLARE
    v_tenant text[];
    v_account text[];
BEGIN$part$,
        -- accounts `a` that may be called
        '{live}', $part$a.killed IS NULL
            AND coalesce(a.open_until, '-infinity') <= now()$part$,
        -- of an account `a`, now
        '{tokens}', $part$least(
                a.burst,
                a.tokens + a.rate * greatest(0, extract(epoch FROM clock_timestamp() - a.refilled_at)::double precision)
            ) AS tokens$part$,
        -- no older effect of its order key, and no gate, stands against the effect `e`
        '{unhindered}', $part$NOT EXISTS (
                    SELECT FROM effect older
                    WHERE older.tenant = e.tenant
                        AND older.order_key = e.order_key
                        AND older.state IN ('open', 'claimed')
                        AND (older.pos, older.id) < (e.pos, e.id)
                    OFFSET 0  -- looked up by its key for each, and not joined with all that is open
                )
                AND NOT EXISTS (
                    SELECT FROM gate g
                    WHERE g.tenant = e.tenant
                        AND g.scope = ANY (e.gates)
                        AND (
                            g.closed_at_pos > e.pos
                            OR (g.lasting AND g.closed_at_pos > coalesce(g.opened_at_pos, 0))
                        )
                )$part$,
        -- the tokens of what was `chosen`
        '{spent}', $part$spent AS (
        UPDATE account a
        SET tokens = usable.tokens - used.calls, refilled_at = clock_timestamp()
        FROM usable
        JOIN (SELECT c.tenant, c.account, count(*) AS calls FROM chosen c GROUP BY c.tenant, c.account) used
            USING (tenant, account)
        WHERE a.tenant = usable.tenant AND a.account = usable.account
    )$part$,
        -- what was `taken`, each with its intent
        '{answer}', $part$    SELECT
        c.id, c.kind, c.account, c.attempt, c.opened_at, c.claim,
        c.pos, c.stream, c.version, c.tenant, i.category, i.type, i.event_id, i.correlation_id,
        i.causation_id, i.occurred_at, i.recorded_at, i.meta, i.data
    FROM taken c
    JOIN ops.tenant t USING (tenant)
    -- By its place, whatever statistics say: a plain join, planned over an empty log, reads the shard from its beginning.
    LEFT JOIN LATERAL (SELECT * FROM log.event e WHERE e.shard = t.shard AND e.pos = c.pos LIMIT 1) i ON true$part$
    );
BEGIN
    FOR name, part IN SELECT * FROM jsonb_each_text(parts) LOOP
        functions := replace(functions, name, part);
    END LOOP;
    FOREACH ledger IN ARRAY ARRAY['orchestrator', 'gateways', 'backend_sync', 'voice'] LOOP
        EXECUTE format(functions, ledger);
    END LOOP;
END
$each$;
