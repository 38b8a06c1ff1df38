"""A process that dies while a phone rings: what becomes of the call is told by a sibling, and nobody is called twice."""

import signal
from collections.abc import AsyncIterator

import pytest
from sip_peers import gateway, needs_stack
from voice_house import House
from voice_world import published, until

from events.call import Dialled, Ended, Ringing
from libs.testkit.nouns import PRIYA_PHONE
from voice_service.settings import SIP

RINGS = {"rings_seconds": 4, "acts": [], "deaf": True, "hangs_up_after": 30}


@pytest.fixture(params=["exotel", pytest.param(SIP, marks=needs_stack)])
async def on_a_line(request: pytest.FixtureRequest, house: House, sandbox: str) -> AsyncIterator[House]:
    """Workers on one carrier."""
    if request.param != SIP:
        yield house
        return
    async with gateway(sandbox) as trunk:
        await published(house.voice.store, house.voice.clock, line="provider: sip, trunk_host: 127.0.0.1")
        house.environment |= {"CONVERSE_SANDBOX_SIP_URL": trunk, "CONVERSE_SIP_INTERFACE": "127.0.0.1"}
        yield house


async def test_a_call_whose_dialler_dies_while_it_rings_has_failed_and_is_not_dialled_again(on_a_line: House):
    house = on_a_line
    await house.voice.control("PUT", f"/phones/{PRIYA_PHONE}", RINGS)
    dies = await house.start("w1")
    intent = await house.voice.call()
    await house.voice.until(intent, Dialled)
    await house.voice.until(intent, Ringing)
    dies.signal(signal.SIGKILL)
    await house.start("w2")
    [ended] = await house.voice.until(intent, Ended)
    assert (ended.reason, ended.turns) == ("failed", 0)
    [_] = await house.voice.placed()
    later = await house.voice.call(conversation="conversation-2")
    await house.voice.until(later, Ringing)

    async def placed() -> bool:
        """The next one is placed as ever; over SIP it rings before the contact's phone is dialled."""
        return len(await house.voice.placed()) == 2

    await until(placed)
    assert len(await house.voice.told(intent, Ended)) == 1


@pytest.mark.parametrize("on_a_line", [pytest.param(SIP, marks=needs_stack)], indirect=True)
async def test_who_is_told_to_end_takes_what_rings_yet_and_lets_it_end_by_itself(on_a_line: House):
    """Over Exotel, with more calls: test_workers.py."""
    house = on_a_line
    acts = [{"on": "heard", "do": [{"say": "Theek hai, bye."}]}]
    await house.voice.control("PUT", f"/phones/{PRIYA_PHONE}", RINGS | {"rings_seconds": 1.5, "acts": acts})
    ends = await house.start("w1")
    intent = await house.voice.call(opening="Namaste ji.")
    await house.voice.until(intent, Ringing)
    ends.signal(signal.SIGTERM)
    [ended] = await house.voice.until(intent, Ended)
    assert (ended.reason, ended.turns) == ("completed", 1)
    await house.gone(ends, seconds=20)
