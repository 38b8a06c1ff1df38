-- Where the orchestrator looks things up; rows commit with its watermark and can be made anew from the log.

-- By which contact an address is found; the address itself is an HMAC.
CREATE TABLE orchestrator.address (
    tenant text NOT NULL,
    channel text NOT NULL,
    digest text NOT NULL,
    contact text NOT NULL,
    PRIMARY KEY (tenant, channel, digest)
);

-- A contact's open conversation, and the last one.
CREATE TABLE orchestrator.contact_conversation (
    tenant text NOT NULL,
    contact text NOT NULL,
    conversation text,
    last text,
    PRIMARY KEY (tenant, contact)
);

-- Which conversation an entity's process runs in.
CREATE TABLE orchestrator.binding (
    tenant text NOT NULL,
    process_type text NOT NULL,
    entity_id text NOT NULL,
    conversation text NOT NULL,
    matter text NOT NULL,
    bundle text NOT NULL,
    PRIMARY KEY (tenant, process_type, entity_id)
);
CREATE INDEX ON orchestrator.binding (tenant, matter);

-- Follow-ups by their key: an open one, or one opened within the cooldown, keeps another of the same key away.
CREATE TABLE orchestrator.dedupe (
    tenant text NOT NULL,
    key text NOT NULL,
    followup text NOT NULL,
    opened_at timestamptz NOT NULL,
    settled boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant, key)
);
CREATE INDEX ON orchestrator.dedupe (tenant, followup);

-- Follow-ups that wait until their contact is known.
CREATE TABLE orchestrator.waiting (
    tenant text NOT NULL,
    contact text NOT NULL,
    followup text NOT NULL,
    PRIMARY KEY (tenant, contact, followup)
);

-- Messages that wait until their sender is known, by the position of the inbound fact.
CREATE TABLE orchestrator.waiting_sender (
    tenant text NOT NULL,
    channel text NOT NULL,
    digest text NOT NULL,
    stream text NOT NULL,
    PRIMARY KEY (tenant, channel, digest, stream)
);

-- Which events make which open follow-ups pointless.
CREATE TABLE orchestrator.cancellation (
    tenant text NOT NULL,
    event text NOT NULL,
    followup text NOT NULL,
    match text NOT NULL,
    entity_id text,
    contact text NOT NULL,
    PRIMARY KEY (tenant, event, followup, match)
);
CREATE INDEX ON orchestrator.cancellation (tenant, followup);
CREATE INDEX ON orchestrator.cancellation (tenant, event, entity_id);

-- When we approached a contact, over all matters and conversations.
CREATE TABLE orchestrator.approach (
    tenant text NOT NULL,
    contact text NOT NULL,
    message text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant, contact, message)
);
CREATE INDEX ON orchestrator.approach (tenant, contact, at);
