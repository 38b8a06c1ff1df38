-- Nobody knows what became of the call of claim $2: evidence is awaited for $3 seconds; only an expired claim where $4.
UPDATE {ledger}.effect
SET state = 'unknown', waits_until = now() + make_interval(secs => $3)
WHERE id = $1 AND claim = $2 AND state = 'claimed' AND (NOT $4 OR lease_until < now())
RETURNING id
