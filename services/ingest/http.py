"""The HTTP bridge: three POSTs, each answered with 202 once what it said is durable."""

from collections.abc import Awaitable
from typing import Any, TypeVar

import msgspec
from litestar import Request, post
from litestar.types import ControllerRouterHandler

from libs.kit.auth import Auth
from libs.kit.problems import Problem
from libs.kit.store import Overloaded, Unavailable
from services.ingest import decide
from services.ingest.decide import EventIn, FollowupIn, TriggerIn, Wrong
from services.ingest.handle import Ingest

AnyRequest = Request[Any, Any, Any]
T = TypeVar("T")
R = TypeVar("R")


def routes(ingest: Ingest, auth: Auth) -> list[ControllerRouterHandler]:
    """The handlers of ingest."""

    @post("/api/v1/events", status_code=202, operation_id="postEvent", tags=["events"])
    async def post_event(request: AnyRequest) -> dict[str, Any]:
        """Tell what happened. A retry with the same id and content changes nothing."""
        caller = await auth.caller(request, "events:write")
        event = await _body(request, EventIn)
        with _reported():
            decide.check_event(event)
        if len(msgspec.json.encode(event.data)) > decide.MAX_DATA:
            raise Problem(413, "The event's data is too large", f"at most {decide.MAX_DATA} bytes of JSON are taken")
        taken = await _durably(ingest.take_event(caller, event, _key(request)))
        return {"event_id": taken.event_id, "duplicate": taken.duplicate}

    @post("/api/v1/followups/trigger", status_code=202, operation_id="triggerFollowup", tags=["follow-ups"])
    async def trigger_followup(request: AnyRequest) -> dict[str, Any]:
        """Ask for a follow-up by hand. Answers at once; the conversation opens later."""
        caller = await auth.caller(request, "followups:write")
        asked = await _body(request, FollowupIn)
        with _reported():
            followup, conversation, taken = await _durably(ingest.take_followup(caller, asked, _key(request)))
        return {"followup_id": followup, "conversation_id": conversation, "event_id": taken.event_id}

    @post("/api/v1/context/trigger", status_code=202, operation_id="triggerContext", tags=["follow-ups"])
    async def trigger_context(request: AnyRequest) -> dict[str, Any]:
        """Move a conversation's process by hand."""
        caller = await auth.caller(request, "context:write")
        given = await _body(request, TriggerIn)
        with _reported():
            decide.check_id("$.conversation_id", given.conversation_id)
            decide.check_id("$.trigger_value", given.trigger_value)
        taken = await _durably(ingest.take_trigger(caller, given, _key(request)))
        return {"event_id": taken.event_id, "duplicate": taken.duplicate}

    return [post_event, trigger_followup, trigger_context]


class _reported:
    """Turns a field that cannot be meant into problem details."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Wrong):
            finding = {"in": "body", "path": error.path, "message": error.message}
            raise Problem(422, "The request cannot be meant", str(error), errors=[finding]) from error


async def _body(request: AnyRequest, shape: type[T]) -> T:
    """The body as `shape`. Raises Problem: 415 for another media type, 400 for no JSON, 422 for another shape."""
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type.startswith("application/cloudevents") or "ce-specversion" in request.headers:
        raise Problem(415, "CloudEvents are not built yet", "send the plain form of spec/api.md as application/json")
    if media_type not in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        raise Problem(415, "Unsupported media type", f"send application/json, not {media_type!r}")
    raw = await request.body()
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        finding = {"in": "body", "path": path.rstrip("`") or "$", "message": message}
        raise Problem(422, "The request has the wrong shape", str(error), errors=[finding]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "The body is not valid JSON", str(error)) from error


def _key(request: AnyRequest) -> str | None:
    """The Idempotency-Key, with or without the quotes of a structured field."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if len(key) >= 2 and key.startswith('"') and key.endswith('"'):
        key = key[1:-1]
    with _reported():
        decide.check_id("Idempotency-Key", key)
    return key


async def _durably(work: Awaitable[R]) -> R:
    """503 while the log cannot take anything; the sender tries again, with the same id."""
    try:
        return await work
    except (Overloaded, Unavailable) as error:
        raise Problem(503, "The log cannot take this now", str(error), headers={"retry-after": "1"}) from error
