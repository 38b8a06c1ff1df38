-- One more failure in a row; from the $3rd on the breaker is open, $4 seconds and twice as long each time, at most $5.
-- Calls that were on their way when it opened tell nothing new: they fail together.
UPDATE {ledger}.account
SET
    failures = CASE WHEN open_until > now() THEN failures ELSE failures + 1 END,
    open_until = CASE
        WHEN open_until > now() THEN open_until
        WHEN failures + 1 >= $3
        THEN now() + make_interval(secs => least($5, $4 * power(2, least(failures + 1 - $3, 16))))
    END
WHERE tenant = $1 AND account = $2
RETURNING open_until
