-- Private rows of each service, and the projections.
CREATE SCHEMA rules;
CREATE SCHEMA orchestrator;
CREATE SCHEMA gateways;
CREATE SCHEMA backend_sync;
CREATE SCHEMA console;
CREATE SCHEMA read;
