-- When the next timer is due.
SELECT min(due_at) FROM orchestrator.timer
