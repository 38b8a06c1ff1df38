-- No evidence came: count it as done.
UPDATE {ledger}.effect
SET state = 'closed', outcome = 'unresolved', closed_at = now(), waits_until = NULL
WHERE id = $1 AND state = 'unknown' AND waits_until < now()
RETURNING id
