-- Calls whose media run in another runtime: it sends what was said, turn by turn, and is told what to say.
ALTER TABLE voice.call ADD COLUMN told_at timestamptz;  -- when `told` came

CREATE TABLE voice.exchange (
    tenant text COLLATE "C" NOT NULL,
    call uuid NOT NULL,
    turn int NOT NULL,
    state text NOT NULL CHECK (state IN ('asking', 'answered', 'told')),
    claim uuid NOT NULL,                            -- who asks Claude, or asked
    asks_until timestamptz,                         -- while asking: afterwards another may
    sealed text NOT NULL,                           -- what both said and which tools were called, under the contact's key
    tokens jsonb NOT NULL DEFAULT '[]',             -- [[unit, model, count], …]
    PRIMARY KEY (tenant, call, turn)
) WITH (fillfactor = 70);
