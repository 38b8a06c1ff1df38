CREATE TABLE read.calls_v1 (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    conversation_id text COLLATE "C",       -- null for who called us and is not known
    followup_id text COLLATE "C",
    contact_id text COLLATE "C",
    direction text COLLATE "C" NOT NULL,    -- outbound, inbound
    purpose text COLLATE "C",               -- approach (an attempt of ours), answer (they asked to be called, or called us)
    status text COLLATE "C" NOT NULL,       -- wanted, dialled, unknown, ringing, answered, ended; withheld, rejected; came_in, missed
    reason text,                            -- why it ended, was missed, withheld, rejected, or nobody knows whether it rings
    outcome text COLLATE "C",               -- for its conversation: talked, unanswered, failed, withheld
    asks_person boolean,                    -- whether it began with the question who is on the phone
    person text COLLATE "C",                -- the answer: confirmed, denied, unclear; null where nobody was asked or told
    provider text COLLATE "C",              -- who carried it
    provider_ref text COLLATE "C",
    wanted_at timestamptz NOT NULL,         -- business time, as all times here; of who called us when they did
    dialled_at timestamptz,
    ringing_at timestamptz,
    answered_at timestamptz,
    ended_at timestamptz,
    ring_seconds double precision,          -- from the first ring until it was picked up or given up
    talk_seconds int,
    turns int,                              -- so often the contact said something
    tool_calls int NOT NULL,                -- so often Claude asked for something
    switches jsonb NOT NULL,                -- [{component, from, to, reason, at}]: a provider failed, another went on
    degraded int NOT NULL,                  -- so often it was made simpler because answers were late
    transfer text COLLATE "C",              -- handed over to a person: talked, nobody, hung_up, not_possible, unknown
    transfer_seconds int,                   -- so long they talked with that person
    costs jsonb NOT NULL,                   -- {telephony, stt, tts, llm: {currency, micros}}, by the prices of its day
    cost jsonb NOT NULL,                    -- {currency: micros}: their sums; prices are in several currencies
    latency_p50_ms int,                     -- of its answers, from the contact's last word to the first sound sent
    latency_p90_ms int,
    latency_ms jsonb NOT NULL,              -- {decision, stt, llm, tts, transport, total: {p50_ms, p90_ms, p99_ms}}
    recording text COLLATE "C",             -- stored; or `deleted: ` and why
    recording_seconds int,
    recording_until timestamptz,            -- when it is to be deleted, or was
    summary text,                           -- [erased] once the contact was
    summary_facts jsonb NOT NULL,           -- promise, amount, currency, date, next_step
    mood text COLLATE "C",
    summary_cost jsonb,                     -- {currency, micros}; not in `cost`
    pos bigint NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);
CREATE INDEX ON read.calls_v1 (tenant, conversation_id, pos);
CREATE INDEX ON read.calls_v1 (tenant, contact_id);
CREATE INDEX ON read.calls_v1 (tenant, wanted_at);
