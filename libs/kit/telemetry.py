"""Trace context across HTTP, the envelope and NATS, and the metrics of our tools under one prefix."""

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span
from prometheus_client import Counter, Gauge, Histogram

PREFIX = "converse_"
"""What every metric of ours is called first."""

FAST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0, 300.0, 3600.0)


def counter(name: str, help_text: str, *labels: str) -> Counter:
    """A counter `converse_<name>_total`."""
    return Counter(PREFIX + name, help_text, labels)


def gauge(name: str, help_text: str, *labels: str) -> Gauge:
    """A gauge `converse_<name>`."""
    return Gauge(PREFIX + name, help_text, labels)


def histogram(name: str, help_text: str, *labels: str, buckets: tuple[float, ...] = FAST_BUCKETS) -> Histogram:
    """A histogram `converse_<name>`, in seconds."""
    return Histogram(PREFIX + name, help_text, labels, buckets=buckets)


def inject(headers: MutableMapping[str, str]) -> None:
    """Write the current trace context into outgoing headers (W3C `traceparent`)."""
    propagate.inject(headers)


def traceparent() -> str | None:
    """The current trace context as a `traceparent`, for a fact's envelope; None outside a trace."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers.get("traceparent")


def extract(headers: Mapping[str, str]) -> context.Context:
    """The trace context of incoming headers."""
    return propagate.extract(headers)


@contextmanager
def span(name: str, parent: str | None = None, **attributes: str | int) -> Iterator[Span]:
    """Run the block in a span, continued from the `traceparent` of a fact's envelope where one is given."""
    origin = propagate.extract({"traceparent": parent}) if parent else None
    with trace.get_tracer("converse").start_as_current_span(name, context=origin, attributes=attributes) as current:
        yield current
