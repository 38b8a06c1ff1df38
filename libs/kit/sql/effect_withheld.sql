-- Open effects that a closed gate or a kill switch withholds, with the reason.
SELECT e.id, e.tenant, e.kind, e.account, e.stream AS stream_id, e.version, e.pos, e.attempt, e.opened_at, e.claim, {why} AS reason
FROM {ledger}.effect e
JOIN {ledger}.account a USING (tenant, account)
WHERE e.state = 'open' AND e.kind = ANY ($2) AND e.id <> ALL ($3::uuid[]) AND {why} IS NOT NULL
ORDER BY e.pos
LIMIT $1
