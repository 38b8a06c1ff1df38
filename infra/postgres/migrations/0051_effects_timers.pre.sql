-- What business time will bring: rows written beside the fact that set them, gone with the fact that fires them.
CREATE TABLE orchestrator.timer (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    due_at timestamptz NOT NULL,      -- business time
    stream text NOT NULL,             -- of whom it wakes
    cause_id uuid NOT NULL,
    correlation_id uuid NOT NULL,
    config text,
    traceparent text,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX ON orchestrator.timer (due_at);
