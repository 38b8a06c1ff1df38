-- Leads conversations, asks Claude; binds keys to the contacts that it comes to know.
GRANT USAGE ON SCHEMA log TO converse_orchestrator;
GRANT SELECT ON log.event, log.log_head, log.checkpoint TO converse_orchestrator;
GRANT EXECUTE ON FUNCTION log.append_batch TO converse_orchestrator;
GRANT USAGE ON SCHEMA keys TO converse_orchestrator;
GRANT SELECT, INSERT ON keys.tenant_key, keys.data_key, keys.life TO converse_orchestrator;
GRANT EXECUTE ON FUNCTION keys.bind TO converse_orchestrator;
GRANT USAGE ON SCHEMA ops TO converse_orchestrator;
GRANT SELECT ON ops.tenant, ops.business_clock, ops.bundle, ops.current_bundle TO converse_orchestrator;
GRANT SELECT, INSERT, UPDATE, DELETE ON ops.quarantine, ops.parked TO converse_orchestrator;
GRANT USAGE ON SCHEMA orchestrator TO converse_orchestrator;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA orchestrator TO converse_orchestrator;
GRANT EXECUTE ON FUNCTION orchestrator.claim_effects, orchestrator.open_effect, orchestrator.open_own_effects, orchestrator.settle_effects TO converse_orchestrator;
