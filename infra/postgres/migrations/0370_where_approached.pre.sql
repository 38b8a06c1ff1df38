-- Where it was that a contact was approached: at the same phone it counts for whoever else is registered there.
ALTER TABLE orchestrator.approach ADD COLUMN channel text COLLATE "C";
