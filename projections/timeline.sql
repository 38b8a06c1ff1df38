CREATE TABLE read.timeline_v1 (
    tenant text COLLATE "C" NOT NULL,
    conversation_id text COLLATE "C" NOT NULL,
    pos bigint NOT NULL,
    PRIMARY KEY (tenant, conversation_id, pos)
);
-- Facts that no conversation has taken yet, by event id, and follow-ups by their stream.
CREATE TABLE read.timeline_loose_v1 (
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    conversation_id text COLLATE "C",
    path jsonb NOT NULL,                -- the positions of its causes, and its own
    PRIMARY KEY (tenant, name)
) WITH (fillfactor = 80);
