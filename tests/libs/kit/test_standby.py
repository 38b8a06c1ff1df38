"""Whether a reactor is ready: once it leads, or has seen that another one does."""

import asyncio

from tests.libs.kit.jetstream import CONSUMER, until, within


async def test_it_is_not_ready_before_it_leads_or_has_seen_another_lead(house, monkeypatch):
    arrived, silent = asyncio.Event(), asyncio.Event()

    async def never_answer(reader, writer):
        arrived.set()
        await silent.wait()
        writer.close()

    reactor = house.reactor(await house.bus("service"))
    key = f"{CONSUMER}-0"
    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as vanished:
        postgres, port = house.store.url, vanished.sockets[0].getsockname()[1]
        monkeypatch.setattr(house.store, "url", f"postgresql://127.0.0.1:{port}/x")
        await house.start(reactor.run)
        await within(arrived.wait())
        assert reactor.health() == {key: "starting"}
        monkeypatch.setattr(house.store, "url", postgres)
        silent.set()
    await within(until(lambda: reactor.health() == {key: "ok: leading"}))
    second = house.reactor(await house.bus("service"))
    await house.start(second.run)
    await within(until(lambda: second.health() != {key: "starting"}))
    assert second.health() == {key: "ok: standby"}
    await house.end_session(f"reactor {CONSUMER}")
    await within(until(lambda: {key: "ok: leading"} in (reactor.health(), second.health())))
