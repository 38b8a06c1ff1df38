-- Claim up to $2 effects of the kinds $3, for the claim $1 and as many seconds as $4 says of each kind (infra/postgres/functions/claim_effects.sql).
SELECT * FROM {ledger}.claim_effects($1, $2, $3, $4, $5)
