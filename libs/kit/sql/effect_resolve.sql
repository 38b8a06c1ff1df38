-- Evidence from outside settles an unknown effect.
UPDATE {ledger}.effect
SET state = 'closed', outcome = $2, closed_at = coalesce(closed_at, now()), waits_until = NULL
WHERE id = $1 AND (state = 'unknown' OR (state = 'closed' AND outcome = 'unresolved'))
