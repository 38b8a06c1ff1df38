-- Whoever holds the claim $21 knows what became of the effect: closed with the outcome $22, even where it was given up as
-- unknown, and told. Where the provider answered ($23) the account's breaker closes. `more`: other work of the account is due.
WITH settled AS (
    UPDATE {ledger}.effect
    SET state = 'closed', outcome = $22, closed_at = now(), waits_until = NULL
    WHERE id = $20 AND claim = $21 AND state IN ('claimed', 'unknown')
    RETURNING tenant, account
),
well AS (
    UPDATE {ledger}.account a
    SET failures = 0, open_until = NULL
    FROM settled s
    WHERE $23 AND a.tenant = s.tenant AND a.account = s.account AND a.failures > 0
)
SELECT
    EXISTS (
        SELECT FROM {ledger}.effect e
        WHERE e.tenant = s.tenant AND e.account = s.account AND e.state = 'open' AND e.not_before <= now()
    ) AS more,
    ({append}).head
FROM settled s
