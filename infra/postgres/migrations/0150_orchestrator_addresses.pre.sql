-- How well an address is known as a contact's: 0 a stranger's own, 1 a phone that was registered for another channel, 2 named
-- by a provider beside a known one, 3 registered by the ERP. The better one counts.
ALTER TABLE orchestrator.address ADD COLUMN standing smallint NOT NULL DEFAULT 3;
UPDATE orchestrator.address SET standing = 0 WHERE contact LIKE 'unknown-%';
