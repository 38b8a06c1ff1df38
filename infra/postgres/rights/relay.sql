-- Copies the log into JetStream, still sealed: no keys, no appending.
GRANT USAGE ON SCHEMA log TO converse_relay;
GRANT SELECT ON log.event, log.log_head, log.checkpoint TO converse_relay;
GRANT USAGE ON SCHEMA ops TO converse_relay;
GRANT SELECT ON ops.tenant, ops.business_clock TO converse_relay;
