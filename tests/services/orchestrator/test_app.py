"""The orchestrator on the real log with the rights of its own role: from a follow-up to Claude's answer."""

from events.backend import CallCompleted
from events.base import Cause, Draft
from events.contact import Lookup, Registered
from events.conversation import MessageRequested, TimerSet, ToolRequested, TurnRequested
from events.inbound import Received
from events.message import Accepted
from events.operator import FollowupTriggered
from events.turn import Completed
from libs.kit import quarantine
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, MORNING, PRIYA, PRIYA_PHONE, TENANT
from tests.services.orchestrator.neighbours import Neighbours
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
