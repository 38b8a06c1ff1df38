-- Unknown effects whose evidence has not come in time.
SELECT id, tenant, kind, account, stream AS stream_id, version, pos, attempt, opened_at, claim
FROM {ledger}.effect
WHERE state = 'unknown' AND waits_until < now() AND kind = ANY ($2) AND id <> ALL ($3::uuid[])
ORDER BY pos
LIMIT $1
