-- Judges business events; has no rows of its own: cooldowns are the orchestrator's.
GRANT USAGE ON SCHEMA log TO converse_rules;
GRANT SELECT ON log.event, log.log_head, log.checkpoint TO converse_rules;
GRANT EXECUTE ON FUNCTION log.append_batch TO converse_rules;
GRANT USAGE ON SCHEMA keys TO converse_rules;
GRANT SELECT, INSERT ON keys.tenant_key, keys.data_key, keys.life TO converse_rules;
GRANT USAGE ON SCHEMA ops TO converse_rules;
GRANT SELECT ON ops.tenant, ops.business_clock, ops.bundle, ops.current_bundle TO converse_rules;
GRANT SELECT, INSERT, UPDATE, DELETE ON ops.quarantine, ops.parked TO converse_rules;
