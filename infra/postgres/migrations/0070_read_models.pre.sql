-- The read models' tables are made by the console, from projections/*.sql, because they can be thrown away and made anew;
-- here is who may read them, and which generation of each is in use.
DO $$
BEGIN
    CREATE ROLE converse_analyst NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;
GRANT USAGE ON SCHEMA read TO converse_analyst;

-- The tables of a generation are `read.<table>_v<generation>`, behind views without it.
CREATE TABLE console.read_model (
    name text COLLATE "C" NOT NULL,
    generation int NOT NULL,
    hash text NOT NULL,                         -- of the statements that made it
    tables text[] NOT NULL,
    state text NOT NULL CHECK (state IN ('building', 'current', 'old')),
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    replaced_at timestamptz,
    PRIMARY KEY (name, generation)
);
CREATE UNIQUE INDEX ON console.read_model (name) WHERE state = 'current';
