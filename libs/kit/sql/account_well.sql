-- A call went through: the breaker closes.
UPDATE {ledger}.account SET failures = 0, open_until = NULL WHERE tenant = $1 AND account = $2 AND failures > 0
