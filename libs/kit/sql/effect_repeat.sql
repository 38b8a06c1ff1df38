-- An expired claim of a kind that may be repeated: open again after $3 seconds.
UPDATE {ledger}.effect
SET state = 'open', claim = NULL, lease_until = NULL, not_before = now() + make_interval(secs => $3)
WHERE id = $1 AND claim = $2 AND state = 'claimed' AND lease_until < now()
RETURNING id
