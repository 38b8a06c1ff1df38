"""What a reactor tells of itself to Prometheus, by consumer and shard."""

from datetime import timedelta

from libs.kit import telemetry

POSITION = telemetry.gauge("reactor_position", "Position up to which facts have been handled", "consumer", "shard")
LAG = telemetry.gauge(
    "reactor_lag_positions", "Positions between the last known head and what is handled", "consumer", "shard"
)
LAG_S = telemetry.gauge(
    "reactor_lag_seconds", "Age of the newest fact when its batch was committed", "consumer", "shard"
)
FACTS = telemetry.counter("reactor_facts", "Facts handled", "consumer", "shard")
BATCH_SIZE = telemetry.histogram(
    "reactor_batch_facts",
    "Facts in a committed batch",
    "consumer",
    "shard",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
BATCH_S = telemetry.histogram("reactor_batch_seconds", "From the first handler to the commit", "consumer", "shard")
LEADING = telemetry.gauge("reactor_leading", "1 while this instance leads", "consumer", "shard")
STOPPED = telemetry.gauge("reactor_stopped", "1 while a fact of an unknown type stands in the way", "consumer", "shard")


class Metrics:
    """Those of one reactor."""

    def __init__(self, consumer: str, shard: int) -> None:
        labels = consumer, str(shard)
        self.position = POSITION.labels(*labels)
        self.lag = LAG.labels(*labels)
        self.leading = LEADING.labels(*labels)
        self.stopped = STOPPED.labels(*labels)
        self.batch_seconds = BATCH_S.labels(*labels)
        self._lag_seconds = LAG_S.labels(*labels)
        self._facts = FACTS.labels(*labels)
        self._batch_size = BATCH_SIZE.labels(*labels)

    def committed(self, facts: int, age: timedelta) -> None:
        """A batch is handled, whose newest fact has this age."""
        self._facts.inc(facts)
        self._batch_size.observe(facts)
        self._lag_seconds.set(max(0.0, age.total_seconds()))
