-- Every append looks its stream up here, and all of a shard share their first columns: with the stream first, one comparison
-- tells two entries apart.
ALTER TABLE log.event ADD CONSTRAINT event_stream_version UNIQUE (stream_id, tenant, shard, version);
ALTER TABLE log.event DROP CONSTRAINT event_shard_tenant_stream_id_version_key;
