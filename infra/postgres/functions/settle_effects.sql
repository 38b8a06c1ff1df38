-- Closes effects whose outcome is known, for each ledger (a new ledger is added to the list): what effect_settle.sql does for one,
-- for those that are to be told at the same time. One after the other by their keys, whatever statistics say.
--
-- Each by its claim, with its outcome; where the provider answered, the account's breaker closes. Returns whether other work of
-- these accounts is due. CV412 where one of the claims is no longer its holder's: then nothing is closed.
DO $each$
DECLARE
    ledger text;
BEGIN
    FOREACH ledger IN ARRAY ARRAY['orchestrator', 'gateways', 'backend_sync', 'voice'] LOOP
        EXECUTE format($ddl$
CREATE OR REPLACE FUNCTION %1$I.settle_effects(p_id uuid[], p_claim uuid[], p_outcome text[], p_answered boolean[])
RETURNS boolean LANGUAGE plpgsql
SET search_path = %1$I, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off  -- a plan is kept: one that was made while the tables were empty would read all of them later
AS $fn$
DECLARE
    v_tenant text;
    v_account text;
    v_seen text[] := '{}';  -- the tenant and account that were looked at last
    v_more boolean := false;
BEGIN
    FOR v_nth IN 1 .. cardinality(p_id) LOOP
        UPDATE effect e
        SET state = 'closed', outcome = p_outcome[v_nth], closed_at = now(), waits_until = NULL
        WHERE e.id = p_id[v_nth] AND e.claim = p_claim[v_nth] AND e.state IN ('claimed', 'unknown')
        RETURNING e.tenant, e.account INTO v_tenant, v_account;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the effect %% is not held by the claim %%', p_id[v_nth], p_claim[v_nth] USING ERRCODE = 'CV412';
        END IF;
        IF p_answered[v_nth] THEN
            UPDATE account a SET failures = 0, open_until = NULL
            WHERE a.tenant = v_tenant AND a.account = v_account AND a.failures > 0;
        END IF;
        IF NOT v_more AND v_seen <> ARRAY[v_tenant, v_account] THEN
            v_seen := ARRAY[v_tenant, v_account];
            v_more := EXISTS (
                SELECT FROM effect e
                WHERE e.tenant = v_tenant AND e.account = v_account AND e.state = 'open' AND e.not_before <= now()
            );
        END IF;
    END LOOP;
    RETURN v_more;
END
$fn$;
REVOKE ALL ON FUNCTION %1$I.settle_effects FROM PUBLIC;
$ddl$, ledger);
    END LOOP;
END
$each$;
