-- A timer is set; setting it again changes nothing. Tells the due loops at the commit when it is due.
INSERT INTO orchestrator.timer (tenant, id, due_at, stream, cause_id, correlation_id, config, traceparent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
RETURNING pg_notify('timers', extract(epoch FROM due_at)::text)
