-- A gate opens at position $3. One that nobody closed needs no row.
UPDATE {ledger}.gate
SET opened_at_pos = greatest(opened_at_pos, $3)
WHERE tenant = $1 AND scope = $2
