"""Two invoices of one contact at once: what is said about one is written back for that one."""

from datetime import timedelta

import pytest

from events import conversation, followup, message
from tests.journeys.conftest import FreshTown
from tests.journeys.people import Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER = "INV-2026-7777"


async def owes_two(fresh_town: FreshTown) -> tuple[Person, dict[str, str]]:
    """Somebody who was reminded of two invoices on WhatsApp; Meta's id of each reminder by the invoice."""
    town = await fresh_town()
    asha = await town.somebody()
    await town.told("erp/invoices", {"id": OTHER, "contact_id": asha.id, "amount": 9900, "due_date": "2026-01-31"})
    await asha.was_reminded()
    await town.clock.advance(timedelta(hours=5))
    await asha.owes(invoice_number=OTHER, amount=9900)
    await asha.sees(message.Read, times=2)
    await asha.sees(followup.AttemptStarted, times=2)
    first, second = await asha.facts(message.Accepted)
    return asha, {asha.invoice: first.event.provider_id, OTHER: second.event.provider_id}


async def promises(asha: Person) -> dict[str, str]:
    """The promised date that the ERP was told, by invoice."""
    return {each["path"].split("/")[-2]: each["body"]["promised_date"] for each in await asha.town.writes("/promises")}


async def test_a_reply_that_quotes_a_reminder_is_about_that_invoice_only(fresh_town: FreshTown):
    asha, reminders = await owes_two(fresh_town)
    await asha.says("20 February tak kar denge", quoted=reminders[asha.invoice])
    await asha.sees(conversation.ProcessMoved, to_state="promised")
    await asha.sees(message.Accepted, times=3)
    await asha.says("Isko 25 February tak kar denge", quoted=reminders[OTHER])
    await asha.sees(conversation.ProcessMoved, to_state="promised", times=2)
    await asha.sees(message.Accepted, times=4)
    await asha.sees(conversation.OutcomeHeard, outcome="confirmed", times=2)
    assert await promises(asha) == {asha.invoice: "2026-02-20", OTHER: "2026-02-25"}
    assert len(await asha.facts(conversation.Opened)) == 1


async def test_two_replies_at_once_are_read_apart_and_answered_in_place(fresh_town: FreshTown):
    asha, reminders = await owes_two(fresh_town)
    await asha.says("20 February tak kar denge", quoted=reminders[asha.invoice])
    await asha.says("25 February tak kar denge", quoted=reminders[OTHER])
    await asha.sees(conversation.ProcessMoved, to_state="promised", times=2)
    await asha.sees(conversation.OutcomeHeard, outcome="confirmed", times=2)
    assert await promises(asha) == {asha.invoice: "2026-02-20", OTHER: "2026-02-25"}


async def test_a_reply_that_names_an_invoice_is_about_that_one(fresh_town: FreshTown):
    asha, _ = await owes_two(fresh_town)
    await asha.says(f"{asha.invoice} ka payment 20 February tak kar denge")
    await asha.sees(conversation.ProcessMoved, to_state="promised")
    await asha.sees(conversation.OutcomeHeard, outcome="confirmed")
    assert await promises(asha) == {asha.invoice: "2026-02-20"}
