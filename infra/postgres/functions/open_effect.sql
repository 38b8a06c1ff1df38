-- Makes an intent work, for each ledger (a new ledger is added to the list); hearing it again changes nothing. A function,
-- because the account's row and the effect's are two statements, and a part of a larger statement can only be one.
DO $each$
DECLARE
    ledger text;
BEGIN
    FOREACH ledger IN ARRAY ARRAY['orchestrator', 'gateways', 'backend_sync', 'voice'] LOOP
        EXECUTE format($ddl$
CREATE OR REPLACE FUNCTION %1$I.open_effect(
    p_id uuid, p_tenant text, p_kind text, p_account text, p_order_key text, p_stream text, p_version int, p_pos bigint,
    p_gates text[], p_not_before timestamptz, p_opened_at timestamptz
) RETURNS void LANGUAGE plpgsql
SET search_path = %1$I, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off  -- a plan is kept: one that was made while the tables were empty would read all of them later
AS $fn$
BEGIN
    IF NOT EXISTS (SELECT FROM account a WHERE a.tenant = p_tenant AND a.account = p_account) THEN
        INSERT INTO account (tenant, account) VALUES (p_tenant, p_account) ON CONFLICT DO NOTHING;
    END IF;
    INSERT INTO effect (id, tenant, kind, account, order_key, stream, version, pos, gates, not_before, opened_at)
    VALUES (
        p_id, p_tenant, p_kind, p_account, p_order_key, p_stream, p_version, p_pos, p_gates,
        coalesce(p_not_before, now()), p_opened_at
    )
    ON CONFLICT (id) DO NOTHING;
END
$fn$;
REVOKE ALL ON FUNCTION %1$I.open_effect FROM PUBLIC;
$ddl$, ledger);
    END LOOP;
END
$each$;
