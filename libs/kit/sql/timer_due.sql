-- Take the first $3 timers that are due at $2, in order.
DELETE FROM orchestrator.timer t
USING (
    SELECT tenant, id FROM orchestrator.timer
    WHERE tenant = ANY ($1) AND due_at <= $2
    ORDER BY due_at, tenant, id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
) due
WHERE t.tenant = due.tenant AND t.id = due.id
RETURNING t.tenant, t.id, t.due_at, t.stream, t.cause_id, t.correlation_id, t.config, t.traceparent
