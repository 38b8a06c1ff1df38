-- One group role a service; login roles are granted one of them. Roles belong to the cluster, so that another
-- database's migration may be making the same ones at this moment.
DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY[
        'ingest', 'relay', 'rules', 'orchestrator', 'gateways', 'backend_sync', 'console', 'voice'
    ] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', 'converse_' || service);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END
$$;
