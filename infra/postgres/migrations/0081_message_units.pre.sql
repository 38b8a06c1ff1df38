-- How many of what its provider counts a message takes: the segments of an SMS.
ALTER TABLE gateways.message ADD COLUMN units integer NOT NULL DEFAULT 1;
