-- Takes events in: appends, verifies API keys.
GRANT USAGE ON SCHEMA log TO converse_ingest;
GRANT SELECT ON log.event, log.log_head TO converse_ingest;
GRANT EXECUTE ON FUNCTION log.append_batch TO converse_ingest;
GRANT USAGE ON SCHEMA keys TO converse_ingest;
GRANT SELECT, INSERT ON keys.tenant_key, keys.data_key, keys.life TO converse_ingest;
GRANT USAGE ON SCHEMA ops TO converse_ingest;
GRANT SELECT ON ops.tenant, ops.business_clock, ops.api_key, ops.bundle, ops.current_bundle TO converse_ingest;
