"""The LLM worker's pure part: from a conversation to the request for Claude, and from its answer to facts."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from events.base import Draft, Recorded
from events.conversation import TurnRequested
from events.turn import Completed, Failed, Usage, Withheld
from events.values import Cost, SlotOffer, ToolChoice
from libs.config.bundle import Bundle
from libs.config.providers import PriceUnit
from libs.domain.conversation import Conversation
from libs.domain.lines import Line
from libs.llm.turn import IntentOffer, ModelCall, SlotOffered, ToolOffered, TurnRequest, TurnResult, Utterance
from services.orchestrator.speech import PERSONA

DEFAULT_MAX_WORDS = 60


def request_for(asked: TurnRequested, state: Conversation, bundle: Bundle, *, now: datetime, zone: str) -> TurnRequest:
    """What Claude is asked; `state` is the conversation as it was when the turn was asked for.

    It reads what is unread about its matter; what waits to be read about another one is not shown, so that nothing of it
    is answered or understood here.
    """
    waiting = [line for line in state.unread if line.version <= asked.upto]
    unread = [line for line in waiting if state.about(line) == asked.matter and asked.wants != "draft"]
    others = [line for line in waiting if state.about(line) != asked.matter and not line.understood]
    shown = [line for line in state.lines if line.version <= asked.upto and line.about not in asked.hides]
    if asked.identifies:
        unread = [line for line in unread if line.source in asked.said]
        shown = unread
    told = {line.version for line in (*unread, *others)}
    before = [line for line in shown if line.version not in told]
    return TurnRequest(
        wants=asked.wants if unread or asked.wants == "draft" else "draft",
        now=now,
        timezone=zone,
        instructions=asked.instructions,
        persona=PERSONA,
        intents=tuple(IntentOffer(name, description) for name, description in asked.intents.items()),
        own_facts=tuple(asked.facts),
        slots=_offered(asked.slots),
        tools=tuple(
            ToolOffered(name=tool.name, description=tool.description, inputs=_offered(tool.inputs))
            for tool in asked.tools
        ),
        done=tuple(asked.done),
        context=asked.context,
        other_matters=_ids(asked.context.get("other_matters")),
        history=tuple(_utterance(line) for line in before),
        unread=tuple(_utterance(line) for line in unread),
        channel=unread[-1].channel if unread else state.channels.get(asked.matter or "") or state.channel,
        language=state.language,
        max_words=asked.max_words or DEFAULT_MAX_WORDS,
        model=bundle.settings.llm.model,
        fallback_model=bundle.settings.llm.fallback_model,
        max_tokens=bundle.settings.llm.max_tokens,
    )


def completed(intent: Recorded[Any], result: TurnResult, bundle: Bundle, now: datetime) -> list[Draft]:
    """The fact of a turn that succeeded, priced by the bundle."""
    understanding = result.understanding
    fact = Completed(
        conversation=intent.subject_id,
        model=result.model,
        intents=understanding.intent_names if understanding else [],
        extracted_info=dict(understanding.extracted_info) if understanding else {},
        words=dict(understanding.words) if understanding else {},
        language=understanding.language if understanding else result.reply_language,
        sentiment=understanding.sentiment if understanding else None,
        opt_out=understanding.opt_out if understanding else False,
        slots={slot.name: slot.value for slot in understanding.slots} if understanding else {},
        breaks_off=understanding.breaks_off if understanding else False,
        draft=result.reply,
        choice=ToolChoice(tool=result.choice.tool, inputs=result.choice.inputs) if result.choice else None,
        usage=Usage(
            input=result.usage.input,
            output=result.usage.output,
            cache_read=result.usage.cache_read,
            cache_write=result.usage.cache_write,
        ),
        cost=cost_of(result.calls, bundle, now),
        elsewhere=msgspec.to_builtins(understanding.elsewhere) if understanding else {},
        refused=list(result.refused),
    )
    return [_draft(intent, fact)]


def failed(intent: Recorded[Any], reason: str, cost: Cost | None = None) -> list[Draft]:
    """Neither model could, or not in time; failed calls may cost, too."""
    return [_draft(intent, Failed(conversation=intent.subject_id, reason=reason, cost=cost))]


def withheld(intent: Recorded[Any], reason: str) -> list[Draft]:
    """A gate closed before Claude was asked."""
    return [_draft(intent, Withheld(conversation=intent.subject_id, reason=reason))]


def cost_of(calls: Iterable[ModelCall], bundle: Bundle, now: datetime) -> Cost | None:
    """What the calls of a turn cost by the bundle's prices; None where a model has none."""
    total = Decimal(0)
    currency: str | None = None
    for call in calls:
        parts: tuple[tuple[PriceUnit, str, int], ...] = (
            ("token_in", call.model, call.usage.input),
            ("token_out", call.model, call.usage.output),
            ("token_in", f"{call.model}:cache_read", call.usage.cache_read),
            ("token_in", f"{call.model}:cache_write", call.usage.cache_write),
        )
        for unit, category, tokens in parts:
            price = bundle.price("anthropic", unit, now.date(), category)
            if price is None or price.category is None:
                if tokens:
                    return None
                continue
            if currency not in (None, price.currency):
                return None
            currency = price.currency
            total += price.minor_units(tokens) / 100
    return Cost(currency=currency, micros=round(total * 1_000_000)) if currency else None


def _draft(intent: Recorded[Any], event: Completed | Failed | Withheld) -> Draft:
    contact = intent.envelope.subject
    turn: UUID = intent.id
    return Draft(f"turn-{turn}", event, key=f"contact-{contact}" if contact else None, subject=contact)


def _offered(slots: Iterable[SlotOffer]) -> tuple[SlotOffered, ...]:
    return tuple(
        SlotOffered(
            name=slot.name,
            type=slot.type,
            required=slot.required,
            choices=tuple(slot.choices),
            ask=slot.ask,
            value=slot.value,
        )
        for slot in slots
    )


def _ids(others: Any) -> tuple[str, ...]:
    """The entity ids of what else is open."""
    named = (each.get("entity_id") for each in others or () if isinstance(each, dict))
    return tuple(each for each in named if isinstance(each, str))


def _utterance(line: Line) -> Utterance:
    return Utterance(role=line.role, text=line.shown, channel=line.channel, at=line.at)
