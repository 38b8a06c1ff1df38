-- Outbound messages by our id and by the provider's, and statuses that came before we knew whom they are about.
-- Rows commit with the watermark of `gateways` and can be made anew from the log.
CREATE TABLE gateways.message (
    tenant text COLLATE "C" NOT NULL,
    message uuid NOT NULL,                          -- the intent's event id
    channel text COLLATE "C" NOT NULL,
    conversation text COLLATE "C" NOT NULL,
    template text,                                  -- the template's id in the bundle: what it costs depends on it
    provider_ref text COLLATE "C",
    state text NOT NULL DEFAULT 'requested' CHECK (
        state IN ('requested', 'unknown', 'accepted', 'sent', 'failed', 'delivered', 'read', 'played')
    ),
    PRIMARY KEY (tenant, message)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX ON gateways.message (tenant, channel, provider_ref) WHERE provider_ref IS NOT NULL;

CREATE TABLE gateways.waiting_status (
    tenant text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    provider_ref text COLLATE "C" NOT NULL,
    status text NOT NULL,
    reference uuid,                                 -- our id, where the provider echoes it
    at timestamptz NOT NULL,
    code text,
    reason text,
    PRIMARY KEY (tenant, channel, provider_ref, status)
);
CREATE INDEX ON gateways.waiting_status (tenant, channel, reference) WHERE reference IS NOT NULL;
