-- Somebody calls us: they wait at a process of ours until their conversation is found, and are a call like any other from then on.
CREATE TABLE voice.incoming (
    tenant text COLLATE "C" NOT NULL,
    call uuid NOT NULL,
    provider_ref text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,               -- of the number, as in the index of addresses
    worker uuid,                                    -- whose media URL they were given, then who has the media
    came_at timestamptz NOT NULL DEFAULT now(),     -- machine time
    connected_at timestamptz,                       -- when the media came
    over boolean NOT NULL DEFAULT false,            -- nobody waits any more, and the call has ended or was missed
    PRIMARY KEY (tenant, call)
) WITH (fillfactor = 70);
CREATE INDEX ON voice.incoming (tenant, digest) WHERE NOT over;
CREATE INDEX ON voice.incoming (came_at) WHERE NOT over;
