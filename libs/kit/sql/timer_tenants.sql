-- Who has timers that are due at $1.
SELECT DISTINCT tenant FROM orchestrator.timer WHERE due_at <= $1
