-- Sends and hears on the channels.
GRANT USAGE ON SCHEMA log TO converse_gateways;
GRANT SELECT ON log.event, log.log_head, log.checkpoint TO converse_gateways;
GRANT EXECUTE ON FUNCTION log.append_batch TO converse_gateways;
GRANT USAGE ON SCHEMA keys TO converse_gateways;
GRANT SELECT, INSERT ON keys.tenant_key, keys.data_key, keys.life TO converse_gateways;
GRANT USAGE ON SCHEMA ops TO converse_gateways;
GRANT SELECT ON ops.tenant, ops.business_clock, ops.bundle, ops.current_bundle TO converse_gateways;
GRANT SELECT, INSERT, UPDATE, DELETE ON ops.quarantine, ops.parked TO converse_gateways;
GRANT USAGE ON SCHEMA gateways TO converse_gateways;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA gateways TO converse_gateways;
GRANT EXECUTE ON FUNCTION gateways.claim_effects, gateways.open_effect, gateways.open_own_effects, gateways.settle_effects TO converse_gateways;
