"""How the facts of a call come into the log: each once, by its name in the call."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from events.base import Cause, Draft, Event, Recorded
from events.call import Answered, Missed, MissedReason
from libs.kit import gates, ids
from libs.kit.clock import Clock
from libs.kit.store import Store
from voice_service import decide

SOURCE = "voice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A call as the log knows it."""

    tenant: str
    call: UUID
    conversation: str
    contact: str | None
    correlation: UUID


def known(tenant: str, row: Mapping[str, Any]) -> Known:
    """A call by its row in voice.call."""
    return Known(
        tenant=tenant,
        call=row["call"],
        conversation=row["conversation"],
        contact=row["contact"],
        correlation=row["correlation"],
    )


def call_id(text: str | None) -> UUID | None:
    """Our id of a call, where it is one: what comes back from outside may be anything."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


async def closed_while_it_rang(store: Store, intent: Recorded[Any]) -> str | None:
    """The gate of a call that has closed since it was dialled; None where it may be talked in.

    No request stops a phone that rings. What closes by the answer itself, which a provider may tell before the media come, is
    for the talk.
    """
    known = await store.read_stream(intent.tenant, decide.stream(intent.id))
    answered = next((fact.pos for fact in known if isinstance(fact.event, Answered)), None)
    return await gates.closed(store, "voice", intent, intent.event.gates, before=answered)


class Facts:
    """Appends what happens in calls, each thing once: its name in the call is its cause's id."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    async def tell(self, known: Known, name: str, event: Event) -> None:
        """Append a fact; the same name again changes nothing."""
        cause = Cause(
            id=ids.cause_id(known.tenant, SOURCE, f"{known.call} {name}"),
            correlation_id=known.correlation,
            occurred_at=self.clock.now(),
            source=SOURCE,
        )
        key = f"contact-{known.contact}" if known.contact else None
        draft = Draft(decide.stream(known.call), event, key, known.contact)
        await self.store.append_any(known.tenant, draft.stream, [draft], cause, consumer=SOURCE)

    async def missed(self, tenant: str, call: UUID, reason: MissedReason) -> None:
        """Somebody who called us is gone: nobody has talked with them, and nobody will; this is the call's end."""
        unknown = Known(tenant=tenant, call=call, conversation="", contact=None, correlation=call)
        await self.tell(unknown, "ended", Missed(at=self.clock.now(), reason=reason))
