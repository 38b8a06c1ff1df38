-- Whether there is open work of the kinds $1 whose time has come: the cheap look before anything is locked.
SELECT EXISTS (
    SELECT FROM {ledger}.account a
    JOIN {ledger}.effect e USING (tenant, account)
    WHERE a.killed IS NULL
        AND coalesce(a.open_until, '-infinity') <= now()
        AND e.state = 'open'
        AND e.kind = ANY ($1)
        AND e.not_before <= now()
)
