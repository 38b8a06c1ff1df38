CREATE TABLE read.followups_v1 (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    contact_id text COLLATE "C" NOT NULL,
    conversation_id text COLLATE "C",       -- null until the contact is known
    rule_id text,
    status text COLLATE "C" NOT NULL,       -- open, deferred, resolved, exhausted, cancelled
    priority text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    business_context jsonb NOT NULL,
    attempt_count int NOT NULL,
    next_attempt_at timestamptz,            -- business time
    origin text COLLATE "C" NOT NULL,       -- rule, operator, erp, action
    process_type text COLLATE "C",
    entity_type text,
    entity_id text,
    flow text,
    channel_priority jsonb NOT NULL,
    dedupe_key text,
    outcome text,                           -- what came of it, or why nothing did
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    settled_at timestamptz,
    first_pos bigint NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);
CREATE INDEX ON read.followups_v1 (tenant, first_pos);
CREATE INDEX ON read.followups_v1 (tenant, contact_id);
CREATE INDEX ON read.followups_v1 (tenant, conversation_id);
