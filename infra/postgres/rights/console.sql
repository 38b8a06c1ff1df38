-- Shows, and lets operators act; builds the projections.
GRANT USAGE ON SCHEMA log TO converse_console;
GRANT SELECT ON log.event, log.log_head, log.checkpoint TO converse_console;
GRANT EXECUTE ON FUNCTION log.append_batch TO converse_console;
GRANT USAGE ON SCHEMA keys TO converse_console;
GRANT SELECT, INSERT ON keys.tenant_key, keys.data_key, keys.life TO converse_console;
GRANT USAGE ON SCHEMA ops TO converse_console;
GRANT SELECT ON ops.tenant, ops.business_clock, ops.api_key, ops.bundle, ops.current_bundle TO converse_console;
GRANT SELECT, INSERT, UPDATE, DELETE ON ops.quarantine, ops.parked TO converse_console;
GRANT USAGE ON SCHEMA console TO converse_console;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA console TO converse_console;
GRANT USAGE, CREATE ON SCHEMA read TO converse_console;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA read TO converse_console;
GRANT USAGE ON SCHEMA gateways TO converse_console;
GRANT SELECT ON gateways.account, gateways.stopped TO converse_console;
