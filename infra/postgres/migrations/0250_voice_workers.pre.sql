-- The voice service's processes: each proves every few seconds that it lives, and a call belongs to the one that holds its media.
CREATE TABLE voice.worker (
    id uuid PRIMARY KEY,                            -- of the process, new at each start
    name text COLLATE "C" NOT NULL,                 -- as its media URLs have it
    seen_at timestamptz NOT NULL DEFAULT now(),     -- machine time
    lines int NOT NULL,                             -- how many calls it takes
    calls int NOT NULL DEFAULT 0,                   -- how many it holds or awaits
    draining boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

ALTER TABLE voice.call
    ADD COLUMN dialled_by uuid,                     -- the worker that asked the provider and keeps a line free
    ADD COLUMN held_by uuid,                        -- the worker that holds the conversation; once set it stays
    ADD COLUMN held_at timestamptz,
    ADD COLUMN used jsonb,                          -- seconds, turns, costs so far, as the holder's last beat knew them
    ADD COLUMN told jsonb,                          -- the end as the provider tells it, kept for who tells the call's end
    ADD COLUMN polled_at timestamptz,              -- when the provider was last asked about it
    ADD COLUMN elsewhere boolean NOT NULL DEFAULT false;  -- its media run in another runtime
CREATE INDEX ON voice.call (held_by) WHERE state <> 'over' AND held_by IS NOT NULL;
