-- An entity's process may run with several contacts at once: an event about it is heard by all of them.
ALTER TABLE orchestrator.binding
    DROP CONSTRAINT binding_pkey,
    ADD PRIMARY KEY (tenant, process_type, entity_id, matter);
