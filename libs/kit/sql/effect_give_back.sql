-- The claims $1 were never begun: what they took is open again, which was no attempt, and the workers are told.
UPDATE {ledger}.effect
SET state = 'open', claim = NULL, lease_until = NULL, attempt = attempt - 1
WHERE claim = ANY ($1::uuid[]) AND state = 'claimed'
RETURNING pg_notify('effects_{ledger}', '')
