"""The effect `voice.summarise`: what came of a call, as Claude sees it, once the call is over."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import anthropic
import structlog
from anthropic import AsyncAnthropic
from anthropic.types import Message

from events.base import Draft, Recorded
from events.call import Ended, Summarised, SummaryFailed, Talk, TurnTaken
from events.values import Cost
from libs.config import call_costs
from libs.config.bundle import Bundle
from libs.kit.buckets import Limits
from libs.kit.bundles import Bundles
from libs.kit.clock import Clock
from libs.kit.effect_kinds import Claim, Done, Kind, Outcome, Refused, Retry
from libs.kit.store import Store
from libs.llm import call_summary
from libs.llm.call_summary import Summary, Unusable
from libs.llm.turn import Utterance
from voice_service import costs
from voice_service.settings import ChannelOff, Door, Settings

log = structlog.get_logger(__name__)

SUMMARISE = "voice.summarise"
ACCOUNT = "summary"
TIMEOUT = timedelta(seconds=40)
LIMITS = Limits(rate=5.0, burst=10.0, concurrency=4)
ANSWER_S = 18.0
ASKED = 2
"""How often one attempt asks: the second time it says what was wrong with the first answer."""

_INTENT = "SELECT conversation, version FROM voice.call WHERE tenant = $1 AND call = $2"


class Summariser:
    """Reads the call from the log, so that any process can do it, however the call's own has ended."""

    def __init__(self, settings: Settings, store: Store, bundles: "Bundles[Bundle]", clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._bundles = bundles
        self._clock = clock
        self._clients: dict[tuple[str, str], AsyncAnthropic] = {}

    def kind(self) -> Kind:
        """Asking twice does no harm; where Claude never writes one that can be used, it is said that there is none."""
        return Kind(
            perform=self.perform,
            withheld=_none,
            dead=_none,
            after_unknown="repeat",
            timeout=TIMEOUT,
            attempts=6,
            backoff=timedelta(seconds=2),
        )

    async def perform(self, claim: Claim) -> Outcome:
        """Ask Claude, and say what it wrote."""
        ended: Recorded[Ended] = claim.intent
        facts = await self._store.read_stream(claim.tenant, ended.stream)
        turns = [fact.event for fact in facts if isinstance(fact.event, TurnTaken)]
        written = any(isinstance(fact.event, Summarised) for fact in facts)
        if written or not any(turn.contact for turn in turns):
            return Done()
        bundle = await self._bundles.current(claim.tenant)
        try:
            door = self._settings.door(bundle)
        except ChannelOff as off:
            return Retry(str(off), trouble=False)
        asked = await self._asked(claim, ended)
        now = ended.envelope.occurred_at.astimezone(ZoneInfo(bundle.policy.timezone))
        model = bundle.settings.llm.model

        async def ask(wrong: str | None) -> Message:
            body = call_summary.request(said(turns), asked.context if asked else {}, now, model, wrong)
            answer: Message = await self._client(door).messages.create(**body)
            return answer

        claim.begin_call()
        try:
            summary, answers = await _usable(ask)
        except Unusable as error:
            return Retry(str(error))
        except anthropic.APIStatusError as error:
            if error.status_code in (400, 401, 403, 404):
                return Refused(_none(ended, f"Claude refuses: {error.status_code} {error.type}"))
            return Retry(f"Claude answers {error.status_code}")
        except anthropic.APIError as error:
            return Retry(type(error).__name__)
        fact = Summarised(
            conversation=ended.event.conversation,
            summary=summary.text,
            facts=summary.facts,
            mood=summary.mood,
            language=summary.language,
            model=model,
            cost=self._cost(bundle, model, answers),
        )
        return Done([Draft(ended.stream, fact, _key(ended), ended.envelope.subject)])

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.close()

    def _client(self, door: Door) -> AsyncAnthropic:
        key = (door.urls["llm"], door.keys["llm"])
        if key not in self._clients:
            self._clients[key] = AsyncAnthropic(base_url=key[0], api_key=key[1], max_retries=0, timeout=ANSWER_S)
        return self._clients[key]

    async def _asked(self, claim: Claim, ended: Recorded[Ended]) -> Talk | None:
        row = await self._store.pool.fetchrow(_INTENT, claim.tenant, UUID(ended.subject_id))
        if row is None:
            return None
        stream = f"conversation-{row['conversation']}"
        [intent, *_] = await self._store.read_stream(claim.tenant, stream, row["version"] - 1)
        return intent.event if isinstance(intent.event, Talk) else None

    def _cost(self, bundle: Bundle, model: str, answers: Sequence[Message]) -> Cost | None:
        tokens: dict[tuple[str, str], int] = {}
        for answer in answers:
            costs.count_answer(tokens, model, answer)
        at = self._clock.now().date()
        items = call_costs.consumed(call_costs.Usage(seconds=0, tokens=tokens), bundle, at)
        return call_costs.by_component(items, bundle, at).get("llm")


def said(turns: Sequence[TurnTaken]) -> list[Utterance]:
    """The call as a conversation, in its order: what the contact said, then what they heard of our answer."""
    return [
        Utterance(role=role, text=text)  # type: ignore[arg-type] # one of the two
        for turn in turns
        for role, text in (("contact", turn.contact), ("agent", turn.agent))
        if text
    ]


async def _usable(ask: Callable[[str | None], Awaitable[Message]]) -> tuple[Summary, list[Message]]:
    """The first answer that can be used, and all that were given."""
    answers: list[Message] = []
    wrong: str | None = None
    while True:
        answers.append(await ask(wrong))
        try:
            return _read(answers[-1]), answers
        except Unusable as error:
            log.warning("a summary of a call cannot be used", reason=str(error), number=len(answers))
            if len(answers) == ASKED:
                raise
            wrong = str(error)


def _read(answer: Message) -> Summary:
    for block in answer.content:
        if block.type == "tool_use" and block.name == call_summary.TOOL and isinstance(block.input, dict):
            return call_summary.read(block.input)
    raise Unusable(f"{call_summary.TOOL} was not called ({answer.stop_reason})")


def _none(ended: Recorded[Any], reason: str) -> Sequence[Draft]:
    return [Draft(ended.stream, SummaryFailed(conversation=ended.event.conversation, reason=reason))]


def _key(ended: Recorded[Any]) -> str | None:
    """The contact's own key, under which everything else of the call is sealed, too."""
    return f"contact-{ended.envelope.subject}" if ended.envelope.subject else None
