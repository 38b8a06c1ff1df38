-- A gate closes at position $3; one that lasts stays lasting until it is opened.
INSERT INTO {ledger}.gate AS g (tenant, scope, closed_at_pos, lasting) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, scope) DO UPDATE
SET
    closed_at_pos = greatest(g.closed_at_pos, excluded.closed_at_pos),
    lasting = excluded.lasting OR (g.lasting AND g.closed_at_pos > coalesce(g.opened_at_pos, 0))
RETURNING pg_notify('effects_{ledger}', 'gate')
