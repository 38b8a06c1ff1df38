-- The claim $1 was never begun: what it took is open again, which was no attempt, and the workers are told.
UPDATE {ledger}.effect
SET state = 'open', claim = NULL, lease_until = NULL, attempt = attempt - 1
WHERE claim = $1 AND state = 'claimed'
RETURNING pg_notify('effects_{ledger}', '')
