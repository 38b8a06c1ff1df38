-- The accounts with due work that may be used now; locked, so that one claimer at a time counts what is in flight.
SELECT a.tenant, a.account
FROM {ledger}.account a
WHERE a.killed IS NULL
    AND coalesce(a.open_until, '-infinity') <= now()
    AND EXISTS (
        SELECT FROM {ledger}.effect e
        WHERE e.tenant = a.tenant AND e.account = a.account AND e.state = 'open'
            AND e.kind = ANY ($1) AND e.not_before <= now()
    )
ORDER BY a.tenant, a.account
FOR NO KEY UPDATE OF a
