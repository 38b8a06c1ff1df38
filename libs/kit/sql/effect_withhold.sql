-- Close the effect $20, if it is still open and still withheld, and tell.
WITH told AS (
    UPDATE {ledger}.effect e
    SET state = 'closed', outcome = 'withheld', closed_at = now()
    FROM {ledger}.account a
    WHERE e.id = $20 AND e.state = 'open' AND a.tenant = e.tenant AND a.account = e.account AND {why} IS NOT NULL
    RETURNING e.id
)
SELECT ({append}).head FROM told
