-- An intent becomes work; hearing it again changes nothing. Its age counts from the intent ($11), so that one heard long
-- afterwards, or again after its row was pruned, is given up without a call. Wakes the workers at the commit.
WITH account AS (
    INSERT INTO {ledger}.account (tenant, account) VALUES ($2, $4) ON CONFLICT DO NOTHING
)
INSERT INTO {ledger}.effect (id, tenant, kind, account, order_key, stream, version, pos, gates, not_before, opened_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce($10, now()), $11)
ON CONFLICT (id) DO NOTHING
RETURNING pg_notify('effects_{ledger}', '')
