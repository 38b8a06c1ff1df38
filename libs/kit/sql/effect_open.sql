-- An intent becomes work; hearing it again changes nothing. Its age counts from the intent ($11), so that one heard long
-- afterwards, or again after its row was pruned, is given up without a call. Writes {ledger}.account and {ledger}.effect.
SELECT {ledger}.open_effect($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
