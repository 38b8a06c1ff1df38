-- Of all keys the voice service may destroy those of recordings only.
CREATE OR REPLACE FUNCTION voice.destroy_recording_key(p_tenant text, p_call uuid) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = keys, pg_temp
AS $$
BEGIN
    RETURN keys.destroy(p_tenant, ARRAY['recording-' || p_call]);
END
$$;
REVOKE ALL ON FUNCTION voice.destroy_recording_key FROM PUBLIC;
