-- What was spent on a day of the policy's zone, in millionths of the currency's unit: for the policy's money_per_day.
CREATE TABLE orchestrator.spent (
    tenant text NOT NULL,
    day date NOT NULL,
    currency text NOT NULL,
    micros bigint NOT NULL,
    PRIMARY KEY (tenant, day, currency)
);

-- What one message or turn cost, so that the provider's own price can replace what was reckoned.
CREATE TABLE orchestrator.spent_on (
    tenant text NOT NULL,
    what text NOT NULL,
    micros bigint NOT NULL,
    PRIMARY KEY (tenant, what)
);
