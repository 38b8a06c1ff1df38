CREATE TABLE read.messages_v1 (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    conversation_id text COLLATE "C" NOT NULL,
    direction text COLLATE "C" NOT NULL,    -- inbound, outbound
    channel text COLLATE "C" NOT NULL,
    content text NOT NULL,
    "timestamp" timestamptz NOT NULL,       -- business time
    status text COLLATE "C" NOT NULL,       -- requested, accepted, delivered, read, failed, withheld, unknown
    cost jsonb,                             -- {currency, micros}: millionths of the currency's major unit
    metadata jsonb NOT NULL,
    pos bigint NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);
CREATE INDEX ON read.messages_v1 (tenant, conversation_id, pos);
CREATE INDEX ON read.messages_v1 (tenant, "timestamp");
