-- One more failure in a row; from the $3rd on the breaker is open, $4 seconds and twice as long each time, at most $5.
UPDATE {ledger}.account
SET
    failures = failures + 1,
    open_until = CASE
        WHEN failures + 1 >= $3
        THEN now() + make_interval(secs => least($5, $4 * power(2, least(failures + 1 - $3, 16))))
    END
WHERE tenant = $1 AND account = $2
RETURNING open_until
