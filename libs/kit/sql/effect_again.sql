-- Nothing was sent, or it may be repeated: open again after $3 seconds. A call that was never begun ($4) was no attempt.
UPDATE {ledger}.effect
SET
    state = 'open',
    claim = NULL,
    lease_until = NULL,
    waits_until = NULL,
    not_before = now() + make_interval(secs => $3),
    attempt = attempt - $4
WHERE id = $1 AND claim = $2 AND state IN ('claimed', 'unknown')
RETURNING id
