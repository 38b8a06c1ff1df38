"""A call that is going on: its facts in order, what was planned, heard and measured, and how it ended."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from events.base import Event, Recorded
from events.call import Answered, CallRequested, DigitsPressed, Ended, EndReason, ToolCalled, TurnTaken
from libs.config.bundle import Bundle
from libs.kit import telemetry
from voice_service.costs import costs
from voice_service.facts import Facts, Known
from voice_service.guides import Guide
from voice_service.latency import Tracker, Turn

log = structlog.get_logger(__name__)

_ACTIVE = telemetry.gauge("voice_calls", "Calls that are going on in this process.")
_SECONDS = telemetry.histogram("voice_answer_seconds", "From the contact's last word to our first sound.")


@dataclass(slots=True)
class Exchange:
    """What the contact said, and what we planned and they heard of our answer."""

    turn: int = 0
    contact: str = ""
    situation: str | None = None
    planned: str = ""
    heard: str = ""
    interrupted: bool = False
    moments: Turn = field(default_factory=Turn)


class Call:
    """One conversation. Facts go through a queue, so that the talk never waits for the log."""

    def __init__(
        self, facts: Facts, known: Known, intent: Recorded[CallRequested], bundle: Bundle, ref: str, everybody: Tracker
    ) -> None:
        self.known = known
        self.intent = intent
        self.bundle = bundle
        self.ref = ref
        self.exchange = Exchange()
        self.tracker = Tracker()
        self.turns = 0
        self.tools = 0
        self.digits = 0
        self.characters = 0
        self.tokens: dict[tuple[str, str], int] = {}
        self.stt_bytes = 0
        self.reason: EndReason | None = None
        self.hung_up = False
        self.on_key: Callable[[str], None] | None = None
        """Who wants to know at once of a key that was pressed."""
        self.guide: Guide | None = None
        self.began = time.monotonic()
        self._everybody = everybody
        self._facts = facts
        self._queue: asyncio.Queue[tuple[str, Event] | None] = asyncio.Queue()

    @property
    def seconds(self) -> int:
        """Since it was answered."""
        return round(time.monotonic() - self.began)

    def now_ms(self) -> int:
        """The call's own time."""
        return round((time.monotonic() - self.began) * 1000)

    def tell(self, name: str, event: Event) -> None:
        """A fact, as soon as the log takes it."""
        self._queue.put_nowait((name, event))

    async def write(self) -> None:
        """Append what is told until the call is over, each until it is durable."""
        while (told := await self._queue.get()) is not None:
            while True:
                try:
                    await self._facts.tell(self.known, *told)
                    break
                except Exception:
                    log.exception("a fact of a call waits for the log", fact=told[0], call=str(self.known.call))
                    await asyncio.sleep(0.5)

    def answered(self) -> None:
        _ACTIVE.inc()
        at = self._facts.clock.now()
        self.tell("answered", Answered(conversation=self.known.conversation, at=at, provider_ref=self.ref))

    def closed(self, turn: int, text: str, situation: str, moments: Turn) -> None:
        """The contact has finished: what they heard before is a fact now, and a new exchange begins."""
        self.flush()
        self.exchange = Exchange(turn=turn, contact=text, situation=situation, moments=moments)

    def flush(self) -> None:
        """Tell the exchange, if there was one."""
        done = self.exchange
        if not (done.contact or done.heard):
            return
        stages = done.moments.stages()
        self.tracker.add(stages)
        self._everybody.add(stages)
        if "total" in stages:
            _SECONDS.observe(stages["total"] / 1000)
        self.turns += bool(done.contact)
        fact = TurnTaken(
            conversation=self.known.conversation,
            turn=done.turn,
            contact=done.contact,
            agent=done.heard.strip(),
            at=self._facts.clock.now(),
            interrupted=done.interrupted,
            situation=done.situation,
            latency_ms=stages,
        )
        self.tell(f"turn {done.turn} {self.turns}", fact)
        self.exchange = Exchange(turn=done.turn)

    def asked(self, tool: str, inputs: Mapping[str, Any]) -> int:
        """Claude called a tool; how many that were, which is its number."""
        self.tools += 1
        fact = ToolCalled(
            conversation=self.known.conversation,
            turn=self.exchange.turn,
            number=self.tools,
            tool=tool,
            inputs=dict(inputs),
            said=self.exchange.contact,
        )
        self.tell(f"tool {self.tools}", fact)
        return self.tools

    def pressed(self, digit: str) -> None:
        self.digits += 1
        self.tell(f"digit {self.digits}", DigitsPressed(conversation=self.known.conversation, digits=digit))
        if self.on_key is not None:
            self.on_key(digit)

    def over(self) -> None:
        """Tell the last exchange and the end; `write` returns when both are in the log."""
        _ACTIVE.dec()
        self.flush()
        reason: EndReason = self.reason or ("contact_hung_up" if self.hung_up else "failed")
        fact = Ended(
            conversation=self.known.conversation,
            reason=reason,
            seconds=self.seconds,
            turns=self.turns,
            costs=costs(self, self._facts.clock.now()),
            latency_ms=self.tracker.percentiles(),
        )
        self.tell("ended", fact)
        self._queue.put_nowait(None)


class Calls:
    """The calls of this process."""

    def __init__(self) -> None:
        self.live: dict[UUID, Call] = {}
        self.tracker = Tracker()
