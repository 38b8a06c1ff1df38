-- A flow asks for the media URL of a call, and somebody may call us back.
ALTER TABLE voice.worker ADD COLUMN origin text;             -- where the provider reaches this process; null: as all of them
ALTER TABLE voice.call ADD COLUMN digest text COLLATE "C";   -- of the number, as in the index of addresses
CREATE INDEX ON voice.call (tenant, digest, asked_at) WHERE digest IS NOT NULL;
