-- The gate, one of the scopes $2, that would withhold an intent of position $3 and has closed before $4 (null: by now).
SELECT g.scope
FROM {ledger}.gate g
CROSS JOIN (SELECT $3::bigint AS pos) e
WHERE g.tenant = $1 AND g.scope = ANY ($2::text[]) AND {closed} AND ($4::bigint IS NULL OR g.closed_at_pos < $4)
ORDER BY g.closed_at_pos DESC
LIMIT 1
