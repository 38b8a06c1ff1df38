-- What is around a call: what each process measured, for its siblings; and recordings, which lie sealed in the store of objects.
CREATE UNLOGGED TABLE voice.measured (
    worker uuid NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    told jsonb NOT NULL,                            -- its calls as they are shown, and buckets of waits by stage
    at timestamptz NOT NULL DEFAULT now(),          -- machine time
    PRIMARY KEY (worker, tenant)
) WITH (fillfactor = 50);

CREATE TABLE voice.recording (
    tenant text COLLATE "C" NOT NULL,
    call uuid NOT NULL,
    contact text COLLATE "C",                       -- who is heard
    place text NOT NULL,                            -- file:///folder or s3://bucket/prefix
    announced text NOT NULL,                        -- what was said before
    retention interval NOT NULL,
    parts int NOT NULL DEFAULT 0,
    size bigint NOT NULL DEFAULT 0,                 -- bytes of stereo sound
    state text NOT NULL DEFAULT 'recording' CHECK (state IN ('recording', 'kept', 'deleted')),
    complete boolean NOT NULL DEFAULT true,
    told boolean NOT NULL DEFAULT false,
    delete_at timestamptz,                          -- business time
    deleted_at timestamptz,
    reason text,                                    -- why it is deleted before its time
    at timestamptz NOT NULL DEFAULT now(),          -- machine time of its newest part
    PRIMARY KEY (tenant, call)
) WITH (fillfactor = 70);
CREATE INDEX ON voice.recording (delete_at) WHERE state <> 'deleted';
CREATE INDEX ON voice.recording (tenant, contact) WHERE state <> 'deleted';
