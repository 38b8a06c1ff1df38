-- A person takes over in a call: the flow asks whom to ring, and what became of it is told once.
CREATE TABLE voice.transfer (
    tenant text COLLATE "C" NOT NULL,
    call uuid NOT NULL,
    provider_ref text COLLATE "C" NOT NULL,
    version int NOT NULL,                           -- of the fact that asked for it, in the conversation's stream
    asked_at timestamptz NOT NULL DEFAULT now(),    -- machine time
    polled_at timestamptz,                          -- when the provider was last asked about it
    over boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant, call)
) WITH (fillfactor = 70);
CREATE INDEX ON voice.transfer (tenant, provider_ref) WHERE NOT over;
CREATE INDEX ON voice.transfer (asked_at) WHERE NOT over;
