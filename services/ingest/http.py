"""The HTTP bridge: what comes in by POST, answered once what it said is durable."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from litestar import post
from litestar.types import ControllerRouterHandler

from libs.domain.given import Wrong, check_id
from libs.kit import requests
from libs.kit.auth import Auth, Caller
from libs.kit.problems import Problem
from libs.kit.requests import AnyRequest, durably, idempotency_key
from services.ingest import cloudevents, decide
from services.ingest.cloudevents import Refused, Told
from services.ingest.decide import EventIn, FollowupIn, TriggerIn
from services.ingest.documents import TakesEvents
from services.ingest.handle import Ingest, Taken
from services.ingest.importing import Importing
from services.ingest.rows import ContactsIn, FollowupsIn

TITLES = {400: "The CloudEvent cannot be read", 413: "The CloudEvent is too large", 415: "Unsupported media type"}


def routes(ingest: Ingest, importing: Importing, auth: Auth) -> list[ControllerRouterHandler]:
    """The handlers of ingest."""
    return [*_told(ingest, auth), *_lists(importing, auth)]


def _told(ingest: Ingest, auth: Auth) -> list[ControllerRouterHandler]:

    @post(
        "/api/v1/events",
        status_code=202,
        operation_id="postEvent",
        operation_class=TakesEvents,
        tags=["events"],
    )
    async def post_event(request: AnyRequest) -> dict[str, Any] | list[dict[str, Any]]:
        """Tell what happened, in the plain form or as CloudEvents 1.0 (structured, binary, batch). A retry with the same id
        and content changes nothing. A batch is answered by an array; of one that is partly wrong the rest is stored.
        """
        caller = await durably(auth.caller(request, "events:write"))
        with _meant():
            mode = cloudevents.mode_of(request.headers.get("content-type", ""), request.headers.__contains__)
            if mode == "batch":
                return await _batch(ingest, caller, await request.body())
            told = await (_plain(request) if mode is None else _cloud_event(request, mode))
        return _answer(await durably(ingest.take_event(caller, told, idempotency_key(request))))

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
        asked = await requests.body(request, FollowupIn)
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
        given = await requests.body(request, TriggerIn)
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
        asked = await requests.body(request, ContactsIn)
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
        asked = await requests.body(request, FollowupsIn)
        with _meant():
            outcomes = await durably(importing.followups(caller, asked))
        return {"items": msgspec.to_builtins(outcomes)}

    return [import_contacts, import_followups]


async def _plain(request: AnyRequest) -> Told:
    event = await requests.body(request, EventIn)
    decide.check_event(event)
    _check_data("data", event.data)
    return Told(event, {})


async def _cloud_event(request: AnyRequest, mode: cloudevents.Mode) -> Told:
    body = await request.body()
    if mode == "binary":
        return cloudevents.binary(request.scope["headers"], body)
    return cloudevents.structured(cloudevents.decoded(body))


async def _batch(ingest: Ingest, caller: Caller, body: bytes) -> list[dict[str, Any]]:
    """The answers to a batch. Raises Problem where an element was not taken: it names those, and has the answers to the rest."""
    elements = cloudevents.batch(cloudevents.decoded(body))
    taken = iter(await durably(ingest.take_events(caller, [each for each in elements if isinstance(each, Told)])))
    outcomes: list[Taken | Wrong] = []
    for place, element in enumerate(elements):
        outcome = element if isinstance(element, Wrong) else next(taken)
        if isinstance(element, Told) and isinstance(outcome, Wrong):
            outcome = cloudevents.placed(place, outcome)
        outcomes.append(outcome)
    wrong = [each for each in outcomes if isinstance(each, Wrong)]
    if wrong:
        statuses = {each.status if isinstance(each, Refused) else 422 for each in wrong}
        raise Problem(
            statuses.pop() if len(statuses) == 1 else 422,
            "Some events of the batch were not taken",
            f"{len(wrong)} of {len(outcomes)} were not taken, the others are stored: mend what `errors` names and send it again",
            errors=[{"in": "body", "path": each.path, "message": each.message} for each in wrong],
            answers=[None if isinstance(each, Wrong) else _answer(each) for each in outcomes],
        )
    return [_answer(each) for each in outcomes if isinstance(each, Taken)]


def _answer(taken: Taken) -> dict[str, Any]:
    return {"event_id": taken.event_id, "duplicate": taken.duplicate}


@contextmanager
def _meant() -> Iterator[None]:
    """What cannot be meant becomes problem details."""
    try:
        yield
    except Refused as refused:
        raise _refusal(refused) from refused
    except Wrong as wrong:
        raise requests.wrong(_place_of(wrong), wrong.path, wrong.message) from wrong


def _refusal(refused: Refused) -> Problem:
    finding = {"in": _place_of(refused), "path": refused.path, "message": refused.message}
    return Problem(refused.status, TITLES[refused.status], f"{refused.path}: {refused.message}", errors=[finding])


def _place_of(wrong: Wrong) -> str:
    """A path into the body begins with a dollar, any other is the name of a header."""
    return "body" if wrong.path.startswith("$") else "header"


def _check_data(name: str, data: dict[str, Any]) -> None:
    """Raises Problem 413 for more than the spec takes, Wrong for deeper levels than anybody means."""
    decide.check_depth(f"$.{name}", data)
    if decide.is_too_large(data):
        raise Problem(413, f"`{name}` is too large", f"at most {decide.MAX_DATA} bytes of JSON are taken")
