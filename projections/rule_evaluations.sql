CREATE TABLE read.rule_evaluations_v1 (
    tenant text COLLATE "C" NOT NULL,
    pos bigint NOT NULL,
    number int NOT NULL,
    event_name text COLLATE "C" NOT NULL,
    business_stream text COLLATE "C" NOT NULL,
    rule_id text COLLATE "C" NOT NULL,
    matched boolean NOT NULL,
    reasons jsonb NOT NULL,
    contact_id text COLLATE "C",
    dedupe_key text,
    at timestamptz NOT NULL,            -- business time
    PRIMARY KEY (tenant, pos, number)
);
CREATE INDEX ON read.rule_evaluations_v1 (tenant, rule_id, matched);
