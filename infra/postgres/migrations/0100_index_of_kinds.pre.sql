-- Which bundles and which ways of naming an entity are in use is asked for every business event: few values, in many rows.
CREATE INDEX ON orchestrator.binding (tenant, bundle);
CREATE INDEX ON orchestrator.cancellation (tenant, event, match);
