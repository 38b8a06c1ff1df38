"""`up` keeps its data: after a restart on the same folder the conversations are there and go on."""

from datetime import timedelta
from pathlib import Path

import pytest

from events import config, conversation, message
from libs.testkit.nouns import MORNING
from tests.journeys.log import Log
from tests.journeys.people import Person
from tests.journeys.town import Town, settings_of, town_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_after_a_restart_the_conversations_are_there_and_go_on(tmp_path: Path):
    settings = settings_of(tmp_path, database_url=None, nats_url=None)
    async with town_of(settings) as town:
        asha = await town.somebody()
        await asha.was_reminded()
        conversation_id = await asha.conversation()
        before = await shown(town, conversation_id)
        facts = [(fact.pos, fact.id) for fact in await town.log.now()]

    async with town_of(settings, start_at=None) as town:
        again = same(town, asha)
        await settled(town.log, facts[-1][0])
        assert [(fact.pos, fact.id) for fact in (await town.log.now())[: len(facts)]] == facts
        assert timedelta(0) < town.clock.now() - MORNING < timedelta(minutes=10)
        assert (await shown(town, conversation_id))["messages"] == before["messages"]
        await town.told(
            "erp/invoices", {"id": again.invoice, "contact_id": again.id, "amount": 1, "due_date": "2026-01-30"}
        )
        await again.says("20 February tak kar denge")
        await again.sees(conversation.ProcessMoved, to_state="promised")
        await again.sees(message.Accepted, times=2)
        assert len(await again.facts(conversation.Opened)) == 1
        assert len([fact for fact in town.log.facts if isinstance(fact.event, config.Published)]) == 1
        assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600


async def shown(town: Town, conversation_id: str) -> dict[str, object]:
    """The conversation as the API shows it, once it shows the reminder as read."""
    found: dict[str, object] = await town.shows(
        f"/api/v1/conversations/{conversation_id}",
        lambda body: any(each["status"] == "read" for each in body["messages"]),
    )
    return found


async def settled(log: Log, pos: int) -> None:
    """Everything up to a position has been read."""
    await log.wait(lambda fact: fact.pos >= pos)


def same(town: Town, asha: Person) -> Person:
    """The same contact, in the system that was started again."""
    return Person(town, asha.number)
