-- Claims whose lease has run out.
SELECT id, tenant, kind, account, stream AS stream_id, version, pos, attempt, opened_at, claim
FROM {ledger}.effect
WHERE state = 'claimed' AND lease_until < now() AND kind = ANY ($2) AND id <> ALL ($3::uuid[])
ORDER BY pos
LIMIT $1
