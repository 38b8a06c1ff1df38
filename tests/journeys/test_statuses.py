"""What Meta tells of our messages: in any order, several times, before its own answer; each fact once."""

import random
from itertools import permutations
from typing import Any

import pytest

from events import conversation, inbound, message
from events.conversation import MessageRequested
from events.refs import ref_of
from tests.journeys.people import Person
from tests.journeys.signed import signed, status, statuses
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

ODD_WAYS: list[dict[str, Any]] = [
    {"before_answer": True},
    {"before_answer": True, "copies": 3, "numeric_ids": True},
    {"copies": 3},
    {"copies": 3, "order": "backwards"},
    {"batched": True, "numeric_ids": True},
    {"batched": True, "order": "backwards", "copies": 3},
]


@pytest.mark.parametrize("way", ODD_WAYS, ids=str)
async def test_however_the_statuses_come_each_state_is_told_once(town: Town, way: dict[str, Any]):
    asha = await town.somebody()
    await town.told("meta/faults", {"to": asha.phone, **way})
    await asha.owes()
    await asha.sees(message.Read)
    await asha.sees(conversation.ProcessMoved, to_state="reminded")
    assert len(await asha.facts(message.Accepted)) == 1
    assert len(await asha.facts(message.Read)) == 1
    assert len(await asha.facts(message.Delivered)) <= 1
    assert len(await asha.facts(conversation.ProcessMoved)) == 1
    assert len(await asha.received()) == 1


@pytest.mark.parametrize("order", list(permutations(["sent", "delivered", "read"])), ids="-".join)
async def test_statuses_three_times_in_any_order_end_at_read(town: Town, order: tuple[str, ...]):
    asha = await town.somebody()
    wamid, reference = await sent_silently(town, asha)
    for state in order:
        for _ in range(3):
            answer = await signed(town, statuses(asha, [status(wamid, state, reference)]))
            assert answer.status_code == 200
    await asha.sees(message.Read)
    assert len(await asha.facts(message.Read)) == 1
    assert len(await asha.facts(message.Delivered)) <= 1
    assert len(await asha.facts(inbound.StatusReceived)) == 3


async def test_statuses_of_many_messages_in_one_webhook_reach_each_its_own(town: Town):
    people = [await town.somebody() for _ in range(4)]
    parts = []
    for person in people:
        wamid, reference = await sent_silently(town, person)
        parts += [status(wamid, state, reference) for state in ("sent", "delivered", "read")]
    random.Random(7).shuffle(parts)
    assert (await signed(town, statuses(people[0], parts))).status_code == 200
    for person in people:
        await person.sees(message.Read)


async def test_an_unknown_outcome_is_explained_by_the_status_that_carries_our_id(town: Town):
    asha = await town.somebody()
    await town.told("meta/faults", {"to": asha.phone, "answer": "dropped", "commits": True})
    await asha.owes()
    await asha.sees(message.Accepted)
    await asha.sees(message.Read)
    assert len(await asha.received()) == 1
    await asha.sees(conversation.ProcessMoved, to_state="reminded")


async def test_a_message_that_cannot_be_delivered_is_told_and_a_person_takes_over(town: Town):
    asha = await town.somebody()
    await town.told("meta/faults", {"to": asha.phone, "fails": 131026})
    await asha.owes()
    failed = await asha.sees(message.Failed)
    assert failed.event.code == "131026"
    await asha.sees(conversation.Escalated)
    assert len(await asha.received()) == 1


async def test_a_refused_message_is_told_and_a_person_takes_over(town: Town):
    asha = await town.somebody()
    await town.told("meta/faults", {"to": asha.phone, "refuse": 132001})
    await asha.owes()
    await asha.sees(message.Rejected)
    await asha.sees(conversation.Escalated)
    assert await asha.received() == []


async def test_a_provider_in_trouble_is_asked_again_and_nothing_is_sent_twice(town: Town):
    asha = await town.somebody()
    await town.told("meta/faults", {"to": asha.phone, "refuse": 131016, "times": 1})
    await asha.owes()
    await asha.sees(message.Accepted)
    assert len(await asha.received()) == 1


async def test_an_outcome_that_nobody_knows_counts_as_sent_and_is_never_sent_again(town: Town):
    asha = await town.somebody()
    await town.told("meta/faults", {"to": asha.phone, "refuse": 131000})
    await asha.owes()
    await asha.sees(message.OutcomeUnknown)
    await asha.sees(conversation.ProcessMoved, to_state="reminded")
    ravi = await town.somebody()
    await ravi.was_reminded()
    assert await asha.received() == []


async def test_a_status_of_a_message_that_nobody_knows_is_kept_and_moves_nothing(town: Town):
    asha = await town.somebody()
    answer = await signed(town, statuses(asha, [status("wamid.nobody-knows", "read", None)]))
    assert answer.status_code == 200
    [kept] = await town.log.wait(
        lambda fact: (
            isinstance(fact.event, inbound.StatusReceived) and fact.event.provider_ref == ref_of("wamid.nobody-knows")
        )
    )
    await asha.was_reminded()
    assert not [fact for fact in town.log.facts if fact.envelope.causation_id == kept.id]


async def test_the_same_message_of_a_contact_delivered_three_times_is_heard_once(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.says("20 February tak kar denge", copies=3, numeric_ids=True)
    await asha.sees(message.Accepted, times=2)
    assert len(await asha.facts(inbound.Received)) == 1
    assert len(await asha.facts(conversation.ContactSaid)) == 1


async def sent_silently(town: Town, person: Person) -> tuple[str, str]:
    """A reminder of which Meta will tell nothing by itself: its provider's id, and ours."""
    await town.told("meta/faults", {"to": person.phone, "silent": True})
    await person.owes()
    accepted = await person.sees(message.Accepted)
    asked = await person.sees(MessageRequested)
    return accepted.event.provider_id, asked.event.message
