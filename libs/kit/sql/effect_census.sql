-- How many effects are not closed, by state.
SELECT kind, state, count(*) AS effects
FROM {ledger}.effect
WHERE state IN ('open', 'claimed', 'unknown')
GROUP BY kind, state
