-- What a provider says of the price, which is told where it is another one; statuses that wait bring it along.
ALTER TABLE gateways.message ADD COLUMN priced text;             -- the price that was told last: micros and currency
ALTER TABLE gateways.waiting_status ADD COLUMN category text, ADD COLUMN billable boolean;

-- The last message of each WhatsApp conversation: what the typing indicator answers.
CREATE TABLE gateways.heard (
    tenant text COLLATE "C" NOT NULL,
    conversation text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    provider_ref text COLLATE "C",
    at timestamptz NOT NULL,                                     -- business time
    PRIMARY KEY (tenant, conversation)
) WITH (fillfactor = 70);

-- Accounts that their provider has locked, or whose token it does not take: nothing is sent until then, or until another
-- bundle is published. And what makes a channel work less well than it should, for its health.
CREATE TABLE gateways.stopped (
    tenant text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    bundle text NOT NULL,
    until timestamptz NOT NULL,                                  -- machine time
    PRIMARY KEY (tenant, account)
);
ALTER TABLE gateways.account ADD COLUMN degraded text;           -- why; null: it is well

-- The templates that Meta has registered, as it listed them last and as its webhooks changed them since.
CREATE TABLE gateways.whatsapp_template (
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    language text COLLATE "C" NOT NULL,
    status text NOT NULL,
    category text,
    parameters text[] NOT NULL DEFAULT '{}',                     -- the body's placeholders, in order
    header text,
    header_parameters int NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, name, language)
);
CREATE TABLE gateways.whatsapp_listing (
    tenant text COLLATE "C" PRIMARY KEY,
    business text NOT NULL,                                      -- the business account that was listed
    listed_at timestamptz NOT NULL DEFAULT now()
);
