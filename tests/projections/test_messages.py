"""Messages and contacts as they are read: files, threads, machines, prices, and addresses that fail."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from events import message
from events.base import Envelope, Event, Recorded, tag_of
from events.contact import Registered
from events.conversation import AttachmentsRead, AutomaticHeard, ContactSaid, MessageRequested
from events.phone import Talked
from events.reach import AddressFailed, AddressWorks
from events.values import Attachment, Body, Choice, Cost, PolicyDecision
from libs.testkit.nouns import MORNING, PRIYA, PRIYA_EMAIL, PRIYA_PHONE, TENANT
from projections.base import Held, Projection
from projections.contacts import CONTACTS, Contact
from projections.messages import MESSAGES, Message
from tests.projections.journey import PRIYA_IS

ROOT = UUID("00000000-0000-0000-0000-00000000f11e")
OURS = "00000000-0000-0000-0000-0000000000a1"
VOICE = Attachment(media_type="audio/ogg", provider_id="m1", voice=True)
KEPT = Attachment(media_type="audio/ogg", object="o/1", voice=True)
HEARD = ContactSaid(channel="whatsapp", inbound="inbound-1", text="", at=MORNING, kind="audio", attachments=[VOICE])
ASKED = MessageRequested(
    message=OURS,
    channel="email",
    to=PRIYA_EMAIL,
    body=Body(text="When?", subject="Errand E-7", choices=[Choice(id="m", title="morning")]),
    allowed_by=PolicyDecision(verdict="allowed", channel="email", purpose="errand", at=MORNING),
    reply_to="theirs@x",
    thread=["theirs@x", "ours@y"],
)
RECKONED, TOLD = Cost(currency="INR", micros=115000), Cost(currency="INR", micros=0)


def after(projection: Projection, *facts: tuple[str, Event]) -> Held:
    """The rows after these facts, each with its stream."""
    held = Held()
    for pos, (stream, event) in enumerate(facts, start=1):
        projection.take(recorded(stream, event, pos), held)
    return held


def recorded(stream: str, event: Event, pos: int) -> Recorded[Any]:
    envelope = Envelope(
        id=uuid5(ROOT, str(pos)),
        type=tag_of(type(event)),
        source="test",
        stream=stream,
        version=1,
        pos=pos,
        tenant=TENANT,
        correlation_id=ROOT,
        occurred_at=MORNING,
        recorded_at=MORNING,
    )
    return Recorded(event, envelope)


def messages(*events: Event) -> Sequence[Message]:
    """What is shown after these facts of the conversation and of our message."""
    streams = [f"message-{OURS}" if tag_of(type(each)).startswith("message.") else "conversation-c" for each in events]
    return after(MESSAGES, *zip(streams, events, strict=True)).all(Message)


def test_a_voice_note_shows_what_was_said_in_it_and_where_it_is_kept():
    [row] = messages(HEARD, AttachmentsRead(inbound="inbound-1", attachments=[KEPT], transcript="haan, kal"))
    assert (row.content, row.metadata["kind"], row.metadata["transcribed"]) == ("haan, kal", "audio", True)
    assert row.metadata["attachments"][0]["object"] == "o/1"


def test_a_file_that_could_not_be_had_says_so():
    [row] = messages(HEARD, AttachmentsRead(inbound="inbound-1", failed="404"))
    assert (row.content, row.metadata["files_failed"]) == ("", "404")


def test_what_a_machine_wrote_is_shown_as_such():
    noted = AutomaticHeard(channel="email", inbound="inbound-2", automatic="out_of_office", text="Away.", at=MORNING)
    [row] = messages(noted)
    assert (row.direction, row.content, row.metadata["automatic"]) == ("inbound", "Away.", "out_of_office")


def test_a_mail_shows_its_thread_and_a_question_its_choices():
    [row] = messages(ASKED)
    assert (row.channel, row.metadata["subject"], row.metadata["thread"]) == (
        "email",
        "Errand E-7",
        ["theirs@x", "ours@y"],
    )
    assert row.metadata["choices"] == [{"id": "m", "title": "morning"}]


def test_what_the_provider_takes_replaces_what_we_reckoned_in_whatever_order():
    accepted = message.Accepted(conversation="c", channel="email", provider_ref="r", cost=RECKONED)
    priced = message.Priced(conversation="c", channel="email", cost=TOLD, category="service")
    for events in ((accepted, priced), (priced, accepted)):
        [row] = messages(ASKED, *events)
        assert (row.cost, row.metadata["priced"], row.metadata["category"]) == (
            {"currency": "INR", "micros": 0},
            True,
            "service",
        )


def test_a_bounce_after_the_acceptance_is_a_failure():
    accepted = message.Accepted(conversation="c", channel="email", provider_ref="r")
    [row] = messages(ASKED, accepted, message.Bounced(conversation="c", channel="email", reason="no such user"))
    assert (row.status, row.metadata["reason"], row.metadata["bounced"]) == ("failed", "no such user", True)


def test_a_contact_shows_the_addresses_at_which_nothing_arrives():
    known = Registered(contact_id=PRIYA, profile=PRIYA_IS)
    failed = [
        AddressFailed(contact_id=PRIYA, channel="email", address=PRIYA_EMAIL, message=OURS, reason="no such user"),
        AddressFailed(
            contact_id=PRIYA,
            channel="whatsapp",
            address=PRIYA_PHONE,
            message=OURS,
            reason="not on WhatsApp",
            until=MORNING + timedelta(days=7),
        ),
    ]
    works = AddressWorks(contact_id=PRIYA, channel="email", address=PRIYA_EMAIL)
    stream = f"reach-{PRIYA}"
    [row] = after(CONTACTS, (f"contact-{PRIYA}", known), *((stream, each) for each in failed)).all(Contact)
    assert [(each["channel"], each["reason"]) for each in row.failing] == [
        ("email", "no such user"),
        ("whatsapp", "not on WhatsApp"),
    ]
    [row] = after(CONTACTS, (f"contact-{PRIYA}", known), *((stream, each) for each in failed), (stream, works)).all(
        Contact
    )
    assert [each["channel"] for each in row.failing] == ["whatsapp"]


def test_what_was_said_on_the_phone_reads_as_messages_of_both_sides():
    talked = Talked(call="c-1", turn=2, contact="20 February tak", agent="Note kar", at=MORNING, interrupted=True)
    first = Talked(call="c-1", turn=0, contact="", agent="Namaste", at=MORNING)
    rows = after(MESSAGES, ("conversation-1", first), ("conversation-1", talked)).all(Message)
    told = [(row.direction, row.channel, row.content, row.status) for row in rows]
    assert sorted(told) == [
        ("inbound", "voice", "20 February tak", "delivered"),
        ("outbound", "voice", "Namaste", "delivered"),
        ("outbound", "voice", "Note kar", "delivered"),
    ]
