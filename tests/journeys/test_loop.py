"""The main job: from the ERP's event to a settled follow-up, as design/journey.md has it."""

import pytest

from events import message
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_reminder_reaches_the_contact(town: Town):
    asha = await town.somebody()
    await asha.was_reminded()
    assert [each["template"] for each in await asha.received()] == ["payment_reminder_v1"]
    assert await asha.sees(message.Accepted)
