"""A service that is told to end does so in bounded time, whatever it is doing, and whoever it waits for."""

import asyncio
import base64
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from structlog.testing import capture_logs

from events.base import Cause, Draft
from events.business import EventReceived
from libs.kit import bus, doubtful, effect_rows, ids, postgres, unit
from libs.kit import store as stores
from libs.kit.effect_sql import channel
from libs.kit.effects import EffectLedger
from libs.kit.process import Kit, Process, run
from libs.kit.reactor import Reactor
from libs.kit.serve import App, DrainingServer, Loop
from libs.kit.store import Store
from libs.kit.timers import DueLoop
from libs.testkit.nouns import NOON, TENANT
from libs.testkit.servers import MASTER
from tests.libs.kit.effects_world import KIND, Provider, kind
from tests.libs.kit.effects_world import until as is_so
from tests.libs.kit.jetstream import until, within
from tests.libs.kit.street import Street

SERVICE: Literal["orchestrator"] = "orchestrator"
NOWHERE = "nats://127.0.0.1:1"
CLAIM_WAITS = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%claim_effects%'
    )
"""


def tell_to_end(server: DrainingServer) -> None:
    server.handle_exit(signal.SIGTERM, None)


def process(database: str, nats: str = NOWHERE) -> Process:
    return Process(database_url=database, nats_url=nats, master_key=base64.b64encode(MASTER).decode(), port=0)


async def test_told_to_end_in_the_moment_in_which_it_begins_it_does_not_begin(database, nats_url, servers, monkeypatch):
    original = DrainingServer.shutdown

    async def shutdown(server: DrainingServer, sockets: Any = None) -> None:
        if server is servers[0]:
            tell_to_end(server)
        await original(server, sockets)

    monkeypatch.setattr(DrainingServer, "shutdown", shutdown)

    async def build(kit: Kit) -> App:
        return App("ingest")

    await within(run("ingest", process(database, nats_url), build))
    assert len(servers) == 1


async def test_told_to_end_while_something_below_swallows_the_cancellation_it_does_not_begin(
    database, nats_url, servers
):
    async def build(kit: Kit) -> App:
        await until(lambda: servers)
        tell_to_end(servers[0])
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
        return App("ingest")

    await within(run("ingest", process(database, nats_url), build))
    assert len(servers) == 1


async def test_told_to_end_while_postgres_is_silent_and_nats_away_it_ends(database, servers):
    async def build(kit: Kit) -> App:
        raise AssertionError(kit)

    async with Street.to(database) as street:
        street.block()
        service = asyncio.create_task(run("ingest", process(street.url), build))
        await within(until(lambda: servers))
        tell_to_end(servers[0])
        await within(service, 9)  # and not only when it has waited in vain for 10 s to be connected


@dataclass
class Scene:
    """A service with a reactor, a ledger and timers, and what a test holds up in it."""

    database: Street
    nats: Street
    kit: Kit = field(init=False)
    reactor: Reactor = field(init=False)
    provider: Provider = field(init=False)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    handling: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def build(self, kit: Kit) -> App:
        async def hear(fact: Any, world: Any) -> None:
            self.handling.set()
            await self.go_on.wait()

        shell: dict[str, Any] = {"store": kit.store, "clock": kit.clock}
        self.kit = kit
        self.reactor = Reactor(SERVICE, 0, {EventReceived: hear}, bus=kit.bus, **shell)
        self.provider = Provider(hold=self.answered)
        ledger = EffectLedger(SERVICE, {KIND: kind(self.provider)}, source=SERVICE, **shell)
        due = DueLoop(kit.store, kit.clock)
        return App(
            SERVICE, loops=[Loop("reactor", self.reactor.run), Loop("effects", ledger.run), Loop("timers", due.run)]
        )

    async def hears(self) -> None:
        """Be in the middle of a batch."""
        event = EventReceived(event_name="x", external_id="1", origin="erp", fingerprint="f", data={"a": 1})
        cause = Cause(correlation_id=ids.fresh(), occurred_at=NOON, source="test", id=ids.fresh())
        await self.kit.store.append_any(TENANT, "business-1", [Draft("business-1", event)], cause)
        await within(self.handling.wait())

    async def performs(self) -> None:
        """Be in the middle of a call."""
        await self._open()
        self._wake()
        await within(self.provider.began.wait())

    async def claims(self, store: Store) -> None:
        """Be in the middle of a claim: what it takes is taken, and nobody hears of it. `store` has a way of its own."""
        await store.pool.execute("INSERT INTO orchestrator.account (tenant, account) VALUES ($1, 'a')", TENANT)
        async with store.pool.acquire() as holder, holder.transaction():
            await holder.execute("SELECT FROM orchestrator.account FOR NO KEY UPDATE")
            await self._open()
            self._wake()
            await is_so(lambda: store.pool.fetchval(CLAIM_WAITS))
            self.database.block(requests=False)
        await is_so(lambda: store.pool.fetchval("SELECT state = 'claimed' FROM orchestrator.effect"))

    async def _open(self) -> None:
        self.go_on.set()
        await self.hears()
        [fact] = await self.kit.store.read_stream(TENANT, "business-1")
        row = effect_rows.open_row(SERVICE, fact, kind=KIND, account="a", order_key="k")
        await self.kit.store.pool.execute(row.sql, *row.args)

    def _wake(self) -> None:
        self.kit.store.wakes.tell({(channel(SERVICE), KIND)})


@asynccontextmanager
async def at_work(database: str, nats_url: str) -> AsyncIterator[tuple[Scene, "asyncio.Task[None]"]]:
    async with Street.to(database) as street, Street.to(nats_url) as nats_street:
        scene = Scene(street, nats_street)
        service = asyncio.create_task(run(SERVICE, process(street.url, nats_street.url), scene.build))
        try:
            await within(until(lambda: hasattr(scene, "reactor") and scene.reactor.leading))
            yield scene, service
        finally:
            service.cancel()
            await asyncio.gather(service, return_exceptions=True)


async def test_told_to_end_in_a_batch_it_drops_the_batch_and_ends(database, nats_url, servers):
    with capture_logs() as logs:
        async with at_work(database, nats_url) as (scene, service):
            await scene.hears()
            tell_to_end(servers[-1])
            await within(service)
    assert not [entry for entry in logs if entry["log_level"] == "error"]


async def test_told_to_end_in_a_call_it_tells_the_outcome_and_ends(database, nats_url, servers, store):
    with capture_logs() as logs:
        async with at_work(database, nats_url) as (scene, service):
            await scene.performs()
            tell_to_end(servers[-1])
            await within(until(lambda: servers[-1].should_exit))
            scene.answered.set()
            await within(service)
    assert not [entry for entry in logs if entry["log_level"] == "error"]
    assert await store.pool.fetchval("SELECT state FROM orchestrator.effect") == "closed"


IMPATIENT = (
    (postgres, "ACQUIRE_TIMEOUT_S"),
    (postgres, "RELEASE_TIMEOUT_S"),
    (unit, "ROLLBACK_S"),
    (stores, "CLOSE_S"),
    (bus, "PART_S"),
    (doubtful, "LOOK_FOR_S"),
)


@pytest.mark.usefixtures("patient_postgres")
@pytest.mark.parametrize("phase", ["idle", "in a batch", "in a claim", "in a call"])
async def test_told_to_end_after_postgres_and_nats_have_vanished_it_ends(
    database, nats_url, servers, store, monkeypatch, phase
):
    with capture_logs() as logs:
        async with at_work(database, nats_url) as (scene, service):
            if phase == "in a batch":
                await scene.hears()
            elif phase == "in a call":
                await scene.performs()
            elif phase == "in a claim":
                await scene.claims(store)
            scene.database.block()
            scene.nats.block()
            for module, name in IMPATIENT:
                monkeypatch.setattr(module, name, 0.5)
            scene.answered.set()
            tell_to_end(servers[-1])
            await within(service)
    late = [entry["loop"] for entry in logs if entry["event"] == "a loop did not end in time"]
    assert late == (["orchestrator.effects"] if phase == "in a call" else []), "only an outcome is worth waiting for"
