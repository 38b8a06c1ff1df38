CREATE TABLE read.state_bindings_v1 (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,               -- the matter's, that is the follow-up's
    conversation_id text COLLATE "C" NOT NULL,
    process_type text COLLATE "C",              -- null: a matter without a state map
    entity_type text,
    entity_id text,
    current_state text,
    state_data jsonb NOT NULL,                  -- intent, flow, step, extracted_info, results
    settled text,                               -- resolved, exhausted, cancelled, handed_over
    entered_at timestamptz NOT NULL,            -- since when it is in this state
    updated_at timestamptz NOT NULL,
    pos bigint NOT NULL,
    PRIMARY KEY (tenant, conversation_id, id)
) WITH (fillfactor = 80);
CREATE INDEX ON read.state_bindings_v1 (tenant, process_type, current_state);
