CREATE TABLE read.policy_decisions_v1 (
    tenant text COLLATE "C" NOT NULL,
    pos bigint NOT NULL,
    number int NOT NULL,
    stream text COLLATE "C" NOT NULL,
    contact_id text COLLATE "C",
    verdict text COLLATE "C" NOT NULL,  -- allowed, deferred, refused
    channel text COLLATE "C" NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,            -- business time
    until timestamptz,
    checks jsonb NOT NULL,              -- [{rule, verdict, detail, source, effective, provision}]
    PRIMARY KEY (tenant, pos, number)
);
CREATE INDEX ON read.policy_decisions_v1 (tenant, verdict, at);
