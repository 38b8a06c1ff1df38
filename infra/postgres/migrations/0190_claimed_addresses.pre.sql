-- Every contact for whom the ERP has registered an address: a mailbox of a department and a family's phone are several people's.
CREATE TABLE orchestrator.claimed_address (
    tenant text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    contact text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, channel, digest, contact)
);
INSERT INTO orchestrator.claimed_address (tenant, channel, digest, contact)
SELECT tenant, channel, digest, contact FROM orchestrator.address WHERE contact NOT LIKE 'unknown-%' AND standing IN (1, 3);
