"""Requests made up from the OpenAPI document, right and wrong ones, and what each of them must not do."""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation

from tests.journeys.town import Town

OUTSIDE = """SELECT count(*) FROM log.event
    WHERE category IN ('business', 'operator') OR type LIKE 'inbound.received.%'"""
"""What only a request that was taken may add; statuses come by themselves of what was sent before."""
UNSENT = (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError, TypeError, ValueError)
"""What the client itself refuses to put on the wire."""


@dataclass
class Seen:
    """What became of the requests of one operation."""

    statuses: dict[int, int] = field(default_factory=dict)
    unsent: int = 0
    broken: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return sum(self.statuses.values())


async def operations(town: Town) -> Mapping[str, APIOperation[Any, Any, Any, Any]]:
    """Every operation of the running system's document, by method and path."""
    document = (await town.client.get("/api/docs/openapi.json")).json()
    every = schemathesis.openapi.from_dict(document).get_all_operations()
    return {each.label: each for each in (result.ok() for result in every if isinstance(result, Ok))}


def requests_of(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, ids: Mapping[str, Any] | None = None
) -> Sequence[Mapping[str, Any]]:
    """A third as many requests as hypothesis' profile says, always the same ones; `ids` stand in the path, where given."""
    made: list[Mapping[str, Any]] = []
    known = {name: id_ for name, id_ in (ids or {}).items() if f"{{{name}}}" in operation.path} or None
    if ids is not None and known is None:
        return made

    @settings(
        max_examples=settings.default.max_examples // 5 if settings.default else 20,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode, path_parameters=known))
    def make(case: Any) -> None:
        made.append(case.as_transport_kwargs(base_url="http://town"))

    with warnings.catch_warnings(action="ignore"), suppress(Unsatisfiable):  # nothing that would be wrong in this way
        make()
    return made


async def send_all(town: Town, requests: Sequence[Mapping[str, Any]], seen: Seen) -> None:
    """Send one after the other, and note what must not be: a server error, no problem details, a fact of a refused request."""
    for request in requests:
        before = await town.running.store.pool.fetchval(OUTSIDE)
        try:
            answer = await _send(town.client, request)
        except UNSENT:
            seen.unsent += 1
            continue
        seen.statuses[answer.status_code] = seen.statuses.get(answer.status_code, 0) + 1
        stored = await town.running.store.pool.fetchval(OUTSIDE) - before
        for problem in _problems(answer, stored):
            seen.broken.append(f"{problem}: {request!r:.600} → {answer.status_code} {answer.text:.300}")


async def _send(client: httpx.AsyncClient, request: Mapping[str, Any]) -> httpx.Response:
    path = str(request["url"]).removeprefix("http://town")
    headers = {name: value for name, value in request["headers"].items() if name.lower() != "accept-encoding"}
    body = {name: request[name] for name in ("json", "files") if request.get(name) is not None}
    data = request.get("data")
    if isinstance(data, bytes | str):
        body["content"] = data
    elif data is not None:
        body["data"] = data
    if request.get("cookies"):
        headers["cookie"] = "; ".join(f"{name}={value}" for name, value in request["cookies"].items())
    return await client.request(request["method"], path, headers=headers, params=request.get("params"), **body)


def _problems(answer: httpx.Response, stored: int) -> list[str]:
    found = []
    if answer.status_code >= 500:
        found.append("a server error")
    if answer.status_code >= 400:
        if not answer.headers.get("content-type", "").startswith("application/problem+json"):
            found.append("no problem details")
        elif answer.json().get("status") != answer.status_code or not answer.json().get("title"):
            found.append("problem details without status and title")
        # Of a batch that is partly wrong the rest is stored, and the refusal says which.
        told = [each for each in answer.json().get("answers", ()) if each and not each["duplicate"]]
        if stored != len(told):
            found.append(f"{stored} facts stored from a refused request that tells of {len(told)}")
    return found
