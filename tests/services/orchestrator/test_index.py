"""The index rows on the real Postgres, with the orchestrator's own rights: what its facts change, and what is found."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from events.base import Draft, Event
from events.call import CallRequested
from events.contact import Lookup
from events.conversation import Closed, MatterSettled, MessageRequested, Opened, OutcomeHeard, ProcessBound
from events.followup import Cancelled, Exhausted, Joined, Resolved
from events.followup import Opened as FollowupOpened
from events.phone import CallOver
from events.values import Body, CancelOn, PolicyDecision
from libs.domain.rules import why_not
from libs.kit.memo import Memo
from libs.kit.store import Store
from libs.kit.unit import Unit
from libs.kit.world import PrivateRows, Row
from libs.testkit.nouns import INVOICE, NOON, PRIYA, TENANT
from libs.testkit.servers import MASTER
from services.orchestrator import approached, index
from services.orchestrator.index import Index

DAY = 24 * 3600
SHARD = 0
KEY = f"payment:{INVOICE}"


class Rows:
    """The orchestrator's private rows, with what was recalled of them: stale answers would be seen by every test here."""

    def __init__(self, unit: Unit) -> None:
        self.private = PrivateRows(unit, Memo())
        self.connection = unit.connection
        self.index = Index(self.private, TENANT)

    async def write(self, *rows: Row) -> None:
        self.private.add(rows)
        await self.private.flush()

    async def told(self, event: Event, stream: str, now: Any = NOON) -> None:
        """The orchestrator told this fact."""
        draft = Draft(stream, event, f"contact-{PRIYA}", PRIYA)
        await self.write(*index.rows_of(TENANT, draft, now))


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with (
        Store.open(database, master=MASTER, role="converse_orchestrator", name="orchestrator") as store,
        store.transaction(SHARD, lazily=True) as unit,
    ):
        yield Rows(unit)


def opened(**changes: Any) -> FollowupOpened:
    known: dict[str, Any] = {"contact_id": PRIYA, "reason": "overdue", "origin": "rule", "dedupe_key": KEY}
    return FollowupOpened(**{**known, "entity_id": INVOICE, **changes})


def bound(matter: str, bundle: str = "b1") -> ProcessBound:
    return ProcessBound(matter=matter, bundle=bundle, process_type="payment_collection", entity_id=INVOICE)


def approach(message: str) -> MessageRequested:
    decision = PolicyDecision(verdict="allowed", channel="whatsapp", purpose="", at=NOON)
    return MessageRequested(message=message, channel="whatsapp", to="+91", body=Body(text="x"), allowed_by=decision)


async def test_an_open_follow_up_keeps_another_of_its_key_away_however_long(rows: Rows):
    assert not await is_duplicate(rows.index, KEY, DAY, NOON)
    await rows.told(opened(), "followup-1")
    assert await is_duplicate(rows.index, KEY, 0, NOON + timedelta(days=99))
    assert not await is_duplicate(rows.index, "payment:another", DAY, NOON)


@pytest.mark.parametrize("end", [Resolved(outcome="paid"), Exhausted(reason="used up"), Cancelled(reason="pointless")])
async def test_a_settled_one_keeps_it_away_within_the_cooldown_only(rows: Rows, end: Event):
    await rows.told(opened(), "followup-1")
    await rows.told(end, "followup-1")
    assert await is_duplicate(rows.index, KEY, DAY, NOON + timedelta(hours=23, minutes=59))
    assert not await is_duplicate(rows.index, KEY, DAY, NOON + timedelta(hours=24))
    assert not await is_duplicate(rows.index, KEY, 0, NOON)


async def test_after_the_cooldown_the_key_belongs_to_the_newer_follow_up(rows: Rows):
    later = NOON + timedelta(days=2)
    await rows.told(opened(), "followup-1")
    await rows.told(Resolved(outcome="paid"), "followup-1")
    await rows.told(opened(), "followup-2", later)
    assert await is_duplicate(rows.index, KEY, 0, later)
    await rows.told(Resolved(outcome="paid again"), "followup-1")
    assert await is_duplicate(rows.index, KEY, 0, later)


async def test_an_address_leads_to_the_contact_that_had_it_last(rows: Rows):
    assert await rows.index.contacts_by_address("whatsapp", ["d1"]) == []
    await rows.write(index.know_address(TENANT, "whatsapp", "d1", PRIYA, "registered"))
    assert await rows.index.contacts_by_address("whatsapp", ["d0", "d1"]) == [PRIYA]
    assert await rows.index.contacts_by_address("sms", ["d1"]) == []
    await rows.write(index.know_address(TENANT, "whatsapp", "d1", "c_other", "registered"))
    assert await rows.index.contacts_by_address("whatsapp", ["d1"]) == ["c_other"]


@pytest.mark.parametrize(
    ("known", "told", "then"),
    [
        ("registered", "implied", PRIYA),
        ("registered", "learnt", PRIYA),
        ("learnt", "implied", PRIYA),
        ("implied", "registered", "c_other"),
        ("implied", "implied", "c_other"),
        ("stranger", "implied", "c_other"),
    ],
)
async def test_an_address_stays_with_whom_it_is_better_known_for(
    rows: Rows, known: index.Standing, told: index.Standing, then: str
):
    await rows.write(index.know_address(TENANT, "whatsapp", "d1", PRIYA, known))
    await rows.write(index.know_address(TENANT, "whatsapp", "d1", "c_other", told))
    assert await rows.index.contacts_by_address("whatsapp", ["d1"]) == [then]


async def test_an_address_that_is_told_again_for_less_is_known_as_well_as_before(rows: Rows):
    for standing in ("registered", "learnt"):
        await rows.write(index.know_address(TENANT, "whatsapp", "d1", PRIYA, standing))
    await rows.write(index.know_address(TENANT, "whatsapp", "d1", "c_other", "learnt"))
    assert await rows.index.contacts_by_address("whatsapp", ["d1"]) == [PRIYA]


async def test_addresses_are_found_in_the_order_in_which_they_are_asked_for_each_contact_once(rows: Rows):
    await rows.write(index.know_address(TENANT, "whatsapp", "d1", PRIYA, "registered"))
    await rows.write(index.know_address(TENANT, "whatsapp", "d2", "unknown-7", "stranger"))
    await rows.write(index.know_address(TENANT, "whatsapp", "d3", PRIYA, "learnt"))
    assert await rows.index.contacts_by_address("whatsapp", ["d2", "d3", "d1"]) == ["unknown-7", PRIYA]


async def test_an_address_that_is_given_up_leads_nowhere(rows: Rows):
    await rows.write(index.know_address(TENANT, "whatsapp", "d1", PRIYA, "registered"))
    await rows.write(index.forget_address(TENANT, "whatsapp", "d1", "c_other"))
    assert await rows.index.contacts_by_address("whatsapp", ["d1"]) == [PRIYA]
    await rows.write(index.forget_address(TENANT, "whatsapp", "d1", PRIYA))
    assert await rows.index.contacts_by_address("whatsapp", ["d1"]) == []


async def test_no_row_is_seen_by_another_tenant(rows: Rows):
    await rows.write(index.know_address(TENANT, "whatsapp", "d1", PRIYA, "registered"))
    await rows.told(opened(), "followup-1")
    other = Index(rows.private, "other")
    assert await other.contacts_by_address("whatsapp", ["d1"]) == []
    assert not await is_duplicate(other, KEY, DAY, NOON)


async def test_a_contact_has_one_open_conversation_and_remembers_the_last(rows: Rows):
    assert await rows.index.conversation_of(PRIYA) == (None, None)
    await rows.told(Opened(contact_id=PRIYA), "conversation-a")
    assert await rows.index.conversation_of(PRIYA) == ("a", "a")
    await rows.told(Closed(reason="resolved"), "conversation-a")
    assert await rows.index.conversation_of(PRIYA) == (None, "a")
    await rows.told(Opened(contact_id=PRIYA, follows="a"), "conversation-b")
    await rows.told(Closed(reason="resolved"), "conversation-a")
    assert await rows.index.conversation_of(PRIYA) == ("b", "b")


async def test_an_entitys_process_is_found_until_its_matter_is_settled(rows: Rows):
    await rows.told(bound("m1"), "conversation-a")
    [found] = await rows.index.bindings(["payment_collection"], [INVOICE])
    assert (found.conversation, found.matter, found.bundle) == ("a", "m1", "b1")
    assert await rows.index.bindings(["order_fulfillment"], [INVOICE]) == []
    await rows.told(MatterSettled(matter="m1", how="resolved"), "conversation-a")
    assert await rows.index.bindings(["payment_collection"], [INVOICE]) == []


async def test_an_entity_that_two_contacts_are_followed_up_for_is_found_with_both(rows: Rows):
    await rows.told(bound("m1"), "conversation-a")
    await rows.told(bound("m2"), "conversation-b")
    found = await rows.index.bindings(["payment_collection"], [INVOICE])
    assert [(each.conversation, each.matter) for each in found] == [("a", "m1"), ("b", "m2")]


async def test_a_matter_that_took_over_keeps_the_binding_when_the_old_one_ends(rows: Rows):
    await rows.told(bound("m1"), "conversation-a")
    await rows.told(bound("m2", "b2"), "conversation-a")
    await rows.told(MatterSettled(matter="m1", how="cancelled"), "conversation-a")
    [found] = await rows.index.bindings(["payment_collection"], [INVOICE])
    assert (found.matter, found.bundle) == ("m2", "b2")
    assert await rows.index.bundles() == ["b2"]


async def test_follow_ups_wait_for_their_contact_until_they_join_or_are_settled(rows: Rows):
    for name in ("1", "2", "3"):
        await rows.write(index.wait_for_contact(TENANT, PRIYA, name))
    await rows.write(index.wait_for_contact(TENANT, PRIYA, "3"))
    await rows.told(Joined(conversation="a"), "followup-1")
    await rows.told(Cancelled(reason="pointless"), "followup-2")
    assert await rows.index.waiting_for(PRIYA) == ["3"]
    await rows.write(index.contact_is_known(TENANT, PRIYA))
    assert await rows.index.waiting_for(PRIYA) == []


async def test_messages_wait_for_their_senders_name(rows: Rows):
    for stream in ("inbound-1", "inbound-2", "inbound-1"):
        await rows.write(index.wait_for_sender(TENANT, "whatsapp", "d1", stream))
    assert await rows.index.waiting_messages("whatsapp", "d1") == ["inbound-1", "inbound-2"]
    await rows.write(index.sender_is_known(TENANT, "whatsapp", "d1"))
    assert await rows.index.waiting_messages("whatsapp", "d1") == []


async def test_an_event_finds_the_follow_ups_that_it_may_make_pointless_by_how_they_name_it(rows: Rows):
    by_invoice = {"entity_id": "{{invoice_number}}"}
    by_contact = {"contact_id": "{{contact_id}}"}
    await rows.told(opened(cancel_on=[CancelOn(event="paid", match=by_invoice)]), "followup-1")
    await rows.told(
        opened(dedupe_key="2", entity_id="INV-2", cancel_on=[CancelOn(event="paid", match=by_invoice)]), "followup-2"
    )
    await rows.told(opened(dedupe_key="3", cancel_on=[CancelOn(event="paid", match=by_contact)]), "followup-3")
    ways = {match: msgspec.json.decode(match) for match in await rows.index.matches("paid")}
    assert list(ways.values()).count(by_invoice) == 1
    assert len(ways) == 2
    assert await rows.index.matches("unheard_of") == []
    [invoice] = [match for match, meaning in ways.items() if meaning == by_invoice]
    [contact] = [match for match, meaning in ways.items() if meaning == by_contact]
    assert await rows.index.cancelled_by("paid", invoice, INVOICE) == ["1"]
    assert await rows.index.cancelled_by("paid", contact, None) == ["3"]
    await rows.told(Resolved(outcome="paid"), "followup-1")
    assert await rows.index.cancelled_by("paid", invoice, INVOICE) == []


async def test_approaches_of_the_last_two_days_count_and_those_that_reached_nobody_do_not(rows: Rows):
    await rows.told(approach("old"), "conversation-a", NOON - timedelta(days=3))
    await rows.told(approach("first"), "conversation-a", NOON - timedelta(hours=5))
    await rows.told(approach("second"), "conversation-b", NOON - timedelta(hours=1))
    answer = msgspec.structs.replace(approach("answer"), purpose="answer")
    await rows.told(answer, "conversation-b")
    assert len(await approached.lately(rows.private, TENANT, PRIYA, NOON, timedelta(days=7))) == 3, (
        "a gap of a week looks back for a week"
    )
    first, second = await approached.lately(rows.private, TENANT, PRIYA, NOON)
    assert (first, second) == (NOON - timedelta(hours=5), NOON - timedelta(hours=1))
    await rows.told(OutcomeHeard(intent="second", outcome="accepted"), "conversation-b")
    await rows.told(OutcomeHeard(intent="first", outcome="withheld"), "conversation-b")
    assert await approached.lately(rows.private, TENANT, PRIYA, NOON) == (second,)
    await rows.told(OutcomeHeard(intent="second", outcome="failed"), "conversation-b")
    assert await approached.lately(rows.private, TENANT, PRIYA, NOON) == ()


async def test_approaches_to_others_are_found_with_where_they_were(rows: Rows):
    await rows.told(approach("old"), "conversation-a", NOON - timedelta(days=3))
    await rows.told(approach("first"), "conversation-a", NOON - timedelta(hours=5))
    decision = PolicyDecision(verdict="allowed", channel="voice", purpose="", at=NOON)
    dialled = CallRequested(call="c", to="+91", opening="Namaste", instructions="", allowed_by=decision)
    await rows.told(dialled, "conversation-a", NOON - timedelta(hours=1))
    found = await approached.any_of(rows.private, TENANT, [PRIYA, "c_other"], NOON)
    assert sorted(found) == [
        (PRIYA, "voice", NOON - timedelta(hours=1)),
        (PRIYA, "whatsapp", NOON - timedelta(hours=5)),
    ]
    assert await approached.any_of(rows.private, TENANT, ["c_other"], NOON) == []
    assert await approached.any_of(rows.private, "other", [PRIYA], NOON) == []


async def test_who_else_is_registered_at_an_address_is_known_anew_as_soon_as_somebody_is(rows: Rows):
    both = [Lookup(channel="whatsapp", digest="d1"), Lookup(channel="email", digest="d2")]
    assert await rows.index.claimed_by_others(PRIYA, both) == []
    for lookup in both:
        await rows.write(*index.lookup_rows(TENANT, PRIYA, lookup))
    assert await rows.index.claimed_by_others(PRIYA, both) == []
    await rows.write(*index.lookup_rows(TENANT, "c_other", both[1]))
    assert await rows.index.claimed_by_others(PRIYA, both) == [("email", "c_other")]
    await rows.write(*index.lookup_rows(TENANT, "c_third", both[0]))
    assert await rows.index.claimed_by_others(PRIYA, both) == [("email", "c_other"), ("whatsapp", "c_third")]
    await rows.write(index.give_up_address(TENANT, "email", "d2", "c_other"))
    assert await rows.index.claimed_by_others(PRIYA, both) == [("whatsapp", "c_third")]
    assert await rows.index.claimed_by_others(PRIYA, []) == []


@pytest.mark.parametrize(
    ("outcome", "counts"), [("unanswered", True), ("talked", True), ("failed", False), ("withheld", False)]
)
async def test_a_call_is_an_approach_unless_no_phone_has_rung(rows: Rows, outcome: Any, counts: bool):
    await rows.told(approach("before"), "conversation-a", NOON - timedelta(hours=9))
    assert len(await approached.lately(rows.private, TENANT, PRIYA, NOON)) == 1, "and now it is remembered"
    decision = PolicyDecision(verdict="allowed", channel="voice", purpose="", at=NOON)
    dialled = CallRequested(call="c", to="+91", opening="Namaste", instructions="", allowed_by=decision)
    await rows.told(dialled, "conversation-a", NOON - timedelta(hours=1))
    assert len(await approached.lately(rows.private, TENANT, PRIYA, NOON)) == 2
    await rows.told(CallOver(call="c", outcome=outcome, reason="busy"), "conversation-a")
    assert len(await approached.lately(rows.private, TENANT, PRIYA, NOON)) == 1 + counts


async def is_duplicate(index: Index, key: str, cooldown_s: int, now: datetime) -> bool:
    """Whether another follow-up keeps one of this key away."""
    return why_not(await index.holder(key), cooldown_s=cooldown_s, supersede=False, now=now) is not None
