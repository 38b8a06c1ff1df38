"""Fixtures that several tests of the core share."""

from typing import Any

import pytest

from libs.kit.serve import DrainingServer
from tests.libs.kit.jetstream import ANSWER, ASK, NOTE, House


@pytest.fixture
async def house(store_of, tmp_path):
    """A log of the small vocabulary, and a NATS with its users."""
    store = await store_of(ASK, ANSWER, NOTE)
    async with House.open(store, tmp_path / "nats") as house:
        yield house


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> list[DrainingServer]:
    """Every server that was started, in order."""
    made: list[DrainingServer] = []
    original = DrainingServer.startup

    async def startup(server: DrainingServer, sockets: Any = None) -> None:
        await original(server, sockets)
        made.append(server)

    monkeypatch.setattr(DrainingServer, "startup", startup)
    return made
