-- Every key here is wrapped: tenants' keys by the master key, which Postgres never sees, data keys by their tenant's.
CREATE SCHEMA keys;

CREATE TABLE keys.tenant_key (
    tenant text COLLATE "C" NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('wrap', 'lookup')),
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, purpose)
);

-- A data key is named after the stream or contact whose personal fields it seals.
-- `contact` binds it to the person whose erasure destroys it.
CREATE TABLE keys.data_key (
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    wrapped bytea,
    contact text COLLATE "C",
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed_at timestamptz,
    PRIMARY KEY (tenant, name),
    CONSTRAINT destroyed_means_gone CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
CREATE INDEX data_key_contact ON keys.data_key (tenant, contact) WHERE contact IS NOT NULL;
