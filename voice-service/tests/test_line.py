"""A socket to a provider sends in the order in which it was asked, also what was said before it was open."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest
from websockets.asyncio.server import ServerConnection, serve

from voice_service.providers import line as line_of_all
from voice_service.providers.cartesia import CartesiaLine
from voice_service.providers.line import Line
from voice_service.providers.profiles import CARTESIA, TtsProfile
from voice_service.providers.sockets import Address, Warm
from voice_service.providers.speaking import Speaking, VoiceLine

BLOCK = bytes(4096)
KEPT = 2000
"""Far more than the buffers of both sides hold, so that sending has to wait."""


async def test_a_live_block_does_not_overtake_the_kept_sound():
    got: list[int] = []
    opened, listens, whole = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def provider(socket: ServerConnection) -> None:
        async for block in socket:
            got.append(int.from_bytes(block[:4]))
            opened.set()
            await listens.wait()
            if len(got) == KEPT + 10:
                whole.set()

    async def failed(line: Line, why: str) -> None:
        raise AssertionError(why)

    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve(provider, "127.0.0.1", 0, compression=None))
        stack.callback(listens.set)
        port = server.sockets[0].getsockname()[1]
        line = Line(Address(f"ws://127.0.0.1:{port}", ()), Warm(), failed)
        stack.push_async_callback(line.close)
        for number in range(KEPT):
            await line.send(number.to_bytes(4) + BLOCK)
        line.start()
        await opened.wait()
        live = [asyncio.create_task(line.send(number.to_bytes(4) + BLOCK)) for number in range(KEPT, KEPT + 10)]
        await asyncio.sleep(0)  # each of them has begun
        listens.set()
        await whole.wait()
        await asyncio.gather(*live)
    assert got == list(range(KEPT + 10))


async def test_a_provider_that_takes_nothing_any_more_has_failed_and_nobody_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(line_of_all, "STUCK_S", 0.2)
    failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def provider(socket: ServerConnection) -> None:
        socket.transport.pause_reading()
        await over.wait()

    async def told(line: Line, why: str) -> None:
        failed.set_result(why)

    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve(provider, "127.0.0.1", 0, compression=None))
        stack.callback(over.set)
        port = server.sockets[0].getsockname()[1]
        line = Line(Address(f"ws://127.0.0.1:{port}", ()), Warm(), told)
        line.start()
        async with asyncio.timeout(20):
            while not failed.done():
                await line.send(bytes(1 << 20))
                await asyncio.sleep(0)
        await line.send(BLOCK)
    assert failed.result() == "silent"


async def test_a_provider_that_says_what_nobody_can_read_has_failed_and_is_not_waited_for():
    failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def provider(socket: ServerConnection) -> None:
        times = {"words": ["Namaste"], "start": [0.0, 0.5], "end": [0.5]}  # more beginnings than words
        await socket.send(json.dumps({"type": "timestamps", "context_id": "t1", "word_timestamps": times}))
        await socket.wait_closed()

    async def told(line: VoiceLine, why: str) -> None:
        failed.set_result(why)

    async def happened(line: VoiceLine, what: Speaking) -> None:
        raise AssertionError(what)

    async with serve(provider, "127.0.0.1", 0, compression=None) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        voice = TtsProfile(name="default", vendor=CARTESIA, url=url, key="key")
        line = CartesiaLine(voice, 8000, Warm(), happened, told)
        line.start()
        assert await asyncio.wait_for(failed, 20) == "server_error"
        await line.close()
