"""What every service in a process of its own reads from its environment, and when it begins and ends."""

import asyncio
import base64
from urllib.parse import urlsplit

import asyncpg
import pytest
from structlog.testing import capture_logs

from libs.kit import process as processes
from libs.kit.embedded import PostgresServer
from libs.kit.process import Kit, Process, SettingMissing, read, run
from libs.kit.serve import App, Loop
from libs.testkit.servers import MASTER
from tests.libs.kit.jetstream import until, within

NEEDED = {"CONVERSE_DATABASE_URL": "postgresql://db", "CONVERSE_NATS_URL": "nats://bus"}


def test_the_addresses_are_enough():
    process = read(NEEDED)
    assert (process.database_url, process.nats_url, process.port) == ("postgresql://db", "nats://bus", 8000)


def test_a_port_may_be_named():
    assert read({**NEEDED, "CONVERSE_PORT": "9000"}).port == 9000


@pytest.mark.parametrize("missing", NEEDED)
def test_what_is_missing_is_named(missing: str):
    with pytest.raises(SettingMissing, match=missing):
        read({name: value for name, value in NEEDED.items() if name != missing})


def test_secrets_are_not_shown():
    assert "postgresql" not in repr(read({**NEEDED, "CONVERSE_MASTER_KEY": "c2VjcmV0"}))
    assert "c2VjcmV0" not in repr(read({**NEEDED, "CONVERSE_MASTER_KEY": "c2VjcmV0"}))


def at(database_url: str, nats_url: str) -> Process:
    return Process(database_url=database_url, nats_url=nats_url, master_key=base64.b64encode(MASTER).decode(), port=0)


async def test_a_service_that_is_started_while_postgres_is_away_begins_once_it_is_back(
    embedded_postgres: PostgresServer, nats_url: str
):
    works, built = asyncio.Event(), 0

    async def build(kit: Kit) -> App:
        nonlocal built
        built += 1
        if built == 1:  # Postgres dies in the middle of it
            await embedded_postgres.kill()
        assert await kit.store.head(0) == 0

        async def work() -> None:
            works.set()

        return App("ingest", loops=[Loop("work", work)])

    with capture_logs() as logs:
        service = asyncio.create_task(run("ingest", at(embedded_postgres.url, nats_url), build))
        try:
            await within(until(lambda: any(entry["event"] == processes.WAITS for entry in logs)))
            assert not works.is_set()
            await embedded_postgres.start()
            await within(works.wait())
            assert built >= 2
        finally:
            service.cancel()
            await asyncio.gather(service, return_exceptions=True)


async def test_what_does_not_pass_by_itself_is_not_waited_for(database: str, nats_url: str):
    async def build(kit: Kit) -> App:
        raise AssertionError(kit)

    elsewhere = urlsplit(database)._replace(path="/nowhere").geturl()
    with pytest.raises(asyncpg.InvalidCatalogNameError, match="nowhere"):
        await within(run("ingest", at(elsewhere, nats_url), build))


def test_who_ends_says_why(monkeypatch: pytest.MonkeyPatch):
    async def build(kit: Kit) -> App:
        raise AssertionError(kit)

    monkeypatch.delenv("CONVERSE_DATABASE_URL", raising=False)
    monkeypatch.setattr("libs.kit.log.configure", lambda: None)  # it would undo the capturing
    with capture_logs() as logs, pytest.raises(SystemExit) as ended:
        processes.main("ingest", build)
    assert ended.value.code == 1
    [entry] = logs
    assert (entry["event"], entry["service"]) == (processes.ENDED, "ingest")
    assert "CONVERSE_DATABASE_URL is not set" in entry["reason"]
