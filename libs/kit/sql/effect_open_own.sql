-- What a service asks of itself becomes work with the facts that ask for it: their append, then of its intents (JSON) an
-- effect each. Where the batch did not go in as it stands, it says itself where each fact is.
WITH {rows}batch AS MATERIALIZED (
{batch}
),
work AS MATERIALIZED (
    SELECT
        w.id, w.tenant, w.kind, w.account, w.order_key, w.stream, w.gates,
        coalesce(b.version[w.request] - w.back, w.version) AS version,
        coalesce(b.pos[w.request] - w.back, b.head + w.nth) AS pos
    FROM batch b
    CROSS JOIN jsonb_to_recordset({work}::text::jsonb) AS w (
        id uuid, tenant text, kind text, account text, order_key text, stream text, gates text[],
        request int, back int, version int, nth int
    )
),
account AS (
    INSERT INTO {ledger}.account (tenant, account)
    SELECT DISTINCT w.tenant, w.account FROM work w
    WHERE NOT EXISTS (SELECT FROM {ledger}.account a WHERE a.tenant = w.tenant AND a.account = w.account)
    ON CONFLICT DO NOTHING
),
opened AS (
    INSERT INTO {ledger}.effect (id, tenant, kind, account, order_key, stream, version, pos, gates, opened_at)
    SELECT w.id, w.tenant, w.kind, w.account, w.order_key, w.stream, w.version, w.pos, w.gates, clock_timestamp() FROM work w
    ON CONFLICT (id) DO NOTHING
)
SELECT head, pos, version, duplicate FROM batch
