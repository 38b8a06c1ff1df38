-- Copies the log into JetStream, still sealed: no keys, no appending.
GRANT USAGE ON SCHEMA log TO converse_relay;
GRANT SELECT ON log.event, log.log_head TO converse_relay;
