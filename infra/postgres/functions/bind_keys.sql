-- Binds data keys to the contact whose erasure destroys them. A key of a contact who was erased is destroyed at once: its facts
-- were on their way when the person asked to be forgotten, or came later.
CREATE OR REPLACE FUNCTION keys.bind(p_tenant text, p_names text[], p_contact text) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = keys, pg_temp
AS $$
DECLARE
    v_erased_at timestamptz;
    v_destroyed int;
    v_bound int;
BEGIN
    -- Against an erasure that runs at the same time.
    PERFORM pg_advisory_xact_lock(hashtextextended(p_tenant || '/' || p_contact, 0));
    SELECT k.destroyed_at INTO v_erased_at FROM data_key AS k
    WHERE k.tenant = p_tenant AND k.name = 'contact-' || p_contact;

    UPDATE data_key AS k SET contact = p_contact
    WHERE k.tenant = p_tenant AND k.name = ANY (p_names) AND k.contact IS DISTINCT FROM p_contact;
    GET DIAGNOSTICS v_bound = ROW_COUNT;

    UPDATE data_key AS k SET wrapped = NULL, destroyed_at = clock_timestamp()
    WHERE k.tenant = p_tenant AND k.name = ANY (p_names) AND k.destroyed_at IS NULL AND v_erased_at IS NOT NULL;
    GET DIAGNOSTICS v_destroyed = ROW_COUNT;
    IF v_destroyed > 0 THEN
        PERFORM pg_notify('keys_destroyed', p_tenant);
    END IF;
    RETURN v_bound;
END
$$;
REVOKE ALL ON FUNCTION keys.bind FROM PUBLIC;
