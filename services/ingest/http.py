"""The HTTP bridge: what comes in by POST, answered once what it said is durable."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
from litestar import post
from litestar.types import ControllerRouterHandler

from libs.domain.given import Wrong, check_id
from libs.kit import requests
from libs.kit.auth import Auth
from libs.kit.problems import Problem
from libs.kit.requests import AnyRequest, durably, idempotency_key
from services.ingest import decide
from services.ingest.decide import EventIn, FollowupIn, TriggerIn
from services.ingest.handle import Ingest
from services.ingest.importing import Importing
from services.ingest.rows import ContactsIn, FollowupsIn

T = TypeVar("T")


def routes(ingest: Ingest, importing: Importing, auth: Auth) -> list[ControllerRouterHandler]:
    """The handlers of ingest."""
    return [*_told(ingest, auth), *_lists(importing, auth)]


def _told(ingest: Ingest, auth: Auth) -> list[ControllerRouterHandler]:

    @post(
        "/api/v1/events",
        status_code=202,
        operation_id="postEvent",
        operation_class=requests.takes(EventIn),
        tags=["events"],
    )
    async def post_event(request: AnyRequest) -> dict[str, Any]:
        """Tell what happened. A retry with the same id and content changes nothing."""
        caller = await durably(auth.caller(request, "events:write"))
        event = await _body(request, EventIn)
        with _meant():
            decide.check_event(event)
            _check_data("data", event.data)
        taken = await durably(ingest.take_event(caller, event, idempotency_key(request)))
        return {"event_id": taken.event_id, "duplicate": taken.duplicate}

    @post(
        "/api/v1/followups/trigger",
        status_code=202,
        operation_id="triggerFollowup",
        operation_class=requests.takes(FollowupIn),
        tags=["follow-ups"],
    )
    async def trigger_followup(request: AnyRequest) -> dict[str, Any]:
        """Ask for a follow-up by hand. Answers at once; the conversation opens later."""
        caller = await durably(auth.caller(request, "followups:write"))
        asked = await _body(request, FollowupIn)
        with _meant():
            _check_data("business_context", asked.business_context)
            followup, conversation, taken = await durably(ingest.take_followup(caller, asked, idempotency_key(request)))
        return {"followup_id": followup, "conversation_id": conversation, "event_id": taken.event_id}

    @post(
        "/api/v1/context/trigger",
        status_code=202,
        operation_id="triggerContext",
        operation_class=requests.takes(TriggerIn),
        tags=["follow-ups"],
    )
    async def trigger_context(request: AnyRequest) -> dict[str, Any]:
        """Move a conversation's process by hand."""
        caller = await durably(auth.caller(request, "context:write"))
        given = await _body(request, TriggerIn)
        with _meant():
            _check_data("extra_data", given.extra_data)
            check_id("$.conversation_id", given.conversation_id)
            check_id("$.trigger_value", given.trigger_value)
        taken = await durably(ingest.take_trigger(caller, given, idempotency_key(request)))
        return {"event_id": taken.event_id, "duplicate": taken.duplicate}

    return [post_event, trigger_followup, trigger_context]


def _lists(importing: Importing, auth: Auth) -> list[ControllerRouterHandler]:
    """Parts of a list that is imported, for companies whose systems send no events yet."""

    @post(
        "/api/v1/contacts/import",
        status_code=200,
        operation_id="importContacts",
        operation_class=requests.takes(ContactsIn),
        tags=["imports"],
    )
    async def import_contacts(request: AnyRequest) -> dict[str, Any]:
        """Tell who contacts are. Says of each whether it is new, changed, unchanged or refused; `dry_run` stores nothing."""
        caller = await durably(auth.caller(request, "contacts:write"))
        asked = await _body(request, ContactsIn)
        with _meant():
            outcomes = await durably(importing.contacts(caller, asked))
        return {"items": msgspec.to_builtins(outcomes)}

    @post(
        "/api/v1/followups/import",
        status_code=200,
        operation_id="importFollowups",
        operation_class=requests.takes(FollowupsIn),
        tags=["imports"],
    )
    async def import_followups(request: AnyRequest) -> dict[str, Any]:
        """Ask for follow-ups of one process, with the data that its rule names; each is opened once."""
        caller = await durably(auth.caller(request, "followups:write"))
        asked = await _body(request, FollowupsIn)
        with _meant():
            outcomes = await durably(importing.followups(caller, asked))
        return {"items": msgspec.to_builtins(outcomes)}

    return [import_contacts, import_followups]


@contextmanager
def _meant() -> Iterator[None]:
    """What cannot be meant becomes problem details."""
    try:
        yield
    except Wrong as wrong:
        raise requests.wrong("body", wrong.path, wrong.message) from wrong


def _check_data(name: str, data: dict[str, Any]) -> None:
    """Raises Problem 413 for more than the spec takes, Wrong for deeper levels than anybody means."""
    decide.check_depth(f"$.{name}", data)
    if len(msgspec.json.encode(data)) > decide.MAX_DATA:
        raise Problem(413, f"`{name}` is too large", f"at most {decide.MAX_DATA} bytes of JSON are taken")


async def _body(request: AnyRequest, shape: type[T]) -> T:
    media_type = request.headers.get("content-type", "").lower()
    if media_type.startswith("application/cloudevents") or "ce-specversion" in request.headers:
        raise Problem(
            415, "CloudEvents are not built yet", "send the plain form as application/json: /api/docs shows it"
        )
    return await requests.body(request, shape)
