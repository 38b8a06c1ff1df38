-- With whom a contact shares an address is asked when one of them says stop.
CREATE INDEX ON orchestrator.claimed_address (tenant, contact);
