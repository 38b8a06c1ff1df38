-- Holds calls: appends what was said.
GRANT USAGE ON SCHEMA log TO converse_voice;
GRANT SELECT ON log.event, log.log_head, log.checkpoint TO converse_voice;
GRANT EXECUTE ON FUNCTION log.append_batch TO converse_voice;
GRANT USAGE ON SCHEMA keys TO converse_voice;
GRANT SELECT, INSERT ON keys.tenant_key, keys.data_key, keys.life TO converse_voice;
GRANT USAGE ON SCHEMA ops TO converse_voice;
GRANT SELECT ON ops.tenant, ops.business_clock, ops.api_key, ops.bundle, ops.current_bundle TO converse_voice;
GRANT SELECT, INSERT, UPDATE, DELETE ON ops.quarantine, ops.parked TO converse_voice;
GRANT USAGE ON SCHEMA voice TO converse_voice;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA voice TO converse_voice;
GRANT EXECUTE ON FUNCTION voice.claim_effects, voice.open_effect, voice.open_own_effects, voice.settle_effects TO converse_voice;
GRANT EXECUTE ON FUNCTION keys.bind, voice.destroy_recording_key TO converse_voice;
