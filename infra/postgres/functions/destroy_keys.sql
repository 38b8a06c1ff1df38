-- Destroys keys by name; `contact-<id>` takes every key bound to that contact along, and what is bound to a contact whose own
-- key is among them: a stranger who turned out to be this one. Returns how many were destroyed.
-- A name stays destroyed even where its key never was made, so that no late fact can make it.
CREATE OR REPLACE FUNCTION keys.destroy(p_tenant text, p_names text[]) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = keys, pg_temp
AS $$
DECLARE
    v_contacts text[] := ARRAY(
        WITH RECURSIVE known AS (
            SELECT substr(n, 9) COLLATE "C" AS contact FROM unnest(p_names) AS n WHERE n LIKE 'contact-%'
            UNION
            SELECT substr(k.name, 9) COLLATE "C" FROM known
            JOIN data_key AS k ON k.tenant = p_tenant AND k.contact = known.contact AND k.name LIKE 'contact-%'
        )
        SELECT known.contact FROM known ORDER BY known.contact
    );
    v_contact text;
    v_destroyed int;
BEGIN
    -- Against a binding that runs at the same time.
    FOREACH v_contact IN ARRAY v_contacts LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended(p_tenant || '/' || v_contact, 0));
    END LOOP;

    UPDATE data_key AS k SET wrapped = NULL, destroyed_at = clock_timestamp()
    WHERE k.tenant = p_tenant AND (k.name = ANY (p_names) OR k.contact = ANY (v_contacts)) AND k.destroyed_at IS NULL;
    GET DIAGNOSTICS v_destroyed = ROW_COUNT;

    INSERT INTO data_key (tenant, name, destroyed_at)
    SELECT p_tenant, n, clock_timestamp() FROM unnest(p_names) AS n
    ON CONFLICT DO NOTHING;

    PERFORM pg_notify('keys_destroyed', p_tenant);
    RETURN v_destroyed;
END
$$;
REVOKE ALL ON FUNCTION keys.destroy FROM PUBLIC;
