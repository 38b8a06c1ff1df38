CREATE TABLE ops.tenant (
    tenant text COLLATE "C" PRIMARY KEY CHECK (tenant ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    shard smallint NOT NULL REFERENCES log.log_head (shard),    -- for ever: a tenant has one total order
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO ops.tenant (tenant, shard) VALUES ('default', 0);

CREATE TABLE ops.api_key (
    id uuid PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL REFERENCES ops.tenant (tenant),
    name text NOT NULL,
    hash bytea NOT NULL UNIQUE,             -- SHA-256 of the token, which has 256 random bits
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_at timestamptz
);
CREATE INDEX api_key_tenant ON ops.api_key (tenant);

-- Business time = machine time + this.
CREATE TABLE ops.business_clock (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    ahead interval NOT NULL DEFAULT '0'
);
INSERT INTO ops.business_clock DEFAULT VALUES;

CREATE FUNCTION ops.tell_business_clock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('business_clock', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER told AFTER UPDATE ON ops.business_clock
    FOR EACH STATEMENT EXECUTE FUNCTION ops.tell_business_clock();

-- A fact that a consumer could not take in, and what it was for.
CREATE TABLE ops.quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer text COLLATE "C" NOT NULL,
    shard smallint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    pos bigint NOT NULL,
    event_id uuid NOT NULL,
    type text COLLATE "C" NOT NULL,
    error text NOT NULL,
    attempts int NOT NULL DEFAULT 1,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'retry', 'resolved')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at timestamptz,
    UNIQUE (consumer, shard, pos),
    CONSTRAINT resolved_at_some_time CHECK ((state = 'resolved') = (resolved_at IS NOT NULL))
);
CREATE INDEX quarantine_target ON ops.quarantine (consumer, shard, tenant, target) WHERE state <> 'resolved';

-- Later facts for a target in quarantine wait here, in order.
CREATE TABLE ops.parked (
    consumer text COLLATE "C" NOT NULL,
    shard smallint NOT NULL,
    pos bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, shard, pos)
);
CREATE INDEX parked_target ON ops.parked (consumer, shard, tenant, target, pos);

-- Configuration bundles by the hash of their content.
CREATE TABLE ops.bundle (
    hash text COLLATE "C" PRIMARY KEY,
    content bytea NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE ops.bundle ALTER COLUMN content SET STORAGE EXTERNAL;
