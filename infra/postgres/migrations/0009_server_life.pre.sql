-- One row for as long as the server lives without a crash: Postgres empties an unlogged table when it recovers, and when a
-- replica takes over. What was committed asynchronously in another life, keys above all, may be gone.
CREATE UNLOGGED TABLE keys.life (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id uuid NOT NULL DEFAULT gen_random_uuid()
);
