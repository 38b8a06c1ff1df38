"""What operators do: take a conversation over, answer in it, hand it back, and have a contact forgotten."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from events.base import Draft, Event
from events.contact import ErasureFailed
from events.operator import ApprovalGiven, ErasureRequested, Released, ReplyGiven, TakeoverRequested
from libs.kit import ids
from libs.kit.auth import Caller
from libs.kit.clock import Clock
from libs.kit.problems import Problem
from libs.kit.store import Store
from projections.conversations import Conversation
from services.console import decide
from services.console.decide import Senseless
from services.console.handle import Reader

SOURCE = "console"
PATIENCE = timedelta(seconds=2)
"""So long an answer waits for the orchestrator, that the next request may rely on it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was stored: its id, whether it had been stored before, and how the conversation stands."""

    event_id: str
    duplicate: bool
    status: str


class Operators:
    """Appends what operators ask for, after looking whether it makes sense."""

    def __init__(self, store: Store, clock: Clock, reader: Reader) -> None:
        self._store = store
        self._clock = clock
        self._reader = reader

    async def take_over(self, caller: Caller, conversation: str, key: str | None) -> Taken:
        """The agent falls silent. Raises Problem 404, 409."""
        fact = TakeoverRequested(conversation=conversation, operator=caller.name)
        taken = await self._append(
            caller, "takeover", conversation, fact, key, decide.check_takeover, {"with_operator", "closed"}
        )
        if not taken.duplicate:
            now = await self._reader.now(caller.tenant, conversation)
            if now.operator not in (None, caller.name):  # another one was first while we looked
                raise _senseless(f"{now.operator} has taken it over already", now)
        return taken

    async def release(self, caller: Caller, conversation: str, key: str | None) -> Taken:
        """The agent goes on. Raises Problem 404, 409."""
        fact = Released(conversation=conversation, operator=caller.name)
        return await self._append(
            caller, "release", conversation, fact, key, decide.check_release, {"open", "waiting", "closed"}
        )

    async def approve(
        self, caller: Caller, conversation: str, approval: str, approved: bool, reason: str | None, key: str | None
    ) -> Taken:
        """Claude may do what it asked for, or not. Raises Problem 404, 409."""
        fact = ApprovalGiven(
            conversation=conversation, approval=approval, operator=caller.name, approved=approved, reason=reason
        )
        return await self._append(caller, "approve", conversation, fact, key, decide.check_approval, set())

    async def reply(
        self, caller: Caller, conversation: str, content: str, channel: str | None, key: str | None
    ) -> Taken:
        """The operator speaks. Raises Problem 404, 409."""
        now = await self._reader.now(caller.tenant, conversation)
        contact = await self._reader.contact_now(caller.tenant, now.contact_id)
        fact = ReplyGiven(conversation=conversation, operator=caller.name, content=content, channel=channel)
        return await self._append(
            caller, "reply", conversation, fact, key, lambda row: decide.check_reply(row, contact, channel), set()
        )

    async def erase(self, caller: Caller, contact: str, evidence: dict[str, Any], key: str | None) -> tuple[str, bool]:
        """Everything personal of a contact becomes unreadable. The id of the request, and whether it had been made before.

        Raises Problem 422 where the key stands for another contact's erasure.
        """
        cause_id = ids.cause_id(caller.tenant, "erase", key or await self._erasure_of(caller.tenant, contact))
        stream = f"operator-{cause_id}"
        fact = ErasureRequested(contact_id=contact, operator=caller.name, evidence=evidence)
        draft = Draft(stream, fact, key=f"contact-{contact}", subject=contact)
        appended = await self._store.append_any(
            caller.tenant, stream, [draft], caller.cause(cause_id, source=SOURCE, at=self._clock.now())
        )
        if appended.duplicate:
            [known] = await self._store.read_stream(caller.tenant, stream)
            if known.envelope.subject != contact:  # the rest may be unreadable by now
                raise _other_content()
        return str(cause_id), appended.duplicate

    async def _erasure_of(self, tenant: str, contact: str) -> str:
        """What tells one request of an erasure from the next: whoever asks again after it failed asks anew."""
        known = await self._store.read_stream(tenant, f"contact-{contact}")
        failed = sum(isinstance(fact.event, ErasureFailed) for fact in known)
        return f"{contact}#{failed}" if failed else contact

    async def _append(
        self,
        caller: Caller,
        verb: str,
        conversation: str,
        fact: Event,
        key: str | None,
        check: Callable[[Conversation], None],
        until: set[str],
    ) -> Taken:
        now = await self._reader.now(caller.tenant, conversation)
        cause_id = ids.cause_id(caller.tenant, verb, key) if key else ids.fresh()
        stream = f"operator-{cause_id}"
        known = await self._store.read_stream(caller.tenant, stream) if key else []
        if known:
            if known[0].event != fact:
                raise _other_content()
            return Taken(str(cause_id), True, now.status)
        try:
            check(now)
        except Senseless as error:
            raise _senseless(str(error), now) from error
        draft = Draft(stream, fact, key=f"contact-{now.contact_id}", subject=now.contact_id)
        appended = await self._store.append_any(
            caller.tenant, stream, [draft], caller.cause(cause_id, source=SOURCE, at=self._clock.now())
        )
        status = await self._settled(caller.tenant, conversation, until) if until else now.status
        return Taken(str(cause_id), appended.duplicate, status)

    async def _settled(self, tenant: str, conversation: str, until: set[str]) -> str:
        """The conversation's status once the orchestrator has heard, or after our patience."""
        grown = asyncio.Event()
        undo = self._store.listener.on(f"log_{await self._store.shard_of(tenant)}", lambda _: grown.set())
        try:
            status = (await self._reader.now(tenant, conversation)).status
            try:
                async with asyncio.timeout(PATIENCE.total_seconds()):
                    while status not in until:
                        await grown.wait()
                        grown.clear()
                        status = (await self._reader.now(tenant, conversation)).status
            except TimeoutError:
                pass
            return status
        finally:
            undo()


def _senseless(why: str, now: Conversation) -> Problem:
    return Problem(409, "Not as things stand", why, conversation_status=now.status)


def _other_content() -> Problem:
    words = "this key was used before for something else; send a new one, or the same request again"
    return Problem(422, "The id stands for other content", words)
