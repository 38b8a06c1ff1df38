-- No evidence came for the effect $20: count it as done, and tell.
WITH told AS (
    UPDATE {ledger}.effect
    SET state = 'closed', outcome = 'unresolved', closed_at = now(), waits_until = NULL
    WHERE id = $20 AND state = 'unknown' AND waits_until < now()
    RETURNING id
)
SELECT ({append}).head FROM told
