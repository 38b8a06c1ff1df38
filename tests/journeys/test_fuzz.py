"""Every public endpoint of the OpenAPI document, with right and wrong requests: no server error, nothing stored from what is refused."""

import json

import pytest
from schemathesis.generation import GenerationMode

from tests.journeys.fuzz import Seen, operations, requests_of, send_all
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_LEAST_SENT = 0.5
"""Of the requests that were made up so many reach the server: an HTTP client does not send everything."""


@pytest.mark.timeout(240)
async def test_no_request_that_the_document_allows_or_forbids_breaks_the_system(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    ids = {"conversation_id": await asha.conversation(), "contact_id": asha.id}
    every = await operations(town)
    assert {label.split()[1].split("/")[1] for label in every} >= {"api", "health", "webhooks"}
    outcome: dict[str, Seen] = {}
    for label, operation in every.items():
        seen = outcome.setdefault(label, Seen())
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if mode == GenerationMode.POSITIVE or _can_be_wrong(operation.definition.raw):
                await send_all(town, requests_of(operation, mode), seen)
        await send_all(town, requests_of(operation, GenerationMode.POSITIVE, ids), seen)
    broken = [each for seen in outcome.values() for each in seen.broken]
    assert broken == [], "\n".join(broken[:20])
    lazy = [
        label
        for label, seen in outcome.items()
        if not seen.sent or seen.sent < AT_LEAST_SENT * (seen.sent + seen.unsent)
    ]
    assert lazy == []


def _can_be_wrong(definition: dict[str, object]) -> bool:
    """Whether there is anything that a wrong request could have wrong."""
    return bool(definition.get("parameters") or definition.get("requestBody")) and "schema" in json.dumps(definition)
