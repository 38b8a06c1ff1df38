"""A log of conversations as they go: each some twenty-five facts in ten streams, personal fields sealed under its contact's key."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

from events import backend, business, contact, conversation, followup, inbound, message, rules, turn
from events.base import Cause, Draft, Event
from events.values import Body, Cost, PolicyDecision, Trigger
from libs.kit import ids
from libs.kit.store import Store
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, MORNING, PRIYA_PHONE, TENANT

AT_ONCE = 100
PROCESS = "payment_collection"
REMINDER = (
    "Namaste Priya ji, this is a reminder that invoice INV-2026-0042 of ₹52,400 for Acme Corp was due on 30 January."
    " When may we expect the payment?"
)
ANSWER = "Haan ji, hum 20 February tak poora payment kar denge, aap chinta mat kijiye. Dhanyavaad!"
ALLOWED = PolicyDecision(verdict="allowed", channel="whatsapp", purpose=PROCESS, at=MORNING)
PROMISED = {"payment_date": "2026-02-20", "amount": 5_240_000, "invoice": INVOICE}

Told = tuple[str, tuple[Event, ...]]
"""A stream, and facts that are appended to it together."""


async def tell(store: Store, facts: int) -> int:
    """Fill an empty log with so many facts, or a few more; the log's head."""
    number = 0
    while (head := await store.head(0)) < facts:
        await asyncio.gather(*(_converse(store, number + n) for n in range(AT_ONCE)))
        number += AT_ONCE
    return head


async def _converse(store: Store, number: int) -> None:
    root = ids.fresh()
    person = f"c_{number}"
    versions: dict[str, int] = {}
    for step, (stream, events) in enumerate(_conversation(number, person)):
        at = MORNING + timedelta(minutes=step)
        cause = Cause(id=ids.fresh(), correlation_id=root, occurred_at=at, source="bench", config="bundle-7f3a")
        drafts = [Draft(stream, event, f"contact-{person}", person) for event in events]
        await store.append(TENANT, stream, versions.get(stream, 0), drafts, cause)
        versions[stream] = versions.get(stream, 0) + len(events)


def _conversation(number: int, person: str) -> Iterator[Told]:
    """An overdue invoice, a reminder, a promise, and the end of it."""
    name = str(ids.digest("bench", str(number)))
    matter, sent, talk = f"matter-{name}", f"m-{name}", f"conversation-{name}"
    yield f"business-{name}", (_overdue(number, person),)
    yield f"rules-{name}", (_evaluated(name, person),)
    opened = followup.Opened(
        contact_id=person,
        reason="Payment overdue 17 days",
        origin="rule",
        rule_id="overdue",
        process_type=PROCESS,
        entity_type="invoice",
        entity_id=INVOICE,
    )
    yield f"followup-{matter}", (opened, followup.ContactRequested(contact_id=person))
    profile = contact.Profile(
        name="Priya Sharma",
        organization="Acme Corp",
        channels=[contact.Address(channel="whatsapp", address=PRIYA_PHONE)],
    )
    yield f"contact-{person}", (contact.Registered(contact_id=person, profile=profile),)
    bound = conversation.ProcessBound(
        matter=matter,
        bundle="bundle-7f3a",
        state="pending",
        process_type=PROCESS,
        entity_type="invoice",
        entity_id=INVOICE,
        context=INVOICE_OVERDUE,
    )
    flow = conversation.FlowStarted(matter=matter, flow="payment_reminder")
    step = conversation.StepEntered(matter=matter, flow="payment_reminder", step="send_reminder")
    yield talk, (conversation.Opened(contact_id=person), bound, flow, step)
    started = followup.AttemptStarted(number=1, channel="whatsapp", allowed_by=ALLOWED)
    yield f"followup-{matter}", (followup.Joined(conversation=name), started)
    yield from _reminded(name, matter, sent, talk)
    yield from _promised(name, matter, talk)
    yield f"followup-{matter}", (followup.Resolved(outcome="paid"),)
    yield talk, (conversation.Closed(reason="resolved"),)


def _overdue(number: int, person: str) -> business.EventReceived:
    return business.EventReceived(
        event_name="invoice_overdue",
        external_id=str(number),
        origin="erp",
        fingerprint=ids.digest("fingerprint", str(number)),
        data={**INVOICE_OVERDUE, "contact_id": person},
    )


def _evaluated(name: str, person: str) -> rules.Evaluated:
    matched = rules.MatchedFollowup(
        rule_id="overdue", contact_id=person, reason="overdue", dedupe_key=INVOICE, why=["days_overdue 17 > 15"]
    )
    return rules.Evaluated(
        event_name="invoice_overdue",
        business_stream=f"business-{name}",
        matched=[matched],
        rejected=[rules.RejectedRule(rule_id="delivery_delayed", reasons=["hears delivery_delayed"])],
    )


def _reminded(name: str, matter: str, sent: str, talk: str) -> Iterator[Told]:
    requested = conversation.MessageRequested(
        message=sent,
        channel="whatsapp",
        to=PRIYA_PHONE,
        body=Body(text=REMINDER, template="payment_reminder"),
        allowed_by=ALLOWED,
        matter=matter,
    )
    yield talk, (requested,)
    accepted = message.Accepted(
        conversation=name,
        channel="whatsapp",
        provider_ref=f"wamid.{name}",
        cost=Cost(currency="INR", micros=115_000),
    )
    yield f"message-{sent}", (accepted,)
    moved = conversation.ProcessMoved(
        matter=matter,
        from_state="pending",
        to_state="reminded",
        trigger=Trigger(type="outcome", value="message_sent"),
        reasons=["the reminder was accepted by the provider"],
    )
    yield talk, (conversation.OutcomeHeard(intent=sent, outcome="accepted"), moved)
    yield f"message-{sent}", (message.Delivered(conversation=name, channel="whatsapp", at=MORNING),)
    yield f"message-{sent}", (message.Read(conversation=name, channel="whatsapp", at=MORNING),)


def _promised(name: str, matter: str, talk: str) -> Iterator[Told]:
    came = f"inbound-{name}"
    received = inbound.Received(
        channel="whatsapp",
        account="1",
        digest=ids.digest("inbound", name),
        sender=PRIYA_PHONE,
        text=ANSWER,
        provider_ref=f"wamid.in.{name}",
    )
    yield came, (received,)
    said = conversation.ContactSaid(channel="whatsapp", inbound=came, text=ANSWER, at=MORNING)
    asked = conversation.TurnRequested(turn=f"t-{name}", upto=9, instructions="understand")
    yield talk, (said, asked)
    completed = turn.Completed(
        conversation=name,
        model="claude",
        intents=["promise_to_pay"],
        extracted_info=PROMISED,
        cost=Cost(currency="USD", micros=450),
    )
    yield f"turn-t-{name}", (completed,)
    understood = conversation.Understood(
        turn=f"t-{name}",
        intents=["promise_to_pay"],
        matter=matter,
        extracted_info=PROMISED,
        language="hi-Latn",
    )
    moved = conversation.ProcessMoved(
        matter=matter,
        from_state="reminded",
        to_state="promised",
        trigger=Trigger(type="intent", value="promise_to_pay"),
        reasons=["extracted_info.payment_date exists: 2026-02-20", "the intent is one that this state accepts"],
    )
    yield talk, (understood, moved)
    told = backend.CallCompleted(kind="write", conversation=name, endpoint="record_promise", status=200)
    yield f"backend-{name}", (told,)
