-- The voice service dials: a ledger of its own, as those of 0050, and the calls by our id and by the provider's.
CREATE SCHEMA voice;

CREATE TABLE voice.account (
    tenant text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    rate double precision NOT NULL DEFAULT 50 CHECK (rate > 0),          -- calls a second
    burst double precision NOT NULL DEFAULT 50 CHECK (burst >= 1),
    concurrency int NOT NULL DEFAULT 16 CHECK (concurrency > 0),
    killed text,                                                         -- why nothing may be sent; null: it may
    tokens double precision NOT NULL DEFAULT 1,
    refilled_at timestamptz NOT NULL DEFAULT 'epoch',
    failures int NOT NULL DEFAULT 0,                                     -- in a row
    open_until timestamptz,                                              -- the breaker: no claims before
    PRIMARY KEY (tenant, account)
) WITH (fillfactor = 50);

CREATE TABLE voice.effect (
    id uuid PRIMARY KEY,                                                 -- the intent's event id
    tenant text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    order_key text COLLATE "C" NOT NULL,
    stream text NOT NULL,                                                -- where the intent stands
    version int NOT NULL,
    pos bigint NOT NULL,
    gates text[] NOT NULL DEFAULT '{}',
    not_before timestamptz NOT NULL DEFAULT now(),                       -- machine time
    opened_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'claimed', 'unknown', 'closed')),
    attempt int NOT NULL DEFAULT 0,
    claim uuid,                                                          -- the claim that may settle it
    lease_until timestamptz,
    waits_until timestamptz,                                             -- unknown: evidence is awaited until then
    outcome text,
    closed_at timestamptz,
    CHECK ((state = 'claimed') <= (claim IS NOT NULL AND lease_until IS NOT NULL)),
    CHECK ((state = 'closed') = (closed_at IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX ON voice.effect (tenant, account, pos) WHERE state = 'open';
CREATE INDEX ON voice.effect (tenant, order_key, pos) WHERE state IN ('open', 'claimed');
CREATE INDEX ON voice.effect (lease_until) WHERE state = 'claimed';
CREATE INDEX ON voice.effect (waits_until) WHERE state = 'unknown';
CREATE INDEX ON voice.effect (closed_at) WHERE state = 'closed';

CREATE TABLE voice.gate (
    tenant text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    closed_at_pos bigint NOT NULL,
    lasting boolean NOT NULL,
    opened_at_pos bigint,
    PRIMARY KEY (tenant, scope)
);

CREATE TABLE voice.call (
    tenant text COLLATE "C" NOT NULL,
    call uuid NOT NULL,                             -- the intent's event id
    conversation text COLLATE "C" NOT NULL,
    version int NOT NULL,                           -- of the intent, in the conversation's stream
    contact text,                                   -- whose key seals what is said
    correlation uuid NOT NULL,
    provider_ref text COLLATE "C",
    state text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'unknown', 'dialled', 'answered', 'over')),
    asked_at timestamptz NOT NULL,                  -- machine time of the intent
    PRIMARY KEY (tenant, call)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX ON voice.call (tenant, provider_ref) WHERE provider_ref IS NOT NULL;
CREATE INDEX ON voice.call (asked_at) WHERE state <> 'over';
