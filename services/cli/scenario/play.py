"""Playing a scenario: the person, the ERP and the operator do what the story says, and business time goes on between."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from events.base import Recorded
from events.conversation import MessageRequested
from events.inbound import Received
from libs.channels.address import normalized
from libs.config.bundle import Bundle
from libs.config.scenario import Event, Persona, Scenario, Step
from libs.kit import ids
from libs.kit.auth import Caller
from libs.kit.problems import Problem
from services.cli.scenario.stage import Endless, Stage
from services.gateways import plain
from services.ingest.cloudevents import Told
from services.ingest.decide import EventIn, TriggerIn
from services.sandbox.erp import Erp, ErpFault
from services.sandbox.erp_seed import Channel, Consent, Contact, Invoice, Order, Shipment, Stock

T = TypeVar("T")
CONTACT = "c_scenario"
PHONE = "+919876500001"
AGREED = datetime.fromisoformat("2025-11-03T09:30:00+05:30")
KINDS: Mapping[str, type[Any]] = {"invoices": Invoice, "orders": Order, "shipments": Shipment, "stock": Stock}


class Unplayable(Exception):
    """The story cannot go on as it is written; the message says what is wrong."""


@dataclass(slots=True)
class Played:
    """What came of a scenario: the facts in their order, and how many there were before each step and at the end.

    `broken`: why it could not be played to its end.
    """

    scenario: Scenario
    bundle: Bundle
    facts: list[Recorded[Any]]
    marks: list[int] = field(default_factory=list)
    broken: str | None = None


async def play(scenario: Scenario, stage: Stage) -> Played:
    """Play a scenario to its end, or to where it breaks."""
    zone = ZoneInfo(stage.bundle.policy.timezone)
    await stage.begin(f"scenario-{ids.fresh().hex[:12]}", scenario.starts.replace(tzinfo=zone))
    stage.unreachable = frozenset(scenario.persona.unreachable)
    played = Played(scenario, stage.bundle, stage.facts)
    try:
        stage.erp.contacts[CONTACT] = _contact(scenario.persona)
        _know(stage.erp, _books_of(scenario))
        if scenario.event is not None:
            await _tell(stage, scenario.event)
        await stage.settle()
        for place, step in enumerate(scenario.story):
            played.marks.append(len(stage.facts))
            await stage.until(stage.clock.now() + timedelta(seconds=step.after_s))
            await _do(stage, scenario, step, place)
            await stage.settle()
    except (Unplayable, Endless) as error:
        played.broken = str(error)
    except Exception as error:  # a bug of ours is a failed scenario, and the others go on
        played.broken = f"{type(error).__name__}: {error}"
    finally:
        await stage.end()
    played.marks.append(len(stage.facts))
    return played


async def _do(stage: Stage, scenario: Scenario, step: Step, place: int) -> None:
    if step.says is not None:
        channel = step.channel or _spoken_on(stage.facts) or next(iter(scenario.persona.channels))
        await _say(stage, scenario.persona, channel, step.says, place)
    elif step.waits_s is not None:
        await stage.until(stage.clock.now() + timedelta(seconds=step.waits_s))
    elif step.event is not None:
        await _tell(stage, step.event)
    elif step.pays is not None:
        entity, amount = step.pays
        if entity not in stage.erp.invoices:
            raise Unplayable(
                f"there is no invoice {entity!r} in the ERP's books; it has {', '.join(stage.erp.invoices)}"
            )
        stage.erp.pay(stage.erp.invoices[entity], None if amount is None else Decimal(amount))
    elif step.by_hand is not None:
        await _move(stage, step.by_hand)
    _know(stage.erp, step.books)


async def _say(stage: Stage, persona: Persona, channel: str, text: str, place: int) -> None:
    address = normalized(channel, address_of(persona, channel))
    reference = f"{channel}.in.{place}"
    digest = await stage.desk.digest(stage.tenant, channel, address)
    received = plain.said(channel, text, sender=address, digest=digest, reference=reference, at=stage.clock.now())
    await stage.desk.take(stage.tenant, channel, reference, received)


async def _tell(stage: Stage, event: Event) -> None:
    data = {"contact_id": CONTACT, **event.data}
    told = EventIn(event_name=event.name, data=data, event_id=str(ids.fresh()), source="scenario")
    await stage.ingest.take_event(_caller(stage), Told(told, {}), None)


async def _move(stage: Stage, trigger: str) -> None:
    conversation = next((fact.subject_id for fact in stage.facts if fact.type == "conversation.opened.v1"), "")
    given = TriggerIn(conversation_id=conversation, trigger_type="manual", trigger_value=trigger)
    try:
        await stage.ingest.take_trigger(_caller(stage), given, None)
    except Problem as refused:
        raise Unplayable(f"the manual trigger {trigger!r} is refused: {refused.detail}") from refused


def _caller(stage: Stage) -> Caller:
    return Caller(stage.tenant, "scenario")


def _spoken_on(facts: list[Recorded[Any]]) -> str | None:
    said = (fact.event.channel for fact in reversed(facts) if isinstance(fact.event, MessageRequested | Received))
    return next(said, None)


def address_of(persona: Persona, channel: str) -> str:
    """Where a person is reached."""
    if channel == "chat":
        return CONTACT
    if channel == "email":
        words = re.findall(r"[a-z]+", persona.name.lower())
        return f"{'.'.join(words) or 'contact'}@customer.example"
    return PHONE


def _contact(persona: Persona) -> Contact:
    agreed = Consent(at=AGREED, evidence="order form, box ticked")
    channels = tuple(
        Channel(channel=each, address=address_of(persona, each), consent=agreed if each in persona.agreed else None)
        for each in persona.channels
    )
    return Contact(id=CONTACT, name=persona.name, organization=persona.organization, channels=channels)


def _books_of(scenario: Scenario) -> Mapping[str, Any]:
    """What the scenario says of the books; the entities of its events are in them, as the events have them."""
    books: dict[str, list[Any]] = {kind: list(scenario.books.get(kind, [])) for kind in KINDS}
    named = {each.get("id") for kind in KINDS for each in books[kind] if isinstance(each, dict)}
    for event in (scenario.event, *(step.event for step in scenario.story)):
        data: Mapping[str, Any] = event.data if event is not None else {}
        invoice, order, shipment = (data.get(key) for key in ("invoice_number", "order_number", "shipment_id"))
        if invoice and invoice not in named and "due_date" in data:
            books["invoices"].append({"id": invoice, "amount": data["amount"], "due_date": data["due_date"]})
        if order and order not in named and "expected_date" in data:
            promised = {"promised_date": data["expected_date"], "shipment_id": shipment}
            books["orders"].append({"id": order, "status": "confirmed", "amount": data.get("amount", 0), **promised})
        if shipment and shipment not in named:
            moving = {"carrier": "Deccan Cargo", "status": "in_transit", "eta": data.get("expected_date")}
            books["shipments"].append({"id": shipment, "order_id": order, **moving})
        named |= {invoice, order, shipment}
    return {**scenario.books, **books}


def _know(erp: Erp, books: Mapping[str, Any]) -> None:
    """Put records into the ERP's books. Raises Unplayable for what the emulated ERP has no shape for."""
    for kind, records in books.items():
        if kind == "faults":
            for record in records:
                erp.faults.add(_as(record, ErpFault, kind))
            continue
        if kind not in KINDS:
            raise Unplayable(f"the emulated ERP has no {kind!r}; it has {', '.join(KINDS)} and faults")
        shelf: dict[str, Any] = getattr(erp, kind)
        for record in records:
            owned = {"contact_id": CONTACT, **record} if kind in ("invoices", "orders") else record
            item = _as(owned, KINDS[kind], kind)
            shelf[item.sku if isinstance(item, Stock) else item.id] = item


def _as(record: Any, shape: type[T], kind: str) -> T:
    try:
        return msgspec.convert(record, shape, strict=False)
    except msgspec.ValidationError as error:
        raise Unplayable(f"books.{kind}: {error}") from error
