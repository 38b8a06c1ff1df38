-- One replica at a time fires the timers of a shard, so that they fire in order.
SELECT pg_try_advisory_xact_lock(hashtext('orchestrator.timer'), $1)
