-- Whoever holds the claim $2 knows what became of the effect: closed with the outcome $3, even where it was given up as unknown.
UPDATE {ledger}.effect
SET state = 'closed', outcome = $3, closed_at = now(), waits_until = NULL
WHERE id = $1 AND claim = $2 AND state IN ('claimed', 'unknown')
RETURNING id
