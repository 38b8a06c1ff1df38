"""The orchestrator on the real log with the rights of its own role: from a follow-up to Claude's answer."""

from msgspec import structs

from events.backend import CallCompleted
from events.base import Cause, Draft
from events.contact import Lookup, Registered
from events.conversation import MessageRequested, TimerSet, TurnRequested
from events.errand import ToolRequested
from events.followup import Deferred
from events.inbound import Received
from events.message import Accepted, Priced
from events.operator import FollowupTriggered
from events.turn import Completed
from events.values import Cost
from libs.config.bundle import Bundle
from libs.config.model import Content
from libs.domain.policy import Policy
from libs.kit import quarantine
from libs.kit.bundles import publish
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, MORNING, PRIYA, PRIYA_PHONE, TENANT
from tests.libs.config.shipped import shipped
from tests.services.orchestrator.neighbours import Neighbours, because
from tests.services.orchestrator.scene import PRIYA_IS


async def test_it_does_its_work_with_the_rights_of_its_role(neighbours: Neighbours):
    digest = (await neighbours.store.keyring.lookup(TENANT, "whatsapp", PRIYA_PHONE)).hex()
    known = Registered(contact_id=PRIYA, profile=PRIYA_IS, lookups=[Lookup(channel="whatsapp", digest=digest)])
    await neighbours.say(f"contact-{PRIYA}", known)
    await neighbours.say(
        "operator-1",
        FollowupTriggered(
            followup="f-1",
            contact_id=PRIYA,
            fingerprint="f",
            reason="Payment overdue 17 days",
            process_type="payment_collection",
            entity_type="invoice",
            entity_id=INVOICE,
            flow="payment_reminder",
            business_context=INVOICE_OVERDUE,
        ),
        contact=None,
    )
    tool = await neighbours.heard(ToolRequested)
    conversation = tool.subject_id
    answer = CallCompleted(
        kind="tool", conversation=conversation, endpoint=tool.event.endpoint, status=200, result={"paid": False}
    )
    cause = Cause(id=tool.id, correlation_id=tool.id, occurred_at=MORNING, source="backend-sync")
    stream = f"backend-{tool.id}"
    await neighbours.store.append_any(TENANT, stream, [Draft(stream, answer, f"contact-{PRIYA}", PRIYA)], cause)
    message = await neighbours.heard(MessageRequested)
    accepted = Accepted(conversation=conversation, channel="whatsapp", provider_ref="wamid.1")
    await neighbours.say(f"message-{message.id}", accepted)
    await neighbours.heard(TimerSet)

    said = Received(
        channel="whatsapp",
        account="1",
        digest=digest,
        sender=PRIYA_PHONE,
        text="20 February tak",
        provider_ref="wamid.2",
    )
    await neighbours.say("inbound-whatsapp-1", said, contact=None)
    await neighbours.heard(TurnRequested)
    turn = await neighbours.heard(Completed)
    assert turn.event.conversation == conversation
    assert turn.envelope.source == "orchestrator"
    assert await quarantine.entries(neighbours.store.pool) == []


async def test_when_the_days_money_is_spent_what_we_begin_waits_for_the_next_day(neighbours: Neighbours):
    policy = structs.replace(shipped().policy, money_per_day={"INR": 1}, minimum_gap_minutes=0)
    await publish(neighbours.store, TENANT, bundle_of(policy), because())
    await neighbours.say(f"contact-{PRIYA}", Registered(contact_id=PRIYA, profile=PRIYA_IS))
    await neighbours.say("operator-1", asked_for("f-1"), contact=None)
    message = await neighbours.heard(MessageRequested)
    conversation = message.subject_id
    cost = Cost(currency="INR", micros=115_000)
    accepted = Accepted(conversation=conversation, channel="whatsapp", provider_ref="wamid.1", cost=cost)
    await neighbours.say(f"message-{message.id}", accepted)
    dearer = Priced(conversation=conversation, channel="whatsapp", cost=Cost(currency="INR", micros=1_000_000))
    await neighbours.say(f"message-{message.id}", dearer)
    await neighbours.say("operator-2", asked_for("f-2"), contact=None)
    deferred = await neighbours.heard(Deferred)
    whatsapp = next(each for each in deferred.event.decisions if each.channel == "whatsapp")
    [money] = [each for each in whatsapp.checks if each.verdict == "deferred"]
    assert (money.rule, money.detail) == ("money_per_day", "1.00 of 1 INR spent today")
    assert deferred.event.until == MORNING.replace(day=17, hour=8, minute=0)
    assert await quarantine.entries(neighbours.store.pool) == []


def asked_for(followup: str) -> FollowupTriggered:
    return FollowupTriggered(
        followup=followup, contact_id=PRIYA, fingerprint=followup, reason="a question", channel_priority=["whatsapp"]
    )


def bundle_of(policy: Policy) -> Bundle:
    known = shipped()
    return Bundle.of(
        Content(
            settings=known.settings,
            flows=tuple(known.flows.values()),
            templates={channel: tuple(texts.values()) for channel, texts in known.templates.items()},
            policy=policy,
        )
    )
