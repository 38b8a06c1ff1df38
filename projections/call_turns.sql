CREATE TABLE read.call_turns_v1 (
    tenant text COLLATE "C" NOT NULL,
    call_id text COLLATE "C" NOT NULL,
    version int NOT NULL,               -- orders the exchanges of a call
    conversation_id text COLLATE "C" NOT NULL,
    number int NOT NULL,                -- of the contact's turn; 0 before they said anything
    at timestamptz NOT NULL,            -- business time of its end
    contact text NOT NULL,              -- what they said; empty: we spoke first
    agent text NOT NULL,                -- what they heard of our answer
    interrupted boolean NOT NULL,
    situation text COLLATE "C",         -- why their turn was over
    stt_ms int,                         -- from their last word to the provider's end of turn
    decision_ms int,                    -- from there to ours
    llm_ms int,                         -- to the first token
    tts_ms int,                         -- to the first sound
    transport_ms int,                   -- to the first block sent
    total_ms int,                       -- all of them: so long they waited
    pos bigint NOT NULL,
    PRIMARY KEY (tenant, call_id, version)
);
CREATE INDEX ON read.call_turns_v1 (tenant, conversation_id, pos);
CREATE INDEX ON read.call_turns_v1 (tenant, at);
CREATE TABLE read.call_tools_v1 (
    tenant text COLLATE "C" NOT NULL,
    call_id text COLLATE "C" NOT NULL,
    number int NOT NULL,                -- as its call counts what Claude asks for
    conversation_id text COLLATE "C" NOT NULL,
    turn int NOT NULL,                  -- the `number` of the exchanges that it was asked in
    tool text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    pos bigint NOT NULL,
    PRIMARY KEY (tenant, call_id, number)
);
