"""What operators and programs read, and what operators do."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery
from litestar.types import ControllerRouterHandler

from libs.config.bundle import Bundle
from libs.config.model import CHANNELS
from libs.domain.given import Wrong, check_id
from libs.kit import requests
from libs.kit.appends import asking_postgres
from libs.kit.auth import DEFAULT_TENANT, Auth
from libs.kit.bundles import Bundles, NothingPublished
from libs.kit.requests import AnyRequest, durably, idempotency_key
from libs.kit.serve import VERSION
from libs.kit.store import Store
from services.console import decide
from services.console.handle import Filters, Reader
from services.console.operators import Operators, Taken
from services.console.settings import Settings
from services.console.stats import Stats

LIMIT = 50
BROKEN = """SELECT account FROM gateways.account WHERE tenant = $1 AND (open_until > now() OR degraded IS NOT NULL)
UNION SELECT account FROM gateways.stopped WHERE tenant = $1 AND until > now()"""


class ReplyIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What an operator writes; without a channel it goes where the conversation is, which may not be the phone."""

    content: str
    channel: str | None = None


class ErasureIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Who asked for it, and how: kept sealed with the rest, and unreadable with it."""

    evidence: dict[str, Any] = {}


class ApprovalIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Whether Claude may do what it asked for."""

    approved: bool
    reason: str | None = None


@contextmanager
def _meant(place: str) -> Iterator[None]:
    """What cannot be meant becomes problem details."""
    try:
        yield
    except Wrong as wrong:
        raise requests.wrong(place, wrong.path, wrong.message) from wrong


def routes(
    settings: Settings,
    bundles: Bundles[Bundle],
    store: Store,
    reader: Reader,
    stats: Stats,
    operators: Operators,
    auth: Auth,
) -> list[ControllerRouterHandler]:
    """The handlers of the console."""
    return [
        _health(settings, bundles, store),
        *_lists(reader, auth),
        *_details(reader, stats, auth),
        *_verbs(operators, auth),
    ]


def _health(settings: Settings, bundles: Bundles[Bundle], store: Store) -> ControllerRouterHandler:
    async def broken() -> set[str]:
        with asking_postgres():
            return {row["account"] for row in await store.pool.fetch(BROKEN, DEFAULT_TENANT)}

    @get("/health", tags=["health"], operation_id="getHealth")
    async def health() -> dict[str, Any]:
        """Whether the system is well, and which channels are live, sandbox, off, or degraded: refused by its provider, or not as set up."""
        degraded = await durably(broken())
        try:
            bundle = await bundles.current(DEFAULT_TENANT)
        except NothingPublished as error:
            return {"status": "degraded", "version": VERSION, "channels": {}, "detail": str(error)}
        modes: dict[str, str] = {name: bundle.channel_mode(name, settings.environment) for name in CHANNELS}
        channels = {name: "degraded" if name in degraded and mode != "off" else mode for name, mode in modes.items()}
        status = "degraded" if "degraded" in channels.values() else "ok"
        return {"status": status, "version": VERSION, "channels": channels}

    return health


def _lists(reader: Reader, auth: Auth) -> list[ControllerRouterHandler]:
    @get("/api/v1/conversations", tags=["conversations"], operation_id="listConversations")
    async def conversations(
        request: AnyRequest,
        status: FromQuery[str | None] = None,
        contact_id: FromQuery[str | None] = None,
        process_type: FromQuery[str | None] = None,
        cursor: FromQuery[str | None] = None,
        limit: FromQuery[int] = LIMIT,
    ) -> dict[str, Any]:
        """Conversations, the newest first."""
        caller = await auth.caller(request, "read")
        with _meant("query"):
            filters = Filters(decide.CONVERSATION_STATUSES, status, contact_id, process_type, cursor, limit)
        return await durably(reader.conversations(caller.tenant, filters))

    @get("/api/v1/followups", tags=["follow-ups"], operation_id="listFollowups")
    async def followups(
        request: AnyRequest,
        status: FromQuery[str | None] = None,
        contact_id: FromQuery[str | None] = None,
        process_type: FromQuery[str | None] = None,
        cursor: FromQuery[str | None] = None,
        limit: FromQuery[int] = LIMIT,
    ) -> dict[str, Any]:
        """Follow-ups, the newest first."""
        caller = await auth.caller(request, "read")
        with _meant("query"):
            filters = Filters(decide.FOLLOWUP_STATUSES, status, contact_id, process_type, cursor, limit)
        return await durably(reader.followups(caller.tenant, filters))

    return [conversations, followups]


def _details(reader: Reader, stats: Stats, auth: Auth) -> list[ControllerRouterHandler]:
    @get("/api/v1/stats", tags=["stats"], operation_id="getStats")
    async def get_stats(request: AnyRequest) -> dict[str, Any]:
        """Counts by status, lag of relay and consumers (in positions), spend since midnight."""
        caller = await auth.caller(request, "read")
        return await durably(stats.of(caller.tenant))

    @get("/api/v1/conversations/{conversation_id:str}", tags=["conversations"], operation_id="getConversation")
    async def conversation(
        request: AnyRequest, conversation_id: FromPath[str], at: FromQuery[str | None] = None
    ) -> dict[str, Any]:
        """One conversation as it stands, or as it stood at a position or (business) time."""
        caller = await auth.caller(request, "read")
        with _meant("query"):
            when: int | datetime | None = None if at is None else decide.at_of(at)
        return decide.answer(await durably(reader.conversation(caller.tenant, conversation_id, when)))

    @get("/api/v1/followups/{followup_id:str}", tags=["follow-ups"], operation_id="getFollowup")
    async def followup(request: AnyRequest, followup_id: FromPath[str]) -> dict[str, Any]:
        """One follow-up."""
        caller = await auth.caller(request, "read")
        return await durably(reader.followup(caller.tenant, followup_id))

    @get("/api/v1/contacts/{contact_id:str}", tags=["contacts"], operation_id="getContact")
    async def contact(request: AnyRequest, contact_id: FromPath[str]) -> dict[str, Any]:
        """One contact."""
        caller = await auth.caller(request, "read")
        return await durably(reader.contact(caller.tenant, contact_id))

    return [get_stats, conversation, followup, contact]


def _verbs(operators: Operators, auth: Auth) -> list[ControllerRouterHandler]:
    path = "/api/v1/conversations/{conversation_id:str}"

    @post(f"{path}/takeover", status_code=202, tags=["operators"], operation_id="takeOver")
    async def take_over(request: AnyRequest, conversation_id: FromPath[str]) -> dict[str, Any]:
        """Take a conversation over: the agent falls silent."""
        caller = await auth.caller(request, "operate")
        return _taken(await durably(operators.take_over(caller, conversation_id, idempotency_key(request))))

    @post(
        f"{path}/reply",
        status_code=202,
        tags=["operators"],
        operation_id="reply",
        operation_class=requests.takes(ReplyIn),
    )
    async def reply(request: AnyRequest, conversation_id: FromPath[str]) -> dict[str, Any]:
        """Say something to the contact: `{"content", "channel"?}`."""
        caller = await auth.caller(request, "operate")
        said = await requests.body(request, ReplyIn)
        with _meant("body"):
            decide.check_content(said.content, said.channel)
        key = idempotency_key(request)
        return _taken(await durably(operators.reply(caller, conversation_id, said.content, said.channel, key)))

    @post(f"{path}/release", status_code=202, tags=["operators"], operation_id="release")
    async def release(request: AnyRequest, conversation_id: FromPath[str]) -> dict[str, Any]:
        """Hand a conversation back: the agent goes on."""
        caller = await auth.caller(request, "operate")
        return _taken(await durably(operators.release(caller, conversation_id, idempotency_key(request))))

    @post(
        f"{path}/approvals/{{approval:str}}",
        status_code=202,
        tags=["operators"],
        operation_id="approve",
        operation_class=requests.takes(ApprovalIn),
    )
    async def approve(request: AnyRequest, conversation_id: FromPath[str], approval: FromPath[str]) -> dict[str, Any]:
        """Let Claude do what it asked for, or not: `{"approved", "reason"?}`."""
        caller = await auth.caller(request, "operate")
        said = await requests.body(request, ApprovalIn)
        key = idempotency_key(request)
        taken = operators.approve(caller, conversation_id, approval, said.approved, said.reason, key)
        return _taken(await durably(taken))

    @post(
        "/api/v1/contacts/{contact_id:str}/erase",
        status_code=202,
        tags=["operators"],
        operation_id="eraseContact",
        operation_class=requests.takes(ErasureIn),
    )
    async def erase(request: AnyRequest, contact_id: FromPath[str]) -> dict[str, Any]:
        """Make everything personal of a contact unreadable, for ever: `{"evidence"?}` says who asked for it, and how."""
        caller = await auth.caller(request, "operate")
        asked = await requests.body(request, ErasureIn) if await request.body() else ErasureIn()
        with _meant("path"):
            check_id("$.contact_id", contact_id)
        event_id, duplicate = await durably(
            operators.erase(caller, contact_id, asked.evidence, idempotency_key(request))
        )
        return {"event_id": event_id, "duplicate": duplicate}

    return [take_over, reply, release, approve, erase]


def _taken(taken: Taken) -> dict[str, Any]:
    return {"event_id": taken.event_id, "duplicate": taken.duplicate, "status": taken.status}
