-- Nobody knows what became of the call of claim $21, which is told: evidence is awaited for $22 seconds; only an expired claim
-- where $23.
WITH told AS (
    UPDATE {ledger}.effect
    SET state = 'unknown', waits_until = now() + make_interval(secs => $22)
    WHERE id = $20 AND claim = $21 AND state = 'claimed' AND (NOT $23 OR lease_until < now())
    RETURNING id
)
SELECT ({append}).head FROM told
