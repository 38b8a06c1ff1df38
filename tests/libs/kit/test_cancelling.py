"""Who is told to end ends, at whatever await it is told: nothing below swallows a cancellation."""

import asyncio

import pytest

from libs.kit.cancelling import end, obeyed
from libs.kit.effects import EffectLedger
from libs.kit.timers import DueLoop
from tests.libs.kit.cut import lost_cancellations
from tests.libs.kit.effects_world import KIND, Provider, kind
from tests.libs.kit.jetstream import within


async def test_a_reactor_ends_wherever_it_is_cancelled(house):
    await house.relay()
    bus = await house.bus("service")
    assert await lost_cancellations(lambda: house.reactor(bus).run(), lambda: house.ask(1), 35) == []


async def test_a_relay_ends_wherever_it_is_cancelled(house):
    bus = await house.bus("relay")
    assert await lost_cancellations(lambda: house.relay_alone(bus).run(), lambda: house.ask(1), 60) == []


async def test_a_ledger_ends_wherever_it_is_cancelled(house, monkeypatch):
    monkeypatch.setattr("libs.kit.doubtful.LOOK_FOR_S", 0.2)

    def run():
        kinds = {KIND: kind(Provider())}
        return EffectLedger("gateways", kinds, store=house.store, clock=house.clock, source="gateways").run()

    async def wake():
        await house.store.pool.execute("SELECT pg_notify('effects_gateways', 'gate')")

    assert await lost_cancellations(run, wake, 25) == []


async def test_a_due_loop_ends_wherever_it_is_cancelled(house):
    async def wake():
        await house.store.pool.execute("SELECT pg_notify('timers', '0')")

    assert await lost_cancellations(lambda: DueLoop(house.store, house.clock).run(), wake, 15) == []


async def forgets(answer: "asyncio.Future[int]") -> int:
    """As asyncio.wait_for of Python 3.11 does when the answer is there."""
    try:
        return await answer
    except asyncio.CancelledError:
        return 1


@pytest.mark.parametrize("fails", [False, True], ids=["with an answer", "with an error"])
async def test_a_cancellation_that_a_call_forgot_is_raised_after_it(fails):
    async def forgetful():
        await forgets(asyncio.get_running_loop().create_future())
        if fails:
            raise ValueError

    task = asyncio.create_task(obeyed(forgetful()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)


async def test_a_time_limit_around_a_forgetful_call_is_kept():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await obeyed(forgets(asyncio.get_running_loop().create_future()))


async def test_a_call_that_heeds_its_own_time_limit_is_no_cancellation():
    async def patient():
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "late"

    assert await obeyed(patient()) == "late"


async def test_what_forgets_its_cancellation_is_told_again(monkeypatch):
    monkeypatch.setattr("libs.kit.cancelling.AGAIN_S", 0.01)

    async def twice():
        await forgets(asyncio.get_running_loop().create_future())
        await asyncio.Event().wait()

    task = asyncio.create_task(twice())
    await asyncio.sleep(0)
    await within(end(task))
    assert task.cancelled()
