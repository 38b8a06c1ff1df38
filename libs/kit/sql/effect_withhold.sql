-- Close an effect that is still open and still withheld.
UPDATE {ledger}.effect e
SET state = 'closed', outcome = 'withheld', closed_at = now()
FROM {ledger}.account a
WHERE e.id = $1 AND e.state = 'open' AND a.tenant = e.tenant AND a.account = e.account AND {why} IS NOT NULL
RETURNING e.id
