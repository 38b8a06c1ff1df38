-- Claim up to $2 effects of the kinds $7 and the accounts $4/$5 (locked by this transaction) for the claim $1 and $3 seconds.
-- Everything that may stand against it is looked at in this one statement: the state, the time, the order key, the gates,
-- the kill switch, the breaker ($6 failures in a row leave one trial call), the account's concurrency and its tokens.
WITH account AS MATERIALIZED (
    SELECT
        a.tenant,
        a.account,
        least(
            a.burst,
            a.tokens + a.rate * greatest(0, extract(epoch FROM clock_timestamp() - a.refilled_at)::double precision)
        ) AS tokens,
        CASE WHEN a.failures >= $6 THEN 1 ELSE a.concurrency END - (
            SELECT count(*) FROM {ledger}.effect e
            WHERE e.tenant = a.tenant AND e.account = a.account AND e.state = 'claimed'
        ) AS room
    FROM {ledger}.account a
    JOIN unnest($4::text[], $5::text[]) AS held (tenant, account) USING (tenant, account)
    WHERE a.killed IS NULL
        AND coalesce(a.open_until, '-infinity') <= now()
),
candidate AS MATERIALIZED (
    SELECT e.id, a.tenant, a.account, e.pos
    FROM account a
    CROSS JOIN LATERAL (
        SELECT e.id, e.pos
        FROM {ledger}.effect e
        WHERE e.tenant = a.tenant
            AND e.account = a.account
            AND e.state = 'open'
            AND e.kind = ANY ($7)
            AND e.not_before <= now()
            AND NOT EXISTS (
                SELECT FROM {ledger}.effect older
                WHERE older.tenant = e.tenant
                    AND older.order_key = e.order_key
                    AND older.state IN ('open', 'claimed')
                    AND (older.pos, older.id) < (e.pos, e.id)
            )
            AND NOT EXISTS (
                SELECT FROM {ledger}.gate g
                WHERE g.tenant = e.tenant AND g.scope = ANY (e.gates) AND {closed}
            )
        ORDER BY e.pos, e.id
        LIMIT greatest(0, least($2, floor(a.tokens)::bigint, a.room))
        FOR UPDATE OF e SKIP LOCKED
    ) e
),
chosen AS MATERIALIZED (
    SELECT id, tenant, account
    FROM candidate
    ORDER BY row_number() OVER (PARTITION BY tenant, account ORDER BY pos, id), pos
    LIMIT $2
),
spent AS (
    UPDATE {ledger}.account a
    SET tokens = account.tokens - used.calls, refilled_at = clock_timestamp()
    FROM account
    JOIN (SELECT tenant, account, count(*) AS calls FROM chosen GROUP BY tenant, account) used USING (tenant, account)
    WHERE a.tenant = account.tenant AND a.account = account.account
)
UPDATE {ledger}.effect e
SET
    state = 'claimed',
    claim = $1,
    lease_until = clock_timestamp() + make_interval(secs => $3),
    attempt = e.attempt + 1
FROM chosen
WHERE e.id = chosen.id
RETURNING e.id, e.tenant, e.kind, e.account, e.stream, e.version, e.pos, e.attempt, e.opened_at, e.claim
