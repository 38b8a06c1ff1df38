"""The watermark of a reactor that has nothing to say: it follows, and costs hardly a transaction."""

import math

from libs.kit import progress
from tests.libs.kit.jetstream import CONSUMER, Asked, until, within


async def test_the_idle_watermark_follows_the_head(house):
    await house.relay()
    reactor = house.reactor(await house.bus("service"))
    await house.start(reactor.run)
    await within(until(lambda: reactor.live))
    last = max([await house.note() for _ in range(5)])
    await within(reactor.caught_up(last))
    assert await house.answers() == []


async def test_what_decides_nothing_is_not_committed_one_by_one(house, monkeypatch):
    monkeypatch.setattr(progress, "WRITE_IDLE_S", math.inf)
    seen: list[int] = []

    async def nothing(fact, world):
        seen.append(fact.event.number)

    await house.relay()
    reactor = house.reactor(await house.bus("service"), {Asked: nothing})
    await house.start(reactor.run)
    await within(until(lambda: reactor.live))
    before = await house.store.watermark(CONSUMER, 0)
    for number in range(1, 31):
        await within(reactor.caught_up(await house.ask(number)))
    assert seen == [*range(1, 31)]
    assert await house.store.watermark(CONSUMER, 0) == before
    monkeypatch.undo()

    async def follows() -> bool:
        return bool(await house.store.watermark(CONSUMER, 0) == reactor.position)

    await within(until(follows))
