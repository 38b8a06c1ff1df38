-- Closed effects are kept for a while, so that an intent heard again is known.
DELETE FROM {ledger}.effect
WHERE id IN (
    SELECT id FROM {ledger}.effect WHERE state = 'closed' AND closed_at < now() - make_interval(days => $1) LIMIT 5000
)
