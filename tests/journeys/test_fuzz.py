"""Every public endpoint of the OpenAPI document, with right and wrong requests: no server error, nothing stored from what is refused."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

from tests.journeys.fuzz import Seen, operations, requests_of, send_all
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_LEAST_SENT = 0.5
"""Of the requests that were made up so many reach the server: an HTTP client does not send everything."""


@pytest.mark.slow
@pytest.mark.timeout(600)
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


TEXT = st.text(max_size=60) | st.sampled_from(
    ["+919876543210", "09876543210", "a@b.example", "<x@y>", "{}", "[]", "1", ""]
)
SMS = [
    "SmsSid",
    "From",
    "To",
    "Body",
    "Date",
    "Status",
    "DetailedStatus",
    "DetailedStatusCode",
    "SmsUnits",
    "CustomField",
]
MAIL = [
    "headers",
    "from",
    "to",
    "subject",
    "text",
    "html",
    "envelope",
    "charsets",
    "attachments",
    "attachment-info",
    "email",
]
MAIL += [
    "recipient",
    "sender",
    "body-plain",
    "body-mime",
    "message-headers",
    "Message-Id",
    "timestamp",
    "token",
    "signature",
]


@settings(max_examples=60, derandomize=True)
@given(form=st.dictionaries(st.sampled_from(SMS) | st.text(max_size=8), TEXT, max_size=8))
async def test_no_form_of_exotels_makes_the_server_fail(town: Town, form: dict[str, str]):
    for path in ("/webhooks/sms/sandbox-sms-secret", "/webhooks/sms/sandbox-sms-secret/status"):
        taken_or_refused(await town.client.post(path, data=form))


@settings(max_examples=60, derandomize=True)
@given(form=st.dictionaries(st.sampled_from(MAIL), TEXT, min_size=1, max_size=8), files=st.booleans())
async def test_no_form_of_a_mail_provider_makes_the_server_fail(town: Town, form: dict[str, str], files: bool):
    attached: Any = {"attachment1": ("x.pdf", form.get("text", "").encode(), "application/pdf")} if files else None
    for path in ("/webhooks/email/sandbox-webhook-secret", "/webhooks/email/bounce/sandbox-webhook-secret"):
        taken_or_refused(await town.client.post(path, data=form, files=attached))


@settings(max_examples=60, derandomize=True)
@given(
    raw=st.binary(max_size=200),
    media_type=st.sampled_from(["application/json", "multipart/form-data; boundary=x", "text/plain"]),
)
async def test_no_bytes_make_a_webhook_fail(town: Town, raw: bytes, media_type: str):
    for path in ("whatsapp", "email", "email/bounce", "email/sandbox-webhook-secret", "sms", "sms/sandbox-sms-secret"):
        headers = {"content-type": media_type}
        taken_or_refused(await town.client.post(f"/webhooks/{path}", content=raw, headers=headers))


def taken_or_refused(answer: httpx.Response) -> None:
    """200, or problem details that are not the server's fault."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"].startswith("application/problem+json"), answer.text


def _can_be_wrong(definition: dict[str, object]) -> bool:
    """Whether there is anything that a wrong request could have wrong."""
    return bool(definition.get("parameters") or definition.get("requestBody")) and "schema" in json.dumps(definition)
