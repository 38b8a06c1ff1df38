-- A mail may bounce after it was delivered; and a provider's signature that does not cover the body serves for one body.
ALTER TABLE gateways.message DROP CONSTRAINT message_state_check;
ALTER TABLE gateways.message ADD CONSTRAINT message_state_check CHECK (
    state IN ('requested', 'unknown', 'accepted', 'sent', 'failed', 'delivered', 'bounced', 'read', 'played')
);

CREATE TABLE gateways.webhook_token (
    tenant text COLLATE "C" NOT NULL,
    token text COLLATE "C" NOT NULL,
    content bytea NOT NULL,                         -- SHA-256 of what came with it first
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, token)
);
CREATE INDEX ON gateways.webhook_token (seen_at);
