-- As effect_settle, for the claims $21 on the effects $20 with the outcomes $22 together (infra/postgres/functions/settle_effects.sql).
SELECT settled.more, ({append}).head
FROM (SELECT {ledger}.settle_effects($20, $21, $22, $23) AS more) settled
