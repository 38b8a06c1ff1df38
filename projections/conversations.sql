CREATE TABLE read.conversations_v1 (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    contact_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,   -- open, waiting, with_operator, closed
    active_channel text,
    language text,
    operator text,                      -- who has taken it over
    follows text,                       -- the contact's conversation before
    escalated text,                     -- why a person must look at it
    last_message text,                  -- ours, unless the contact has spoken since
    closed_reason text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    closed_at timestamptz,
    first_pos bigint NOT NULL,
    last_pos bigint NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);
CREATE INDEX ON read.conversations_v1 (tenant, first_pos);
CREATE INDEX ON read.conversations_v1 (tenant, contact_id);
