CREATE TABLE read.contacts_v1 (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    name text,
    role text,
    organization text,
    channels jsonb NOT NULL,            -- [{channel, address, consent_at, consent_evidence}]
    metadata jsonb NOT NULL,            -- what else the ERP sent
    known_to_erp boolean NOT NULL,
    missing text,                       -- why nothing is known
    erasure text,                       -- requested | done | failed: and why
    stopped boolean NOT NULL,           -- said stop: on every channel
    consents jsonb NOT NULL,            -- {channel: given | withdrawn}
    failing jsonb NOT NULL,             -- [{channel, address, reason, since, until}]: where nothing arrives
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    first_pos bigint NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);
