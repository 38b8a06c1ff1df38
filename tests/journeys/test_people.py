"""The people of the sandbox talk by themselves: each ends where the process leads somebody who speaks like that."""

from typing import Any

import pytest

from events import consent, conversation, followup, inbound, message
from libs.testkit.nouns import HER_PROMISE
from services.sandbox import erp_seed
from services.sandbox.contact_people import FARHAN, KAVITA, LAKSHMI, MEERA, PRIYA, RAHUL, RAVI, SURESH
from services.sandbox.contact_script import Person as Scripted
from tests.journeys.people import Person
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")


def known(town: Town, scripted: Scripted) -> Person:
    """Somebody out of the library, as the journeys know people."""
    person = Person(town, 0)
    person.id = scripted.addresses["chat"]
    person.name, person.phone = scripted.name, scripted.addresses["whatsapp"]
    person.email = scripted.addresses["email"]
    person.invoice = next(each.id for each in erp_seed.INVOICES if each.contact_id == person.id)
    return person


REACHED: list[tuple[Scripted, str]] = [
    (PRIYA, "promised"),
    (RAHUL, "promised"),
    (RAVI, "promised"),
    (MEERA, "escalated"),
    (SURESH, "escalated"),
    (FARHAN, "escalated"),
    (KAVITA, "promised"),
]


@pytest.mark.parametrize(("scripted", "state"), REACHED, ids=[each.name for each, _ in REACHED])
async def test_they_get_where_their_words_lead(town: Town, scripted: Scripted, state: str):
    person = known(town, scripted)
    await person.owes()
    await person.sees(conversation.ProcessMoved, to_state=state)
    assert len(await person.facts(conversation.Opened)) == 1


async def test_ravi_pays_a_part_before_he_promises_the_rest(town: Town):
    ravi = known(town, RAVI)
    await ravi.owes()
    await ravi.sees(conversation.ProcessMoved, to_state="promised")
    moves = [fact.event.to_state for fact in await ravi.facts(conversation.ProcessMoved)]
    assert moves[:3] == ["reminded", "partial_paid", "promised"]


async def test_rahul_is_answered_before_he_promises(town: Town):
    rahul = known(town, RAHUL)
    await rahul.owes()
    await rahul.sees(conversation.ProcessMoved, to_state="promised")
    said = [fact.event.text for fact in await rahul.facts(inbound.Received)]
    assert said[:2] == [line.say[0] for line in RAHUL.lines]
    await rahul.sees(message.Accepted, times=3)


async def test_lakshmi_says_stop_and_hears_no_more(town: Town):
    lakshmi = known(town, LAKSHMI)
    await lakshmi.owes()
    await lakshmi.sees(consent.Withdrawn, how="stop_word")
    await lakshmi.sees(followup.Cancelled)
    assert len(await lakshmi.received()) == 1


async def test_priyas_promise_is_the_one_of_the_demo(town: Town):
    priya = known(town, PRIYA)
    await priya.owes()
    await priya.sees(conversation.ProcessMoved, to_state="promised")
    found: Any = (await priya.facts(inbound.Received))[0].event.text
    assert found == HER_PROMISE
