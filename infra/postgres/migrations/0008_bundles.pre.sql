-- Which stored bundle decides for a tenant now; the fact is config.published, this row is what services look up.
CREATE TABLE ops.current_bundle (
    tenant text COLLATE "C" PRIMARY KEY REFERENCES ops.tenant (tenant),
    hash text COLLATE "C" NOT NULL REFERENCES ops.bundle (hash),
    published_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION ops.tell_bundle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('bundle', NEW.tenant);
    RETURN NULL;
END
$$;
CREATE TRIGGER told AFTER INSERT OR UPDATE ON ops.current_bundle
    FOR EACH ROW EXECUTE FUNCTION ops.tell_bundle();
