"""Sockets that are opened before they are needed: taken once, replaced where they have closed, dropped where nobody comes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve

from voice_service.providers.sockets import Address, Refused, Warm


class Provider:
    """Counts who came and who is still there; `refuse` answers handshakes with this status."""

    def __init__(self) -> None:
        self.came = 0
        self.there: set[ServerConnection] = set()
        self.arrived = asyncio.Event()
        self.gone = asyncio.Event()
        self.refuse: int | None = None

    async def talk(self, socket: ServerConnection) -> None:
        self.came += 1
        self.there.add(socket)
        self.arrived.set()
        await socket.wait_closed()
        self.there.discard(socket)
        self.gone.set()

    def answer(self, socket: ServerConnection, _request: object) -> object:
        return socket.respond(self.refuse, "no") if self.refuse is not None else None


@pytest.fixture
async def provider() -> Provider:
    return Provider()


@pytest.fixture
async def address(provider: Provider) -> AsyncIterator[Address]:
    server: Server
    async with serve(provider.talk, "127.0.0.1", 0, process_request=provider.answer) as server:
        yield Address(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", ())


async def test_one_that_waits_is_taken_and_the_next_is_new(provider: Provider, address: Address):
    warm = Warm()
    warm.warm(address)
    first = await warm.take(address)
    assert (provider.came, len(warm)) == (1, 0)
    second = await warm.take(address)
    assert provider.came == 2
    await asyncio.gather(first.close(), second.close(), warm.close())


async def test_so_many_are_enough(provider: Provider, address: Address):
    warm = Warm()
    for _ in range(3):
        warm.warm(address, least=1)
    assert len(warm) == 1
    await warm.close()


async def test_one_that_has_closed_is_nobodys(provider: Provider, address: Address):
    warm = Warm()
    warm.warm(address)
    await asyncio.wait_for(provider.arrived.wait(), 20)
    await provider.there.pop().close()
    taken = await warm.take(address)
    assert provider.came == 2
    await asyncio.gather(taken.close(), warm.close())


async def test_what_nobody_takes_is_dropped(provider: Provider, address: Address):
    warm = Warm(keep_s=0.05)
    warm.warm(address)
    await asyncio.wait_for(provider.gone.wait(), 20)
    assert (provider.came, len(warm)) == (1, 0)


@pytest.mark.parametrize(
    ("status", "why"),
    [(401, "unauthorised"), (402, "quota"), (429, "rate_limited"), (503, "server_error"), (404, "refused")],
)
async def test_a_refusal_has_its_reason(provider: Provider, address: Address, status: int, why: str):
    provider.refuse = status
    warm = Warm()
    with pytest.raises(Refused) as refused:
        await warm.take(address)
    assert refused.value.why == why
