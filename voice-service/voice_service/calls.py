"""A call that is going on: its facts in order, what was planned, heard and measured, and how it ended."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from events import call as facts_of_calls
from events.base import Event, Recorded
from events.call import (
    Answered,
    DigitsPressed,
    Ended,
    EndReason,
    ProviderSwitched,
    Talk,
    ToolCalled,
    TurnTaken,
)
from libs.config import call_costs
from libs.config.bundle import Bundle
from libs.domain import recording
from libs.domain.latency import Latency
from libs.domain.pace import Degraded, terms_of
from libs.kit import telemetry
from libs.kit.failures import describe, passes
from voice_service import costs
from voice_service.decide import Used
from voice_service.facts import Facts, Known
from voice_service.guides import Guide
from voice_service.latency import Turn
from voice_service.measures import Measures
from voice_service.pace import Change, Pace
from voice_service.recorder import Recorder

log = structlog.get_logger(__name__)

AGAIN_S, TRIES = 0.5, 20
"""Until a fact is tried again, and how often where it is not the log that is away."""

_ACTIVE = telemetry.gauge("voice_calls", "Calls that are going on in this process.")
_DEGRADED = telemetry.counter("voice_paces", "How often answers came too late for a while, and were quick again.", "to")


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
        self, facts: Facts, known: Known, intent: Recorded[Talk], bundle: Bundle, ref: str, calls: "Calls"
    ) -> None:
        told = bundle.settings.voice
        self.known = known
        self.intent = intent
        self.bundle = bundle
        self.ref = ref
        self.exchange = Exchange()
        self.tracker = Latency()
        self.pace = calls.pace_of(known.tenant, bundle)
        self.money = call_costs.terms_of(told)
        self.meter = costs.Meter()
        self.recorder: Recorder | None = None
        self.turns = 0
        self.tools = 0
        self.digits = 0
        self.characters = 0
        self.tokens: dict[tuple[str, str], int] = {}
        self.stt_bytes = 0
        self.reason: EndReason | None = None
        self.hung_up = False
        self.handed_over = False
        self.hand_over: Callable[[int], Awaitable[None]] | None = None
        """Lets the flow find whom to ring; None where the call's line leads to nobody."""
        self.on_key: Callable[[str], None] | None = None
        """Who wants to know at once of a key that was pressed."""
        self.guide: Guide | None = None
        self.began = time.monotonic()
        self._calls = calls
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
        if isinstance(event, ProviderSwitched):
            self.meter.switched(self, event.component, event.to_provider)

    def paced(self, change: Change) -> None:
        """Answers come too late, or are quick again."""
        to = facts_of_calls.Degraded if isinstance(change, Degraded) else facts_of_calls.Recovered
        fact = to(conversation=self.known.conversation, at=self._facts.clock.now(), p90_ms=change.p90_ms)  # type: ignore[arg-type] # a number when degraded
        self.tell(f"pace {self.pace.changes}", fact)

    async def write(self) -> None:
        """Append what is told until the call is over, each until it is durable; one that never can be stops nothing behind it."""
        call = str(self.known.call)
        while (told := await self._queue.get()) is not None:
            broken = 0
            while broken < TRIES:
                try:
                    await self._facts.tell(self.known, *told)
                    break
                except Exception as error:
                    # Its traceback once: the call goes on meanwhile in this process, and writing one may take long.
                    if passes(error) or broken:
                        why = describe(error)
                        log.warning("a fact of a call waits for the log", fact=told[0], call=call, error=why)
                    else:
                        log.exception("the log does not take a fact of a call", fact=told[0], call=call)
                    broken += not passes(error)
                    await asyncio.sleep(AGAIN_S)
            else:
                log.error("a fact of a call cannot be written", fact=told[0], call=call)

    def answered(self) -> None:
        _ACTIVE.inc()
        at = self._facts.clock.now()
        self.tell("answered", Answered(conversation=self.known.conversation, at=at, provider_ref=self.ref))

    def closed(self, turn: int, text: str, situation: str, moments: Turn) -> None:
        """The contact has finished: what they heard before is a fact now, and a new exchange begins."""
        self.flush()
        self.exchange = Exchange(turn=turn, contact=text, situation=situation, moments=moments)
        if self.recorder is not None and recording.refuses(text):
            self.recorder.refused()

    def flush(self) -> None:
        """Tell the exchange, if there was one."""
        done = self.exchange
        if not (done.contact or done.heard):
            return
        stages = done.moments.stages()
        self.tracker.add(stages)
        self._calls.answered(self.known.tenant, stages)
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

    def hears(self, pcm: bytes) -> None:
        """A block of the contact's sound has come."""
        self.stt_bytes += len(pcm)
        if self.recorder is not None:
            self.recorder.heard(pcm)

    def speaks(self, pcm: bytes) -> None:
        """A block of ours goes out."""
        moments = self.exchange.moments
        if moments.first_sent is None and moments.first_sound is not None:
            moments.first_sent = self.now_ms()
        if self.recorder is not None:
            self.recorder.spoke(pcm)

    def falls_silent(self) -> None:
        """What went out and is not played yet is taken back."""
        if self.recorder is not None:
            self.recorder.cleared()

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
        used = self.used()
        fact = Ended(
            conversation=self.known.conversation,
            reason=reason,
            seconds=used.seconds,
            turns=used.turns,
            costs=used.costs,
            latency_ms=used.latency_ms,
            waits=used.waits,
            consumed=used.consumed,
        )
        self.tell("ended", fact)
        self._queue.put_nowait(None)
        self._calls.ended(self, costs.rupees_per_minute(self, self._facts.clock.now()))

    def used(self) -> Used:
        """What it has come to so far."""
        now = self._facts.clock.now()
        waits = self.tracker.counts()
        return Used(
            seconds=self.seconds,
            turns=self.turns,
            costs=costs.costs(self, now),
            latency_ms=self.tracker.percentiles(),
            waits={stage: {str(bucket): count for bucket, count in each.items()} for stage, each in waits.items()},
            consumed=costs.consumed(self, now),
        )


class Calls:
    """The calls of this process, what was measured in them, and how they do."""

    def __init__(self) -> None:
        self.live: dict[UUID, Call] = {}
        self.measures = Measures()
        self._paces: dict[str, Pace] = {}

    @property
    def tenants(self) -> set[str]:
        """Whose calls go on here."""
        return {call.known.tenant for call in self.live.values()}

    def pace_of(self, tenant: str, bundle: Bundle) -> Pace:
        """How the tenant's calls do, by the newest settings."""
        terms = terms_of(bundle.settings.voice)
        pace = self._paces.setdefault(tenant, Pace(terms))
        pace.terms = terms
        self._tell(tenant, pace.passes(time.monotonic()))
        return pace

    def answered(self, tenant: str, stages: Mapping[str, int]) -> None:
        """A contact has heard our answer after so many milliseconds, by stage."""
        self.measures.waited(tenant, stages)
        if "total" in stages and tenant in self._paces:
            self._tell(tenant, self._paces[tenant].answered(time.monotonic(), stages["total"]))

    def ended(self, call: Call, rupees_per_minute: float) -> None:
        """A call is over."""
        whole = call.seconds >= call.money.pulse_s  # a shorter call is dear by its one pulse, whatever we do
        dear = whole and rupees_per_minute * 1_000_000 > call.money.per_minute.get(costs.HOME, float("inf"))
        self.measures.cost(call.known.tenant, rupees_per_minute, dear=dear)
        if dear:
            log.warning(
                "a call was dearer a minute than the alarm", call=str(call.known.call), rupees=rupees_per_minute
            )

    def _tell(self, tenant: str, change: Change | None) -> None:
        if change is None:
            return
        to = "degraded" if isinstance(change, Degraded) else "recovered"
        _DEGRADED.labels(to).inc()
        log.warning("the pace of calls has changed", to=to, p90_ms=change.p90_ms, tenant=tenant)
        for call in self.live.values():
            if call.known.tenant == tenant:
                call.paced(change)
