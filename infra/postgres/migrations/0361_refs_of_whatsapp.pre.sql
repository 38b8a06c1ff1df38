-- Meta's ids of WhatsApp messages hold the contact's number: rows know them by what stands for them (events/refs.py).
-- A row that the release before still writes in clear is found by our own id of the message.
UPDATE gateways.message
SET provider_ref = encode(substr(sha256(convert_to('["' || provider_ref || '"]', 'UTF8')), 1, 16), 'hex')
WHERE provider_ref LIKE 'wamid.%';
UPDATE gateways.waiting_status
SET provider_ref = encode(substr(sha256(convert_to('["' || provider_ref || '"]', 'UTF8')), 1, 16), 'hex')
WHERE provider_ref LIKE 'wamid.%';
UPDATE gateways.heard
SET provider_ref = encode(substr(sha256(convert_to('["' || provider_ref || '"]', 'UTF8')), 1, 16), 'hex')
WHERE provider_ref LIKE 'wamid.%';
