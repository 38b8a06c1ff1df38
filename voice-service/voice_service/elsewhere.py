"""Calls whose media run in another runtime: it tells what was said, turn by turn, and hears what to say next.

Everything is idempotent by call and turn. What was said is kept sealed until the exchange is over and a fact.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from events.base import Recorded
from events.call import Answered, CallRequested, Consumed, Ended, EndReason, Summarised, ToolCalled, TurnTaken
from libs.config import call_costs
from libs.config.bundle import Bundle
from libs.domain.call_lines import language_of
from libs.kit import ids
from libs.kit.bundles import Bundles
from libs.kit.clock import Clock
from libs.kit.crypto import DataKey, parts
from libs.kit.problems import Problem
from libs.kit.store import Store
from libs.llm.calls import END_CALL
from voice_service import decide, lines
from voice_service.brain import Answer, Brain, Called, Said, Spoke
from voice_service.facts import Facts, Known, closed_while_it_rang, known
from voice_service.guidance import Guidance

ASKS = timedelta(seconds=20)
"""How long one process may ask Claude before another does."""
LOOK_S = 0.05

_CALL = """SELECT call, conversation, version, contact, correlation, state, held_by, elsewhere, provider_ref
FROM voice.call WHERE tenant = $1 AND call = $2"""
_ELSEWHERE = """UPDATE voice.call SET elsewhere = true
WHERE tenant = $1 AND call = $2 AND held_by IS NULL RETURNING true"""
_IS_OVER = "SELECT state = 'over' FROM voice.call WHERE tenant = $1 AND call = $2"
_OVER = "UPDATE voice.call SET state = 'over' WHERE tenant = $1 AND call = $2"
_EXCHANGES = "SELECT turn, state, sealed, tokens FROM voice.exchange WHERE tenant = $1 AND call = $2 ORDER BY turn"
_EXCHANGE = "SELECT turn, state, sealed, asks_until < now() AS late FROM voice.exchange WHERE tenant = $1 AND call = $2 AND turn = $3"
_ASK = """INSERT INTO voice.exchange (tenant, call, turn, state, claim, asks_until, sealed)
VALUES ($1, $2, $3, 'asking', $4, now() + $5::interval, $6)
ON CONFLICT (tenant, call, turn) DO UPDATE SET claim = $4, asks_until = now() + $5::interval
WHERE exchange.state = 'asking' AND exchange.asks_until < now() RETURNING true"""
_ANSWERED = """UPDATE voice.exchange SET state = 'answered', asks_until = NULL, sealed = $5, tokens = $6::jsonb
WHERE tenant = $1 AND call = $2 AND turn = $3 AND claim = $4 AND state = 'asking' RETURNING true"""
_GIVE_UP = "UPDATE voice.exchange SET asks_until = now() WHERE tenant = $1 AND call = $2 AND turn = $3 AND claim = $4"
_SPOKEN = """INSERT INTO voice.exchange (tenant, call, turn, state, claim, sealed)
VALUES ($1, $2, $3, 'answered', $4, $5)
ON CONFLICT (tenant, call, turn) DO UPDATE SET sealed = $5 WHERE exchange.state = 'answered' RETURNING true"""
_TOLD = "UPDATE voice.exchange SET state = 'told' WHERE tenant = $1 AND call = $2 AND turn = $3 AND state = 'answered'"


class Transcript(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/voice/transcript`. Turn 0 is the opening, which an empty final text of the contact's asks for."""

    call_id: UUID
    turn: int
    speaker: Literal["contact", "agent"]
    text: str
    is_final: bool = True
    latency_ms: dict[str, int] = {}


class CallEnded(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`POST /api/v1/voice/call-ended`."""

    call_id: UUID
    reason: EndReason
    duration_s: float
    summary: str | None = None
    recording_url: str | None = None


class Elsewhere:
    """Our brain for calls whose sound is heard and made elsewhere."""

    def __init__(self, store: Store, bundles: "Bundles[Bundle]", clock: Clock, facts: Facts, brain: Brain) -> None:
        self._store = store
        self._bundles = bundles
        self._clock = clock
        self._facts = facts
        self._brain = brain

    async def transcript(self, tenant: str, told: Transcript) -> dict[str, Any]:
        """What to say next: `say`, the `tools` that were called, `end_call`. Raises Problem."""
        if told.turn < 0 or len(told.text) > 10_000:
            raise Problem(422, "No transcript", "turn counts from 0, and a text has 10,000 characters at most")
        if not told.is_final:
            return _reply(told.turn, None)
        call = await self._call(tenant, told.call_id)
        if told.speaker == "agent":
            await self._spoken(call, told)
            return _reply(told.turn, None)
        before = await self._exchange(call, told.turn)
        if before is None and call.over:
            raise Problem(409, "The call is over", "its end was told before this turn")
        said = await self._answer(call, told)
        await self._tell_tools(call, told.turn, said.tools, said.contact)
        over = before is None and await self._store.pool.fetchval(_IS_OVER, tenant, told.call_id)  # while we thought
        await self._flush(call, before=None if over else told.turn)
        return _reply(told.turn, said)

    async def ended(self, tenant: str, told: CallEnded) -> dict[str, Any]:
        """The call is over: its last exchange, its end and its summary are facts, once. Raises Problem."""
        call = await self._call(tenant, told.call_id)
        await self._flush(call, before=None)
        rows = await self._store.pool.fetch(_EXCHANGES, tenant, told.call_id)
        said = [await self._opened(call, row["sealed"]) for row in rows]
        seconds = max(0, round(told.duration_s))
        consumed = self._consumed(call, seconds, rows)
        end = Ended(
            conversation=call.known.conversation,
            reason=told.reason,
            seconds=seconds,
            turns=sum(1 for each in said if each.contact),
            costs=call_costs.by_component(consumed, call.bundle, self._clock.now().date()),
            consumed=consumed,
        )
        if told.summary:  # before the end: afterwards we would write one ourselves
            summary = Summarised(conversation=call.known.conversation, summary=told.summary)
            await self._facts.tell(call.known, "summary", summary)
        await self._facts.tell(call.known, "ended", end)
        # Here and not only when the reactor hears of it: a turn that comes from now on is refused, one that was under way is told.
        await self._store.pool.execute(_OVER, tenant, told.call_id)
        await self._flush(call, before=None)
        return {"call_id": str(told.call_id), "status": "ended"}

    # answering

    async def _answer(self, call: "_Call", told: Transcript) -> Said:
        """The answer to a turn: asked of Claude once, by whoever is first; the others wait for it."""
        mine = ids.fresh()
        first = Said(contact=told.text, latency_ms=told.latency_ms)
        place = (call.known.tenant, call.known.call, told.turn)
        async with asyncio.timeout(2 * ASKS.total_seconds()):
            while True:
                row = await self._exchange(call, told.turn)
                if row is not None:
                    said = await self._opened(call, row["sealed"])
                    if said.contact != told.text:
                        raise Problem(422, "Another text", f"turn {told.turn} of this call was told with other words")
                    if row["state"] != "asking":
                        return said
                if (row is None or row["late"]) and await self._store.pool.fetchval(
                    _ASK, *place, mine, ASKS, await self._sealed(call, first)
                ):
                    break
                await asyncio.sleep(LOOK_S)
        try:
            answered = await self._asked(call, told)
        except BaseException:
            await self._store.pool.execute(_GIVE_UP, *place, mine)
            raise
        said = msgspec.structs.replace(first, say=answered.say, tools=answered.tools, end=answered.end)
        tokens = msgspec.json.encode(answered.tokens).decode()
        if not await self._store.pool.fetchval(_ANSWERED, *place, mine, await self._sealed(call, said), tokens):
            return await self._answer(call, told)
        return said

    async def _asked(self, call: "_Call", told: Transcript) -> Answer:
        rows = await self._store.pool.fetch(_EXCHANGES, call.known.tenant, call.known.call)
        before = [await self._opened(call, row["sealed"]) for row in rows if row["turn"] < told.turn]
        if told.turn == 0 and not told.text:
            if await closed_while_it_rang(self._store, call.intent) is not None:
                return Answer(say="", end=True)
            return Answer(say=call.intent.event.opening)
        if decide.says_stop(told.text, call.bundle):
            language = language_of(call.intent.event.language)
            return Answer(say=lines.said("stopped", language, call.bundle.settings.voice), end=True)
        spoke = [Spoke(each.contact, each.say if each.heard is None else each.heard, each.tools) for each in before]
        guidance = Guidance(self._store, call.known, call.intent)

        async def came_of(tools: Sequence[Called], before: int) -> tuple[Sequence[Mapping[str, Any] | None], bool]:
            numbers = await self._tell_tools(call, told.turn, tools, told.text, before)
            awaited = [n for n, (tool, _) in zip(numbers, tools, strict=True) if tool != END_CALL]
            return await guidance.answers(numbers, awaited)

        return await self._brain.answer(
            call.bundle, call.intent.event, spoke, told.text, newest=guidance.newest, came_of=came_of
        )

    async def _spoken(self, call: "_Call", told: Transcript) -> None:
        """The contact has heard our words, as far as `text` goes: the exchange is over."""
        row = await self._exchange(call, told.turn)
        if row is not None and row["state"] == "asking":
            raise Problem(409, "Nothing to say yet", f"turn {told.turn} is not answered yet")
        said = await self._opened(call, row["sealed"]) if row is not None else Said()
        if row is not None and row["state"] == "told":
            if said.heard not in (None, told.text):
                raise Problem(422, "Another text", f"turn {told.turn} of this call was told with other words")
            return
        said = msgspec.structs.replace(said, heard=told.text, latency_ms={**said.latency_ms, **told.latency_ms})
        place = (call.known.tenant, call.known.call, told.turn)
        await self._store.pool.fetchval(_SPOKEN, *place, ids.fresh(), await self._sealed(call, said))
        await self._flush(call, before=told.turn + 1)

    # telling

    async def _tell_tools(
        self, call: "_Call", turn: int, tools: Sequence[Called], contact: str, before: int = 0
    ) -> list[int]:
        """Tell what Claude asked for, each once; `before` are those of this turn that were told already. Their numbers."""
        numbers = [turn * 100 + before + n for n in range(1, len(tools) + 1)]  # of this call, whoever asks when
        for number, (tool, inputs) in zip(numbers, tools, strict=True):
            fact = ToolCalled(
                conversation=call.known.conversation,
                turn=turn,
                number=number,
                tool=tool,
                inputs=dict(inputs),
                said=contact,
            )
            await self._facts.tell(call.known, f"tool {number}", fact)
        return numbers

    async def _flush(self, call: "_Call", *, before: int | None) -> None:
        """Tell the exchanges that are over, in order: those before a turn, or all."""
        for row in await self._store.pool.fetch(_EXCHANGES, call.known.tenant, call.known.call):
            if row["state"] != "answered" or (before is not None and row["turn"] >= before):
                continue
            said = await self._opened(call, row["sealed"])
            agent = said.say if said.heard is None else said.heard
            fact = TurnTaken(
                conversation=call.known.conversation,
                turn=row["turn"],
                contact=said.contact,
                agent=agent,
                at=self._clock.now(),
                interrupted=said.heard is not None and len(said.heard) < len(said.say),
                latency_ms=said.latency_ms,
            )
            await self._facts.tell(call.known, f"turn {row['turn']}", fact)
            await self._store.pool.execute(_TOLD, call.known.tenant, call.known.call, row["turn"])

    def _consumed(self, call: "_Call", seconds: int, rows: Sequence[asyncpg.Record]) -> list[Consumed]:
        tokens: dict[tuple[str, str], int] = {}
        for row in rows:
            for unit, model, count in msgspec.json.decode(row["tokens"]):
                tokens[unit, model] = tokens.get((unit, model), 0) + count
        usage = call_costs.Usage(seconds=seconds, tokens=tokens)
        pulse_s = call_costs.terms_of(call.bundle.settings.voice).pulse_s
        ours = ("llm", "telephony") if call.dialled else ("llm",)
        taken = call_costs.consumed(usage, call.bundle, self._clock.now().date(), pulse_s)
        return [each for each in taken if each.component in ours]

    # the call

    async def _call(self, tenant: str, id_: UUID) -> "_Call":
        row = await self._store.pool.fetchrow(_CALL, tenant, id_)
        if row is None:
            raise Problem(404, "There is no such call", "call_id is the id of the intent, which the media URL carries")
        if row["held_by"] is not None:
            raise Problem(409, "The call's media are here", "another runtime tells of its own calls only")
        if not row["elsewhere"]:
            await self._store.pool.execute(_ELSEWHERE, tenant, id_)
        stream = f"conversation-{row['conversation']}"
        intent: Recorded[CallRequested] = (await self._store.read_stream(tenant, stream, row["version"] - 1))[0]  # type: ignore[assignment] # by its row
        call = _Call(
            known=known(tenant, row),
            intent=intent,
            bundle=await self._bundles.current(tenant),
            over=row["state"] == "over",
            dialled=row["provider_ref"] is not None,
        )
        if row["state"] not in ("answered", "over"):
            at = self._clock.now()
            await self._facts.tell(call.known, "answered", Answered(conversation=call.known.conversation, at=at))
        return call

    async def _exchange(self, call: "_Call", turn: int) -> asyncpg.Record | None:
        return await self._store.pool.fetchrow(_EXCHANGE, call.known.tenant, call.known.call, turn)

    async def _key(self, call: "_Call") -> DataKey | None:
        known = call.known
        name = f"contact-{known.contact}" if known.contact else f"call-{known.call}"
        return (await self._store.keyring.ensure(known.tenant, [name]))[known.tenant, name]

    async def _sealed(self, call: "_Call", said: Said) -> str:
        key = await self._key(call)
        if key is None:
            raise Problem(410, "The contact was erased", "nothing more is kept of them")
        return key.seal(msgspec.json.encode(said), str(call.known.call).encode())

    async def _opened(self, call: "_Call", sealed: str) -> Said:
        key = await self._key(call)
        if key is None:
            return Said()
        _, box = parts(sealed)
        return msgspec.json.decode(key.open(box, str(call.known.call).encode()), type=Said)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    known: Known
    intent: Recorded[CallRequested]
    bundle: Bundle
    over: bool
    dialled: bool


def _reply(turn: int, said: Said | None) -> dict[str, Any]:
    if said is None:
        return {"turn": turn, "say": None, "tools": [], "end_call": False}
    return {"turn": turn, "say": said.say, "tools": [tool for tool, _ in said.tools], "end_call": said.end}
