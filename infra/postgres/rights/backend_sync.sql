-- Speaks with the ERP; writes the contact family, so it destroys keys when a contact is erased.
GRANT USAGE ON SCHEMA log TO converse_backend_sync;
GRANT SELECT ON log.event, log.log_head, log.checkpoint TO converse_backend_sync;
GRANT EXECUTE ON FUNCTION log.append_batch TO converse_backend_sync;
GRANT USAGE ON SCHEMA keys TO converse_backend_sync;
GRANT SELECT, INSERT ON keys.tenant_key, keys.data_key, keys.life TO converse_backend_sync;
GRANT EXECUTE ON FUNCTION keys.bind, keys.destroy TO converse_backend_sync;
GRANT USAGE ON SCHEMA ops TO converse_backend_sync;
GRANT SELECT ON ops.tenant, ops.business_clock, ops.bundle, ops.current_bundle TO converse_backend_sync;
GRANT SELECT, INSERT, UPDATE, DELETE ON ops.quarantine, ops.parked TO converse_backend_sync;
GRANT USAGE ON SCHEMA backend_sync TO converse_backend_sync;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA backend_sync TO converse_backend_sync;
GRANT EXECUTE ON FUNCTION backend_sync.claim_effects, backend_sync.open_effect, backend_sync.open_own_effects, backend_sync.settle_effects TO converse_backend_sync;
