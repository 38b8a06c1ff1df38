"""Fixtures that several tests of the core share."""

from typing import Any

import pytest

from libs.kit import postgres
from libs.kit.serve import DrainingServer
from tests.libs.kit.jetstream import ANSWER, ASK, NOTE, House


@pytest.fixture
async def house(store_of, tmp_path):
    """A log of the small vocabulary, and a NATS with its users."""
    store = await store_of(ASK, ANSWER, NOTE)
    async with House.open(store, tmp_path / "nats") as house:
        yield house


@pytest.fixture
def patient_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for what a test holds in Postgres waits as long as the test holds it, however slow the machine is."""
    for setting in ("lock_timeout", "idle_in_transaction_session_timeout"):
        monkeypatch.setitem(postgres.SETTINGS, setting, "60s")
    for name in ("COMMAND_TIMEOUT_S", "RELEASE_TIMEOUT_S"):
        monkeypatch.setattr(postgres, name, 60.0)


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
