-- What a service asks of itself becomes work with the facts that ask for it: their append, then of its intents (JSON) an
-- effect each, of which the claim takes what may be done now (infra/postgres/functions/claim_effects.sql): a row each.
WITH {rows}batch AS MATERIALIZED (
{batch}
)
SELECT b.head AS batch_head, b.pos AS batch_pos, b.version AS batch_version, b.duplicate AS batch_duplicate, claimed.*
FROM batch b
LEFT JOIN {ledger}.open_own_effects({work}::text::jsonb, b.head, b.pos, b.version, {claim}) claimed ON true
