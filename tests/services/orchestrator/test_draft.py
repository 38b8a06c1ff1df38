"""A reply in the making is told to whoever has the chat open, and retracted when nothing comes of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from libs.channels import chat
from libs.kit.bus import Bus
from libs.testkit.nouns import PRIYA, TENANT
from services.orchestrator.draft import drafting

SUBJECT = chat.to_contact(TENANT, PRIYA)


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    connected = await Bus.connect(nats_url, name="orchestrator")
    yield connected
    await connected.close()


class Screen:
    """What a replica of the gateways hears."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[Any] = asyncio.Queue()

    def hear(self, _: str, body: bytes) -> None:
        self._heard.put_nowait(chat.passing(body))

    async def until(self, frame: chat.Passing) -> list[chat.Passing]:
        """All that was told before `frame`, and it."""
        told: list[chat.Passing] = []
        async with asyncio.timeout(60):
            while frame not in told:
                told.append(await self._heard.get())
        return told


@pytest.fixture
async def screen(bus: Bus) -> Screen:
    heard = Screen()
    await bus.listen(SUBJECT, heard.hear)
    await bus.flush()
    return heard


async def test_somebody_is_seen_to_write_and_then_what(bus: Bus, screen: Screen):
    async with drafting(bus, SUBJECT, "turn-1") as on_reply:
        assert await screen.until(chat.Typing()) == [chat.Typing()]
        on_reply("Dhany")
        assert await screen.until(chat.Drafted(id="turn-1", content="Dhany"))
        on_reply("Dhanyavaad")
    assert (await screen.until(chat.Drafted(id="turn-1", content="Dhanyavaad")))[-1].content == "Dhanyavaad"  # type: ignore[union-attr]


async def test_many_words_at_once_are_told_as_few(bus: Bus, screen: Screen):
    async with drafting(bus, SUBJECT, "turn-1") as on_reply:
        for length in range(1, 1001):
            on_reply("x" * length)
            await asyncio.sleep(0)
    told = await screen.until(chat.Drafted(id="turn-1", content="x" * 1000))
    assert len(told) < 100


@pytest.mark.parametrize("how", [RuntimeError("Claude is away"), asyncio.CancelledError()])
async def test_what_fails_is_retracted(bus: Bus, screen: Screen, how: BaseException):
    async def turn() -> None:
        async with drafting(bus, SUBJECT, "turn-1") as on_reply:
            on_reply("Dhany")
            raise how

    with pytest.raises(type(how)):
        await turn()
    told = await screen.until(chat.Retracted(id="turn-1"))
    assert told[-1] == chat.Retracted(id="turn-1")


async def test_without_nats_a_turn_goes_on_all_the_same():
    away = await Bus.connect("nats://127.0.0.1:1", name="orchestrator", patience=0.1)
    async with drafting(away, SUBJECT, "turn-1") as on_reply:
        on_reply("Dhanyavaad")
    await away.close()
