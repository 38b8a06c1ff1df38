-- Arrays that a client has put into the protocol's binary form itself, and sends as if they were bytes (libs/kit/arrays.py).
CREATE DOMAIN log.packed_int AS int[];
CREATE DOMAIN log.packed_text AS text[];
CREATE DOMAIN log.packed_uuid AS uuid[];
CREATE DOMAIN log.packed_time AS timestamptz[];
