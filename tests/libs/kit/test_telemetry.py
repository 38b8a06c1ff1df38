"""A trace goes on over process boundaries, and metrics have one prefix."""

import httpx
import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import REGISTRY

from libs.kit import http, telemetry

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(autouse=True, scope="module")
def provider() -> None:
    trace.set_tracer_provider(TracerProvider())


def test_outside_a_trace_there_is_no_traceparent():
    assert telemetry.traceparent() is None


def test_a_span_continues_the_trace_of_a_fact():
    with telemetry.span("perform", PARENT, effect="7"):
        inside = telemetry.traceparent()
    assert inside is not None
    assert inside.split("-")[1] == PARENT.split("-")[1]
    assert inside.split("-")[2] != PARENT.split("-")[2]


def test_what_was_injected_can_be_extracted():
    headers: dict[str, str] = {}
    with telemetry.span("one"):
        telemetry.inject(headers)
        here = telemetry.traceparent()
    token = context.attach(telemetry.extract(headers))
    assert telemetry.traceparent() == here
    context.detach(token)


async def test_a_call_carries_the_trace_and_follows_no_redirect():
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(302, headers={"location": "http://elsewhere.example/"})

    async with http.client("http://provider.example") as client:
        client._transport = httpx.MockTransport(answer)
        client._mounts.clear()
        with telemetry.span("perform", PARENT):
            reply = await client.post("/messages", json={})
    assert reply.status_code == 302
    [request] = seen
    assert request.headers["traceparent"].split("-")[1] == PARENT.split("-")[1]


def test_metrics_have_one_prefix():
    telemetry.counter("test_things", "Things of this test.", "kind").labels("x").inc()
    assert REGISTRY.get_sample_value("converse_test_things_total", {"kind": "x"}) == 1
