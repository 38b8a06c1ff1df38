CREATE TABLE read.turns_v1 (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    conversation_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,   -- completed, failed, withheld
    model text,
    intents jsonb NOT NULL,
    extracted_info jsonb NOT NULL,
    language text,
    sentiment text,
    usage jsonb NOT NULL,               -- tokens: input, output, cache_read, cache_write
    cost jsonb,                         -- {currency, micros}: millionths of the currency's major unit
    reason text,                        -- why it failed or was withheld
    at timestamptz NOT NULL,            -- business time
    pos bigint NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX ON read.turns_v1 (tenant, conversation_id, pos);
CREATE INDEX ON read.turns_v1 (tenant, at);
