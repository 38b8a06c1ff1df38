-- What the bundle says of an account.
INSERT INTO {ledger}.account AS a (tenant, account, rate, burst, concurrency, killed) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, account) DO UPDATE
SET rate = excluded.rate, burst = excluded.burst, concurrency = excluded.concurrency, killed = excluded.killed
WHERE (a.rate, a.burst, a.concurrency) <> (excluded.rate, excluded.burst, excluded.concurrency)
    OR a.killed IS DISTINCT FROM excluded.killed
RETURNING pg_notify('effects_{ledger}', 'gate')
